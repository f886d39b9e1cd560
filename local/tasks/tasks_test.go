package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // how it keeps blobs
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"slipway/local/awsapi"
	"slipway/local/dockerengine"
	"slipway/local/tasks"
	"slipway/local/tools"
)

const (
	password = "secret"
	logGroup = "/test"
	within   = 60 * time.Second // of anything that a test waits for
)

// What all tests share: the Docker Engine, moto, a registry with basic authentication and one image in it.
var shared struct {
	docker   *client.Client
	pause    string
	moto     string // HOST:PORT
	registry string // HOST:PORT
	image    string // by digest
}

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	ctx := context.Background()
	dir, err := tools.DefaultDir()
	if err != nil {
		return 1, err
	}
	cache := tools.Cache{Dir: dir, Out: os.Stdout}
	if err := tools.EnsureDocker(ctx, os.Stdout); err != nil {
		return 1, err
	}
	if shared.docker, err = dockerengine.Connect(); err != nil {
		return 1, err
	}
	if _, err := shared.docker.ImageInspect(ctx, "slipway-base/python:3"); err != nil {
		if err := cache.BaseImages(ctx); err != nil {
			return 1, err
		}
	}
	if shared.pause, err = cache.PauseImage(ctx, ".."); err != nil {
		return 1, err
	}
	moto, err := cache.Moto(ctx, "..")
	if err != nil {
		return 1, err
	}
	stop, err := startMoto(moto)
	if err != nil {
		return 1, err
	}
	defer stop()
	blobs, err := os.MkdirTemp("", "slipway-test-registry-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(blobs) }()
	server := httptest.NewServer(newRegistry(ctx, blobs))
	defer server.Close()
	shared.registry = server.Listener.Addr().String()
	defer func() { _ = tools.ForgetImages(ctx, shared.registry) }()
	if shared.image, err = push(ctx, "slipway-base/python:3", shared.registry+"/app:one"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func startMoto(command []string) (stop func(), err error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	shared.moto = probe.Addr().String()
	_, port, _ := net.SplitHostPort(shared.moto)
	_ = probe.Close()
	server := exec.Command(command[0], append(command[1:], "-H", "127.0.0.1", "-p", port)...)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if response, err := http.Get("http://" + shared.moto + "/moto-api/data.json"); err == nil {
			_ = response.Body.Close()
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("moto does not answer within %s", within)
}

func newRegistry(ctx context.Context, dir string) http.Handler {
	logrus.SetLevel(logrus.FatalLevel)
	config := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": dir}}}
	config.HTTP.Secret = password
	config.Log.AccessLog.Disabled = true
	next := handlers.NewApp(ctx, config)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, "log in", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func credentials() registry.AuthConfig {
	return registry.AuthConfig{Username: "AWS", Password: password, ServerAddress: "http://" + shared.registry}
}

// push puts an image under a name into the registry and returns its name by digest.
func push(ctx context.Context, source, name string) (string, error) {
	if err := shared.docker.ImageTag(ctx, source, name); err != nil {
		return "", err
	}
	auth, err := registry.EncodeAuthConfig(credentials())
	if err != nil {
		return "", err
	}
	progress, err := shared.docker.ImagePush(ctx, name, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return "", err
	}
	defer func() { _ = progress.Close() }()
	said, err := io.ReadAll(progress)
	if err != nil || bytes.Contains(said, []byte("errorDetail")) {
		return "", fmt.Errorf("push %s: %w: %s", name, err, said)
	}
	found, err := shared.docker.ImageInspect(ctx, name)
	if err != nil {
		return "", err
	}
	repository, _, _ := strings.Cut(name, ":one")
	for _, digest := range found.RepoDigests {
		if strings.HasPrefix(digest, repository+"@") {
			return digest, nil
		}
	}
	return "", fmt.Errorf("%s has no digest after its push", name)
}

// fixture is a runner of a test's own.
type fixture struct {
	t      *testing.T
	opts   tasks.Options
	runner *tasks.Runner
}

// newFixture makes a runner. When the test ends, nothing with its label may be left.
func newFixture(t *testing.T, change ...func(*tasks.Options)) *fixture {
	t.Helper()
	t.Parallel()
	config := awsapi.Config("http://" + shared.moto)
	owner := "test-" + uuid.NewString()
	f := &fixture{t: t, opts: tasks.Options{
		Docker: shared.docker, Cloud: uuid.NewString(), Owner: owner, Network: "slipway-" + owner, Pause: shared.pause,
		SecretsManager: secretsmanager.NewFromConfig(config), Logs: cloudwatchlogs.NewFromConfig(config),
		Registry: credentials, API: shared.moto,
	}}
	for _, one := range change {
		one(&f.opts)
	}
	_, _ = f.opts.Logs.CreateLogGroup(
		t.Context(),
		&cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(logGroup)},
	)
	runner, err := tasks.New(t.Context(), f.opts)
	if err != nil {
		t.Fatal(err)
	}
	f.runner = runner
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := runner.Close(ctx); err != nil {
			t.Error(err)
		}
		if left := f.left(ctx); len(left) > 0 {
			t.Errorf("left behind: %s", left)
			_ = tasks.Sweep(ctx, shared.docker, owner)
		}
	})
	return f
}

// left names what the Docker Engine has of the fixture's.
func (f *fixture) left(ctx context.Context) []string {
	f.t.Helper()
	mine := filters.NewArgs(filters.Arg("label", tasks.LabelOwner+"="+f.opts.Owner))
	var left []string
	containers, err := shared.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, one := range containers {
		left = append(left, one.Names...)
	}
	volumes, err := shared.docker.VolumeList(ctx, volume.ListOptions{Filters: mine})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, one := range volumes.Volumes {
		left = append(left, one.Name)
	}
	networks, err := shared.docker.NetworkList(ctx, network.ListOptions{Filters: mine})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, one := range networks {
		left = append(left, one.Name)
	}
	return left
}

// run is a task under test and the states that it went through.
type run struct {
	*tasks.Task
	t  *testing.T
	id string

	mu     sync.Mutex
	states []string
	events []string // calls of Activate and Deactivate
}

func (f *fixture) start(definition ecstypes.TaskDefinition, change ...func(*tasks.Spec)) *run {
	f.t.Helper()
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	r := &run{t: f.t, id: id}
	spec := tasks.Spec{
		ID: id, ARN: "arn:aws:ecs:us-east-1:123456789012:task/test/" + id, Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/test",
		Group: "service:test", StartedBy: "ecs-svc/1", Definition: definition,
		Activate: func(_ context.Context, ip string) error {
			r.note("activate " + ip)
			return nil
		},
		Deactivate: func(context.Context) { r.note("deactivate") },
	}
	ready := make(chan struct{})
	spec.Changed = func() {
		select {
		case <-ready:
		default:
			return // Start has not returned
		}
		state := aws.ToString(r.Status().LastStatus)
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Contains(r.states, state) {
			r.states = append(r.states, state)
		}
	}
	for _, one := range change {
		one(&spec)
	}
	r.Task = f.runner.Start(spec)
	close(ready)
	return r
}

func (r *run) note(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

// await returns the first status for which the condition holds.
func (r *run) await(what string, holds func(tasks.Status) bool) tasks.Status {
	r.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		status := r.Status()
		if holds(status) {
			return status
		}
		if time.Now().After(deadline) || aws.ToString(status.LastStatus) == "STOPPED" {
			r.t.Fatalf("%s: never; the task is %s", what, describe(status))
		}
	}
}

func (r *run) awaitRunning() tasks.Status {
	r.t.Helper()
	return r.await("RUNNING", func(s tasks.Status) bool { return *s.LastStatus == "RUNNING" })
}

// end waits until the task is STOPPED.
func (r *run) end() tasks.Status {
	r.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(within):
		r.t.Fatalf("not STOPPED within %s: %s", within, describe(r.Status()))
	}
	return r.Status()
}

func describe(s tasks.Status) string {
	text := fmt.Sprintf("%s %s %q", aws.ToString(s.LastStatus), s.StopCode, aws.ToString(s.StoppedReason))
	for _, c := range s.Containers {
		text += fmt.Sprintf("; %s %s", aws.ToString(c.Name), aws.ToString(c.LastStatus))
		if c.ExitCode != nil {
			text += fmt.Sprintf(" exit %d", *c.ExitCode)
		}
		text += " " + aws.ToString(c.Reason)
	}
	return text
}

// lines are what a container has written to its stream.
func (f *fixture) lines(r *run, name string) []string {
	f.t.Helper()
	found, err := f.opts.Logs.GetLogEvents(f.t.Context(), &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: aws.String(
			logGroup,
		), LogStreamName: aws.String("p/" + name + "/" + r.id), StartFromHead: aws.Bool(true),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var lines []string
	for _, event := range found.Events {
		lines = append(lines, *event.Message)
	}
	return lines
}

func definition(containers ...ecstypes.ContainerDefinition) ecstypes.TaskDefinition {
	return ecstypes.TaskDefinition{
		Family: aws.String(
			"test",
		), Revision: 3, NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		TaskDefinitionArn: aws.String("arn:aws:ecs:us-east-1:123456789012:task-definition/test:3"),
		TaskRoleArn:       aws.String("arn:aws:iam::123456789012:role/test"),
		RequiresCompatibilities: []ecstypes.Compatibility{
			ecstypes.CompatibilityFargate,
		}, ContainerDefinitions: containers,
	}
}

// python is a container that runs a script and logs what it says.
func python(name, script string, change ...func(*ecstypes.ContainerDefinition)) ecstypes.ContainerDefinition {
	c := ecstypes.ContainerDefinition{
		Name: aws.String(name), Image: aws.String(shared.image), Command: []string{"python3", "-u", "-c", script},
		LogConfiguration: &ecstypes.LogConfiguration{LogDriver: ecstypes.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": logGroup, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p",
		}},
	}
	for _, one := range change {
		one(&c)
	}
	return c
}

func helper(c *ecstypes.ContainerDefinition) {
	c.Essential, c.StopTimeout = aws.Bool(false), aws.Int32(2)
}

func after(name string, condition ecstypes.ContainerCondition) func(*ecstypes.ContainerDefinition) {
	return func(c *ecstypes.ContainerDefinition) {
		c.DependsOn = append(
			c.DependsOn,
			ecstypes.ContainerDependency{ContainerName: aws.String(name), Condition: condition},
		)
	}
}

// forever waits until SIGTERM, and says so.
const forever = `
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("TERM"), sys.exit(7)))
print("up")
while True: signal.pause()`

func (f *fixture) secret(value string) string {
	f.t.Helper()
	made, err := f.opts.SecretsManager.CreateSecret(f.t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(uuid.NewString()), SecretString: aws.String(value),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return *made.ARN
}

// renew puts another value into a secret, and returns the id of the version that had the one before.
func (f *fixture) renew(secret, value string) (before string) {
	f.t.Helper()
	had, err := f.opts.SecretsManager.GetSecretValue(f.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &secret})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.opts.SecretsManager.PutSecretValue(f.t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &secret, SecretString: &value,
	}); err != nil {
		f.t.Fatal(err)
	}
	return *had.VersionId
}

// TestLife holds that a task goes through ECS's states in order, that what is declared and what Fargate adds arrives in
// its container, that what it writes arrives in its log stream, and that its end is told as ECS tells it.
func TestLife(t *testing.T) {
	f := newFixture(t)
	secret := f.secret(`{"user":"old","port":1}`)
	first := f.renew(secret, `{"user":"app","port":5432}`)
	r := f.start(definition(python("app", `
import os, socket, sys
for name in ("PLAIN", "WHOLE", "KEY", "NUMBER", "PREVIOUS", "FIRST", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "HOSTNAME"):
    print(name, os.environ[name])
print("host", socket.gethostname(), socket.gethostbyname(socket.gethostname()))
print("limit", __import__("resource").getrlimit(__import__("resource").RLIMIT_NOFILE))
print()
print("error", file=sys.stderr)
print("x" * 300000)
print("unfinished", end="")
sys.stdin.close()
while not os.path.exists("/tmp/go"): __import__("time").sleep(.05)
sys.exit(3)`, func(c *ecstypes.ContainerDefinition) {
		c.Environment = []ecstypes.KeyValuePair{
			{
				Name:  aws.String("PLAIN"),
				Value: aws.String("a=b c"),
			}, {Name: aws.String("AWS_DEFAULT_REGION"), Value: aws.String("mine")},
		}
		c.Secrets = []ecstypes.Secret{
			{Name: aws.String("WHOLE"), ValueFrom: aws.String(secret)},
			{Name: aws.String("KEY"), ValueFrom: aws.String(secret + ":user::")},
			{Name: aws.String("NUMBER"), ValueFrom: aws.String(secret + ":port:AWSCURRENT:")},
			{Name: aws.String("PREVIOUS"), ValueFrom: aws.String(secret + ":port:AWSPREVIOUS:")},
			{Name: aws.String("FIRST"), ValueFrom: aws.String(secret + ":user::" + first)},
		}
		c.Ulimits = []ecstypes.Ulimit{{Name: ecstypes.UlimitNameNofile, SoftLimit: 1000, HardLimit: 2000}}
	})))
	status := r.awaitRunning()
	ip := status.PrivateIP()
	host := "ip-" + strings.ReplaceAll(ip, ".", "-") + ".ec2.internal"
	execIn(t, r.id, "touch", "/tmp/go")
	status = r.end()
	if status.StopCode != ecstypes.TaskStopCodeEssentialContainerExited ||
		*status.StoppedReason != "Essential container in task exited" ||
		*status.Containers[0].ExitCode != 3 ||
		*status.DesiredStatus != "STOPPED" {
		t.Error(describe(status))
	}
	want := []string{
		"PLAIN a=b c", `WHOLE {"user":"app","port":5432}`, "KEY app", "NUMBER 5432", "PREVIOUS 1", "FIRST old", "AWS_REGION us-east-1", "AWS_DEFAULT_REGION mine",
		"AWS_EXECUTION_ENV AWS_ECS_FARGATE", "HOSTNAME " + host, "host " + host + " " + ip, "limit (1000, 2000)",
		strings.Repeat("x", 256<<10-26), strings.Repeat("x", 300000-(256<<10-26)), "unfinished",
	}
	got := f.lines(r, "app")
	if i := slices.Index(got, "error"); i < 0 {
		t.Error("what was written to stderr is not in the log")
	} else {
		got = slices.Delete(got, i, i+1) // where among stdout's lines is up to the engine
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d: got %.200q, want %.200q", i, at(got, i), at(want, i))
		}
	}
	if want := []string{"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "STOPPING", "DEPROVISIONING", "STOPPED"}; !slices.Equal(
		r.states,
		want,
	) {
		t.Errorf("states %s", r.states)
	}
	if want := []string{"activate " + ip, "deactivate"}; !slices.Equal(r.events, want) {
		t.Errorf("calls %s, not %s", r.events, want)
	}
	if c := status.Containers[0]; "sha256:"+strings.SplitN(shared.image, "sha256:", 2)[1] != *c.ImageDigest ||
		*c.Image != shared.image ||
		!strings.HasPrefix(*c.RuntimeId, r.id+"-") ||
		*c.NetworkInterfaces[0].PrivateIpv4Address != ip {
		t.Errorf("the container is shown as %+v", c)
	}
	for name, when := range map[string]*time.Time{
		"createdAt": status.CreatedAt, "connectivityAt": status.ConnectivityAt, "pullStartedAt": status.PullStartedAt,
		"pullStoppedAt": status.PullStoppedAt, "startedAt": status.StartedAt, "executionStoppedAt": status.ExecutionStoppedAt,
		"stoppingAt": status.StoppingAt, "stoppedAt": status.StoppedAt,
	} {
		if when == nil {
			t.Errorf("%s is not set", name)
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

// execIn runs a command in the container app of a task.
func execIn(t *testing.T, task string, command ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", append([]string{"exec", "slipway-" + task[:12] + "-app"}, command...)...).
		CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// TestDependsOn holds that containers start in the order of dependsOn, and what comes of a dependency that cannot be
// met.
func TestDependsOn(t *testing.T) {
	healthy := func(command string) func(*ecstypes.ContainerDefinition) {
		return func(c *ecstypes.ContainerDefinition) {
			c.HealthCheck = &ecstypes.HealthCheck{
				Command:  []string{"CMD-SHELL", command},
				Interval: aws.Int32(1),
				Retries:  aws.Int32(1),
			}
		}
	}
	timeout := func(c *ecstypes.ContainerDefinition) { c.StartTimeout = aws.Int32(2) }
	const shared = `
import os, time
open("/shared/file", "a").write("one")
time.sleep(1)
`
	mounted := func(c *ecstypes.ContainerDefinition) {
		c.MountPoints = []ecstypes.MountPoint{{SourceVolume: aws.String("v"), ContainerPath: aws.String("/shared")}}
	}
	const second = `print(open("/shared/file").read())`
	for name, test := range map[string]struct {
		first   ecstypes.ContainerDefinition
		when    ecstypes.ContainerCondition
		code    ecstypes.TaskStopCode
		reason  string // of the second container; none if it must have run and have read what the first wrote
		removed bool
	}{
		"success": {first: python("one", shared, helper, mounted), when: ecstypes.ContainerConditionSuccess},
		"complete": {
			first: python("one", shared+"raise SystemExit(5)", helper, mounted), when: ecstypes.ContainerConditionComplete,
		},
		"healthy": {
			first: python("one", shared+"open('/tmp/ok', 'w'); time.sleep(60)", helper, mounted, healthy("test -e /tmp/ok")),
			when:  ecstypes.ContainerConditionHealthy,
		},
		"no success": {
			first: python("one", shared+"raise SystemExit(5)", helper, mounted), when: ecstypes.ContainerConditionSuccess,
			reason: "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [one(%s) (STOPPED->RUNNING) - Exit: 5] " +
				"for target [two(%s) (NONE->RUNNING)] as dependency did not exit successfully.",
		},
		"never healthy": {
			first: python("one", "import time; time.sleep(60)", helper, healthy("false"), timeout), when: ecstypes.ContainerConditionHealthy,
			reason: "CannotStartContainerError: dependency graph: container ordering dependency [one(%s) (RUNNING->RUNNING)] " +
				"for target [two(%s) (NONE->RUNNING)] has timed out.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			d := definition(python("two", second, mounted, after("one", test.when)), test.first)
			d.Volumes = []ecstypes.Volume{{Name: aws.String("v")}}
			r := f.start(d)
			status := r.end()
			two := status.Containers[0]
			if test.reason == "" {
				if status.StopCode != ecstypes.TaskStopCodeEssentialContainerExited || aws.ToInt32(two.ExitCode) != 0 ||
					!slices.Equal(f.lines(r, "two"), []string{"one"}) {
					t.Errorf("%s; two wrote %q", describe(status), f.lines(r, "two"))
				}
				return
			}
			want := strings.ReplaceAll(test.reason, "%s", *two.Image)
			if status.StopCode != ecstypes.TaskStopCodeTaskFailedToStart ||
				*status.StoppedReason != "Task failed to start" ||
				aws.ToString(two.Reason) != want ||
				aws.ToInt32(two.ExitCode) != 143 {
				t.Errorf("%s\nwant %s", describe(status), want)
			}
			if slices.Contains(r.states, "ACTIVATING") || len(r.events) > 0 {
				t.Errorf("a task that never started was activated: %s, %s", r.states, r.events)
			}
		})
	}
}

// TestConfinement holds that user, read-only root, working directory, capabilities, init and volumes are as declared.
func TestConfinement(t *testing.T) {
	f := newFixture(t)
	d := definition(python("app", `
import os
def write(path):
    try:
        open(path, "w").write("x")
        return "written"
    except OSError as e:
        return os.strerror(e.errno)
print("uid", os.getuid(), os.getgid(), "in", os.getcwd())
print("root", write("/x"))
print("volume", write("/data/x"), "read-only", write("/again/y"))
print("init", os.getpid() != 1)
print("capabilities", [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapBnd")])`,
		func(c *ecstypes.ContainerDefinition) {
			c.User, c.WorkingDirectory, c.ReadonlyRootFilesystem = aws.String(
				"0:33",
			), aws.String(
				"/usr",
			), aws.Bool(
				true,
			)
			c.LinuxParameters = &ecstypes.LinuxParameters{
				InitProcessEnabled: aws.Bool(true), Capabilities: &ecstypes.KernelCapabilities{Drop: []string{"ALL"}},
			}
			c.MountPoints = []ecstypes.MountPoint{
				{SourceVolume: aws.String("v"), ContainerPath: aws.String("/data")},
				{SourceVolume: aws.String("v"), ContainerPath: aws.String("/again"), ReadOnly: aws.Bool(true)},
			}
		}))
	d.Volumes = []ecstypes.Volume{{Name: aws.String("v"), Host: &ecstypes.HostVolumeProperties{}}}
	r := f.start(d)
	status := r.end()
	want := []string{
		"uid 0 33 in /usr", "root Read-only file system", "volume written read-only Read-only file system", "init True",
		"capabilities ['0000000000000000']",
	}
	if got := f.lines(r, "app"); !slices.Equal(got, want) {
		t.Errorf("%s\ngot  %q\nwant %q", describe(status), got, want)
	}
}

// TestOutOfMemory holds that the task's memory, or the container's own where it is less, is a hard limit, and how ECS
// tells that it was met.
func TestOutOfMemory(t *testing.T) {
	f := newFixture(t)
	const fill = `x = bytearray(); [x.extend(b"x" * (10 << 20)) for _ in range(80)]; print("fits")`
	r := f.start(definition(
		python("small", fill, helper, func(c *ecstypes.ContainerDefinition) { c.Memory = aws.Int32(100) }),
		python("task", fill, after("small", ecstypes.ContainerConditionComplete)),
	))
	for _, c := range r.end().Containers {
		if aws.ToInt32(c.ExitCode) != 137 ||
			aws.ToString(c.Reason) != "OutOfMemoryError: Container killed due to memory usage" {
			t.Errorf(
				"%s: exit %d, %q, wrote %q",
				*c.Name,
				aws.ToInt32(c.ExitCode),
				aws.ToString(c.Reason),
				f.lines(r, *c.Name),
			)
		}
	}
}

// TestStop holds that a task is deregistered before SIGTERM, that SIGKILL follows after stopTimeout, that containers
// stop after those that depend on them, and that the first reason stays.
func TestStop(t *testing.T) {
	f := newFixture(t)
	const deaf = `
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("TERM", time.time()))
print("up")
while True: signal.pause()`
	release := make(chan struct{})
	r := f.start(definition(
		python("first", strings.Replace(forever, `print("TERM")`, `print("TERM", __import__("time").time())`, 1)),
		python("second", deaf, after("first", ecstypes.ContainerConditionStart), func(c *ecstypes.ContainerDefinition) {
			c.StopTimeout = aws.Int32(2)
		}),
	), func(s *tasks.Spec) {
		s.Deactivate = func(ctx context.Context) {
			select {
			case <-release:
			case <-ctx.Done():
				t.Error("deregistration was cut short")
			}
		}
	})
	r.awaitRunning()
	for _, name := range []string{"first", "second"} {
		f.awaitLine(r, name, "up")
	}
	r.Stop(ecstypes.TaskStopCodeServiceSchedulerInitiated, "Scaling activity initiated by (deployment ecs-svc/1)")
	r.Stop(ecstypes.TaskStopCodeUserInitiated, "later")
	status := r.await("DEACTIVATING", func(s tasks.Status) bool { return *s.LastStatus == "DEACTIVATING" })
	if *status.DesiredStatus != "STOPPED" || *status.Containers[0].LastStatus != "RUNNING" {
		t.Error(describe(status))
	}
	close(release)
	status = r.end()
	if status.StopCode != ecstypes.TaskStopCodeServiceSchedulerInitiated ||
		!strings.HasPrefix(*status.StoppedReason, "Scaling") {
		t.Error(describe(status))
	}
	if first, second := status.Containers[0], status.Containers[1]; *first.ExitCode != 7 || *second.ExitCode != 137 {
		t.Error(describe(status))
	}
	var firstTerm, secondTerm float64
	for name, when := range map[string]*float64{"first": &firstTerm, "second": &secondTerm} {
		lines := f.lines(r, name)
		if _, err := fmt.Sscanf(lines[len(lines)-1], "TERM %f", when); err != nil {
			t.Fatalf("%s wrote %q", name, lines)
		}
	}
	if wait := firstTerm - secondTerm; wait < 1.9 || wait > 10 {
		t.Errorf("the first got SIGTERM %.1f s after the second, not after the second's stopTimeout of 2 s", wait)
	}
}

func (f *fixture) awaitLine(r *run, name, line string) {
	f.t.Helper()
	r.await(name+" writes "+line, func(tasks.Status) bool { return slices.Contains(f.lines(r, name), line) })
}

// TestEndpoint holds that metadata, statistics, credentials and AWS's API answer inside a task, that containers of a
// task reach each other on localhost, and that the host listens on no address beyond loopback for any of it.
func TestEndpoint(t *testing.T) {
	before := listeners(t)
	f := newFixture(t)
	r := f.start(definition(
		python("server", `
import http.server
http.server.HTTPServer(("127.0.0.1", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()`, helper),
		python("app", `
import json, os, socket, time, urllib.request
def get(url, **headers):
    return json.load(urllib.request.urlopen(urllib.request.Request(url, headers=headers)))
v4 = os.environ["ECS_CONTAINER_METADATA_URI_V4"]
me, task = get(v4), get(v4 + "/task")
print(me["Name"], me["KnownStatus"], me["Networks"][0]["IPv4Addresses"][0])
print(task["TaskARN"], task["Family"], task["Revision"], task["LaunchType"], task["Limits"], sorted(c["Name"] for c in task["Containers"]))
print(get(os.environ["ECS_CONTAINER_METADATA_URI"])["DockerId"] == me["DockerId"])
print(get(v4 + "/stats")["memory_stats"]["usage"] > 1 << 20, sorted(get(v4 + "/task/stats")) == sorted(c["DockerId"] for c in task["Containers"]))
print(sorted(get("http://169.254.170.2" + os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])))
try: get("http://169.254.170.2/v2/credentials/other")
except urllib.error.HTTPError as e: print(e.code)
call = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], b"Action=GetCallerIdentity&Version=2011-06-15", {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=none"})
print("123456789012" in urllib.request.urlopen(call).read().decode())
for _ in range(100):
    try:
        print(urllib.request.urlopen("http://localhost:8080/etc/hostname").status); break
    except OSError: time.sleep(.1)
while not os.path.exists("/tmp/go"): time.sleep(.05)`),
	))
	status := r.awaitRunning()
	if fresh := slices.DeleteFunc(listeners(t), func(l string) bool { return slices.Contains(before, l) }); len(
		fresh,
	) > 0 {
		t.Errorf("beyond loopback the host listens on %s", fresh)
	}
	execIn(t, r.id, "touch", "/tmp/go")
	if code := r.end().Containers[1].ExitCode; aws.ToInt32(code) != 0 {
		t.Errorf("%s: %q", describe(r.Status()), f.lines(r, "app"))
	}
	want := []string{
		"app RUNNING " + status.PrivateIP(),
		*status.TaskArn + " test 3 FARGATE {'CPU': 0.25, 'Memory': 512} ['app', 'server']",
		"True", "True True", "['AccessKeyId', 'Expiration', 'RoleArn', 'SecretAccessKey', 'Token']", "400", "True", "200",
	}
	if got := f.lines(r, "app"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestUpstreams holds that a task reaches what it is given by name and port, also where two have the same port, that all of its
// containers do, and that others do not.
func TestUpstreams(t *testing.T) {
	f := newFixture(t)
	answer := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(w, "%s got %s for %s%s", text, body, r.Host, r.URL)
		})
	}
	const ask = `
import socket, urllib.request
for name in ("pricing", "stock"):
    print(urllib.request.urlopen(f"http://{name}:8001/a?b=c", b"hello").read().decode())
print(socket.gethostbyname("pricing"), socket.gethostbyname("stock"))`
	afterTwo := func(c *ecstypes.ContainerDefinition) {
		c.DependsOn = []ecstypes.ContainerDependency{{ContainerName: aws.String("two"), Condition: ecstypes.ContainerConditionComplete}}
	}
	r := f.start(definition(python("one", ask, afterTwo), python("two", ask, helper)), func(spec *tasks.Spec) {
		spec.Upstreams = []tasks.Upstream{{Name: "pricing", Port: 8001, Handler: answer("first")}, {Name: "stock", Port: 8001, Handler: answer("second")}}
	})
	want := []string{
		"first got hello for pricing:8001/a?b=c", "second got hello for stock:8001/a?b=c", "127.255.0.1 127.255.0.2",
	}
	r.end()
	for _, name := range []string{"one", "two"} {
		if got := f.lines(r, name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	other := f.start(definition(python("app", `
import socket
try: print(socket.gethostbyname("pricing"))
except OSError as e: print("unknown")`)))
	other.end()
	if got := f.lines(other, "app"); !slices.Equal(got, []string{"unknown"}) {
		t.Errorf("a task without it finds %q", got)
	}
}

// listeners are the TCP addresses beyond loopback on which the host listens, as the kernel writes them.
func listeners(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			// All of 127.0.0.0/8 is loopback, the kernel writes an address from its end, and load balancers of other tests listen there.
			const listening, loopback4, loopback6 = "0A", "7F:", "00000000000000000000000001000000:"
			if len(fields) > 3 && fields[3] == listening && !strings.Contains(fields[1], loopback4) &&
				!strings.HasPrefix(fields[1], loopback6) {
				found = append(found, fields[1])
			}
		}
	}
	return found
}

// TestFailedToStart holds that a task that cannot be run as it says fails, and says why in ECS's words.
func TestFailedToStart(t *testing.T) {
	edit := func(change func(*ecstypes.TaskDefinition)) func() ecstypes.TaskDefinition {
		return func() ecstypes.TaskDefinition {
			d := definition(python("app", forever))
			change(&d)
			return d
		}
	}
	ofContainer := func(change func(*ecstypes.ContainerDefinition)) func() ecstypes.TaskDefinition {
		return edit(func(d *ecstypes.TaskDefinition) { change(&d.ContainerDefinitions[0]) })
	}
	secret := func(from string) func() ecstypes.TaskDefinition {
		return ofContainer(func(c *ecstypes.ContainerDefinition) {
			c.Secrets = []ecstypes.Secret{{Name: aws.String("S"), ValueFrom: aws.String(from)}}
		})
	}
	missing := "sha256:" + strings.Repeat("0", 64)
	const (
		pull    = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
		secrets = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
	)
	refused := registry.AuthConfig{Username: "AWS", Password: "wrong", ServerAddress: shared.registry}
	for name, test := range map[string]struct {
		definition func() ecstypes.TaskDefinition
		options    func(*tasks.Options)
		want       []string // parts of stoppedReason
	}{
		"digest that is not there": {
			definition: ofContainer(func(c *ecstypes.ContainerDefinition) { c.Image = aws.String(shared.registry + "/app@" + missing) }),
			want:       []string{pull + shared.registry + "/app@" + missing, "manifest unknown"},
		},
		"registry that refuses": {
			options: func(o *tasks.Options) { o.Registry = func() registry.AuthConfig { return refused } },
			want:    []string{pull + shared.image, "unauthorized"},
		},
		"registry without credentials": {
			options: func(o *tasks.Options) { o.Registry = func() registry.AuthConfig { return registry.AuthConfig{} } },
			want:    []string{pull + shared.image, "no basic auth credentials"},
		},
		"full disk": {
			options: func(o *tasks.Options) { o.DiskFull = func() bool { return true } },
			want:    []string{"CannotPullContainerError: ", "no space left on device"},
		},
		"secret that is not there": {
			definition: secret("arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AbCdEf"),
			want: []string{secrets + "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret " +
				"arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AbCdEf from secrets manager: ResourceNotFoundException: "},
		},
		"parameter": {
			definition: secret("arn:aws:ssm:us-east-1:123456789012:parameter/one"),
			want:       []string{secrets + "unable to retrieve secrets from ssm: "},
		},
		"log group that is not there": {
			definition: ofContainer(func(c *ecstypes.ContainerDefinition) { c.LogConfiguration.Options["awslogs-group"] = "/none" }),
			want: []string{"ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: " +
				"failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist"},
		},
		"command that is not there": {
			definition: ofContainer(func(c *ecstypes.ContainerDefinition) { c.Command = []string{"/none"} }),
			want:       []string{"CannotStartContainerError: ", "no such file or directory"},
		},
		"unsupported log driver": {
			definition: ofContainer(func(c *ecstypes.ContainerDefinition) { c.LogConfiguration.LogDriver = ecstypes.LogDriverAwsfirelens }),
			want:       []string{"ResourceInitializationError: container app: logConfiguration.logDriver awsfirelens is not supported"},
		},
		"unsupported field of a container": {
			definition: ofContainer(func(c *ecstypes.ContainerDefinition) {
				c.RestartPolicy = &ecstypes.ContainerRestartPolicy{Enabled: aws.Bool(true)}
			}),
			want: []string{"ResourceInitializationError: container app: restartPolicy is not supported"},
		},
		"unsupported volume": {
			definition: edit(func(d *ecstypes.TaskDefinition) {
				d.Volumes = []ecstypes.Volume{{
					Name: aws.String("v"), EfsVolumeConfiguration: &ecstypes.EFSVolumeConfiguration{FileSystemId: aws.String("fs-1")},
				}}
			}),
			want: []string{"ResourceInitializationError: volumes.v.efsVolumeConfiguration is not supported"},
		},
		"cycle": {
			definition: ofContainer(after("app", ecstypes.ContainerConditionStart)),
			want:       []string{"ResourceInitializationError: container app: dependsOn leads to itself"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*tasks.Options)
			if test.options != nil {
				change = append(change, test.options)
			}
			f := newFixture(t, change...)
			d := definition(python("app", forever))
			if test.definition != nil {
				d = test.definition()
			}
			status := f.start(d).end()
			for _, part := range test.want {
				if status.StopCode != ecstypes.TaskStopCodeTaskFailedToStart ||
					!strings.Contains(*status.StoppedReason, part) {
					t.Errorf("%s\nwant %s", describe(status), part)
				}
			}
		})
	}
}

// TestCreateGroup holds that awslogs-create-group makes a missing log group.
func TestCreateGroup(t *testing.T) {
	f := newFixture(t)
	group := "/made/" + uuid.NewString()
	r := f.start(definition(python("app", "print(1)", func(c *ecstypes.ContainerDefinition) {
		c.LogConfiguration.Options["awslogs-group"], c.LogConfiguration.Options["awslogs-create-group"] = group, "true"
	})))
	status := r.end()
	found, err := f.opts.Logs.DescribeLogStreams(
		t.Context(),
		&cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group},
	)
	if err != nil || len(found.LogStreams) != 1 || *found.LogStreams[0].LogStreamName != "p/app/"+r.id {
		t.Errorf("%s: %+v, %v", describe(status), found, err)
	}
}

// TestHealth holds that the health of an essential container is its task's, and that the runner leaves an unhealthy
// task alone: replacing it is the scheduler's.
func TestHealth(t *testing.T) {
	f := newFixture(t)
	r := f.start(definition(python("app", forever, func(c *ecstypes.ContainerDefinition) {
		c.HealthCheck = &ecstypes.HealthCheck{
			Command:  []string{"CMD", "test", "!", "-e", "/tmp/ill"},
			Interval: aws.Int32(1),
			Retries:  aws.Int32(1),
		}
	})))
	r.await("HEALTHY", func(s tasks.Status) bool {
		return s.HealthStatus == ecstypes.HealthStatusHealthy && *s.LastStatus == "RUNNING"
	})
	execIn(t, r.id, "touch", "/tmp/ill")
	status := r.await(
		"UNHEALTHY",
		func(s tasks.Status) bool { return s.HealthStatus == ecstypes.HealthStatusUnhealthy },
	)
	if *status.LastStatus != "RUNNING" || status.Containers[0].HealthStatus != ecstypes.HealthStatusUnhealthy {
		t.Error(describe(status))
	}
	execIn(t, r.id, "rm", "/tmp/ill")
	r.await("HEALTHY again", func(s tasks.Status) bool { return s.HealthStatus == ecstypes.HealthStatusHealthy })
}

// TestStopWhilePending holds that a task whose pull hangs stops when it is asked to, and is never activated.
func TestStopWhilePending(t *testing.T) {
	asked := make(chan struct{}, 100)
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(func() {
		hanging.CloseClientConnections()
		hanging.Close()
	})
	f := newFixture(t)
	r := f.start(definition(python("app", forever, func(c *ecstypes.ContainerDefinition) {
		c.Image = aws.String(hanging.Listener.Addr().String() + "/app:one")
	})))
	<-asked
	if status := r.Status(); *status.LastStatus != "PENDING" {
		t.Error(describe(status))
	}
	r.Stop(ecstypes.TaskStopCodeUserInitiated, "Task stopped by user")
	start := time.Now()
	status := r.end()
	if status.StopCode != ecstypes.TaskStopCodeUserInitiated || time.Since(start) > 15*time.Second ||
		len(r.events) > 0 {
		t.Errorf("after %s: %s, calls %s", time.Since(start), describe(status), r.events)
	}
}

// TestLose holds that a lost task ends at once: without SIGTERM, without waiting for deregistration, and with no exit
// code.
func TestLose(t *testing.T) {
	f := newFixture(t)
	ended := make(chan struct{})
	r := f.start(definition(python("app", forever)), func(s *tasks.Spec) {
		s.Deactivate = func(ctx context.Context) {
			<-ctx.Done()
			close(ended)
		}
	})
	r.awaitRunning()
	f.awaitLine(r, "app", "up")
	r.Stop(ecstypes.TaskStopCodeUserInitiated, "Task stopped by user")
	r.await("DEACTIVATING", func(s tasks.Status) bool { return *s.LastStatus == "DEACTIVATING" })
	r.Lose()
	status := r.end()
	<-ended
	if status.StopCode != ecstypes.TaskStopCodeUserInitiated || status.Containers[0].ExitCode != nil ||
		slices.Contains(f.lines(r, "app"), "TERM") {
		t.Errorf("%s, wrote %q", describe(status), f.lines(r, "app"))
	}
	r = f.start(definition(python("app", forever)))
	r.awaitRunning()
	r.Lose()
	status = r.end()
	if status.StopCode != ecstypes.TaskStopCodeTerminationNotice ||
		*status.StoppedReason != "Host EC2 (instance i-"+r.id[:17]+") terminated." {
		t.Error(describe(status))
	}
	if want := []string{"activate " + status.PrivateIP(), "deactivate"}; !slices.Equal(r.events, want) {
		t.Errorf("calls %s, not %s", r.events, want)
	}
}

// TestClose holds that closing kills tasks wherever they are, that all of them are STOPPED then, and that a closed
// runner starts nothing.
func TestClose(t *testing.T) {
	f := newFixture(t)
	running, starting := f.start(definition(python("app", forever))), (*run)(nil)
	running.awaitRunning()
	starting = f.start(definition(python("app", forever)))
	if err := f.runner.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := f.left(t.Context()); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	for _, r := range []*run{running, starting, f.start(definition(python("app", forever)))} {
		select {
		case <-r.Done():
			if status := r.Status(); *status.LastStatus != "STOPPED" {
				t.Error(describe(status))
			}
		default:
			t.Errorf("not done: %s", describe(r.Status()))
		}
	}
}

// TestSweep holds that what a runner has left behind is removed by its owner's name, sockets too, and nothing of
// another's.
func TestSweep(t *testing.T) {
	f := newFixture(t)
	other, err := tasks.EnsureNetwork(
		t.Context(),
		shared.docker,
		f.opts.Network+"-other",
		map[string]string{tasks.LabelOwner: f.opts.Owner + "-other"},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.docker.NetworkRemove(context.Background(), other.ID) })
	d := definition(python("app", forever))
	d.Volumes = []ecstypes.Volume{{Name: aws.String("v")}}
	r := f.start(d)
	r.awaitRunning()
	pause, err := shared.docker.ContainerInspect(t.Context(), "slipway-"+r.id[:12]+"-pause")
	if err != nil {
		t.Fatal(err)
	}
	sockets := filepath.Dir(pause.Mounts[0].Source)
	if info, err := os.Stat(sockets); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("sockets are in %s: %v, %v", sockets, info, err)
	}
	// Two at once, since whoever was killed may not have ended when its remains are swept.
	swept := make(chan error)
	for range 2 {
		go func() { swept <- tasks.Sweep(t.Context(), shared.docker, f.opts.Owner) }()
	}
	if err := errors.Join(<-swept, <-swept); err != nil {
		t.Fatal(err)
	}
	if left := f.left(t.Context()); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	if _, err := os.Stat(sockets); err == nil {
		t.Errorf("%s is still there", sockets)
	}
	if _, err := shared.docker.NetworkInspect(t.Context(), other.ID, network.InspectOptions{}); err != nil {
		t.Errorf("another's network is gone: %v", err)
	}
}
