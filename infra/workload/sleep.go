package workload

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Sleep is when all services of a stack stop, and start again; empty for never.
type Sleep struct {
	At, Until string // cron(...) of Application Auto Scaling
	TimeZone  string // of both, as the IANA names it
}

// sleeps says whether the service stops by the clock. What is not to run at all needs no clock for that.
func (b *serviceBuilder) sleeps() bool { return b.args.Stack.Sleep.At != "" && b.args.Row.Most() > 0 }

// sleep declares that the service stops and starts by the clock: its bounds become zero, and what they were again.
func (b *serviceBuilder) sleep(scalable *appautoscaling.Target, after pulumi.Resource) error {
	row, sleep := b.args.Row, b.args.Stack.Sleep
	for _, action := range []struct {
		name, schedule string
		least, most    int
	}{{"sleep", sleep.At, 0, 0}, {"wake", sleep.Until, row.Count, row.Most()}} {
		declared, err := appautoscaling.NewScheduledAction(b.ctx, b.name+"-"+action.name, &appautoscaling.ScheduledActionArgs{
			Name:              pulumi.String(action.name),
			ResourceId:        scalable.ResourceId,
			ScalableDimension: scalable.ScalableDimension,
			ServiceNamespace:  scalable.ServiceNamespace,
			Schedule:          pulumi.String(action.schedule),
			Timezone:          pulumi.String(sleep.TimeZone),
			ScalableTargetAction: appautoscaling.ScheduledActionScalableTargetActionArgs{
				MinCapacity: pulumi.Int(action.least), MaxCapacity: pulumi.Int(action.most),
			},
		}, b.parent, pulumi.DependsOn([]pulumi.Resource{after}))
		if err != nil {
			return fmt.Errorf("services.%s: have it %s by the clock: %w", b.name, action.name, err)
		}
		after = declared
	}
	return nil
}
