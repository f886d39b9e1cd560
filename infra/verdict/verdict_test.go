package verdict

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// cloud answers as ECS, the load balancer and CloudWatch Logs do, by the operation; looks counts those at the service.
type cloud struct {
	service func(look int) map[string]any
	targets string            // XML of TargetHealthDescriptions' members
	answers map[string]string // JSON, by operation; an error's name behind "!"

	mu    sync.Mutex
	looks int
	began []string // bodies of the requests to begin a deployment
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !isJSON {
		_, _ = fmt.Fprintf(w, `<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>%s</TargetHealthDescriptions>`+
			`</DescribeTargetHealthResult></DescribeTargetHealthResponse>`, c.targets)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if operation == "UpdateService" {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.began = append(c.began, string(body))
		c.mu.Unlock()
	}
	answer, ok := c.answers[operation]
	switch {
	case strings.HasPrefix(answer, "!"):
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"__type": %q, "message": "no"}`, answer[1:])
	case ok:
		_, _ = fmt.Fprint(w, answer)
	case operation == "DescribeServices":
		c.mu.Lock()
		c.looks++
		services := []any{}
		if service := c.service(c.looks); service != nil {
			services = append(services, service)
		}
		c.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"services": services})
	default: // nothing to tell
		_, _ = fmt.Fprint(w, `{}`)
	}
}

const asked, before = "arn:aws:ecs:us-east-1:1:task-definition/app:8", "arn:aws:ecs:us-east-1:1:task-definition/app:7"

// running is a service with its primary deployment, and older ones.
func running(definition, state string, tasks int, older ...string) map[string]any {
	deployments := []any{map[string]any{
		"id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": definition, "rolloutState": state, "runningCount": tasks, "desiredCount": 2,
		"createdAt": float64(time.Now().Add(-10 * time.Second).Unix()),
	}}
	for _, one := range older {
		deployments = append(deployments, map[string]any{
			"id": "ecs-svc/0", "status": "ACTIVE", "taskDefinition": one, "rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start.",
		})
	}
	return map[string]any{
		"status": "ACTIVE", "desiredCount": 2, "runningCount": tasks, "deployments": deployments,
		"events": []any{
			map[string]any{"createdAt": float64(time.Now().Unix()), "message": "(service app) (port 80) is unhealthy in (target-group tg) due to (reason 503)."},
			map[string]any{"createdAt": float64(time.Now().Unix()), "message": "(service app) has started 1 tasks."},
			map[string]any{"createdAt": float64(time.Now().Add(-20 * time.Second).Unix()), "message": "(service app) (port 80) is unhealthy in (target-group tg), the release before."},
			map[string]any{"createdAt": float64(time.Now().Add(-time.Hour).Unix()), "message": "(service app) was unable to place a task long ago."},
		},
	}
}

const healthy, sick, leaving = `<member><Target><Id>10.0.0.%d</Id><Port>80</Port></Target><TargetHealth><State>healthy</State></TargetHealth></member>`,
	`<member><Target><Id>10.0.0.9</Id><Port>80</Port></Target><TargetHealth><State>unhealthy</State><Reason>Target.Timeout</Reason><Description>Request timed out</Description></TargetHealth></member>`,
	`<member><Target><Id>10.0.0.8</Id><Port>80</Port></Target><TargetHealth><State>draining</State></TargetHealth></member>`

func two() string { return fmt.Sprintf(healthy, 1) + fmt.Sprintf(healthy, 2) + leaving }

func await(t *testing.T, c *cloud) error {
	t.Helper()
	return within(t, c, 2, 2)
}

// within awaits a service behind a load balancer that may have so many tasks.
func within(t *testing.T, c *cloud, least, most int) error {
	t.Helper()
	return judge(t, c, Service{Name: "app", TargetGroup: "tg", Checked: true, Least: least, Most: most})
}

// judge awaits a service, of which what does not matter is filled in.
func judge(t *testing.T, c *cloud, service Service) error {
	t.Helper()
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	j := New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		RetryMaxAttempts: 1,
	})
	j.pause, j.propagation, j.trial = time.Millisecond, 50*time.Millisecond, time.Minute
	service.Cluster, service.TaskDefinition, service.LogGroup, service.Patience = "c", asked, "/logs", 500*time.Millisecond
	return j.Await(t.Context(), service)
}

// TestSettled holds what a release needs to count as good: its deployment completed, alone, with all tasks and targets well; and
// that what ECS still shows of before is waited out.
func TestSettled(t *testing.T) {
	c := &cloud{targets: two()}
	c.service = func(look int) map[string]any {
		switch look {
		case 1:
			return running(before, "COMPLETED", 2) // ECS has not caught up
		case 2:
			return running(asked, "IN_PROGRESS", 1, before)
		case 3:
			return running(asked, "COMPLETED", 2, before)
		case 4:
			return running(asked, "COMPLETED", 1)
		}
		return running(asked, "COMPLETED", 2)
	}
	if err := await(t, c); err != nil || c.looks != 5 {
		t.Errorf("%v, after %d looks", err, c.looks)
	}
}

// TestFailed holds each way in which a release can fail, and that it is told.
func TestFailed(t *testing.T) {
	always := func(service map[string]any) func(int) map[string]any {
		return func(int) map[string]any { return service }
	}
	for name, c := range map[string]struct {
		cloud *cloud
		words []string
	}{
		"taken back": {
			&cloud{service: always(running(before, "IN_PROGRESS", 2, asked)), targets: two()},
			[]string{"services.app: app:8 was asked for, and ECS went back to app:7", "deployment ecs-svc/0: tasks failed to start.", "is unhealthy in (target-group tg) due to (reason 503)", "no task of it has stopped"},
		},
		"taken back by an alarm": {
			&cloud{service: always(running(before, "IN_PROGRESS", 2, asked)), targets: two(), answers: map[string]string{
				"ListServiceDeployments": `{"serviceDeployments": [{"serviceDeploymentArn": "arn:x/1", "createdAt": 1}]}`,
				"DescribeServiceDeployments": `{"serviceDeployments": [{"serviceDeploymentArn": "arn:x/1", "status": "ROLLBACK_IN_PROGRESS",
					"alarms": {"status": "TRIGGERED", "alarmNames": ["app-5xx", "app-unhealthy"], "triggeredAlarmNames": ["app-5xx"]}}]}`,
			}},
			[]string{"app:8 was asked for, and ECS went back to app:7", "service deployment 1: ROLLBACK_IN_PROGRESS", "alarm app-5xx went off while it went out"},
		},
		"taken back long ago": {
			&cloud{service: always(running(before, "COMPLETED", 2)), targets: two()},
			[]string{"app:8 was asked for, and ECS went back to app:7"},
		},
		"a first one": {&cloud{service: always(running(asked, "FAILED", 0))}, []string{"app:8 does not start, and there is no earlier deployment to go back to"}},
		"deleted":     {&cloud{service: always(nil)}, []string{"cluster c has no active service of this name"}},
		"never steady": {
			&cloud{service: always(running(asked, "IN_PROGRESS", 1)), targets: two()},
			[]string{"not steady after 500ms: its deployment is in progress, 1 of 2 tasks run"},
		},
		"unhealthy for ever": {
			&cloud{service: always(running(asked, "COMPLETED", 2)), targets: fmt.Sprintf(healthy, 1) + sick},
			[]string{"1 of 2 targets are healthy", "target 10.0.0.9:80 was unhealthy: Target.Timeout: Request timed out"},
		},
		"too few targets": {&cloud{service: always(running(asked, "COMPLETED", 2)), targets: fmt.Sprintf(healthy, 1)}, []string{"1 of 2 targets are healthy"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := await(t, c.cloud)
			if !errors.As(err, new(*Failed)) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.words {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it does not say %q:\n%v", want, err)
				}
			}
			for _, never := range []string{"has started 1 tasks", "long ago"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("it says %q:\n%v", never, err)
				}
			}
		})
	}
}

// TestEvidence holds what is told of tasks: of this release's alone, those that failed by themselves, the newest first and three at
// most; what containers failed with; the end of each log once.
func TestEvidence(t *testing.T) {
	task := func(id, definition, reason string, stopped int, containers ...string) string {
		return fmt.Sprintf(`{"taskArn": "arn:x/c/%s", "taskDefinitionArn": %q, "stopCode": "EssentialContainerExited", "stoppedReason": %q, "stoppedAt": %d, "containers": [%s]}`,
			id, definition, reason, stopped, strings.Join(containers, ","))
	}
	failed := `{"name": "app", "exitCode": 3}`
	c := &cloud{
		service: func(int) map[string]any { return running(asked, "FAILED", 0) },
		answers: map[string]string{
			"ListServiceDeployments":     `{"serviceDeployments": [{"serviceDeploymentArn": "arn:x/new", "createdAt": 2}, {"serviceDeploymentArn": "arn:x/old", "createdAt": 1}]}`,
			"DescribeServiceDeployments": `{"serviceDeployments": [{"serviceDeploymentArn": "arn:x/new", "status": "STOPPED", "statusReason": "breaker", "deploymentCircuitBreaker": {"failureCount": 3, "threshold": 3}}]}`,
			"ListTasks":                  `{"taskArns": ["a"]}`,
			"DescribeTasks": `{"tasks": [` + strings.Join([]string{
				task("old", before, "another release's", 90, failed),
				task("one", asked, "it ended", 10, failed, `{"name": "side", "exitCode": 0}`),
				task("two", asked, "it ended", 30, failed, `{"name": "pull", "reason": "CannotPullContainerError: no"}`),
				task("three", asked, "it ended", 20, failed),
				task("four", asked, "it ended", 5, failed),
				task("made-room", asked, "Scaling activity initiated by (deployment ecs-svc/1)", 40),
			}, ",") + `]}`,
			"GetLogEvents": `{"events": [{"message": "last words\n"}, {"message": "` + strings.Repeat("x", 600) + `"}]}`,
		},
	}
	err := await(t, c)
	if err == nil {
		t.Fatal("it was found well")
	}
	want := `service deployment new: STOPPED: breaker (3 tasks failed, the threshold is 3)
  event: (service app) (port 80) is unhealthy in (target-group tg) due to (reason 503).
  task two stopped: EssentialContainerExited: it ended
    container app: exit code 3
    | last words
    | ` + strings.Repeat("x", 500) + ` ...
    container pull: CannotPullContainerError: no
  task three stopped: EssentialContainerExited: it ended
    container app: exit code 3
  task one stopped: EssentialContainerExited: it ended
    container app: exit code 3`
	got := err.Error()
	for _, line := range strings.Split(want, "\n") {
		_, rest, found := strings.Cut(got, strings.TrimSpace(line))
		if !found {
			t.Fatalf("it does not say %q (in this order):\n%v", line, err)
		}
		if !strings.HasPrefix(line, "service deployment") && !strings.HasPrefix(strings.TrimSpace(line), "event") {
			got = rest
		}
	}
	for _, never := range []string{"another release's", "the release before", "Scaling activity", "task four", "container side"} {
		if strings.Contains(err.Error(), never) {
			t.Errorf("it says %q:\n%v", never, err)
		}
	}
	// What cannot be asked hides nothing of the rest.
	c.answers["ListTasks"] = "!AccessDeniedException"
	if err := await(t, c); err == nil || !strings.Contains(err.Error(), "could not be asked for more") || !strings.Contains(err.Error(), "STOPPED: breaker") {
		t.Errorf("got %v", err)
	}
	c.answers["ListTasks"], c.answers["GetLogEvents"] = `{"taskArns": ["a"]}`, "!ResourceNotFoundException"
	if err := await(t, c); err == nil || strings.Contains(err.Error(), "could not be asked") || strings.Contains(err.Error(), "|") {
		t.Errorf("a container without a log: %v", err)
	}
}

// TestTrouble holds that AWS's own trouble is no verdict, and that a run that is interrupted ends.
func TestTrouble(t *testing.T) {
	err := await(t, &cloud{answers: map[string]string{"DescribeServices": "!AccessDeniedException"}})
	if err == nil || errors.As(err, new(*Failed)) || !strings.Contains(err.Error(), "services.app: ask AWS how the release went") {
		t.Errorf("got %v", err)
	}
	server := httptest.NewServer(&cloud{service: func(int) map[string]any { return running(asked, "IN_PROGRESS", 1) }})
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := New(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")})
	if err := j.Await(ctx, Service{Name: "app", Patience: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestFailedBefore holds that a first deployment which ECS gave up in an earlier run is begun again, since nothing else would ask for
// it, and that it is judged by what becomes of it then.
func TestFailedBefore(t *testing.T) {
	for _, c := range []struct {
		name, becomes, want string
	}{{"the cause is mended", "COMPLETED", ""}, {"the cause is still there", "FAILED", "no earlier deployment to go back to"}} {
		t.Run(c.name, func(t *testing.T) {
			cloud := &cloud{targets: two()}
			cloud.service = func(look int) map[string]any {
				if look < 3 { // once as it was, once because ECS has not caught up
					return running(asked, "FAILED", 0)
				}
				service := running(asked, c.becomes, 2)
				service["deployments"].([]any)[0].(map[string]any)["id"] = "ecs-svc/2"
				return service
			}
			err := await(t, cloud)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if len(cloud.began) != 1 || !strings.Contains(cloud.began[0], `"forceNewDeployment":true`) || strings.Contains(cloud.began[0], "taskDefinition") {
				t.Errorf("it asked for %q", cloud.began)
			}
		})
	}
}

// TestWorker holds how a service is judged that the load balancer does not know: by its own health check, and where it has none by
// tasks that go on running.
func TestWorker(t *testing.T) {
	steady := func(int) map[string]any { return running(asked, "COMPLETED", 2) }
	if err := judge(t, &cloud{service: steady}, Service{Name: "app", Checked: true, Least: 2, Most: 2}); err != nil {
		t.Errorf("its own check finds it well: %v", err)
	}
	tasks := func(age time.Duration, ended int) map[string]string {
		all := []string{fmt.Sprintf(`{"taskArn": "arn:x/c/runs", "taskDefinitionArn": %q, "startedAt": %d}`, asked, time.Now().Add(-age).Unix())}
		for i := range ended {
			all = append(all, fmt.Sprintf(`{"taskArn": "arn:x/c/%d", "taskDefinitionArn": %q, "startedAt": 1, "stopCode": "EssentialContainerExited", "stoppedAt": %d}`,
				i, asked, time.Now().Unix()))
		}
		return map[string]string{"ListTasks": `{"taskArns": ["a"]}`, "DescribeTasks": `{"tasks": [` + strings.Join(all, ",") + `]}`}
	}
	crashing := &cloud{service: func(int) map[string]any { return running(asked, "COMPLETED", 0) }, answers: tasks(0, 3)}
	if err := judge(t, crashing, Service{Name: "app", Least: 2, Most: 2}); err == nil || !strings.Contains(err.Error(), "its tasks end by themselves") {
		t.Errorf("its tasks never run when looked at: %v", err)
	}
	// ECS counts such a task as healthy after 40 s, so a deployment whose tasks end before is in progress for good.
	trying := func(int) map[string]any { return running(asked, "IN_PROGRESS", 1, before) }
	for ended, want := range map[int]string{3: "its tasks end by themselves, the last 3 one after the other", 2: "not steady after 500ms: its deployment is in progress"} {
		err := judge(t, &cloud{service: trying, answers: tasks(0, ended)}, Service{Name: "app", Least: 2, Most: 2})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d tasks have ended while it is in progress: %v, want %q", ended, err, want)
		}
	}
	for _, c := range []struct {
		name    string
		answers map[string]string
		want    string
	}{
		{"tasks that went on", tasks(time.Hour, 0), ""},
		{"one end, and then they went on", tasks(time.Hour, 1), ""},
		{"tasks that have just started", tasks(0, 0), "not steady after 500ms: task runs has not run for 1m0s, and nothing else tells its health"},
		{"tasks that end again and again", tasks(0, 3), "its tasks end by themselves, the last 3 one after the other"},
		{"no tasks, since none is asked for", map[string]string{"ListTasks": `{"taskArns": []}`}, ""},
		{"trouble", map[string]string{"ListTasks": "!AccessDeniedException"}, "ask AWS how the release went"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := judge(t, &cloud{service: steady, answers: c.answers}, Service{Name: "app", Least: 2, Most: 2})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
