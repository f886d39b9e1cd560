// Package edge declares what the internet can reach: an application load balancer, and nothing else. With a domain it answers by
// HTTPS, under a certificate and DNS records of the stack's own.
package edge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/naming"
)

const (
	httpPort  = 80
	httpsPort = 443
)

// Args are the inputs of an Edge.
type Args struct {
	Name               string // of the load balancer, at most 32 characters
	VPCID              pulumi.StringInput
	SubnetIDs          pulumi.StringArrayInput // public, in at least two zones
	IngressCIDRs       []netip.Prefix          // who may connect
	IdleSeconds        int                     // until an idle connection is closed; the applications must keep theirs longer
	DeletionProtection bool
	Domain             Domain          // the zero Domain is plain HTTP
	AccessLogs         *AccessLogsArgs // nil writes none
	// After holds the routes that make SubnetIDs public, without which AWS refuses the load balancer.
	After []pulumi.Resource
}

// Edge is the load balancer and its listeners.
type Edge struct {
	pulumi.ResourceState

	URL             pulumi.StringOutput // https://DOMAIN, or http://HOST without a domain
	ListenerARN     pulumi.StringOutput // of the listener that takes the services' rules
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
	group, err := e.securityGroup(ctx, name, args)
	if err != nil {
		return nil, err
	}
	balancer, err := e.loadBalancer(ctx, name, args, group)
	if err != nil {
		return nil, err
	}
	if args.Domain.Name == "" {
		err = e.servePlainly(ctx, name, balancer)
	} else {
		err = e.serveSecurely(ctx, name, args, balancer)
	}
	if err != nil {
		return nil, err
	}
	e.SecurityGroupID, e.LoadBalancerSuffix = group.ID(), balancer.ArnSuffix
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{"url": e.URL, "listenerArn": e.ListenerARN})
}

func (e *Edge) loadBalancer(ctx *pulumi.Context, name string, args Args, group *ec2.SecurityGroup) (*lb.LoadBalancer, error) {
	balancerArgs := &lb.LoadBalancerArgs{
		Name:                     pulumi.String(naming.Join(naming.LoadBalancerLimit, args.Name)),
		LoadBalancerType:         pulumi.String("application"),
		Internal:                 pulumi.Bool(false),
		Subnets:                  args.SubnetIDs,
		SecurityGroups:           pulumi.StringArray{group.ID()},
		IdleTimeout:              pulumi.Int(args.IdleSeconds),
		DropInvalidHeaderFields:  pulumi.Bool(true),
		EnableDeletionProtection: pulumi.Bool(args.DeletionProtection),
	}
	after := args.After
	if args.AccessLogs != nil {
		logs, err := NewAccessLogs(ctx, name+"-logs", *args.AccessLogs, pulumi.Parent(e))
		if err != nil {
			return nil, err
		}
		balancerArgs.AccessLogs = lb.LoadBalancerAccessLogsArgs{Bucket: logs.Bucket, Enabled: pulumi.Bool(true)}
		after = slices.Concat(after, logs.Ready)
	}
	balancer, err := lb.NewLoadBalancer(ctx, name, balancerArgs, pulumi.Parent(e), pulumi.DependsOn(after))
	if err != nil {
		return nil, fmt.Errorf("declare the load balancer: %w", err)
	}
	return balancer, nil
}

// servePlainly has the load balancer answer by HTTP.
func (e *Edge) servePlainly(ctx *pulumi.Context, name string, balancer *lb.LoadBalancer) error {
	if err := ctx.Log.Warn("edgeDomain is not set: the stack is served by plain HTTP, which everybody on the way can read and change. "+
		"A domain in Route 53 brings HTTPS: set edgeDomain and edgeZoneId", &pulumi.LogArgs{Resource: e}); err != nil {
		return fmt.Errorf("warn of plain HTTP: %w", err)
	}
	listener, err := e.httpListener(ctx, name, balancer, notFound())
	if err != nil {
		return err
	}
	e.URL, e.ListenerARN = pulumi.Sprintf("http://%s", balancer.DnsName), listener.Arn
	return nil
}

func (e *Edge) httpListener(ctx *pulumi.Context, name string, balancer *lb.LoadBalancer, otherwise lb.ListenerDefaultActionArgs,
	after ...pulumi.Resource,
) (*lb.Listener, error) {
	listener, err := lb.NewListener(ctx, name+"-http", &lb.ListenerArgs{
		LoadBalancerArn: balancer.Arn,
		Port:            pulumi.Int(httpPort),
		Protocol:        pulumi.String("HTTP"),
		DefaultActions:  lb.ListenerDefaultActionArray{otherwise},
	}, pulumi.Parent(e), pulumi.DependsOn(after))
	if err != nil {
		return nil, fmt.Errorf("declare the HTTP listener: %w", err)
	}
	return listener, nil
}

// notFound is the answer to a request that no service takes.
func notFound() lb.ListenerDefaultActionArgs {
	return lb.ListenerDefaultActionArgs{
		Type: pulumi.String("fixed-response"),
		FixedResponse: lb.ListenerDefaultActionFixedResponseArgs{
			ContentType: pulumi.String("text/plain"),
			MessageBody: pulumi.String("No service takes this path."),
			StatusCode:  pulumi.String("404"),
		},
	}
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
	if err := e.letIn(ctx, name, args, group, "HTTP", httpPort); err != nil {
		return nil, err
	}
	if args.Domain.Name == "" {
		return group, nil
	}
	return group, e.letIn(ctx, name, args, group, "HTTPS", httpsPort)
}

// letIn opens a port to those who may connect.
func (e *Edge) letIn(ctx *pulumi.Context, name string, args Args, group *ec2.SecurityGroup, protocol string, port int) error {
	for _, cidr := range args.IngressCIDRs {
		// Named by its range: a list that loses one must lose that rule, and change no other.
		rule := fmt.Sprintf("%s-%s-%s", name, strings.ToLower(protocol), cidr)
		_, err := vpc.NewSecurityGroupIngressRule(ctx, rule, &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: group.ID(),
			Description:     pulumi.String(protocol),
			IpProtocol:      pulumi.String("tcp"),
			FromPort:        pulumi.Int(port),
			ToPort:          pulumi.Int(port),
			CidrIpv4:        pulumi.String(cidr.String()),
		}, pulumi.Parent(e))
		if err != nil {
			return fmt.Errorf("let %s reach the load balancer by %s: %w", cidr, protocol, err)
		}
	}
	return nil
}
