package cloud

import (
	"net/url"
	"slices"
	"testing"

	"slipway/local/mototest"
)

// TestInAlarm holds that of the alarms that are asked for, those that ring are told, and that what is there of CloudWatch and SNS is in
// the inventory.
func TestInAlarm(t *testing.T) {
	api := client{mototest.Start(t)}
	ask := func(service, version string, form url.Values) {
		t.Helper()
		form.Set("Version", version)
		if _, err := api.query(t.Context(), service, form); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"rings", "quiet", "another"} {
		ask(cloudWatchService, cloudWatchVersion, url.Values{
			"Action": {"PutMetricAlarm"}, "AlarmName": {name}, "Namespace": {"AWS/ECS"}, "MetricName": {"CPUUtilization"}, "Statistic": {"Average"},
			"Period": {"60"}, "EvaluationPeriods": {"1"}, "Threshold": {"90"}, "ComparisonOperator": {"GreaterThanThreshold"},
		})
	}
	for _, name := range []string{"rings", "another"} {
		ask(cloudWatchService, cloudWatchVersion, url.Values{
			"Action": {"SetAlarmState"}, "AlarmName": {name}, "StateValue": {"ALARM"}, "StateReason": {"a test"},
		})
	}
	if ringing := (alarms{api}).InAlarm([]string{"rings", "quiet", "missing"}); !slices.Equal(ringing, []string{"rings"}) {
		t.Errorf("%v ring", ringing)
	}
	if ringing := (alarms{client{"http://127.0.0.1:1"}}).InAlarm([]string{"rings"}); len(ringing) > 0 {
		t.Errorf("where nobody can be asked, %v ring", ringing)
	}
	ask("sns", "2010-03-31", url.Values{"Action": {"CreateTopic"}, "Name": {"alarms"}})
	held, err := Inventory(t.Context(), api.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"monitoring DescribeAlarms quiet", "sns ListTopics arn:aws:sns:us-east-1:123456789012:alarms"} {
		if !slices.Contains(held, want) {
			t.Errorf("the inventory has no %q: %v", want, held)
		}
	}
}
