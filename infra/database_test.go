package infra

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway/infra/infratest"
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
	if !slices.Equal(parameters, []string{"rds.force_ssl=1"}) || len(logs) > 0 {
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
