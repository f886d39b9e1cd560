// Package workload declares what runs: an ECS cluster, and Fargate services from rows of configuration.
package workload

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ClusterArgs are the inputs of a Cluster.
type ClusterArgs struct {
	Name              string
	ContainerInsights string // disabled, enabled or enhanced: the latter two are charged for by metric
	ExecLog           string // name of the log group of what is typed in tasks by ECS Exec; empty for no ECS Exec
	LogDays           int    // that it is kept
}

// Cluster is an ECS cluster whose tasks run on Fargate.
type Cluster struct {
	pulumi.ResourceState

	ARN  pulumi.StringOutput
	Name pulumi.StringOutput
	// Capacity is what services can choose from; they must come after it.
	Capacity pulumi.Resource
}

// NewCluster declares a Cluster.
func NewCluster(ctx *pulumi.Context, name string, args ClusterArgs, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{}
	if err := ctx.RegisterComponentResource("slipway:workload:Cluster", name, c, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	configuration, err := audit(ctx, args, pulumi.Parent(c))
	if err != nil {
		return nil, err
	}
	cluster, err := ecs.NewCluster(ctx, name, &ecs.ClusterArgs{
		Configuration: configuration,
		Name:          pulumi.String(args.Name),
		Settings: ecs.ClusterSettingArray{ecs.ClusterSettingArgs{
			Name:  pulumi.String("containerInsights"),
			Value: pulumi.String(args.ContainerInsights),
		}},
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("declare the cluster: %w", err)
	}
	c.ARN, c.Name = cluster.Arn, cluster.Name
	if err := c.capacity(ctx, name); err != nil {
		return nil, err
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"arn": c.ARN, "name": c.Name})
}

// audit has ECS write down what is typed in tasks, and what they answer: no shell is opened without a record. There is no key for
// that; who may open one at all is for IAM, and no role of this program may.
func audit(ctx *pulumi.Context, args ClusterArgs, parent pulumi.ResourceOption) (ecs.ClusterConfigurationPtrInput, error) {
	if args.ExecLog == "" {
		return nil, nil
	}
	logs, err := cloudwatch.NewLogGroup(ctx, "exec", &cloudwatch.LogGroupArgs{
		Name: pulumi.String(args.ExecLog), RetentionInDays: pulumi.Int(args.LogDays),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the log group of ECS Exec: %w", err)
	}
	return ecs.ClusterConfigurationArgs{
		ExecuteCommandConfiguration: ecs.ClusterConfigurationExecuteCommandConfigurationArgs{
			Logging:          pulumi.String("OVERRIDE"),
			LogConfiguration: ecs.ClusterConfigurationExecuteCommandConfigurationLogConfigurationArgs{CloudWatchLogGroupName: logs.Name},
		},
	}, nil
}
