package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"slipway/local/awsapi"
)

// TestDatabase switches on what a database can have: it converges, storage that has grown is no drift, a snapshot brings back what
// it holds by configuration alone, and the deploy role may do all of it, and no more.
func TestDatabase(t *testing.T) {
	c := clone(t)
	set := func(snapshot string, storage int) {
		t.Helper()
		c.adapt(t, "staging", throwAway(map[string]any{
			"slipway:databaseAppUser": "client", "slipway:databaseStorageGb": storage, "slipway:databaseMaxStorageGb": 100,
			"slipway:databaseLogs": true, "slipway:databaseBackupDays": 1,
			"slipway:databasePerformanceInsights": true, "slipway:databaseSlowMs": 500, "slipway:databaseSnapshot": snapshot,
			"slipway:databaseBackupWindow": "03:00-04:00", "slipway:databaseMaintenanceWindow": "sun:04:30-sun:05:30",
		}))
		run(t, c.dir, "git", "commit", "--quiet", "--allow-empty", "--all", "--message", "change")
	}
	set("", 20)
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
	found, err := api.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(id)})
	if err != nil {
		t.Fatal(err)
	}
	if db := found.DBInstances[0]; aws.ToInt32(db.MaxAllocatedStorage) != 100 || !aws.ToBool(db.PerformanceInsightsEnabled) ||
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
	t.Setenv("SLIPWAY_PULUMI", c.bin+" pulumi")
	c.says(t, run(t, c.dir, "go", "run", "./ops/cmd/slipway", "drift", "--stack", "staging"), "staging: no drift")

	if _, err := api.CreateDBSnapshot(t.Context(), &rds.CreateDBSnapshotInput{
		DBInstanceIdentifier: aws.String(id), DBSnapshotIdentifier: aws.String(snapshot),
	}); err != nil {
		t.Fatal(err)
	}
	c.items(t, "INSERT INTO items (name) VALUES ('after')")
	set(snapshot, 25)
	restored := c.local(t, "up", "staging")
	if !slices.Contains(changes(restored), "aws:rds:Instance") {
		t.Errorf("the snapshot changed nothing:\n%s", restored)
	}
	if got := c.items(t, "SELECT string_agg(name, ',') FROM items"); got != "before" {
		t.Errorf("the restored database holds %q", got)
	}
	c.answers(t, c.outputs(t, "staging").URL+"/api/items") // as the application's user, whose password is of another time
	unchanged("restored")
	set("", 20)
	unchanged("with the snapshot's name gone")
	c.local(t, "preview", "staging")

	if _, err := api.DeleteDBSnapshot(t.Context(), &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: aws.String(snapshot)}); err != nil {
		t.Fatal(err)
	}
	c.endWithin(t, documents(t, c.state(t), "staging", "deploy", "preview"), "DatabaseUser")
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
