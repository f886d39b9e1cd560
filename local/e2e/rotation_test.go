package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	dockercontainer "github.com/docker/docker/api/types/container"

	"slipway/local/awsapi"
	"slipway/local/dockerengine"
	"slipway/local/load"
)

// TestRotation rotates the passwords of the master user and of the application's under load, at least 50 requests a second: none
// may fail, and no task is replaced. The load comes in bursts, too, of more at once than the application keeps connections, so that
// it logs in all the time; the server's log shows that logins were refused, which the application has mended by itself.
func TestRotation(t *testing.T) {
	c := clone(t)
	settings := withBackend(c.read(t, "Pulumi.local.yaml"), "      cpu: 1024\n      memory: 2048\n")
	c.change(t, "Pulumi.local.yaml", strings.Replace(settings, "\nconfig:\n",
		"\nconfig:\n  slipway:databaseAppUser: client\n  slipway:databaseRotateHours: 0\n", 1))
	c.local(t, "up")
	url := c.outputs(t, "local").URL
	c.answers(t, url+"/api/readyz")
	before, login := c.tasks(t, "backend"), c.appLogin(t)

	run, err := load.Start(t.Context(), load.Options{Rate: loadRate, Requests: append(
		load.Gets(url+"/api/readyz", url+"/api/items?limit=5"),
		load.Request{Method: "POST", URL: url + "/api/items", Body: `{"name": "under load"}`},
	)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Stop() })
	bursts := burst(t.Context(), url+"/api/items?limit=5")

	run.Mark("before")
	time.Sleep(3 * time.Second)
	run.Mark("the master's password")
	c.rotateMaster(t)
	time.Sleep(2 * time.Second)
	for round := range 4 {
		run.Mark(fmt.Sprintf("the application's password, %d", round+1))
		c.migrateAgain(t)
		now := c.appLogin(t)
		if now == login {
			t.Errorf("round %d has not rotated the password", round+1)
		}
		login = now
		time.Sleep(3 * time.Second)
	}
	run.Mark("after")
	c.rotateMaster(t)
	time.Sleep(3 * time.Second)

	sent, failures := bursts()
	report := run.Stop()
	t.Logf("%s\nbursts: %d requests, %d failed", report, sent, len(failures))
	if len(failures) > 0 || sent < 100 {
		t.Errorf("of %d requests in bursts %d failed, such as %v", sent, len(failures), failures[:min(3, len(failures))])
	}
	flawless(t, report)
	if after := c.tasks(t, "backend"); !slices.Equal(before, after) {
		t.Errorf("the tasks were %v, and are %v", before, after)
	}
	const refused = `password authentication failed for user "client_`
	if log := c.databaseLog(t); !strings.Contains(log, refused) {
		t.Errorf("no login was refused, so nothing was shown:\n%s", log)
	}
	c.local(t, "down")
}

// burst sends eight requests at once, ten times a second, until it is told to stop, and returns how many there were and what
// failed.
func burst(ctx context.Context, url string) (stop func() (sent int, failures []string)) {
	var mu sync.Mutex
	var sending sync.WaitGroup
	sent, failures := 0, []string(nil)
	end := make(chan struct{})
	for range 8 {
		sending.Go(func() {
			for tick := time.NewTicker(100 * time.Millisecond); ; {
				select {
				case <-end:
					tick.Stop()
					return
				case <-tick.C:
				}
				status, err := fetch(ctx, url, nil)
				mu.Lock()
				sent++
				if err != nil || status != 200 {
					failures = append(failures, fmt.Sprint(status, err))
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []string) {
		close(end)
		sending.Wait()
		return sent, failures
	}
}

// appLogin is what the secret of the application's user holds.
func (c checkout) appLogin(t *testing.T) (login struct{ Username, Password string }) {
	t.Helper()
	client := secretsmanager.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	found, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("myapp-local/database")})
	if err == nil {
		err = json.Unmarshal([]byte(aws.ToString(found.SecretString)), &login)
	}
	if err != nil || !strings.HasPrefix(login.Username, "client_") {
		t.Fatalf("the secret holds a login of %q, %v", login.Username, err)
	}
	return login
}

func (c checkout) rotateMaster(t *testing.T) {
	t.Helper()
	_, err := rds.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).ModifyDBInstance(t.Context(), &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: aws.String("myapp-local"), RotateMasterUserPassword: aws.Bool(true), ApplyImmediately: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// migrateAgain starts one more task beside those of the service, and stops it once it has migrated.
func (c checkout) migrateAgain(t *testing.T) {
	t.Helper()
	client, cluster := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)), c.outputs(t, "local").Cluster
	service := c.services(t)[slices.IndexFunc(c.services(t), func(s ecstypes.Service) bool { return aws.ToString(s.ServiceName) == "backend" })]
	started, err := client.RunTask(t.Context(), &ecs.RunTaskInput{
		Cluster: &cluster, TaskDefinition: service.TaskDefinition, LaunchType: ecstypes.LaunchTypeFargate,
		NetworkConfiguration: service.NetworkConfiguration,
	})
	if err != nil || len(started.Tasks) != 1 {
		t.Fatalf("start a task: %v, %v", started, err)
	}
	arn := aws.ToString(started.Tasks[0].TaskArn)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		found, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{arn}})
		if err != nil || len(found.Tasks) != 1 {
			t.Fatalf("look at the task: %v, %v", found, err)
		}
		for _, container := range found.Tasks[0].Containers {
			if aws.ToString(container.Name) != "migrate" || container.ExitCode == nil {
				continue
			}
			if *container.ExitCode != 0 {
				t.Fatalf("the migration ended with %d: %s", *container.ExitCode, aws.ToString(container.Reason))
			}
			if _, err := client.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: &cluster, Task: &arn}); err != nil {
				t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the task has not migrated: %+v", found.Tasks[0])
		}
	}
}

// databaseLog is what the PostgreSQL of the stack has logged.
func (c checkout) databaseLog(t *testing.T) string {
	t.Helper()
	engine, err := dockerengine.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	logs, err := engine.ContainerLogs(t.Context(), "slipway-rds-"+c.state(t).ID+"-myapp-local",
		dockercontainer.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	content, err := io.ReadAll(logs)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
