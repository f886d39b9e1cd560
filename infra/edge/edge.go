// Package edge declares what the internet can reach: an application load balancer, and nothing else.
package edge

import (
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/naming"
)

const httpPort = 80

// Args are the inputs of an Edge.
type Args struct {
	Name               string // of the load balancer, at most 32 characters
	VPCID              pulumi.StringInput
	SubnetIDs          pulumi.StringArrayInput // public, in at least two zones
	IngressCIDRs       []netip.Prefix          // who may connect
	IdleSeconds        int                     // until an idle connection is closed; the applications must keep theirs longer
	DeletionProtection bool
	// After holds the routes that make SubnetIDs public, without which AWS refuses the load balancer.
	After []pulumi.Resource
}

// Edge is the load balancer and its listener.
type Edge struct {
	pulumi.ResourceState

	URL             pulumi.StringOutput // http://HOST
	ListenerARN     pulumi.StringOutput
	SecurityGroupID pulumi.IDOutput
	// LoadBalancerSuffix is the end of the load balancer's ARN, by which CloudWatch knows it.
	LoadBalancerSuffix pulumi.StringOutput
}

// New declares an Edge. A request that no service takes gets a plain 404.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Edge, error) {
	e := &Edge{}
	if err := ctx.RegisterComponentResource("slipway:edge:Edge", name, e, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	parent := pulumi.Parent(e)
	group, err := e.securityGroup(ctx, name, args)
	if err != nil {
		return nil, err
	}
	balancer, err := lb.NewLoadBalancer(ctx, name, &lb.LoadBalancerArgs{
		Name:                     pulumi.String(naming.Join(naming.LoadBalancerLimit, args.Name)),
		LoadBalancerType:         pulumi.String("application"),
		Internal:                 pulumi.Bool(false),
		Subnets:                  args.SubnetIDs,
		SecurityGroups:           pulumi.StringArray{group.ID()},
		IdleTimeout:              pulumi.Int(args.IdleSeconds),
		DropInvalidHeaderFields:  pulumi.Bool(true),
		EnableDeletionProtection: pulumi.Bool(args.DeletionProtection),
	}, parent, pulumi.DependsOn(args.After))
	if err != nil {
		return nil, fmt.Errorf("declare the load balancer: %w", err)
	}
	listener, err := lb.NewListener(ctx, name+"-http", &lb.ListenerArgs{
		LoadBalancerArn: balancer.Arn,
		Port:            pulumi.Int(httpPort),
		Protocol:        pulumi.String("HTTP"),
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("fixed-response"),
			FixedResponse: lb.ListenerDefaultActionFixedResponseArgs{
				ContentType: pulumi.String("text/plain"),
				MessageBody: pulumi.String("No service takes this path."),
				StatusCode:  pulumi.String("404"),
			},
		}},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the HTTP listener: %w", err)
	}
	e.URL = pulumi.Sprintf("http://%s", balancer.DnsName)
	e.ListenerARN, e.LoadBalancerSuffix, e.SecurityGroupID = listener.Arn, balancer.ArnSuffix, group.ID()
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{"url": e.URL, "listenerArn": e.ListenerARN})
}

func (e *Edge) securityGroup(ctx *pulumi.Context, name string, args Args) (*ec2.SecurityGroup, error) {
	parent := pulumi.Parent(e)
	group, err := ec2.NewSecurityGroup(ctx, name, &ec2.SecurityGroupArgs{
		Name:        pulumi.String(args.Name + "-edge"),
		Description: pulumi.String("The load balancer"),
		VpcId:       args.VPCID,
		Tags:        pulumi.StringMap{"Name": pulumi.String(args.Name + "-edge")},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the load balancer's security group: %w", err)
	}
	for _, cidr := range args.IngressCIDRs {
		// Named by its range: a list that loses one must lose that rule, and change no other.
		_, err := vpc.NewSecurityGroupIngressRule(ctx, fmt.Sprintf("%s-http-%s", name, cidr), &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: group.ID(),
			Description:     pulumi.String("HTTP"),
			IpProtocol:      pulumi.String("tcp"),
			FromPort:        pulumi.Int(httpPort),
			ToPort:          pulumi.Int(httpPort),
			CidrIpv4:        pulumi.String(cidr.String()),
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("let %s reach the load balancer: %w", cidr, err)
		}
	}
	return group, nil
}
