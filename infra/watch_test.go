package infra

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/infra/goldentest"
	"slipway/infra/infratest"
	"slipway/infra/policy/policytest"
)

// seeing is everything that looks on, switched on.
var seeing = map[string]string{
	"alarms": "true", "dashboard": "true", "alarmsEmail": `["ops@example.com"]`,
	"alarmsSlackWorkspace": "T07EA123LEP", "alarmsSlackChannel": "C07EZ1ABC23",
}

const observer = "slipway:observe:Observe observe"

const alarmType = "aws:cloudwatch/metricAlarm:MetricAlarm"

// TestWatched holds all that looks on at staging, when it does, against a file that a person has read.
func TestWatched(t *testing.T) {
	file, err := filepath.Abs("testdata/watched.golden")
	if err != nil {
		t.Fatal(err)
	}
	resources, err := declare(t, "staging", seeing)
	if err != nil {
		t.Fatal(err)
	}
	goldentest.Expect(t, file, infratest.Render(slices.DeleteFunc(resources, func(r infratest.Resource) bool { return r.Parent != observer })))
}

// TestUnwatched holds that nothing is there of what is off, and that each part can be had without the other.
func TestUnwatched(t *testing.T) {
	tokens := regexp.MustCompile(`^(aws:cloudwatch/(metricAlarm|dashboard|event)|aws:sns/|aws:chatbot/|slipway:observe:)`)
	for name, c := range map[string]struct {
		settings  map[string]string
		types     string // that must be there, and no others of those above
		forbidden string
	}{
		"nothing": {nil, "", "."},
		"a dashboard alone": {
			map[string]string{"dashboard": "true"}, "aws:cloudwatch/dashboard:Dashboard", "alarm|sns|event|chatbot",
		},
		"alarms alone": {map[string]string{"alarms": "true"}, alarmType, "dashboard|chatbot|Subscription"},
	} {
		resources, err := declare(t, "staging", c.settings)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, r := range resources {
			if tokens.MatchString(r.Type) {
				found[r.Type] = true
			}
		}
		if c.types != "" && !found[c.types] {
			t.Errorf("%s: no %s among %v", name, c.types, found)
		}
		for token := range found {
			if regexp.MustCompile(c.forbidden).MatchString(token) {
				t.Errorf("%s declares a %s", name, token)
			}
		}
	}
}

// TestAlarms holds what is true of every alarm: it tells, and says what to type, which the runbook says too.
func TestAlarms(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join(top, "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	resources, err := declare(t, "staging", seeing)
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`make [a-z]+ STACK=staging`)
	services := regexp.MustCompile(`^(backend|frontend)-`)
	for _, alarm := range of(t, resources, alarmType) {
		if name := input(alarm, "name").StringValue(); name != "myapp-staging-"+alarm.Name {
			t.Errorf("%s is called %s", alarm.Name, name)
		}
		for _, when := range []string{"alarmActions", "okActions"} {
			if to := input(alarm, when); !to.IsArray() || len(to.ArrayValue()) != 1 || to.ArrayValue()[0].StringValue() != "arn:Topic:alarms" {
				t.Errorf("%s: %s is %v", alarm.Name, when, to)
			}
		}
		description := input(alarm, "alarmDescription").StringValue()
		if len(description) > 1024 {
			t.Errorf("%s: the description has %d characters of 1024", alarm.Name, len(description))
		}
		row := rowOf(string(runbook), "`"+services.ReplaceAllString(alarm.Name, "SERVICE-")+"`")
		typed := strings.TrimSuffix(command.FindString(description), "staging") // there it is another stack's
		if typed == "" || !strings.Contains(row, typed) {
			t.Errorf("%s says %q, and the runbook: %q", alarm.Name, description, row)
		}
	}
}

// rowOf is the line of a document's table that has a text.
func rowOf(document, text string) string {
	for line := range strings.Lines(document) {
		if strings.HasPrefix(line, "|") && strings.Contains(line, text) {
			return line
		}
	}
	return ""
}

// deployment is what a service's block of alarms says.
func deployment(t *testing.T, service infratest.Resource) (names []string, enable, rollback bool) {
	t.Helper()
	block := input(service, "alarms")
	if !block.IsObject() {
		return nil, false, false
	}
	for _, name := range block.ObjectValue()["alarmNames"].ArrayValue() {
		names = append(names, name.StringValue())
	}
	slices.Sort(names)
	return names, block.ObjectValue()["enable"].BoolValue(), block.ObjectValue()["rollback"].BoolValue()
}

// TestDeploymentAlarms holds which alarms take a service's releases back: its own, of what users see. And that a service that was
// watched before is told when it is not any more, since the provider passes on no missing block.
func TestDeploymentAlarms(t *testing.T) {
	for name, c := range map[string]struct {
		settings         map[string]string
		before           []any
		want             []string
		enable, declared bool
	}{
		"on":                       {map[string]string{"alarms": "true"}, nil, []string{"myapp-staging-backend-5xx", "myapp-staging-backend-unhealthy", "myapp-staging-edge-5xx"}, true, true},
		"off":                      {nil, nil, nil, false, false},
		"off after on":             {nil, []any{"myapp-staging-backend-5xx"}, []string{"myapp-staging-backend-5xx"}, false, true},
		"on, and not for releases": {map[string]string{"alarms": "true", "alarmsRollback": "false"}, nil, nil, false, false},
		"not for releases any more": {
			map[string]string{"alarms": "true", "alarmsRollback": "false"}, []any{"myapp-staging-backend-5xx"}, []string{"myapp-staging-backend-5xx"}, false, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			resources, err := declareOver(t, c.settings, map[string]any{
				"urn:pulumi:staging::slipway::slipway:workload:Service$aws:ecs/service:Service::backend": map[string]any{
					"type":    "aws:ecs/service:Service",
					"outputs": map[string]any{"alarms": map[string]any{"alarmNames": c.before, "enable": true, "rollback": true}},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, service := range of(t, resources, "aws:ecs/service:Service") {
				if service.Name != "backend" {
					continue
				}
				names, enable, rollback := deployment(t, service)
				if !slices.Equal(names, c.want) || enable != c.enable || rollback != c.enable || input(service, "alarms").IsObject() != c.declared {
					t.Errorf("got %v, enable %t, rollback %t", names, enable, rollback)
				}
			}
		})
	}
}

// TestSleeping holds that nobody is told of a service that is meant to have no tasks, and that other alarms stay.
func TestSleeping(t *testing.T) {
	resources, err := declare(t, "staging", map[string]string{"alarms": "true", "serviceOverrides": `{"backend": {"count": 0}}`})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, alarm := range of(t, resources, alarmType) {
		names = append(names, alarm.Name)
	}
	if slices.Contains(names, "backend-gone") || !slices.Contains(names, "frontend-gone") || !slices.Contains(names, "backend-5xx") {
		t.Errorf("the alarms are %v", names)
	}
	asleep := sleep("cron(0 20 ? * MON-FRI *)", "cron(0 7 ? * MON-FRI *)")
	asleep["alarms"] = "true"
	if resources, err = declare(t, "staging", asleep); err != nil {
		t.Fatal(err)
	}
	for _, alarm := range of(t, resources, alarmType) {
		if strings.HasSuffix(alarm.Name, "-gone") {
			t.Errorf("a stack that sleeps at night has alarm %s", alarm.Name)
		}
	}
}

// TestPatience holds that a task may fail its checks for as long as ECS lets it, before an alarm takes its release back.
func TestPatience(t *testing.T) {
	for seconds, want := range map[string]float64{"0": 3, "60": 3, "61": 4, "180": 5} {
		resources, err := declare(t, "staging", map[string]string{
			"alarms": "true", "serviceOverrides": `{"backend": {"healthGraceSeconds": ` + seconds + `}}`,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, alarm := range of(t, resources, alarmType) {
			if alarm.Name != "backend-unhealthy" {
				continue
			}
			if looked, wrong := input(alarm, "evaluationPeriods").NumberValue(), input(alarm, "datapointsToAlarm").NumberValue(); looked != want || wrong != want {
				t.Errorf("after a grace of %s s the alarm goes off by %g of %g minutes, want %g", seconds, wrong, looked, want)
			}
		}
	}
}

// TestWatchedWorker holds that a service which takes no requests has no alarm on any, and so none that takes a release back.
func TestWatchedWorker(t *testing.T) {
	settings := map[string]string{"alarms": "true"}
	maps.Copy(settings, services(`{"path": ["/api/*"], "port": 8000, "healthCommand": ["true"]}`, `{"healthCommand": ["true"]}`, `"back"`, `"backend"`, `"front"`, `"frontend"`))
	resources, err := declare(t, "staging", settings)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, alarm := range of(t, resources, alarmType) {
		if strings.HasPrefix(alarm.Name, "backend-") {
			names = append(names, alarm.Name)
		}
	}
	if want := []string{"backend-cpu", "backend-memory"}; !slices.Equal(names, want) {
		t.Errorf("the worker's alarms are %v, want %v", names, want)
	}
	for _, service := range of(t, resources, "aws:ecs/service:Service") {
		if declared := input(service, "alarms").IsObject(); declared != (service.Name == "frontend") {
			t.Errorf("%s: alarms take its releases back: %t", service.Name, declared)
		}
	}
}

// TestSlackCanDoNothing holds that the role of the Slack channel has no policy, and that it stays within the boundary.
func TestSlackCanDoNothing(t *testing.T) {
	resources, err := declare(t, "staging", seeing)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range resources {
		switch {
		case r.Type == "aws:iam/role:Role" && r.Name == "slack":
			found = input(r, "permissionsBoundary").StringValue() == "arn:Policy:identity-boundary"
		case strings.HasPrefix(r.Type, "aws:iam/rolePolicy") && input(r, "role").IsString() && strings.Contains(input(r, "role").StringValue(), "slack"):
			t.Errorf("the role of the Slack channel has %s", r.Key())
		}
	}
	if !found {
		t.Error("no role of the Slack channel within the boundary")
	}
}

// TestShellsAreWrittenDown holds that where a shell may be opened in a task, the cluster writes down what is typed there, which the
// task's role and the boundary allow; and that otherwise nothing of it is there.
func TestShellsAreWrittenDown(t *testing.T) {
	resources, err := declare(t, "staging", map[string]string{"serviceOverrides": `{"backend": {"exec": true}}`})
	if err != nil {
		t.Fatal(err)
	}
	cluster := of(t, resources, "aws:ecs/cluster:Cluster")[0]
	configuration, err := json.Marshal(input(cluster, "configuration").Mappable())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"executeCommandConfiguration":{"logConfiguration":{"cloudWatchLogGroupName":"/slipway/myapp-staging/exec"},"logging":"OVERRIDE"}}`
	if string(configuration) != want {
		t.Errorf("the cluster's configuration is %s", configuration)
	}
	documents := map[string]string{}
	for _, r := range append(of(t, resources, "aws:iam/rolePolicy:RolePolicy"), of(t, resources, "aws:iam/policy:Policy")...) {
		documents[r.Name] = input(r, "policy").StringValue()
	}
	const group = "arn:aws:logs:us-east-1:123456789012:log-group:"
	for _, document := range []string{documents["backend-task"], documents["identity-boundary"]} {
		for action, of := range map[string]string{
			"logs:PutLogEvents": group + "/slipway/myapp-staging/exec:log-stream:1", "logs:CreateLogStream": group + "/slipway/myapp-staging/exec:log-stream:1",
			"logs:DescribeLogStreams": group + "/slipway/myapp-staging/exec:log-stream:", "logs:DescribeLogGroups": "*",
		} {
			verdict, err := policytest.Evaluate(document, policytest.Request{
				Action: action, Resource: of, Context: map[string][]string{"aws:RequestedRegion": {"us-east-1"}},
			})
			if err != nil || !verdict.Allowed {
				t.Errorf("%s on %s is %s (%v) by %s", action, of, verdict, err, document)
			}
		}
	}
	each(t, func(t *testing.T, resources []infratest.Resource) {
		if !input(of(t, resources, "aws:ecs/cluster:Cluster")[0], "configuration").IsNull() {
			t.Error("nobody may open a shell, and the cluster writes it down")
		}
		for _, group := range of(t, resources, "aws:cloudwatch/logGroup:LogGroup") {
			if group.Name == "exec" {
				t.Error("there is a log group for it")
			}
		}
	})
}
