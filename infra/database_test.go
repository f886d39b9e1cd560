package infra

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway/infra/infratest"
	"slipway/infra/policy/policytest"
)

// TestDatabaseOptions holds what each option of the database registers, and that it registers nothing where it is off.
func TestDatabaseOptions(t *testing.T) {
	off := map[string]string{"databaseSlowMs": "0"}
	on := map[string]string{
		"databaseMaxStorageGb": "100", "databaseBackupWindow": "23:30-00:30", "databaseMaintenanceWindow": "sun:00:30-sun:01:00",
		"databaseSnapshot": "rds:myapp-staging-2026-11-25-03-07", "databaseSlowMs": "250", "databaseLogs": "true",
		"databasePerformanceInsights": "true",
	}
	inputs := []string{
		"maxAllocatedStorage", "backupWindow", "maintenanceWindow", "snapshotIdentifier", "enabledCloudwatchLogsExports",
		"performanceInsightsEnabled", "performanceInsightsRetentionPeriod",
	}
	declared := func(t *testing.T, change map[string]string) (instance infratest.Resource, parameters, logs []string) {
		t.Helper()
		resources, err := declare(t, "staging", change)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range input(of(t, resources, "aws:rds/parameterGroup:ParameterGroup")[0], "parameters").ArrayValue() {
			parameters = append(parameters, p.ObjectValue()["name"].StringValue()+"="+p.ObjectValue()["value"].StringValue())
		}
		for _, group := range of(t, resources, "aws:cloudwatch/logGroup:LogGroup") {
			if name := input(group, "name").StringValue(); strings.HasPrefix(name, "/aws/rds/") {
				logs = append(logs, name)
			}
		}
		return of(t, resources, "aws:rds/instance:Instance")[0], parameters, logs
	}

	instance, parameters, logs := declared(t, off)
	for _, name := range inputs {
		if input(instance, name).HasValue() {
			t.Errorf("%s is %v, and off", name, input(instance, name))
		}
	}
	if !slices.Equal(parameters, []string{"rds.force_ssl=1", "log_min_duration_statement=-1"}) || len(logs) > 0 {
		t.Errorf("off has the parameters %v and the log groups %v", parameters, logs)
	}

	instance, parameters, logs = declared(t, on)
	for name, want := range map[string]resource.PropertyValue{
		"maxAllocatedStorage": resource.NewProperty(100.0), "backupWindow": resource.NewProperty("23:30-00:30"),
		"maintenanceWindow": resource.NewProperty("sun:00:30-sun:01:00"), "snapshotIdentifier": resource.NewProperty("rds:myapp-staging-2026-11-25-03-07"),
		"enabledCloudwatchLogsExports": resource.NewProperty([]resource.PropertyValue{resource.NewProperty("postgresql")}),
		"performanceInsightsEnabled":   resource.NewProperty(true), "performanceInsightsRetentionPeriod": resource.NewProperty(7.0),
		"allocatedStorage": resource.NewProperty(20.0),
	} {
		if got := input(instance, name); !got.DeepEquals(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if !slices.Equal(parameters, []string{"rds.force_ssl=1", "log_min_duration_statement=250"}) {
		t.Errorf("the parameters are %v", parameters)
	}
	if !slices.Equal(logs, []string{"/aws/rds/instance/myapp-staging/postgresql"}) {
		t.Errorf("the log groups are %v", logs)
	}
	if !slices.Contains(instance.Depends, "aws:cloudwatch/logGroup:LogGroup database") {
		t.Errorf("RDS may make its log group before the program does: the instance depends on %v", instance.Depends)
	}
}

// TestAppUser holds that with a user of its own a task cannot come to the master's login while it runs, that the secret of its own
// has no value that a state could hold, and that without one all is as the master's.
func TestAppUser(t *testing.T) {
	for _, user := range []string{"", "client"} {
		resources, err := declare(t, "staging", map[string]string{"databaseAppUser": user})
		if err != nil {
			t.Fatal(err)
		}
		var held []infratest.Resource
		for _, r := range resources {
			if strings.HasPrefix(r.Type, "aws:secretsmanager/") {
				held = append(held, r)
			}
		}
		policies := map[string]string{}
		for _, p := range of(t, resources, "aws:iam/rolePolicy:RolePolicy") {
			policies[p.Name] = input(p, "policy").StringValue()
		}
		boundary := ""
		for _, p := range of(t, resources, "aws:iam/policy:Policy") {
			if p.Name == "identity-boundary" {
				boundary = input(p, "policy").StringValue()
			}
		}
		may := func(document, action, resource string) bool {
			t.Helper()
			verdict, err := policytest.Evaluate(document, policytest.Request{Action: "secretsmanager:" + action, Resource: resource})
			if err != nil {
				t.Fatal(err)
			}
			return verdict.Allowed
		}
		const master = "arn:Instance:database-secret" // as the recorder makes it up
		own := "none"
		if user != "" {
			if len(held) != 1 || held[0].Type != "aws:secretsmanager/secret:Secret" || input(held[0], "name").StringValue() != "myapp-staging/database" {
				t.Fatalf("with a user the stack holds %v", held)
			}
			own = "arn:aws:secretsmanager:us-east-1:123456789012:secret:myapp-staging/database-AbCdEf"
			for _, action := range []string{"GetSecretValue", "PutSecretValue"} {
				if !may(boundary, action, own) {
					t.Errorf("the boundary forbids %s of the user's secret", action)
				}
			}
		} else if len(held) > 0 {
			t.Errorf("without a user the stack holds %v", held)
		}
		if document := policies["backend-task"]; may(document, "GetSecretValue", master) != (user == "") {
			t.Errorf("user %q: a running task may read the master's login: %s", user, document)
		}
		if document := policies["backend-execution"]; !may(document, "GetSecretValue", master) {
			t.Errorf("user %q: the migration does not get the master's login: %s", user, document)
		}
		if strings.Contains(policies["backend-task"], "PutSecretValue") != (user != "") || strings.Contains(policies["backend-execution"], "PutSecretValue") {
			t.Errorf("user %q: who may write: %s, %s", user, policies["backend-task"], policies["backend-execution"])
		}
		if may(policies["identity-deploy"], "GetSecretValue", own) || may(policies["identity-deploy"], "PutSecretValue", own) {
			t.Errorf("user %q: a deployment may read or write the login", user)
		}
	}
}
