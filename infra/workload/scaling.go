package workload

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ecsNamespace is how Application Auto Scaling calls ECS, and desiredCount what of its services it changes.
const (
	ecsNamespace = "ecs"
	desiredCount = "ecs:service:DesiredCount"
)

// More tasks come a minute after the last ones, fewer only after five: too few tasks are felt, too many are paid for.
const (
	scaleOutSeconds = 60
	scaleInSeconds  = 300
)

// measure is something that a service's number of tasks follows.
type measure struct {
	name   string
	metric string // one of Application Auto Scaling's own
	target int    // percent, or requests a minute for each task; 0 where it is not followed
	label  pulumi.StringPtrInput
}

// sized says whether something beside the configuration sets the service's number of tasks.
func (b *serviceBuilder) sized() bool { return b.args.Row.Scales() || b.sleeps() }

// scale declares that the service's number of tasks follows its load and the clock, as far as the row and the stack say so. What
// each measure asks for is computed by itself, and the most that any of them asks for is what runs.
func (b *serviceBuilder) scale(service *ecs.Service, target *lb.TargetGroup) error {
	if !b.sized() {
		return nil
	}
	scalable, err := b.scalableTarget(service)
	if err != nil {
		return err
	}
	// One after the other: Application Auto Scaling refuses two changes of one target at once.
	var last pulumi.Resource = scalable
	if b.args.Row.Scales() {
		for _, m := range b.measures(target) {
			if last, err = b.follow(scalable, m, last); err != nil {
				return err
			}
		}
	}
	if b.sleeps() {
		return b.sleep(scalable, last)
	}
	return nil
}

// measures are what the row has its number of tasks follow.
func (b *serviceBuilder) measures(target *lb.TargetGroup) []measure {
	row := b.args.Row
	all := []measure{
		{name: "cpu", metric: "ECSServiceAverageCPUUtilization", target: row.ScaleCPUPercent},
		{name: "memory", metric: "ECSServiceAverageMemoryUtilization", target: row.ScaleMemoryPercent},
	}
	if target != nil {
		all = append(all, measure{
			name: "requests", metric: "ALBRequestCountPerTarget", target: row.ScaleRequests,
			label: pulumi.Sprintf("%s/%s", b.args.Edge.LoadBalancerSuffix, target.ArnSuffix),
		})
	}
	return slices.DeleteFunc(all, func(m measure) bool { return m.target == 0 })
}

func (b *serviceBuilder) follow(scalable *appautoscaling.Target, m measure, after pulumi.Resource) (pulumi.Resource, error) {
	policy, err := appautoscaling.NewPolicy(b.ctx, b.name+"-"+m.name, &appautoscaling.PolicyArgs{
		Name:              pulumi.String(m.name),
		PolicyType:        pulumi.String("TargetTrackingScaling"),
		ResourceId:        scalable.ResourceId,
		ScalableDimension: scalable.ScalableDimension,
		ServiceNamespace:  scalable.ServiceNamespace,
		TargetTrackingScalingPolicyConfiguration: appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs{
			PredefinedMetricSpecification: appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs{
				PredefinedMetricType: pulumi.String(m.metric), ResourceLabel: m.label,
			},
			TargetValue:      pulumi.Float64(float64(m.target)),
			ScaleOutCooldown: pulumi.Int(scaleOutSeconds),
			ScaleInCooldown:  pulumi.Int(scaleInSeconds),
		},
	}, b.parent, pulumi.DependsOn([]pulumi.Resource{after}))
	if err != nil {
		return nil, fmt.Errorf("services.%s: have it follow its %s: %w", b.name, m.name, err)
	}
	return policy, nil
}

// scalableTarget declares the service's number of tasks as Application Auto Scaling's to change, within the row's bounds.
func (b *serviceBuilder) scalableTarget(service *ecs.Service) (*appautoscaling.Target, error) {
	row := b.args.Row
	opts := []pulumi.ResourceOption{b.parent}
	if b.sleeps() { // then the clock sets the bounds, and these are for the first day
		opts = append(opts, pulumi.IgnoreChanges([]string{"minCapacity", "maxCapacity"}))
	}
	scalable, err := appautoscaling.NewTarget(b.ctx, b.name, &appautoscaling.TargetArgs{
		ServiceNamespace:  pulumi.String(ecsNamespace),
		ScalableDimension: pulumi.String(desiredCount),
		ResourceId:        pulumi.Sprintf("service/%s/%s", b.args.Cluster.Name, service.Name),
		MinCapacity:       pulumi.Int(row.Count),
		MaxCapacity:       pulumi.Int(row.Most()),
		Tags:              b.tags(),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("services.%s: let its number of tasks change: %w", b.name, err)
	}
	return scalable, nil
}
