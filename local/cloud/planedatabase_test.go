package cloud_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"slipway/local/tasks"
)

// dbInstance is an instance that is available.
type dbInstance struct {
	*fixture
	id     string
	host   string // of its endpoint
	port   int32
	arn    string // of its secret
	states []string
}

// createDatabase creates an instance whose password RDS manages, and waits until it is available.
func (f *fixture) createDatabase(id string) dbInstance {
	f.t.Helper()
	made, err := f.rds.CreateDBInstance(f.t.Context(), &awsrds.CreateDBInstanceInput{
		DBInstanceIdentifier: &id, DBInstanceClass: aws.String("db.t4g.micro"), AllocatedStorage: aws.Int32(20),
		Engine: aws.String("postgres"), EngineVersion: aws.String("17"), DBName: aws.String("app"),
		MasterUsername: aws.String("master"), ManageMasterUserPassword: aws.Bool(true),
	})
	f.ok(err)
	return f.awaitDatabase(id, aws.ToString(made.DBInstance.DBInstanceStatus))
}

// awaitDatabase waits until an instance is available, which had these states before.
func (f *fixture) awaitDatabase(id string, states ...string) dbInstance {
	f.t.Helper()
	d := dbInstance{fixture: f, id: id, states: states}
	var found rdstypes.DBInstance
	await(f.t, "the instance is available", func() bool {
		answer, err := f.rds.DescribeDBInstances(f.t.Context(), &awsrds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
		f.ok(err)
		found = answer.DBInstances[0]
		if status := aws.ToString(found.DBInstanceStatus); len(d.states) == 0 || status != d.states[len(d.states)-1] {
			d.states = append(d.states, status)
		}
		return aws.ToString(found.DBInstanceStatus) == "available"
	})
	d.host, d.port = aws.ToString(found.Endpoint.Address), aws.ToInt32(found.Endpoint.Port)
	d.arn = aws.ToString(found.MasterUserSecret.SecretArn)
	return d
}

func (d dbInstance) delete() {
	d.t.Helper()
	_, err := d.rds.DeleteDBInstance(d.t.Context(), &awsrds.DeleteDBInstanceInput{
		DBInstanceIdentifier: &d.id, SkipFinalSnapshot: aws.Bool(true),
	})
	d.ok(err)
}

func (d dbInstance) containers() []container.Summary {
	d.t.Helper()
	found, err := d.docker.ContainerList(d.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", tasks.LabelCloud+"="+d.state.ID), filters.Arg("name", "-"+d.id+"$"))})
	d.ok(err)
	return found
}

// paused does something while the instance's container stands still.
func (d dbInstance) paused(do func()) {
	d.t.Helper()
	id := d.containers()[0].ID
	d.ok(d.docker.ContainerPause(d.t.Context(), id))
	do()
	d.ok(d.docker.ContainerUnpause(d.t.Context(), id))
}

// secret reads the password of the master user.
func (d dbInstance) secret() string {
	d.t.Helper()
	found, err := d.secrets.GetSecretValue(d.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &d.arn})
	d.ok(err)
	var value struct{ Username, Password string }
	d.ok(json.Unmarshal([]byte(aws.ToString(found.SecretString)), &value))
	if value.Username != "master" || value.Password == "" {
		d.t.Fatalf("the secret names the user %q and a password of %d characters", value.Username, len(value.Password))
	}
	return value.Password
}

// dial connects to the server's address on the bridge, with a mode of TLS.
func (d dbInstance) dial(password, mode string) (*pgx.Conn, error) {
	d.t.Helper()
	found := d.containers()
	if len(found) != 1 || len(found[0].NetworkSettings.Networks) != 1 {
		d.t.Fatalf("the containers of instance %s are %v", d.id, found)
	}
	var address string
	for _, settings := range found[0].NetworkSettings.Networks {
		address = settings.IPAddress
	}
	config, err := pgx.ParseConfig(fmt.Sprintf(
		"host=%s port=%d sslmode=%s connect_timeout=20 dbname=app user=master", address, d.port, mode))
	d.ok(err)
	config.Password = password
	return pgx.ConnectConfig(d.t.Context(), config)
}

// ask asks the server for one value, or has it carry out a statement.
func (d dbInstance) ask(password, sql string) (string, error) {
	d.t.Helper()
	connection, err := d.dial(password, "require")
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close(d.t.Context()) }()
	if !strings.HasPrefix(sql, "SELECT") {
		_, err := connection.Exec(d.t.Context(), sql)
		return "", err
	}
	var value any
	err = connection.QueryRow(d.t.Context(), sql).Scan(&value)
	return fmt.Sprint(value), err
}

// stateOf is PostgreSQL's code of an error.
func stateOf(err error) string {
	var told *pgconn.PgError
	if errors.As(err, &told) {
		return told.Code
	}
	return ""
}

// TestDatabase holds that an instance is a real server which tasks reach at its endpoint, whose password is in the secret,
// until that is rotated, and of which nothing is left when it is deleted.
func TestDatabase(t *testing.T) {
	f := share(t)
	d := f.createDatabase("real")
	if !slices.Equal(d.states, []string{"creating", "available"}) {
		t.Errorf("the instance went through %v", d.states)
	}
	password := d.secret()
	version, err := d.ask(password, "SELECT version() || ' for ' || current_user")
	if err != nil || !strings.HasPrefix(version, "PostgreSQL 17.") || !strings.HasSuffix(version, " for master") {
		t.Errorf("it says %q, %v", version, err)
	}
	if _, err := d.dial(password, "disable"); stateOf(err) != "28000" {
		t.Errorf("without TLS: %v", err)
	}
	probe := f.run(f.defineWith(func(app *ecstypes.ContainerDefinition) {
		app.Secrets = []ecstypes.Secret{{Name: aws.String("PASSWORD"), ValueFrom: aws.String(d.arn + ":password::")}}
	}, fmt.Sprintf("PROBE=%s:%d", d.host, d.port)))
	if task := f.becomes(probe, "STOPPED"); aws.ToInt32(task.Containers[0].ExitCode) != 0 {
		t.Errorf("a task that asks the server for TLS: %s, %v", aws.ToString(task.StoppedReason), task.Containers[0].ExitCode)
	}
	if want := fmt.Sprintf("TLS S password %x", sha256.Sum256([]byte(password))); !slices.Contains(f.wrote(probe), want) {
		t.Errorf("a task reads %q, want %q", f.wrote(probe), want)
	}

	_, err = f.rds.ModifyDBInstance(t.Context(), &awsrds.ModifyDBInstanceInput{
		DBInstanceIdentifier: &d.id, RotateMasterUserPassword: aws.Bool(true), ApplyImmediately: aws.Bool(true),
	})
	f.ok(err)
	next := d.secret()
	if _, err := d.ask(next, "SELECT 1"); err != nil || next == password {
		t.Errorf("with the password after a rotation: %v", err)
	}
	if _, err := d.ask(password, "SELECT 1"); stateOf(err) != "28P01" {
		t.Errorf("with the password before a rotation: %v", err)
	}

	d.delete()
	if left := d.containers(); len(left) > 0 {
		t.Errorf("after its deletion there are %v", left)
	}
	var gone *rdstypes.DBInstanceNotFoundFault
	_, err = f.rds.DescribeDBInstances(t.Context(), &awsrds.DescribeDBInstancesInput{DBInstanceIdentifier: &d.id})
	if !errors.As(err, &gone) {
		t.Errorf("the deleted instance: %v", err)
	}
	// The id can be used again at once, and the new instance has nothing of the old one.
	again := f.createDatabase(d.id)
	if _, err := again.ask(next, "SELECT 1"); stateOf(err) != "28P01" {
		t.Errorf("with the password of the deleted instance: %v", err)
	}
	if _, err := again.ask(again.secret(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	again.delete()
}
