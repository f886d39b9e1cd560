// Package network declares where the stack lives: a VPC over several zones, with public subnets for the load balancer,
// private ones for tasks and isolated ones for the database.
package network

import (
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// NAT says how private subnets reach the internet.
type NAT string

// The ways out, from cheap to resilient.
const (
	NATNone    NAT = "none"    // no way out: interface endpoints stand for the AWS APIs that a task needs
	NATSingle  NAT = "single"  // one gateway, in the first zone; the loss of that zone cuts all zones off
	NATPerZone NAT = "perZone" // one gateway a zone
)

// Args are the inputs of a Network. Public, Private and Isolated hold one prefix for each of Zones, in their order.
type Args struct {
	Name     string // prefix of Name tags
	Region   string
	CIDR     netip.Prefix
	Zones    []string // names of availability zones, at least two
	Public   []netip.Prefix
	Private  []netip.Prefix
	Isolated []netip.Prefix
	NAT      NAT
	Exec     bool // whether some service allows ECS Exec, which needs an endpoint more where there is no NAT
}

// Network is a VPC with its subnets.
type Network struct {
	pulumi.ResourceState

	VPCID       pulumi.IDOutput
	PublicIDs   pulumi.StringArrayOutput // one subnet a zone
	PrivateIDs  pulumi.StringArrayOutput
	IsolatedIDs pulumi.StringArrayOutput
	// Internet holds what a load balancer needs before AWS lets it face the internet: the public subnets' routes out.
	Internet []pulumi.Resource
	// Ready holds what a task in a private subnet needs before it can start: its routes and endpoints.
	Ready []pulumi.Resource
}

// New declares a Network.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Network, error) {
	n := &Network{}
	if err := ctx.RegisterComponentResource("slipway:network:Network", name, n, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	b := &builder{ctx: ctx, name: name, args: args, parent: pulumi.Parent(n)}
	vpc, err := b.vpc()
	if err != nil {
		return nil, err
	}
	public, publicTables, err := b.tier("public", args.Public)
	if err != nil {
		return nil, err
	}
	private, privateTables, err := b.tier("private", args.Private)
	if err != nil {
		return nil, err
	}
	isolated, _, err := b.tier("isolated", args.Isolated)
	if err != nil {
		return nil, err
	}
	if err := b.internet(public, publicTables, privateTables); err != nil {
		return nil, err
	}
	if err := b.endpoints(private, privateTables); err != nil {
		return nil, err
	}
	n.VPCID = vpc.ID()
	n.PublicIDs, n.PrivateIDs, n.IsolatedIDs = ids(public), ids(private), ids(isolated)
	n.Internet, n.Ready = b.public, b.ready
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{
		"vpcId":             n.VPCID,
		"publicSubnetIds":   n.PublicIDs,
		"privateSubnetIds":  n.PrivateIDs,
		"isolatedSubnetIds": n.IsolatedIDs,
	})
}

// builder carries what every child of one Network needs.
type builder struct {
	ctx    *pulumi.Context
	name   string
	args   Args
	parent pulumi.ResourceOption
	vpcID  pulumi.IDOutput
	public []pulumi.Resource // routes of the public tier
	ready  []pulumi.Resource
}

// tags is the Name tag by which the AWS console lists a child.
func (b *builder) tags(part string) pulumi.StringMap {
	return pulumi.StringMap{"Name": pulumi.String(b.args.Name + "-" + part)}
}

func (b *builder) vpc() (*ec2.Vpc, error) {
	vpc, err := ec2.NewVpc(b.ctx, b.name, &ec2.VpcArgs{
		CidrBlock:          pulumi.String(b.args.CIDR.String()),
		EnableDnsSupport:   pulumi.Bool(true),
		EnableDnsHostnames: pulumi.Bool(true), // private DNS of interface endpoints depends on it
		Tags:               pulumi.StringMap{"Name": pulumi.String(b.args.Name)},
	}, b.parent)
	if err != nil {
		return nil, fmt.Errorf("declare the VPC: %w", err)
	}
	b.vpcID = vpc.ID()
	// Every VPC is born with a group that lets its members talk to each other. Adopting it without rules makes a resource
	// that was put into no group unreachable, not open.
	if _, err := ec2.NewDefaultSecurityGroup(b.ctx, b.name+"-default", &ec2.DefaultSecurityGroupArgs{
		VpcId: vpc.ID(),
		Tags:  b.tags("default-closed"),
	}, b.parent); err != nil {
		return nil, fmt.Errorf("close the VPC's default security group: %w", err)
	}
	return vpc, nil
}

// tier declares one subnet a zone, each with a route table of its own. No route leads out of a tier until it is added.
func (b *builder) tier(tier string, prefixes []netip.Prefix) ([]*ec2.Subnet, []*ec2.RouteTable, error) {
	subnets := make([]*ec2.Subnet, 0, len(prefixes))
	tables := make([]*ec2.RouteTable, 0, len(prefixes))
	for i, prefix := range prefixes {
		part := fmt.Sprintf("%s-%d", tier, i+1)
		child := b.name + "-" + part
		subnet, err := ec2.NewSubnet(b.ctx, child, &ec2.SubnetArgs{
			VpcId:            b.vpcID,
			CidrBlock:        pulumi.String(prefix.String()),
			AvailabilityZone: pulumi.String(b.args.Zones[i]),
			// Not even the public tier hands out public addresses: a load balancer gets its own without.
			MapPublicIpOnLaunch: pulumi.Bool(false),
			Tags:                b.tags(part),
		}, b.parent)
		if err != nil {
			return nil, nil, fmt.Errorf("declare subnet %s: %w", part, err)
		}
		table, err := ec2.NewRouteTable(b.ctx, child, &ec2.RouteTableArgs{VpcId: b.vpcID, Tags: b.tags(part)}, b.parent)
		if err != nil {
			return nil, nil, fmt.Errorf("declare the route table of subnet %s: %w", part, err)
		}
		link, err := ec2.NewRouteTableAssociation(b.ctx, child, &ec2.RouteTableAssociationArgs{
			SubnetId:     subnet.ID(),
			RouteTableId: table.ID(),
		}, b.parent)
		if err != nil {
			return nil, nil, fmt.Errorf("give subnet %s its route table: %w", part, err)
		}
		b.ready = append(b.ready, link)
		subnets, tables = append(subnets, subnet), append(tables, table)
	}
	return subnets, tables, nil
}

func ids(subnets []*ec2.Subnet) pulumi.StringArrayOutput {
	all := make(pulumi.StringArray, len(subnets))
	for i, subnet := range subnets {
		all[i] = subnet.ID()
	}
	return all.ToStringArrayOutput()
}
