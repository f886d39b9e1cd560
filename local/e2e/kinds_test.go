package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// The services that TestThirdService adds, each a folder with a Dockerfile, a program and a row.
const (
	pricingProgram = `
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"price": 7, "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
`
	mailerProgram = `
import os, signal, time, urllib.request
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    print("mailer got", urllib.request.urlopen(os.environ["PRICING_URL"] + "/mail").read().decode(), flush=True)
    time.sleep(1)
`
	reportProgram = `
import os
print("report of", os.environ["REVISION"], "may reach the database" if "DATABASE_HOST" in os.environ else "", flush=True)
`
	addedRows = `
      pricing:
        internal: true
        port: 8001
        healthCommand: [python3, -c, "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8001/')"]
      mailer: {calls: [pricing]}
      report: {schedule: rate(1 minute), database: true}
`
)

// addService makes the folder of a service that runs a program.
func (c checkout) addService(t *testing.T, name, program string) {
	t.Helper()
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"Dockerfile": "FROM slipway-base/python:3\nCOPY main.py /srv/\nUSER 10001:10001\nCMD [\"python3\", \"-u\", \"/srv/main.py\"]\n", "main.py": program,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil { // the image's user reads it
			t.Fatal(err)
		}
	}
	run(t, c.dir, "git", "add", name)
}

// TestThirdService adds an internal service, a worker and a scheduled task to a stack of staging's shape by folders and rows alone: it
// converges, the worker and the backend call the internal service by its name and the frontend cannot, the scheduled task runs in time
// and ends well, and its runs are watched. A release reaches them, and a worker that crashes is told; without their rows they are gone.
// The calls are within the deploy role's permissions, and make use of those that are for this.
func TestThirdService(t *testing.T) {
	t.Parallel()
	c := clone(t)
	c.adapt(t, "staging", throwAway(map[string]any{"slipway:alarms": true}))
	two := c.read(t, "Pulumi.yaml")
	c.addService(t, "pricing", pricingProgram)
	c.addService(t, "mailer", mailerProgram)
	c.addService(t, "report", reportProgram)
	before, after, found := strings.Cut(two, "\n      backend:\n")
	rows, rest, ends := strings.Cut(after, "\n  slipway:serviceOverrides:")
	if !found || !ends {
		t.Fatal("Pulumi.yaml has no row of the backend where it was, or nothing after the rows")
	}
	five := before + "\n      backend:\n        calls: [pricing]\n" + rows + addedRows + "  slipway:serviceOverrides:" + rest
	first := c.change(t, "Pulumi.yaml", five)
	c.local(t, "preview", "staging")
	c.local(t, "up", "staging")
	c.checkCalls(t)
	for name, want := range map[string]string{
		"logs": "aws logs tail /slipway/myapp-staging/report --follow --region us-east-1", "runs": "--cluster myapp-staging --family myapp-staging-report ",
	} {
		if got := c.outputs(t, "staging").Commands["report"][name]; !strings.Contains(got, want) {
			t.Errorf("the command %s of the scheduled task is %q, want %q in it", name, got, want)
		}
	}
	for _, alarm := range []string{"myapp-staging-report-failed", "myapp-staging-unstarted"} {
		if names := c.alarms(t); !slices.Contains(names, alarm) {
			t.Errorf("no alarm %s watches the scheduled task: %v", alarm, names)
		}
	}
	c.checkRuns(t, first, 2)
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}

	second := c.change(t, "report/main.py", reportProgram+"print('second')\n")
	log := c.local(t, "up", "staging")
	want := []string{"aws:ecs:TaskDefinition", "aws:scheduler:Schedule", "docker:index:Image"}
	if touched := changes(log); !slices.Equal(touched, want) {
		t.Errorf("a release of the scheduled task changed %v, want %v:\n%s", touched, want, log)
	}
	c.checkRuns(t, second, 1)

	// ECS goes on with a worker whose tasks run and end; the verdict does not.
	c.change(t, "mailer/main.py", "import time\nprint('no mail today', flush=True)\ntime.sleep(1)\nraise SystemExit(3)\n")
	refusal := c.refused(t, "up", "staging")
	for _, want := range []string{"services.mailer: its tasks end by themselves", "container mailer: exit code 3", "| no mail today"} {
		if !strings.Contains(refusal, want) {
			t.Errorf("the verdict does not say %q:\n%s", want, refusal)
		}
	}
	c.change(t, "mailer/main.py", mailerProgram)

	documents := documents(t, c.state(t), "staging", "deploy", "preview")
	c.change(t, "Pulumi.yaml", two)
	c.local(t, "up", "staging")
	for _, line := range c.inventory(t) {
		for _, gone := range []string{"scheduler ", "servicediscovery ", "pricing", "mailer", "report", "unstarted"} {
			if strings.Contains(line, gone) {
				t.Errorf("without their rows there is still %s", line)
			}
		}
	}
	c.endWithin(t, documents, "Namespaces", "NamespacesThere", "Schedules", "HandRolesToSchedules", "StoppedTasks")
}

// checkCalls holds who reaches the internal service: the worker, by its log, and the backend, but not the frontend.
func (c checkout) checkCalls(t *testing.T) {
	t.Helper()
	await := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Second) {
			if time.Now().After(deadline) {
				t.Fatalf("within a minute it was not so that %s", what)
			}
		}
	}
	const price = `{"price": 7, "path": "/mail"}`
	await("the worker had its answer", func() bool { return slices.Contains(c.logged(t, "staging", "mailer"), "mailer got "+price) })
	const ask = `import os, urllib.request; print(urllib.request.urlopen(os.environ["PRICING_URL"] + "/mail").read().decode())`
	if got := run(t, c.dir, "docker", "exec", c.container(t, "backend"), "python", "-c", ask); got != price {
		t.Errorf("the backend got %q", got)
	}
	hosts := run(t, c.dir, "docker", "exec", c.container(t, "frontend"), "node", "-e", `process.stdout.write(require("fs").readFileSync("/etc/hosts", "utf8") + Object.keys(process.env))`)
	if strings.Contains(hosts, "pricing") || strings.Contains(hosts, "PRICING_URL") {
		t.Errorf("the frontend, which does not call it, knows the internal service:\n%s", hosts)
	}
}

// container is the Docker Engine's id of a running container of the stack, by its name in the task definition.
func (c checkout) container(t *testing.T, name string) string {
	t.Helper()
	ids := strings.Fields(run(t, c.dir, "docker", "ps", "--quiet", "--filter", "label=com.amazonaws.ecs.container-name="+name,
		"--filter", "label=slipway.cloud="+c.state(t).ID))
	if len(ids) == 0 {
		t.Fatalf("no container of %s runs", name)
	}
	return ids[0]
}

// logged are the lines in the log group of a service.
func (c checkout) logged(t *testing.T, stack, service string) []string {
	t.Helper()
	client := cloudwatchlogs.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	found, err := client.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/slipway/myapp-" + stack + "/" + service)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, event := range found.Events {
		lines = append(lines, strings.TrimSpace(aws.ToString(event.Message)))
	}
	return lines
}

// checkRuns holds that the scheduled task ran as often of a release, in its time, and that each run ended well.
func (c checkout) checkRuns(t *testing.T, release string, least int) {
	t.Helper()
	client := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	cluster, family := "myapp-staging", "myapp-staging-report"
	source := run(t, c.dir, "git", "log", "--max-count=1", "--format=%H", release, "--", "report") // what else the image is made of follows it
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		listed, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: &cluster, Family: &family, DesiredStatus: ecstypes.DesiredStatusStopped})
		if err != nil {
			t.Fatal(err)
		}
		ended := 0
		if len(listed.TaskArns) > 0 {
			described, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: listed.TaskArns})
			if err != nil {
				t.Fatal(err)
			}
			for _, task := range described.Tasks {
				if code := task.Containers[0].ExitCode; aws.ToString(task.LastStatus) == "STOPPED" && (code == nil || *code != 0) {
					t.Fatalf("a run ended badly: %s: %+v", aws.ToString(task.StoppedReason), task.Containers[0])
				}
				if aws.ToString(task.LastStatus) == "STOPPED" {
					ended++
				}
			}
		}
		ran := 0
		for _, line := range c.logged(t, "staging", "report") {
			if strings.HasPrefix(line, "report of "+source) && strings.HasSuffix(line, " may reach the database") {
				ran++
			}
		}
		if ended >= least && ran >= least {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in three minutes the scheduled task ended %d times, and %d times of %s, want %d", ended, ran, source, least)
		}
	}
}
