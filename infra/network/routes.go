package network

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const anywhere = "0.0.0.0/0"

// internet gives the public tier its way in and out, and the private tier a way out where there is NAT. The isolated tier
// has neither.
func (b *builder) internet(public []*ec2.Subnet, publicTables, privateTables []*ec2.RouteTable) error {
	gateway, err := ec2.NewInternetGateway(b.ctx, b.name, &ec2.InternetGatewayArgs{
		VpcId: b.vpcID,
		Tags:  pulumi.StringMap{"Name": pulumi.String(b.args.Name)},
	}, b.parent)
	if err != nil {
		return fmt.Errorf("declare the internet gateway: %w", err)
	}
	for i, table := range publicTables {
		route, err := ec2.NewRoute(b.ctx, fmt.Sprintf("%s-public-%d", b.name, i+1), &ec2.RouteArgs{
			RouteTableId:         table.ID(),
			DestinationCidrBlock: pulumi.String(anywhere),
			GatewayId:            gateway.ID(),
		}, b.parent)
		if err != nil {
			return fmt.Errorf("declare the public route of zone %d: %w", i+1, err)
		}
		b.public, b.ready = append(b.public, route), append(b.ready, route)
	}
	gateways, err := b.natGateways(public, gateway)
	if err != nil || len(gateways) == 0 {
		return err
	}
	for i, table := range privateTables {
		route, err := ec2.NewRoute(b.ctx, fmt.Sprintf("%s-private-%d", b.name, i+1), &ec2.RouteArgs{
			RouteTableId:         table.ID(),
			DestinationCidrBlock: pulumi.String(anywhere),
			NatGatewayId:         gateways[i%len(gateways)].ID(),
		}, b.parent)
		if err != nil {
			return fmt.Errorf("declare the private route of zone %d: %w", i+1, err)
		}
		b.ready = append(b.ready, route)
	}
	return nil
}

// natGateways declares none, one, or one a zone.
func (b *builder) natGateways(public []*ec2.Subnet, gateway *ec2.InternetGateway) ([]*ec2.NatGateway, error) {
	count := map[NAT]int{NATNone: 0, NATSingle: 1, NATPerZone: len(public)}[b.args.NAT]
	gateways := make([]*ec2.NatGateway, 0, count)
	for i := range count {
		part := fmt.Sprintf("nat-%d", i+1)
		address, err := ec2.NewEip(b.ctx, b.name+"-"+part, &ec2.EipArgs{
			Domain: pulumi.String("vpc"),
			Tags:   b.tags(part),
		}, b.parent, pulumi.DependsOn([]pulumi.Resource{gateway})) // AWS: an address needs the gateway to exist
		if err != nil {
			return nil, fmt.Errorf("declare the address of %s: %w", part, err)
		}
		nat, err := ec2.NewNatGateway(b.ctx, b.name+"-"+part, &ec2.NatGatewayArgs{
			AllocationId: address.ID(),
			SubnetId:     public[i].ID(),
			Tags:         b.tags(part),
		}, b.parent, pulumi.DependsOn([]pulumi.Resource{gateway}))
		if err != nil {
			return nil, fmt.Errorf("declare %s: %w", part, err)
		}
		gateways = append(gateways, nat)
	}
	return gateways, nil
}

// endpoints declares the S3 gateway, always: it is free, and ECR serves image layers from S3, which NAT would charge for
// by the gigabyte. It takes any bucket, see docs/decisions.md. Without NAT it also declares the interface endpoints that a
// Fargate task cannot start without.
func (b *builder) endpoints(private []*ec2.Subnet, tables []*ec2.RouteTable) error {
	tableIDs := make(pulumi.StringArray, len(tables))
	for i, table := range tables {
		tableIDs[i] = table.ID()
	}
	s3, err := ec2.NewVpcEndpoint(b.ctx, b.name+"-s3", &ec2.VpcEndpointArgs{
		VpcId:           b.vpcID,
		ServiceName:     pulumi.String(serviceName(b.args.Region, "s3")),
		VpcEndpointType: pulumi.String("Gateway"),
		RouteTableIds:   tableIDs,
		Tags:            b.tags("s3"),
	}, b.parent)
	if err != nil {
		return fmt.Errorf("declare the S3 gateway endpoint: %w", err)
	}
	b.ready = append(b.ready, s3)
	if b.args.NAT != NATNone {
		return nil
	}
	group, err := b.endpointGroup()
	if err != nil {
		return err
	}
	services := []string{"ecr.api", "ecr.dkr", "logs", "secretsmanager"}
	if b.args.Exec {
		services = append(services, "ssmmessages")
	}
	for _, service := range services {
		endpoint, err := ec2.NewVpcEndpoint(b.ctx, b.name+"-"+service, &ec2.VpcEndpointArgs{
			VpcId:             b.vpcID,
			ServiceName:       pulumi.String(serviceName(b.args.Region, service)),
			VpcEndpointType:   pulumi.String("Interface"),
			SubnetIds:         ids(private),
			SecurityGroupIds:  pulumi.StringArray{group.ID()},
			PrivateDnsEnabled: pulumi.Bool(true),
			Tags:              b.tags(service),
		}, b.parent)
		if err != nil {
			return fmt.Errorf("declare the endpoint of %s: %w", service, err)
		}
		b.ready = append(b.ready, endpoint)
	}
	return nil
}

func (b *builder) endpointGroup() (*ec2.SecurityGroup, error) {
	group, err := ec2.NewSecurityGroup(b.ctx, b.name+"-endpoints", &ec2.SecurityGroupArgs{
		Name:        pulumi.String(b.args.Name + "-endpoints"),
		Description: pulumi.String("AWS APIs inside the VPC"),
		VpcId:       b.vpcID,
		Tags:        b.tags("endpoints"),
	}, b.parent)
	if err != nil {
		return nil, fmt.Errorf("declare the endpoints' security group: %w", err)
	}
	_, err = vpc.NewSecurityGroupIngressRule(b.ctx, b.name+"-endpoints", &vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId: group.ID(),
		Description:     pulumi.String("HTTPS from the VPC"),
		IpProtocol:      pulumi.String("tcp"),
		FromPort:        pulumi.Int(443),
		ToPort:          pulumi.Int(443),
		CidrIpv4:        pulumi.String(b.args.CIDR.String()),
	}, b.parent)
	if err != nil {
		return nil, fmt.Errorf("open the endpoints to the VPC: %w", err)
	}
	return group, nil
}

func serviceName(region, service string) string {
	return fmt.Sprintf("com.amazonaws.%s.%s", region, service)
}
