package workload

import (
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/naming"
)

// route declares the target group of the service, and a listener rule for each of its paths.
func (b *serviceBuilder) route() (*lb.TargetGroup, []pulumi.Resource, error) {
	row, stack := b.args.Row, b.args.Stack
	target, err := lb.NewTargetGroup(b.ctx, b.name, &lb.TargetGroupArgs{
		// The port is part of the name: a group cannot change its port, and the new one must stand beside the old one
		// until the rules have moved.
		Name:                pulumi.String(naming.Join(naming.LoadBalancerLimit, stack.Prefix, b.name, strconv.Itoa(row.Port))),
		VpcId:               b.args.VPCID,
		TargetType:          pulumi.String("ip"),
		Protocol:            pulumi.String("HTTP"),
		Port:                pulumi.Int(row.Port),
		DeregistrationDelay: pulumi.Int(stack.DrainSeconds),
		// AWS's defaults take 150 seconds to believe in a target; these take 10.
		HealthCheck: lb.TargetGroupHealthCheckArgs{
			Path:               pulumi.String(row.HealthPath),
			Interval:           pulumi.Int(5),
			Timeout:            pulumi.Int(4),
			HealthyThreshold:   pulumi.Int(2),
			UnhealthyThreshold: pulumi.Int(3),
			Matcher:            pulumi.String("200"),
		},
		Tags: b.tags(),
	}, b.parent)
	if err != nil {
		return nil, nil, fmt.Errorf("services.%s: declare its target group: %w", b.name, err)
	}
	patterns := row.Paths
	if row.Default {
		patterns = []string{config.CatchAll}
	}
	rules := make([]pulumi.Resource, 0, len(patterns))
	for _, pattern := range patterns {
		// Named by the pattern alone: one that moves to another service is then changed in place. A second rule would meet the
		// first at the same priority.
		rule, err := lb.NewListenerRule(b.ctx, pattern, &lb.ListenerRuleArgs{
			ListenerArn: b.args.Edge.ListenerARN,
			Priority:    pulumi.Int(config.Priority(pattern)),
			Conditions: lb.ListenerRuleConditionArray{lb.ListenerRuleConditionArgs{
				PathPattern: lb.ListenerRuleConditionPathPatternArgs{Values: pulumi.StringArray{pulumi.String(pattern)}},
			}},
			Actions: lb.ListenerRuleActionArray{lb.ListenerRuleActionArgs{
				Type: pulumi.String("forward"), TargetGroupArn: target.Arn,
			}},
			Tags: b.tags(),
		}, b.parent)
		if err != nil {
			return nil, nil, fmt.Errorf("services.%s: route %s to it: %w", b.name, pattern, err)
		}
		rules = append(rules, rule)
	}
	return target, rules, nil
}

// flow is one permitted direction of traffic: from a group or network, to a group or network.
type flow struct {
	name        string
	description string
	port        int
	group       pulumi.StringInput // whose rule it is
	peer        pulumi.StringInput // security group at the other end; nil for anywhere
	inward      bool
}

// securityGroup declares the group of the service's tasks, and returns its id and the rules of every flow that touches it:
// the load balancer reaches those that are public on their port, those that call them the internal ones, and nothing else does;
// they reach AWS's APIs and other HTTPS services, the database where they use it, and what they call.
func (b *serviceBuilder) securityGroup() (pulumi.StringInput, []pulumi.Resource, error) {
	row := b.args.Row
	group, err := ec2.NewSecurityGroup(b.ctx, b.name, &ec2.SecurityGroupArgs{
		Name:        pulumi.String(b.args.Stack.Prefix + "-" + b.name),
		Description: pulumi.String("Tasks of " + b.name),
		VpcId:       b.args.VPCID,
		Tags:        b.tags(),
	}, b.parent)
	if err != nil {
		return nil, nil, fmt.Errorf("services.%s: declare its security group: %w", b.name, err)
	}
	flows := []flow{{name: "https", description: "AWS APIs and other services", port: 443, group: group.ID()}}
	if row.Kind() == config.Public {
		balancer := b.args.Edge.SecurityGroupID
		flows = append(
			flows,
			flow{name: "from-edge", description: "Requests", port: row.Port, group: group.ID(), peer: balancer, inward: true},
			flow{name: "edge-out", description: "Requests to " + b.name, port: row.Port, group: balancer, peer: group.ID()},
		)
	}
	for _, called := range b.args.Calls {
		flows = append(
			flows,
			flow{name: "to-" + called.Name, description: "Calls of " + called.Name, port: called.Port, group: group.ID(), peer: called.SecurityGroupID},
			flow{name: called.Name + "-in", description: "Calls from " + b.name, port: called.Port, group: called.SecurityGroupID, peer: group.ID(), inward: true},
		)
	}
	if row.Database {
		db := b.args.Database
		flows = append(
			flows,
			flow{name: "to-database", description: "PostgreSQL", port: db.Port, group: group.ID(), peer: db.SecurityGroupID},
			flow{name: "database-in", description: "PostgreSQL from " + b.name, port: db.Port, group: db.SecurityGroupID, peer: group.ID(), inward: true},
		)
	}
	rules := make([]pulumi.Resource, 0, len(flows))
	for _, f := range flows {
		rule, err := b.allow(f)
		if err != nil {
			return nil, nil, fmt.Errorf("services.%s: allow %s: %w", b.name, f.name, err)
		}
		rules = append(rules, rule)
	}
	return group.ID(), rules, nil
}

func (b *serviceBuilder) allow(f flow) (pulumi.Resource, error) {
	name := b.name + "-" + f.name
	port := pulumi.Int(f.port)
	if f.inward {
		return vpc.NewSecurityGroupIngressRule(b.ctx, name, &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: f.group, Description: pulumi.String(f.description), IpProtocol: pulumi.String("tcp"),
			FromPort: port, ToPort: port, ReferencedSecurityGroupId: optional(f.peer),
		}, b.parent)
	}
	args := &vpc.SecurityGroupEgressRuleArgs{
		SecurityGroupId: f.group, Description: pulumi.String(f.description), IpProtocol: pulumi.String("tcp"),
		FromPort: port, ToPort: port,
	}
	if f.peer != nil {
		args.ReferencedSecurityGroupId = optional(f.peer)
	} else {
		args.CidrIpv4 = pulumi.String("0.0.0.0/0")
	}
	return vpc.NewSecurityGroupEgressRule(b.ctx, name, args, b.parent)
}

func optional(s pulumi.StringInput) pulumi.StringPtrInput {
	return s.ToStringOutput().ToStringPtrOutput()
}
