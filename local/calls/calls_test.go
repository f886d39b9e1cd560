package calls_test

import (
	"cmp"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"slipway/local/calls"
)

const at = ":us-east-1:123456789012:"

// TestIdentify plays calls as the SDK sends them, in both protocols.
func TestIdentify(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, service, target, body string
		want                        calls.Call
	}{
		{
			"a role with its boundary and tags", "iam", "",
			"Action=CreateRole&Version=2010-05-08&RoleName=a-task&PermissionsBoundary=arn:aws:iam::123456789012:policy/a-boundary&Tags.member.1.Key=x&Tags.member.1.Value=y",
			calls.Call{Operation: "CreateRole", Resources: []string{"arn:aws:iam::123456789012:role/a-task"}, Tagged: true, Boundary: "arn:aws:iam::123456789012:policy/a-boundary"},
		},
		{
			"a role's policy, whose name is no resource", "iam", "", "Action=PutRolePolicy&RoleName=a-task&PolicyName=task",
			calls.Call{Operation: "PutRolePolicy", Resources: []string{"arn:aws:iam::123456789012:role/a-task"}},
		},
		{
			"a policy", "iam", "", "Action=CreatePolicy&PolicyName=a-boundary",
			calls.Call{Operation: "CreatePolicy", Resources: []string{"arn:aws:iam::123456789012:policy/a-boundary"}},
		},
		{
			"a provider", "iam", "", "Action=CreateOpenIDConnectProvider&Url=https%3A%2F%2Ftoken.actions.githubusercontent.com",
			calls.Call{Operation: "CreateOpenIDConnectProvider", Resources: []string{"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}},
		},
		{
			"tagging, which is a permission of its own", "iam", "", "Action=TagRole&RoleName=a&Tags.member.1.Key=x",
			calls.Call{Operation: "TagRole", Resources: []string{"arn:aws:iam::123456789012:role/a"}},
		},
		{
			"a network", "ec2", "", "Action=CreateVpc&CidrBlock=10.0.0.0%2F16&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=x",
			calls.Call{Operation: "CreateVpc", Tagged: true},
		},
		{
			"a database", "rds", "",
			"Action=CreateDBInstance&DBInstanceIdentifier=a&DBParameterGroupName=a-postgres17&DBSubnetGroupName=a&Tags.Tag.1.Key=x",
			calls.Call{
				Operation: "CreateDBInstance", Tagged: true,
				Resources: []string{"arn:aws:rds" + at + "db:a", "arn:aws:rds" + at + "pg:a-postgres17", "arn:aws:rds" + at + "subgrp:a"},
			},
		},
		{
			"a load balancer", "elasticloadbalancing", "", "Action=CreateLoadBalancer&Name=a",
			calls.Call{Operation: "CreateLoadBalancer", Resources: []string{"arn:aws:elasticloadbalancing" + at + "loadbalancer/app/a/new"}},
		},
		{
			"tags of several", "elasticloadbalancing", "", "Action=DescribeTags&ResourceArns.member.1=arn:a&ResourceArns.member.2=arn:b",
			calls.Call{Operation: "DescribeTags", Resources: []string{"arn:a", "arn:b"}},
		},
		{
			"a service of a cluster that is named by its ARN", "ecs", "AmazonEC2ContainerServiceV20141113.UpdateService",
			`{"cluster": "arn:aws:ecs` + at + `cluster/a", "service": "backend", "taskDefinition": "a-backend:1"}`,
			calls.Call{Operation: "UpdateService", Resources: []string{"arn:aws:ecs" + at + "service/a/backend"}},
		},
		{
			"services of a cluster that is named by its name", "ecs", "AmazonEC2ContainerServiceV20141113.DescribeServices",
			`{"cluster": "a", "services": ["backend", "arn:aws:ecs` + at + `service/a/frontend"]}`,
			calls.Call{Operation: "DescribeServices", Resources: []string{"arn:aws:ecs" + at + "service/a/backend", "arn:aws:ecs" + at + "service/a/frontend"}},
		},
		{
			"a task definition with its roles", "ecs", "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition",
			`{"family": "a-backend", "executionRoleArn": "arn:e", "taskRoleArn": "arn:t", "tags": [{"key": "x", "value": "y"}]}`,
			calls.Call{Operation: "RegisterTaskDefinition", Tagged: true, Passed: []string{"arn:e", "arn:t"}, Resources: []string{"arn:aws:ecs" + at + "task-definition/a-backend:new"}},
		},
		{
			"a log group with no tags", "logs", "Logs_20140328.CreateLogGroup", `{"logGroupName": "/a/backend", "tags": {}}`,
			calls.Call{Operation: "CreateLogGroup", Resources: []string{"arn:aws:logs" + at + "log-group:/a/backend"}},
		},
		{
			"a log group with tags", "logs", "Logs_20140328.CreateLogGroup", `{"logGroupName": "/a/backend", "tags": {"x": "y"}}`,
			calls.Call{Operation: "CreateLogGroup", Tagged: true, Resources: []string{"arn:aws:logs" + at + "log-group:/a/backend"}},
		},
		{
			"words of a task", "logs", "Logs_20140328.GetLogEvents", `{"logGroupName": "/a/backend", "logStreamName": "backend/backend/1"}`,
			calls.Call{Operation: "GetLogEvents", Resources: []string{"arn:aws:logs" + at + "log-group:/a/backend:log-stream:backend/backend/1"}},
		},
		{
			"alarms", "monitoring", "GraniteServiceVersion20100801.DescribeAlarms", `{"AlarmNames": ["a-5xx", "a-cpu"]}`,
			calls.Call{Operation: "DescribeAlarms", Service: "cloudwatch", Resources: []string{"arn:aws:cloudwatch" + at + "alarm:a-5xx", "arn:aws:cloudwatch" + at + "alarm:a-cpu"}},
		},
		{
			"a dashboard, which is of no region", "monitoring", "GraniteServiceVersion20100801.PutDashboard", `{"DashboardName": "a", "DashboardBody": "{}"}`,
			calls.Call{Operation: "PutDashboard", Service: "cloudwatch", Resources: []string{"arn:aws:cloudwatch::123456789012:dashboard/a"}},
		},
		{
			"a topic with tags", "sns", "", "Action=CreateTopic&Name=a-alarms&Tags.member.1.Key=x&Tags.member.1.Value=y",
			calls.Call{Operation: "CreateTopic", Tagged: true, Resources: []string{"arn:aws:sns" + at + "a-alarms"}},
		},
		{
			"a subscription, which is held against its topic", "sns", "", "Action=Unsubscribe&SubscriptionArn=arn%3Aaws%3Asns%3Aus-east-1%3A123456789012%3Aa-alarms%3A1",
			calls.Call{Operation: "Unsubscribe", Resources: []string{"arn:aws:sns" + at + "a-alarms"}},
		},
		{
			"a rule's targets", "events", "AWSEvents.PutTargets", `{"Rule": "a-stopped-tasks", "Targets": [{"Id": "topic"}]}`,
			calls.Call{Operation: "PutTargets", Resources: []string{"arn:aws:events" + at + "rule/a-stopped-tasks"}},
		},
		{"an image", "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeImages", `{"repositoryName": "a/b"}`, calls.Call{Operation: "DescribeImages", Resources: []string{"arn:aws:ecr" + at + "repository/a/b"}}},
		{"what is no JSON", "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeImages", `{`, calls.Call{Operation: "DescribeImages"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Service, c.want.Caller, c.want.Time = cmp.Or(c.want.Service, c.service), "somebody", now
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=somebody/20261124/us-east-1/"+c.service+"/aws4_request, SignedHeaders=host, Signature=x")
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			if c.target != "" {
				request.Header.Set("Content-Type", "application/x-amz-json-1.1")
				request.Header.Set("X-Amz-Target", c.target)
			}
			got, form, err := calls.Identify(request, now)
			if err != nil || !reflect.DeepEqual(got, c.want) || (form == nil) != (c.target != "") {
				t.Errorf("got %+v, form %v, %v\nwant %+v", got, form, err, c.want)
			}
			if body, err := io.ReadAll(request.Body); err != nil || string(body) != c.body {
				t.Errorf("the body reads %q afterwards, %v", body, err)
			}
		})
	}
}

// TestIdentifyPath holds that a call whose operation nothing names is known by method and path, and one with no signature by
// nobody's.
func TestIdentifyPath(t *testing.T) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/v20180820/tags/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := calls.Identify(request, time.Now()); err != nil || got.Operation != "GET /v20180820/tags/a" || got.Caller != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRead(t *testing.T) {
	all, err := calls.Read(strings.NewReader(`{"service":"iam","operation":"GetRole","caller":"a"}` + "\n" + `{"service":"ia`))
	if err != nil || len(all) != 1 || all[0].Operation != "GetRole" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := calls.Read(strings.NewReader("{\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a broken line: %v", err)
	}
	if _, err := calls.Read(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("a record that cannot be read was read")
	}
}

// TestIdentifyScheduler plays calls of EventBridge Scheduler.
func TestIdentifyScheduler(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const report = "arn:aws:scheduler" + at + "schedule/app/report"
	for _, c := range []struct {
		method, url, body string
		want              calls.Call
	}{
		{
			"POST", "/schedules/report", `{"GroupName": "app", "Target": {"RoleArn": "arn:aws:iam::123456789012:role/app-report-schedule"}}`,
			calls.Call{Operation: "CreateSchedule", Resources: []string{report}, Passed: []string{"arn:aws:iam::123456789012:role/app-report-schedule"}},
		},
		{"DELETE", "/schedules/report?groupName=app&clientToken=x", "", calls.Call{Operation: "DeleteSchedule", Resources: []string{report}}},
		{
			"POST", "/schedule-groups/app", `{"Tags": [{"Key": "a", "Value": "b"}]}`,
			calls.Call{Operation: "CreateScheduleGroup", Resources: []string{"arn:aws:scheduler" + at + "schedule-group/app"}, Tagged: true},
		},
		{
			"GET", "/tags/arn%3Aaws%3Ascheduler%3Aus-east-1%3A123456789012%3Aschedule-group%2Fapp", "",
			calls.Call{Operation: "ListTagsForResource", Resources: []string{"arn:aws:scheduler" + at + "schedule-group/app"}},
		},
		{"GET", "/schedules?ScheduleGroup=app", "", calls.Call{Operation: "ListSchedules"}},
		{"PATCH", "/schedules/report", "", calls.Call{Operation: "PATCH /schedules/report"}},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://127.0.0.1"+c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=key/20261124/us-east-1/scheduler/aws4_request, SignedHeaders=host, Signature=x")
		c.want.Service, c.want.Caller, c.want.Time = "scheduler", "key", now
		if got, _, err := calls.Identify(request, now); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s: got %+v, %v, want %+v", c.method, c.url, got, err, c.want)
		}
		if body, _ := io.ReadAll(request.Body); string(body) != c.body {
			t.Errorf("%s %s: the body is %q now", c.method, c.url, body)
		}
	}
}
