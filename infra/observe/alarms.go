package observe

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// watch notes rows for the dashboard, declares their alarms where there are any, and returns the names of those that take
// releases back.
func (o *Observe) watch(rows []row, opts ...pulumi.ResourceOption) (pulumi.StringArray, error) {
	o.rows = append(o.rows, rows...)
	if o.topic == nil {
		return nil, nil
	}
	var names pulumi.StringArray
	for _, r := range rows {
		alarm, err := cloudwatch.NewMetricAlarm(o.ctx, r.name, r.alarm(o.args, o.topic.Arn), append(opts, o.parent)...)
		if err != nil {
			return nil, fmt.Errorf("declare alarm %s: %w", r.name, err)
		}
		if r.release && o.args.Rollback {
			names = append(names, alarm.Name)
		}
	}
	return names, nil
}

// alarm is what a row declares. It tells when it goes off, and when it is over, if that says anything.
func (r row) alarm(args Args, topic pulumi.StringInput) *cloudwatch.MetricAlarmArgs {
	tell := pulumi.Array{topic}
	alarm := &cloudwatch.MetricAlarmArgs{
		Name:               pulumi.String(args.Prefix + "-" + r.name),
		AlarmDescription:   pulumi.String(r.means + " What to do: " + r.do + " (docs/runbook.md)"),
		ComparisonOperator: pulumi.String(string(r.wrong)),
		Threshold:          pulumi.Float64(r.threshold),
		EvaluationPeriods:  pulumi.Int(r.periods),
		DatapointsToAlarm:  pulumi.Int(r.of),
		TreatMissingData:   pulumi.String(string(r.missing)),
		AlarmActions:       tell,
	}
	if !r.once {
		alarm.OkActions = tell
	}
	if r.expression != "" {
		alarm.MetricQueries = r.queries()
		return alarm
	}
	only := r.metrics[0]
	alarm.Namespace, alarm.MetricName = pulumi.String(only.namespace), pulumi.String(only.name)
	alarm.Dimensions, alarm.Period = pulumi.StringMap(only.dimensions), pulumi.Int(60*r.minutes)
	if only.isPercentile() {
		alarm.ExtendedStatistic = pulumi.String(only.stat)
		// A percentile of a few requests is that of the slowest one, and says nothing.
		alarm.EvaluateLowSampleCountPercentiles = pulumi.String("ignore")
	} else {
		alarm.Statistic = pulumi.String(only.stat)
	}
	return alarm
}

// queries are a row's expression and the metrics that it is of.
func (r row) queries() cloudwatch.MetricAlarmMetricQueryArray {
	queries := cloudwatch.MetricAlarmMetricQueryArray{cloudwatch.MetricAlarmMetricQueryArgs{
		Id: pulumi.String("value"), Expression: pulumi.String(r.expression), Label: pulumi.String(r.title), ReturnData: pulumi.Bool(true),
	}}
	for i, m := range r.metrics {
		queries = append(queries, cloudwatch.MetricAlarmMetricQueryArgs{
			Id: pulumi.String(fmt.Sprintf("m%d", i+1)),
			Metric: cloudwatch.MetricAlarmMetricQueryMetricArgs{
				Namespace: pulumi.String(m.namespace), MetricName: pulumi.String(m.name), Dimensions: pulumi.StringMap(m.dimensions),
				Period: pulumi.Int(60 * r.minutes), Stat: pulumi.String(m.stat),
			},
		})
	}
	return queries
}

func (m metric) isPercentile() bool { return m.stat[0] == 'p' }
