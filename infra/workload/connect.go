package workload

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicediscovery"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
)

// Namespace is where a stack's internal services are found by those that call them: of Service Connect, kept by Cloud Map. It
// has no DNS: each task of Service Connect knows the names by itself.
type Namespace struct {
	pulumi.ResourceState

	ARN pulumi.StringOutput
}

// NewNamespace declares a Namespace of the given name in AWS.
func NewNamespace(ctx *pulumi.Context, name, namespace string, opts ...pulumi.ResourceOption) (*Namespace, error) {
	n := &Namespace{}
	if err := ctx.RegisterComponentResource("slipway:workload:Namespace", name, n, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	made, err := servicediscovery.NewHttpNamespace(ctx, name, &servicediscovery.HttpNamespaceArgs{
		Name: pulumi.String(namespace),
	}, pulumi.Parent(n))
	if err != nil {
		return nil, fmt.Errorf("declare the namespace of Service Connect: %w", err)
	}
	n.ARN = made.Arn
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"arn": n.ARN})
}

// Peer is an internal service, as those know it that call it.
type Peer struct {
	Name            string
	Port            int
	SecurityGroupID pulumi.StringInput
}

// addresses are what the row's tasks find in their environment of the services that they call.
func (b *serviceBuilder) addresses() map[string]string {
	addresses := map[string]string{}
	for _, called := range b.args.Calls {
		addresses[config.AddressVariable(called.Name)] = fmt.Sprintf("http://%s:%d", called.Name, called.Port)
	}
	return addresses
}

// connect is the service's part in Service Connect; nil where it has none, and no proxy stands in its tasks.
func (b *serviceBuilder) connect(logs *cloudwatch.LogGroup) ecs.ServiceServiceConnectConfigurationPtrInput {
	row, stack := b.args.Row, b.args.Stack
	if !row.ByConnect() {
		return nil
	}
	args := ecs.ServiceServiceConnectConfigurationArgs{
		Enabled:   pulumi.Bool(true),
		Namespace: b.args.Namespace.ToStringOutput().ToStringPtrOutput(),
		// What the proxy says of calls that fail is nowhere else to be read.
		LogConfiguration: ecs.ServiceServiceConnectConfigurationLogConfigurationArgs{
			LogDriver: pulumi.String("awslogs"),
			Options: pulumi.StringMap{
				"awslogs-group":         logs.Name,
				"awslogs-region":        pulumi.String(stack.Region),
				"awslogs-stream-prefix": pulumi.String("service-connect"),
			},
		},
	}
	if row.Internal {
		args.Services = ecs.ServiceServiceConnectConfigurationServiceArray{ecs.ServiceServiceConnectConfigurationServiceArgs{
			PortName:      pulumi.String(row.Name),
			DiscoveryName: pulumi.String(row.Name),
			ClientAlias: ecs.ServiceServiceConnectConfigurationServiceClientAliasArray{ecs.ServiceServiceConnectConfigurationServiceClientAliasArgs{
				DnsName: pulumi.String(row.Name),
				Port:    pulumi.Int(row.Port),
			}},
			// As long as the load balancer waits; Service Connect's own 15 s would cut off a request that a browser still waits for.
			Timeout: ecs.ServiceServiceConnectConfigurationServiceTimeoutArgs{
				PerRequestTimeoutSeconds: pulumi.Int(stack.IdleSeconds),
				IdleTimeoutSeconds:       pulumi.Int(stack.IdleSeconds),
			},
		}}
	}
	return args
}
