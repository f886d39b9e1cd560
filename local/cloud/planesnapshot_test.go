package cloud_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// TestSnapshot holds that an instance that is made from a snapshot, or from the last one of an instance that has gone, has what
// that held, by a password of its own; and that a parameter group's slow statements, and Performance Insights, are as asked for.
func TestSnapshot(t *testing.T) {
	f := share(t)
	_, err := f.rds.CreateDBParameterGroup(t.Context(), &awsrds.CreateDBParameterGroupInput{
		DBParameterGroupName: aws.String("snapshots"), DBParameterGroupFamily: aws.String("postgres17"), Description: aws.String("d"),
	})
	f.ok(err)
	_, err = f.rds.ModifyDBParameterGroup(t.Context(), &awsrds.ModifyDBParameterGroupInput{
		DBParameterGroupName: aws.String("snapshots"), Parameters: []rdstypes.Parameter{{
			ParameterName: aws.String("log_min_duration_statement"), ParameterValue: aws.String("250"), ApplyMethod: rdstypes.ApplyMethodImmediate,
		}},
	})
	f.ok(err)
	d := f.createDatabase("original")
	password := d.secret()
	for _, statement := range []string{"CREATE TABLE items (name text)", "INSERT INTO items VALUES ('kept')"} {
		if _, err := d.ask(password, statement); err != nil {
			t.Fatal(err)
		}
	}
	_, err = f.rds.CreateDBSnapshot(t.Context(), &awsrds.CreateDBSnapshotInput{
		DBInstanceIdentifier: &d.id, DBSnapshotIdentifier: aws.String("by-hand"),
	})
	f.ok(err)
	if _, err := d.ask(password, "INSERT INTO items VALUES ('later')"); err != nil {
		t.Fatal(err)
	}
	_, err = f.rds.DeleteDBInstance(t.Context(), &awsrds.DeleteDBInstanceInput{
		DBInstanceIdentifier: &d.id, FinalDBSnapshotIdentifier: aws.String("the-last"),
	})
	f.ok(err)
	for snapshot, want := range map[string]string{"by-hand": "kept", "the-last": "kept,later"} {
		_, err := f.rds.RestoreDBInstanceFromDBSnapshot(t.Context(), &awsrds.RestoreDBInstanceFromDBSnapshotInput{
			DBInstanceIdentifier: aws.String("of-" + snapshot), DBSnapshotIdentifier: &snapshot, DBParameterGroupName: aws.String("snapshots"),
		})
		f.ok(err)
		restored := f.awaitDatabase("of-" + snapshot)
		_, err = f.rds.ModifyDBInstance(t.Context(), &awsrds.ModifyDBInstanceInput{
			DBInstanceIdentifier: &restored.id, ManageMasterUserPassword: aws.Bool(true), EnablePerformanceInsights: aws.Bool(true),
		})
		f.ok(err)
		first := restored.arn
		restored = f.awaitDatabase(restored.id)
		if _, err := f.secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &first}); err == nil && first != restored.arn {
			t.Errorf("the secret %s is nobody's", first)
		}
		if got, err := restored.ask(restored.secret(), "SELECT string_agg(name, ',') FROM items"); err != nil || got != want {
			t.Errorf("the restored instance holds %q, %v, want %q", got, err, want)
		}
		if got, err := restored.ask(restored.secret(), "SELECT current_setting('log_min_duration_statement')"); err != nil || got != "250ms" {
			t.Errorf("statements are slow from %q, %v", got, err)
		}
		answer, err := f.rds.DescribeDBInstances(t.Context(), &awsrds.DescribeDBInstancesInput{DBInstanceIdentifier: &restored.id})
		f.ok(err)
		if found := answer.DBInstances[0]; !aws.ToBool(found.PerformanceInsightsEnabled) || aws.ToInt32(found.PerformanceInsightsRetentionPeriod) != 7 {
			t.Errorf("Performance Insights are %v", found.PerformanceInsightsEnabled)
		}
		restored.delete()
	}
	_, err = f.rds.RestoreDBInstanceFromDBSnapshot(t.Context(), &awsrds.RestoreDBInstanceFromDBSnapshotInput{
		DBInstanceIdentifier: aws.String("of-nothing"), DBSnapshotIdentifier: aws.String("nowhere"),
	})
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a snapshot that is not there: %v", err)
	}
}
