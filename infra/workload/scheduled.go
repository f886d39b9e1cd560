package workload

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/scheduler"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
)

// ScheduleGroup holds the schedules of one stack, by which their roles and the deploy role's permissions are limited.
type ScheduleGroup struct {
	pulumi.ResourceState

	Name pulumi.StringOutput
}

// NewScheduleGroup declares a ScheduleGroup of the given name in AWS.
func NewScheduleGroup(ctx *pulumi.Context, name, group string, opts ...pulumi.ResourceOption) (*ScheduleGroup, error) {
	g := &ScheduleGroup{}
	if err := ctx.RegisterComponentResource("slipway:workload:ScheduleGroup", name, g, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	made, err := scheduler.NewScheduleGroup(ctx, name, &scheduler.ScheduleGroupArgs{Name: pulumi.String(group)}, pulumi.Parent(g))
	if err != nil {
		return nil, fmt.Errorf("declare the group of schedules: %w", err)
	}
	g.Name = made.Name
	return g, ctx.RegisterResourceOutputs(g, pulumi.Map{"name": g.Name})
}

// ScheduledTask is a task definition, and the schedule by which EventBridge Scheduler starts one task of it after the other.
type ScheduledTask struct {
	pulumi.ResourceState

	Family            string
	LogGroup          pulumi.StringOutput
	TaskDefinitionARN pulumi.StringOutput // that the schedule was asked to run; known once it was
	SecurityGroupID   pulumi.StringOutput
}

// A run that could not be started, for want of capacity or by a failure of AWS, is tried again for a quarter of an hour: later, it
// would come between others. EventBridge's own defaults are 185 times in a day.
const (
	startRetries    = 20
	startPatience   = 15 * 60 // seconds
	scheduleService = "scheduler.amazonaws.com"
)

// NewScheduledTask declares a ScheduledTask.
func NewScheduledTask(ctx *pulumi.Context, name string, args ServiceArgs, opts ...pulumi.ResourceOption) (*ScheduledTask, error) {
	s := &ScheduledTask{Family: args.Stack.Prefix + "-" + name}
	// Its type is a service's: a row that becomes the one or the other keeps what both have. Of another type its parts would be made
	// anew, under names that are taken.
	if err := ctx.RegisterComponentResource(rowType, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	b := &serviceBuilder{ctx: ctx, name: name, args: args, parent: pulumi.Parent(s)}
	parts, err := b.parts()
	if err != nil {
		return nil, err
	}
	schedule, err := b.schedule(parts)
	if err != nil {
		return nil, err
	}
	s.LogGroup, s.SecurityGroupID = parts.logs.Name, parts.group.ToStringOutput()
	s.TaskDefinitionARN = pulumi.All(schedule.ID(), parts.definition.Arn).ApplyT(func(all []any) string { return all[1].(string) }).(pulumi.StringOutput)
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"taskDefinitionArn": s.TaskDefinitionARN})
}

func (b *serviceBuilder) schedule(parts taskParts) (*scheduler.Schedule, error) {
	row, stack := b.args.Row, b.args.Stack
	document := pulumi.All(parts.execution.Arn, parts.task.Arn).ApplyT(func(all []any) (string, error) {
		return policy.JSON(b.startStatements(all[0].(string), all[1].(string))...)
	}).(pulumi.StringOutput)
	// The source is the group: a schedule is not there yet when its role is looked at.
	role, allowed, err := b.roleOf("schedule", scheduleService, stack.arn("scheduler", "schedule-group/"+stack.Prefix), document)
	if err != nil {
		return nil, err
	}
	state := "ENABLED"
	if row.Count == 0 {
		state = "DISABLED"
	}
	schedule, err := scheduler.NewSchedule(b.ctx, b.name, &scheduler.ScheduleArgs{
		Name:                       pulumi.String(b.name),
		GroupName:                  b.args.ScheduleGroup.ToStringOutput().ToStringPtrOutput(),
		Description:                pulumi.String("Starts a task of " + b.name),
		ScheduleExpression:         pulumi.String(row.Schedule),
		ScheduleExpressionTimezone: pulumi.String(row.ScheduleTimeZone),
		State:                      pulumi.String(state),
		FlexibleTimeWindow:         scheduler.ScheduleFlexibleTimeWindowArgs{Mode: pulumi.String("OFF")},
		Target:                     b.target(parts, role),
	}, b.parent, pulumi.DependsOn(append(allowed, parts.ready...)))
	if err != nil {
		return nil, fmt.Errorf("services.%s: declare its schedule: %w", b.name, err)
	}
	return schedule, nil
}

// target is what the schedule starts: one task, as the row has it.
func (b *serviceBuilder) target(parts taskParts, role *iam.Role) scheduler.ScheduleTargetArgs {
	return scheduler.ScheduleTargetArgs{
		Arn:     b.args.Cluster.ARN,
		RoleArn: role.Arn,
		RetryPolicy: scheduler.ScheduleTargetRetryPolicyArgs{
			MaximumRetryAttempts: pulumi.Int(startRetries), MaximumEventAgeInSeconds: pulumi.Int(startPatience),
		},
		EcsParameters: scheduler.ScheduleTargetEcsParametersArgs{
			TaskDefinitionArn:    parts.definition.Arn,
			TaskCount:            pulumi.Int(1),
			LaunchType:           pulumi.String("FARGATE"),
			EnableEcsManagedTags: pulumi.Bool(true),
			PropagateTags:        pulumi.String("TASK_DEFINITION"),
			NetworkConfiguration: scheduler.ScheduleTargetEcsParametersNetworkConfigurationArgs{
				Subnets:        b.args.SubnetIDs,
				SecurityGroups: pulumi.StringArray{parts.group},
				AssignPublicIp: pulumi.Bool(false),
			},
		},
	}
}

// startStatements is what starting a task of the row takes: no other family, no other cluster, no other roles.
func (b *serviceBuilder) startStatements(executionARN, taskARN string) []policy.Statement {
	stack := b.args.Stack
	cluster := stack.arn("ecs", "cluster/"+stack.Prefix)
	return []policy.Statement{
		{
			Sid: "Start", Effect: policy.Allow, Action: []string{"ecs:RunTask"},
			Resource:  []string{stack.arn("ecs", "task-definition/"+stack.Prefix+"-"+b.name+":*")},
			Condition: policy.Condition{"ArnEquals": {"ecs:cluster": {cluster}}},
		},
		{
			Sid: "Tag", Effect: policy.Allow, Action: []string{"ecs:TagResource"}, // the tags of the definition, on the task
			Resource:  []string{stack.arn("ecs", "task/"+stack.Prefix+"/*")},
			Condition: policy.Condition{"StringEquals": {"ecs:CreateAction": {"RunTask"}}},
		},
		{
			Sid: "HandRoles", Effect: policy.Allow, Action: []string{"iam:PassRole"}, Resource: []string{executionARN, taskARN},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}},
		},
	}
}
