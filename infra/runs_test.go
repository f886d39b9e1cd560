package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

// declareScheduled runs the program as staging with a scheduled task, one that is suspended, and settings.
func declareScheduled(t *testing.T, settings map[string]string) []infratest.Resource {
	t.Helper()
	all := infratest.Settings(t, top, "staging")
	for key, value := range settings {
		all["slipway:"+key] = value
	}
	all["slipway:serviceOverrides"] = "{}"
	all["slipway:services"] = `{
		"frontend": {"default": true, "port": 3000, "healthCommand": ["true"], "database": true, "migration": ["migrate"]},
		"report": {"schedule": "rate(1 hour)", "database": true},
		"sweep": {"schedule": "rate(1 hour)", "count": 0}
	}`
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "report", "sweep")
	recorder := &infratest.Recorder{}
	if err := infratest.Run(t, program, "staging", all, recorder); err != nil {
		t.Fatal(err)
	}
	return recorder.Resources()
}

// TestFailedRuns holds that a scheduled task's first failed run is told, as is one that could not be started, and that nobody is told
// that it is over: nothing has repeated it. The runbook says what to type.
func TestFailedRuns(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join(top, "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	resources := declareScheduled(t, map[string]string{"alarms": "true", "dashboard": "true"})
	want := map[string]string{
		"report-failed": `AWS/Events Invocations {"RuleName":"myapp-staging-failed-report"}`,
		"sweep-failed":  `AWS/Events Invocations {"RuleName":"myapp-staging-failed-sweep"}`,
		"unstarted":     `AWS/Scheduler InvocationDroppedCount {"ScheduleGroup":"myapp-staging"}`,
	}
	for _, alarm := range of(t, resources, alarmType) {
		metric, known := want[alarm.Name]
		if !known {
			continue
		}
		delete(want, alarm.Name)
		dimensions, err := json.Marshal(input(alarm, "dimensions").Mappable())
		if err != nil {
			t.Fatal(err)
		}
		if got := input(alarm, "namespace").StringValue() + " " + input(alarm, "metricName").StringValue() + " " + string(dimensions); got != metric {
			t.Errorf("%s looks at %s, want %s", alarm.Name, got, metric)
		}
		if !input(alarm, "okActions").IsNull() || len(input(alarm, "alarmActions").ArrayValue()) != 1 {
			t.Errorf("%s tells %v, and %v when it is over", alarm.Name, input(alarm, "alarmActions"), input(alarm, "okActions"))
		}
		if input(alarm, "comparisonOperator").StringValue() != "GreaterThanOrEqualToThreshold" || input(alarm, "threshold").NumberValue() != 1 ||
			input(alarm, "evaluationPeriods").NumberValue() != 1 || input(alarm, "treatMissingData").StringValue() != "notBreaching" {
			t.Errorf("%s does not go off at the first: %v", alarm.Name, alarm.Inputs)
		}
		shown := strings.NewReplacer("report-", "SERVICE-", "sweep-", "SERVICE-").Replace(alarm.Name)
		if row := rowOf(string(runbook), "`"+shown+"`"); !strings.Contains(row, "make outputs STACK=") ||
			!strings.Contains(input(alarm, "alarmDescription").StringValue(), "make outputs STACK=staging") {
			t.Errorf("%s says %v, and the runbook: %q", alarm.Name, input(alarm, "alarmDescription"), row)
		}
	}
	if len(want) > 0 {
		t.Errorf("there is no alarm for %v", want)
	}
	board := input(of(t, resources, "aws:cloudwatch/dashboard:Dashboard")[0], "dashboardBody").StringValue()
	for _, part := range []string{"myapp-staging-failed-report", "InvocationDroppedCount", "SOURCE '/slipway/myapp-staging/report'"} {
		if !strings.Contains(board, part) {
			t.Errorf("the dashboard does not show %s", part)
		}
	}
}

// TestRunsUncounted holds that with no alarms no run is counted, and with nothing scheduled no alarm is about runs.
func TestRunsUncounted(t *testing.T) {
	for _, r := range declareScheduled(t, map[string]string{"dashboard": "true"}) {
		if strings.HasPrefix(r.Type, "aws:cloudwatch/event") || r.Type == alarmType || r.Type == "aws:sns/topic:Topic" {
			t.Errorf("with a dashboard alone there is %s", r.Key())
		}
		if r.Type == "aws:cloudwatch/dashboard:Dashboard" && strings.Contains(input(r, "dashboardBody").StringValue(), "-failed-") {
			t.Error("the dashboard shows what nobody counts")
		}
	}
	resources, err := declare(t, "staging", map[string]string{"alarms": "true"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources {
		if r.Type == alarmType && (r.Name == "unstarted" || strings.HasSuffix(r.Name, "-failed")) || strings.HasPrefix(r.Name, "failed-") {
			t.Errorf("with nothing scheduled there is %s", r.Key())
		}
	}
}

// TestStoppedTasks holds which ends of tasks are counted, and by which rule: events in the form of the ECS Developer Guide, "Amazon ECS
// task state change events".
func TestStoppedTasks(t *testing.T) {
	rules := map[string]map[string]any{}
	for _, rule := range of(t, declareScheduled(t, map[string]string{"alarms": "true"}), "aws:cloudwatch/eventRule:EventRule") {
		var pattern map[string]any
		if err := json.Unmarshal([]byte(input(rule, "eventPattern").StringValue()), &pattern); err != nil {
			t.Fatal(err)
		}
		rules[input(rule, "name").StringValue()] = pattern
	}
	const (
		report = "myapp-staging-failed-report"
		others = "myapp-staging-stopped-tasks"
	)
	for name, c := range map[string]struct {
		task string // over a run of the report that is well
		want []string
	}{
		"a run that is well":           {`{}`, nil},
		"a run that has failed":        {`{"containers": [{"name": "report", "exitCode": 1}]}`, []string{report}},
		"one of two containers":        {`{"containers": [{"name": "migrate", "exitCode": 3}, {"name": "report", "exitCode": 0}]}`, []string{report}},
		"both of two are well":         {`{"containers": [{"name": "migrate", "exitCode": 0}, {"name": "report", "exitCode": 0}]}`, nil},
		"a run that could not start":   {`{"stopCode": "TaskFailedToStart", "containers": [{"name": "report"}]}`, []string{report}},
		"a run that somebody stopped":  {`{"stopCode": "UserInitiated", "containers": [{"name": "report", "exitCode": 0}]}`, []string{report}},
		"a run that is on its way out": {`{"lastStatus": "DEPROVISIONING", "containers": [{"name": "report", "exitCode": 1}]}`, nil},
		"a run of another cluster": {
			`{"clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/other", "containers": [{"name": "report", "exitCode": 1}]}`, nil,
		},
		"a run of a longer name": {
			`{"taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/myapp-staging-report-2:1", "group": "family:myapp-staging-report-2",
				"containers": [{"name": "report", "exitCode": 1}]}`, nil,
		},
		"a task of a service": {
			`{"taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/myapp-staging-frontend:1", "group": "service:frontend",
				"containers": [{"name": "frontend", "exitCode": 1}]}`, []string{others},
		},
		"a task that makes room": {
			`{"taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/myapp-staging-frontend:1", "group": "service:frontend",
				"stopCode": "ServiceSchedulerInitiated", "stoppedReason": "Scaling activity initiated by deployment ecs-svc/1",
				"containers": [{"name": "frontend", "exitCode": 143}]}`, nil,
		},
	} {
		const well = `{"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {
			"clusterArn": "arn:Cluster:cluster", "group": "family:myapp-staging-report", "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
			"launchType": "FARGATE", "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
			"taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/myapp-staging-report:7",
			"containers": [{"name": "report", "exitCode": 0}]
		}}`
		var event map[string]any
		if err := json.Unmarshal([]byte(well), &event); err != nil {
			t.Fatal(err)
		}
		detail := event["detail"].(map[string]any)
		if err := json.Unmarshal([]byte(c.task), &detail); err != nil {
			t.Fatal(err)
		}
		var counted []string
		for rule, pattern := range rules {
			if fits(t, pattern, []any{event}) {
				counted = append(counted, rule)
			}
		}
		if slices.Sort(counted); !slices.Equal(counted, c.want) {
			t.Errorf("%s is counted by %v, want %v", name, counted, c.want)
		}
	}
}

// fits says whether an event fits a pattern, as EventBridge does it, given all objects that stand where the pattern begins: lists are
// looked through, and one of them that fits is enough. It knows what our patterns use, and fails on anything else.
func fits(t *testing.T, pattern map[string]any, objects []any) bool {
	t.Helper()
	for key, want := range pattern {
		if key == "$or" {
			if !slices.ContainsFunc(want.([]any), func(one any) bool { return fits(t, one.(map[string]any), objects) }) {
				return false
			}
			continue
		}
		var values []any
		for _, object := range objects {
			switch value := object.(map[string]any)[key].(type) {
			case nil:
			case []any:
				values = append(values, value...)
			default:
				values = append(values, value)
			}
		}
		switch want := want.(type) {
		case map[string]any:
			if !fits(t, want, values) {
				return false
			}
		case []any:
			if !slices.ContainsFunc(values, func(value any) bool {
				return slices.ContainsFunc(want, func(one any) bool { return fitsValue(t, one, value) })
			}) {
				return false
			}
		default:
			t.Fatalf("%s: EventBridge takes no %v", key, want)
		}
	}
	return true
}

func fitsValue(t *testing.T, want, value any) bool {
	t.Helper()
	operator, ok := want.(map[string]any)
	if !ok {
		return want == value
	}
	for name, operand := range operator {
		switch name {
		case "prefix":
			text, is := value.(string)
			return is && strings.HasPrefix(text, operand.(string))
		case "anything-but":
			return !slices.Contains(operand.([]any), value)
		default:
			t.Fatalf("%s is not known here", name)
		}
	}
	return false
}
