package e2e

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// cloudWatch is the version of CloudWatch's API.
const cloudWatch = "2010-08-01"

// TestAlarms has staging watched: every alarm of the table is there and tells the topic, the dashboard shows them, a release during
// which one goes off is taken back, and `up` names it; when all is switched off again, nothing of it is left, and ECS watches no more.
// The calls are within the deploy role's permissions, and make use of those that are for this.
func TestAlarms(t *testing.T) {
	t.Parallel()
	c := clone(t)
	const alarm = "myapp-staging-edge-5xx"
	values := throwAway(map[string]any{
		"slipway:alarms": true, "slipway:dashboard": true, "slipway:alarmsEmail": []string{"ops@example.com"},
	})
	c.adapt(t, "staging", values)
	good := c.commit(t)
	c.local(t, "preview", "staging")
	c.local(t, "up", "staging")
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	c.checkAlarms(t)
	ran := c.outputs(t, "staging")
	c.answers(t, ran.URL+"/api/readyz")

	// A release that starts well, and about which users complain.
	before := aws.ToString(c.backend(t).TaskDefinition)
	bad := c.change(t, "backend/app/__init__.py", "\"\"\"Another revision.\"\"\"\n")
	up := c.begin(t, "up", "staging")
	c.waitFor(t, "a task of the release", func(service ecstypes.Service) bool {
		primary := service.Deployments[0]
		return aws.ToString(primary.TaskDefinition) != before && primary.RunningCount > 0
	})
	c.setAlarm(t, alarm, "ALARM")
	log, err := up()
	if err == nil {
		t.Errorf("a release during which an alarm went off was taken for a good one")
	}
	c.says(t, log, "was asked for, and ECS went back to", "deployment failed: alarm detected.", "alarm "+alarm+" went off while it went out")
	c.waitFor(t, "the release before", func(service ecstypes.Service) bool {
		return len(service.Deployments) == 1 && service.Deployments[0].RolloutState == ecstypes.DeploymentRolloutStateCompleted
	})
	c.mustRun(t, ran.URL, good)
	if now := c.outputs(t, "staging").Revision; now != good {
		t.Errorf("the outputs say that %s runs, want %s", now, good)
	}
	c.setAlarm(t, alarm, "OK")
	c.local(t, "up", "staging")
	c.mustRun(t, ran.URL, bad)

	// Off again: the service is told, though the provider passes on no missing block, and then the alarms go.
	values["slipway:alarms"], values["slipway:dashboard"], values["slipway:alarmsEmail"] = false, false, []string{}
	c.adapt(t, "staging", values)
	c.commit(t)
	c.local(t, "up", "staging")
	for _, line := range c.inventory(t) {
		if strings.HasPrefix(line, "monitoring ") || strings.HasPrefix(line, "sns ") || strings.HasPrefix(line, "events ") {
			t.Errorf("with all switched off there is still %s", line)
		}
	}
	if alarms := c.backend(t).DeploymentConfiguration.Alarms; alarms == nil || alarms.Enable {
		t.Errorf("ECS still watches releases by %+v", alarms)
	}
	if breaker := c.backend(t).DeploymentConfiguration.DeploymentCircuitBreaker; breaker == nil || !breaker.Enable || !breaker.Rollback {
		t.Errorf("the circuit breaker is %+v", breaker)
	}
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack without alarms had not converged:\n%s", again)
	}
	c.endWithin(t, documents(t, c.state(t), "staging", "deploy", "preview"), "Alarms", "Topics", "StoppedTasks", "Dashboard")
}

// checkAlarms holds what CloudWatch shows against the table as it was read by a person.
func (c checkout) checkAlarms(t *testing.T) {
	t.Helper()
	var found struct {
		Alarms []struct {
			AlarmName, StateValue, AlarmDescription string
			Actions                                 []string `xml:"AlarmActions>member"`
		} `xml:"DescribeAlarmsResult>MetricAlarms>member"`
		Body string `xml:"GetDashboardResult>DashboardBody"`
	}
	for _, form := range []url.Values{
		{"Version": {cloudWatch}, "Action": {"DescribeAlarms"}},
		{"Version": {cloudWatch}, "Action": {"GetDashboard"}, "DashboardName": {"myapp-staging"}},
	} {
		if err := xml.Unmarshal(query(t, c.state(t), "monitoring", form), &found); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, alarm := range found.Alarms {
		names = append(names, alarm.AlarmName)
		if want := "arn:aws:sns:us-east-1:" + awsapi.Account + ":myapp-staging-alarms"; !slices.Equal(alarm.Actions, []string{want}) || alarm.AlarmDescription == "" {
			t.Errorf("alarm %s: %+v", alarm.AlarmName, alarm)
		}
	}
	slices.Sort(names)
	var want []string
	golden := c.read(t, "infra/testdata/watched.golden")
	for _, match := range regexp.MustCompile(`(?m)^aws:cloudwatch/metricAlarm:MetricAlarm (\S+)$`).FindAllStringSubmatch(golden, -1) {
		want = append(want, "myapp-staging-"+match[1])
	}
	slices.Sort(want)
	if !slices.Equal(names, want) || len(want) < 10 {
		t.Errorf("CloudWatch has the alarms %v, want %v", names, want)
	}
	var dashboard struct {
		Widgets []struct {
			Type       string
			Properties struct{ Title string }
		}
	}
	if err := json.Unmarshal([]byte(found.Body), &dashboard); err != nil || len(dashboard.Widgets) != len(want)+1 {
		t.Errorf("the dashboard has %d widgets, want one for each of %d alarms and one for the logs: %v", len(dashboard.Widgets), len(want), err)
	}
}

// alarms are the names of all alarms that CloudWatch has.
func (c checkout) alarms(t *testing.T) []string {
	t.Helper()
	var found struct {
		Names []string `xml:"DescribeAlarmsResult>MetricAlarms>member>AlarmName"`
	}
	if err := xml.Unmarshal(query(t, c.state(t), "monitoring", url.Values{"Version": {cloudWatch}, "Action": {"DescribeAlarms"}}), &found); err != nil {
		t.Fatal(err)
	}
	return found.Names
}

// setAlarm makes an alarm go off, or end: nothing measures anything in the embedded cloud.
func (c checkout) setAlarm(t *testing.T, name, value string) {
	t.Helper()
	query(t, c.state(t), "monitoring", url.Values{
		"Version": {cloudWatch}, "Action": {"SetAlarmState"}, "AlarmName": {name}, "StateValue": {value}, "StateReason": {"a test"},
	})
}

// backend is staging's backend, as ECS shows it.
func (c checkout) backend(t *testing.T) ecstypes.Service {
	t.Helper()
	found, err := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).DescribeServices(t.Context(), &ecs.DescribeServicesInput{
		Cluster: aws.String("myapp-staging"), Services: []string{"backend"},
	})
	if err != nil || len(found.Services) != 1 {
		t.Fatalf("ECS shows %v, %v", found, err)
	}
	return found.Services[0]
}

// waitFor waits until staging's backend is as it should be.
func (c checkout) waitFor(t *testing.T, what string, is func(ecstypes.Service) bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		service := c.backend(t)
		if is(service) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come: %+v", what, service)
		}
	}
}

// begin starts a command, and returns what waits for its end and gives what it printed.
func (c checkout) begin(t *testing.T, command ...string) func() (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.bin, command...)
	cmd.Dir = c.dir
	var out strings.Builder
	cmd.Stdout = io.MultiWriter(&out, t.Output())
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (string, error) {
		err := cmd.Wait()
		return out.String(), err
	}
}
