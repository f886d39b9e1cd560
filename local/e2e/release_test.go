package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
	"slipway/local/load"
)

const (
	loadRate  = 60 // requests a second
	leastRate = 50 // that must go out in every whole second
	leastOK   = 30 // that must be answered in every whole second: a pause would be an outage that nobody counts
)

// TestRelease sends requests, at least 50 a second, while a good release goes out, a bad one is taken back by the circuit
// breaker, which the verdict tells, and the stack returns to its first revision: none may fail, from the first second to the last.
func TestRelease(t *testing.T) {
	c := clone(t)
	// A quarter of a virtual CPU, the default, is not enough for Python at this rate.
	const larger = "      exec: true\n      cpu: 512\n      memory: 1024\n      count: 2\n"
	first := c.change(t, "Pulumi.local.yaml", strings.ReplaceAll(c.read(t, "Pulumi.local.yaml"), "      exec: true\n", larger))
	c.local(t, "up")
	url := c.outputs(t, "local").URL
	c.answers(t, url+"/api/readyz")
	c.answers(t, url+"/")
	run, err := load.Start(t.Context(), load.Options{Rate: loadRate, Requests: append(
		load.Gets(url+"/", url+"/api/revision", url+"/api/items?limit=5"),
		load.Request{Method: "POST", URL: url + "/api/items", Body: `{"name": "under load"}`},
	)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Stop() })

	run.Mark("before")
	time.Sleep(5 * time.Second)

	run.Mark("good release")
	good := c.change(t, "backend/app/__init__.py", "\"\"\"Another revision.\"\"\"\n")
	if log := c.local(t, "up"); !building.MatchString(log) {
		t.Errorf("a commit of the backend built nothing:\n%s", log)
	}
	c.settle(t)
	c.mustRun(t, url, good)

	run.Mark("bad release")
	c.change(t, "backend/app/asgi.py", "raise SystemExit(\"this revision does not start\")\n")
	log := c.fails(t)
	for _, want := range []string{
		"services.backend: myapp-local-backend:3 was asked for, and ECS went back to myapp-local-backend:2",
		"container backend: exit code 1", "| this revision does not start", "the threshold is 3",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the verdict does not say %q:\n%s", want, log)
		}
	}
	c.settle(t)
	c.mustRun(t, url, good)
	c.checkRollback(t)
	if runs := c.outputs(t, "local").Revision; runs != good {
		t.Errorf("after the failure the outputs say that %s runs, want %s", runs, good)
	}

	run.Mark("return")
	c.change(t, "Pulumi.local.yaml", strings.Replace(c.read(t, "Pulumi.local.yaml"), "\nconfig:\n", "\nconfig:\n  slipway:revision: "+first+"\n", 1))
	log = c.local(t, "up")
	if building.MatchString(log) {
		t.Errorf("the return built something:\n%s", log)
	}
	c.settle(t)
	c.mustRun(t, url, first)

	run.Mark("after")
	time.Sleep(5 * time.Second)
	report := run.Stop()
	t.Logf("%s", report)
	flawless(t, report)
}

// flawless holds that no request failed from the first to the last second, that none was sent again beneath the client, and that
// no second was without.
func flawless(t *testing.T, report load.Report) {
	t.Helper()
	for _, phase := range append(report.Phases, report.Overall) {
		if phase.Failed > 0 || phase.Retried > 0 {
			t.Errorf("%s: of %d requests %d failed, such as %v, and %d were sent again", phase.Name, phase.Sent+phase.Unsent, phase.Failed, phase.Failures, phase.Retried)
		}
		if phase.LowestSent < leastRate || phase.LowestOK < leastOK {
			t.Errorf("%s: %d requests went out in one of its seconds and %d were answered in one, want %d and %d in each",
				phase.Name, phase.LowestSent, phase.LowestOK, leastRate, leastOK)
		}
	}
}

// change writes a file, commits it, and returns the commit.
func (c checkout) change(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return c.commit(t)
}

func (c checkout) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (c checkout) services(t *testing.T) []ecstypes.Service {
	t.Helper()
	client := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	cluster := c.outputs(t, "local").Cluster
	found, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{"backend", "frontend"}})
	if err != nil || len(found.Services) != 2 {
		t.Fatalf("ECS shows %v, %v", found, err)
	}
	return found.Services
}

// settle waits until every service has one deployment, which has completed: a release that failed is not over when `up` is.
func (c checkout) settle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		settled := true
		services := c.services(t)
		for _, service := range services {
			settled = settled && len(service.Deployments) == 1 && service.Deployments[0].RolloutState == ecstypes.DeploymentRolloutStateCompleted
		}
		if settled {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the services did not settle: %+v", services)
		}
	}
}

// mustRun holds that the backend that answers is of a release.
func (c checkout) mustRun(t *testing.T, url, release string) {
	t.Helper()
	source := c.backendOf(t, release)
	var answer struct{ Revision string }
	if _, err := fetch(t.Context(), url+"/api/revision", &answer); err != nil || !strings.HasPrefix(answer.Revision, source) {
		t.Errorf("revision %q answers (%v), want %s", answer.Revision, err, source)
	}
}

// backendOf is the commit that made the backend's folder what it is in a release.
func (c checkout) backendOf(t *testing.T, release string) string {
	t.Helper()
	return run(t, c.dir, "git", "log", "--max-count=1", "--format=%H", release, "--", "backend")
}

// checkRollback holds what the API tells of a release that the breaker took back.
func (c checkout) checkRollback(t *testing.T) {
	t.Helper()
	client := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	cluster, service := c.outputs(t, "local").Cluster, "backend"
	list, err := client.ListServiceDeployments(t.Context(), &ecs.ListServiceDeploymentsInput{Cluster: &cluster, Service: &service})
	if err != nil {
		t.Fatal(err)
	}
	last := list.ServiceDeployments[0]
	described, err := client.DescribeServiceDeployments(t.Context(), &ecs.DescribeServiceDeploymentsInput{
		ServiceDeploymentArns: []string{*last.ServiceDeploymentArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	deployment := described.ServiceDeployments[0]
	if deployment.Status != ecstypes.ServiceDeploymentStatusRollbackSuccessful || deployment.DeploymentCircuitBreaker.FailureCount != 3 {
		t.Errorf("the service deployment: %+v, breaker %+v", deployment, deployment.DeploymentCircuitBreaker)
	}
}
