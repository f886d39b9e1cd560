package workload

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// deploymentAlarms declares what watches the service, and has ECS take back a release during which one of the alarms goes off. They
// stand before the service does: ECS does not look at an alarm that is not there when a release begins.
//
// What is left out here, the provider does not tell ECS, which goes on as it was. So a service that was watched is told that it is
// not any more, by the names that it knows, since the provider takes no empty list; the alarms themselves go after that.
func (b *serviceBuilder) deploymentAlarms(targetGroup pulumi.StringInput) (ecs.ServiceAlarmsPtrInput, error) {
	var names pulumi.StringArray
	if b.args.Watch != nil {
		var err error
		if names, err = b.args.Watch(targetGroup); err != nil {
			return nil, fmt.Errorf("services.%s: watch it: %w", b.name, err)
		}
	}
	switch {
	case len(names) > 0:
		return ecs.ServiceAlarmsArgs{AlarmNames: names, Enable: pulumi.Bool(true), Rollback: pulumi.Bool(true)}, nil
	case len(b.args.Watched) > 0:
		return ecs.ServiceAlarmsArgs{
			AlarmNames: pulumi.ToStringArray(b.args.Watched), Enable: pulumi.Bool(false), Rollback: pulumi.Bool(false),
		}, nil
	}
	return nil, nil
}
