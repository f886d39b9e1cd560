package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"

	"slipway/local/awsapi"
)

// databaseOn switches on what a database can have, and databaseOff switches it off again.
var (
	databaseOn = map[string]any{
		"slipway:databaseAppUser": "client", "slipway:databaseMaxStorageGb": 100, "slipway:databaseMultiAz": true,
		"slipway:databaseLogs": true, "slipway:databasePerformanceInsights": true, "slipway:databaseSlowMs": 500,
		"slipway:databaseBackupWindow": "03:00-04:00", "slipway:databaseMaintenanceWindow": "sun:04:30-sun:05:30",
	}
	databaseOff = map[string]any{
		"slipway:databaseAppUser": "", "slipway:databaseMaxStorageGb": 0, "slipway:databaseMultiAz": false,
		"slipway:databaseLogs": false, "slipway:databasePerformanceInsights": false, "slipway:databaseSlowMs": 0,
		"slipway:databaseBackupWindow": "", "slipway:databaseMaintenanceWindow": "",
	}
)

// TestDatabase switches on what a database can have, and off again: it converges, storage that has grown is no drift, a snapshot brings
// back what it holds by configuration alone, as often as one likes, each deletion leaves a last snapshot, a major upgrade is made at
// once, and the deploy role may do all of it, and no more.
func TestDatabase(t *testing.T) {
	t.Parallel()
	c := clone(t)
	set := func(values map[string]any) {
		t.Helper()
		c.adapt(t, "staging", values)
		run(t, c.dir, "git", "commit", "--quiet", "--allow-empty", "--all", "--message", "change")
	}
	set(map[string]any{
		"slipway:databaseProtected": true, "slipway:databaseFinalSnapshot": true, "slipway:databaseBackupDays": 1,
		"slipway:registryForceDelete": true, "slipway:clusterRetainTaskDefinitions": false,
	})
	set(databaseOn)
	unchanged := func(when string) {
		t.Helper()
		if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
			t.Errorf("%s the stack had not converged:\n%s", when, again)
		}
	}
	c.local(t, "preview", "staging")
	c.local(t, "up", "staging")
	unchanged("at first")

	api := rds.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	const id, snapshot = "myapp-staging", "myapp-staging-by-hand"
	instance := func() rdstypes.DBInstance {
		t.Helper()
		found, err := api.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(id)})
		if err != nil {
			t.Fatal(err)
		}
		return found.DBInstances[0]
	}
	if db := instance(); aws.ToInt32(db.MaxAllocatedStorage) != 100 || !aws.ToBool(db.PerformanceInsightsEnabled) || !aws.ToBool(db.MultiAZ) ||
		!slices.Equal(db.EnabledCloudwatchLogsExports, []string{"postgresql"}) ||
		aws.ToString(db.PreferredBackupWindow) != "03:00-04:00" || aws.ToString(db.PreferredMaintenanceWindow) != "sun:04:30-sun:05:30" {
		t.Errorf("RDS has %+v", db)
	}
	c.items(t, "INSERT INTO items (name) VALUES ('before')")
	if got := c.items(t, "SELECT current_setting('log_min_duration_statement')"); got != "500ms" {
		t.Errorf("statements are slow from %s", got)
	}

	// RDS lets the storage grow.
	if _, err := api.ModifyDBInstance(t.Context(), &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: aws.String(id), AllocatedStorage: aws.Int32(25), ApplyImmediately: aws.Bool(true),
	}); err != nil {
		t.Fatal(err)
	}
	unchanged("with storage that has grown")
	c.checkNoDrift(t)

	// The runbook's steps, twice: what the first restore has deleted is had back by the second. (The protection goes before the snapshot is
	// taken: an instance that moto makes from one would have it.)
	set(map[string]any{"slipway:databaseProtected": false})
	c.local(t, "up", "staging")
	if _, err := api.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{
		DBInstanceIdentifier: aws.String(id), DBSnapshotIdentifier: aws.String(snapshot),
	}); err != nil {
		t.Fatal(err)
	}
	c.items(t, "INSERT INTO items (name) VALUES ('after')")
	last := "myapp-staging-final-" + aws.ToString(instance().VpcSecurityGroups[0].VpcSecurityGroupId)
	for _, restore := range []struct{ snapshot, holds string }{{snapshot, "before"}, {last, "before,after"}} {
		set(map[string]any{"slipway:databaseSnapshot": restore.snapshot, "slipway:databaseStorageGb": 25})
		if restored := c.local(t, "up", "staging"); !slices.Contains(changes(restored), "aws:rds:Instance") {
			t.Errorf("the snapshot changed nothing:\n%s", restored)
		}
		if got := c.items(t, "SELECT string_agg(name, ',' ORDER BY id) FROM items"); got != restore.holds {
			t.Errorf("the database restored from %s holds %q", restore.snapshot, got)
		}
		c.answers(t, c.outputs(t, "staging").URL+"/api/items") // as the application's user, whose password is of another time
		unchanged("restored")
		set(map[string]any{"slipway:databaseSnapshot": ""})
		unchanged("with the snapshot's name gone")
	}
	c.local(t, "preview", "staging")

	// Off again. The storage stays as large as it has become.
	set(databaseOff)
	set(map[string]any{"slipway:databaseStorageGb": 20})
	c.says(t, c.refused(t, "up", "staging"), "databaseStorageGb: the database has 25 GiB")
	set(map[string]any{"slipway:databaseStorageGb": 25})
	c.local(t, "up", "staging")
	unchanged("with all options off")
	c.answers(t, c.outputs(t, "staging").URL+"/api/items") // as the master user
	if db := instance(); aws.ToInt32(db.MaxAllocatedStorage) != 0 || aws.ToBool(db.PerformanceInsightsEnabled) || aws.ToBool(db.MultiAZ) ||
		len(db.EnabledCloudwatchLogsExports) > 0 || aws.ToBool(db.DeletionProtection) || aws.ToString(db.PreferredBackupWindow) != "03:00-04:00" {
		t.Errorf("with all options off RDS has %+v", db)
	}
	if held := c.inventory(t); slices.ContainsFunc(held, func(line string) bool {
		return strings.Contains(line, "/aws/rds/instance/") || strings.Contains(line, "myapp-staging/database")
	}) {
		t.Errorf("the log group or the secret is left: %v", held)
	}

	// A major upgrade.
	set(map[string]any{"slipway:databaseVersion": "18"})
	c.says(t, c.refused(t, "up", "staging"), "set databaseApplyImmediately to true")
	set(map[string]any{"slipway:databaseApplyImmediately": true})
	c.local(t, "up", "staging")
	set(map[string]any{"slipway:databaseApplyImmediately": false})
	c.local(t, "up", "staging")
	unchanged("upgraded")
	if db := instance(); !strings.HasPrefix(aws.ToString(db.EngineVersion), "18") || len(db.DBParameterGroups) != 1 ||
		aws.ToString(db.DBParameterGroups[0].DBParameterGroupName) != "myapp-staging-postgres18" {
		t.Errorf("upgraded, RDS has %+v", db)
	}

	if _, err := api.DeleteDBSnapshot(t.Context(), &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: aws.String(snapshot)}); err != nil {
		t.Fatal(err)
	}
	c.within(t, documents(t, c.state(t), "staging", "deploy", "preview"), func() {
		// Down tells of what would go on costing: the last snapshots of three instances, which stay on purpose, and nothing else.
		snapshots := "rds DescribeDBSnapshots " + last
		c.says(t, c.refused(t, "down", "staging"), "did not have at birth: ["+snapshots+" "+snapshots+"-2 "+snapshots+"-3]")
	}, "DatabaseUser")
}

// items has the database carry out a statement as the master user, and returns what a query comes to.
func (c checkout) items(t *testing.T, statement string) string {
	t.Helper()
	connection := c.database(t)
	defer func() { _ = connection.Close(context.Background()) }()
	if !strings.HasPrefix(statement, "SELECT") {
		if _, err := connection.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		return ""
	}
	var value string
	if err := connection.QueryRow(t.Context(), statement).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
