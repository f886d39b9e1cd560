package cloud_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	awsrds "github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	dockerregistry "github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/volume"
	engine "github.com/docker/docker/client"

	"slipway/local/awsapi"
	"slipway/local/cloud"
	"slipway/local/dockerengine"
	"slipway/local/load"
	"slipway/local/tasks"
	"slipway/local/tools"
)

// server is what the test image runs. Its environment says how it behaves:
//   - REVISION is what it answers with
//   - HEALTHY_AFTER seconds /health is 503, then HEALTH_STATUS, 200 if that is not set
//   - EXIT_AFTER seconds it ends, with EXIT_CODE
//   - PORT is where it listens, 8080 if that is not set
//   - IGNORE_SIGTERM keeps it from ending when it is asked to
//   - PROBE names a PostgreSQL server, HOST:PORT: it asks that for TLS, says what it was given as PASSWORD, and ends
const server = `
import hashlib, http.server, os, signal, socket, struct, threading, time

def variable(name, otherwise=""):
    return os.environ.get(name, otherwise)

started = time.monotonic()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        status = 200
        if self.path == "/health":
            early = time.monotonic() - started < float(variable("HEALTHY_AFTER", "0"))
            status = 503 if early else int(variable("HEALTH_STATUS", "200"))
        body = variable("REVISION").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

def probe(host, port):
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(struct.pack("!ii", 8, 80877103))
        answer = connection.recv(1).decode()
    print("TLS", answer, "password", hashlib.sha256(variable("PASSWORD").encode()).hexdigest(), flush=True)

print("revision", variable("REVISION"), flush=True)
if variable("PROBE"):
    probe(*variable("PROBE").split(":"))
    raise SystemExit
if not variable("IGNORE_SIGTERM"):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if variable("EXIT_AFTER"):
    threading.Timer(float(variable("EXIT_AFTER")), lambda: os._exit(int(variable("EXIT_CODE", "1")))).start()
Server(("", int(variable("PORT", "8080"))), Handler).serve_forever()
`

const (
	serverPort = 8080
	within     = 90 * time.Second // of anything that a test waits for
)

// await polls until something holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("within %s it was not so that %s", within, what)
		}
	}
}

// Built once for all clouds, and removed by endShared.
var (
	localImage = fmt.Sprintf("slipway-test/plane:%d", os.Getpid())
	buildImage = sync.OnceValue(func() error {
		dir, err := os.MkdirTemp("", "slipway-test-image-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		for name, content := range map[string]string{
			"Dockerfile": "FROM slipway-base/python:3\nCOPY server.py /\nCMD [\"python3\", \"/server.py\"]\n", "server.py": server,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				return err
			}
		}
		if said, err := exec.Command("docker", "build", "--quiet", "--tag", localImage, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("build the test image: %w: %s", err, said)
		}
		return nil
	})
)

// fixture is a cloud with the test image in its registry, a cluster and a log group of the test's own, and clients.
type fixture struct {
	t       *testing.T
	state   cloud.State
	image   string // by digest
	cluster string // its name
	docker  *engine.Client
	ecs     *awsecs.Client
	elb     *elb.Client
	rds     *awsrds.Client
	logs    *cloudwatchlogs.Client
	secrets *secretsmanager.Client
}

// shared is the cloud of the tests that can bear each other.
var shared struct {
	once  sync.Once
	dir   string
	state cloud.State
	image string
}

// share returns a fixture of the shared cloud, and lets the test run beside others.
func share(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "slipway-test-cloud-")
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
		shared.state = ensure(t, dir)
		shared.image = push(t, shared.state)
	})
	if shared.image == "" {
		t.Fatal("the shared cloud has not started; the test that wanted it first says why")
	}
	return newFixture(t, shared.state, shared.image)
}

// own returns a fixture of a cloud that no other test uses, and lets the test run beside others.
func own(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	state := start(t)
	t.Cleanup(func() { _ = tools.ForgetImages(context.Background(), state.Registry) })
	return newFixture(t, state, push(t, state))
}

// endShared stops the shared cloud after all tests, and says what it has left.
func endShared(ctx context.Context) error {
	_ = exec.CommandContext(ctx, "docker", "image", "rm", localImage).Run() // it may never have been built
	if shared.dir == "" {
		return nil
	}
	err := errors.Join(cloud.Stop(ctx, shared.dir), tools.ForgetImages(ctx, shared.state.Registry))
	docker, failed := dockerengine.Connect()
	if failed != nil {
		return errors.Join(err, failed)
	}
	defer func() { _ = docker.Close() }()
	left, failed := leftOver(ctx, docker, tasks.LabelCloud+"="+shared.state.ID)
	if len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("the shared cloud has left %v", left))
	}
	return errors.Join(err, failed, os.RemoveAll(shared.dir))
}

// leftOver lists all that has a label in the Docker Engine.
func leftOver(ctx context.Context, docker *engine.Client, label string) (left []string, err error) {
	mine := filters.NewArgs(filters.Arg("label", label))
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	for _, one := range containers {
		left = append(left, "container "+strings.Join(one.Names, " "))
	}
	networks, failed := docker.NetworkList(ctx, network.ListOptions{Filters: mine})
	for _, one := range networks {
		left = append(left, "network "+one.Name)
	}
	volumes, alsoFailed := docker.VolumeList(ctx, volume.ListOptions{Filters: mine})
	for _, one := range volumes.Volumes {
		left = append(left, "volume "+one.Name)
	}
	return left, errors.Join(err, failed, alsoFailed)
}

// push puts the test image into a cloud's registry with the credentials that ECR hands out, and returns its name by digest.
func push(t *testing.T, state cloud.State) string {
	t.Helper()
	if err := buildImage(); err != nil {
		t.Fatal(err)
	}
	create(t, state, "plane/server", "IMMUTABLE")
	c := login(t, state)
	auth, err := dockerregistry.EncodeAuthConfig(dockerregistry.AuthConfig{
		Username: c.user, Password: c.password, ServerAddress: state.Registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	docker := connect(t)
	name := state.Registry + "/plane/server"
	if err := docker.ImageTag(t.Context(), localImage, name+":one"); err != nil {
		t.Fatal(err)
	}
	progress, err := docker.ImagePush(t.Context(), name+":one", image.PushOptions{RegistryAuth: auth})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = progress.Close() }()
	if said, err := io.ReadAll(progress); err != nil || bytes.Contains(said, []byte("errorDetail")) {
		t.Fatalf("push: %v: %s", err, said)
	}
	shown := call(t, state, "ecr", ecr+"DescribeImages", map[string]any{"repositoryName": "plane/server"})["imageDetails"].([]any)
	return name + "@" + shown[0].(map[string]any)["imageDigest"].(string)
}

func connect(t *testing.T) *engine.Client {
	t.Helper()
	docker, err := dockerengine.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	return docker
}

// fixtures are counted, so that a test that is run again has names of its own.
var fixtures atomic.Int32

func newFixture(t *testing.T, state cloud.State, image string) *fixture {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the cloud's last words:\n%s", lastWords(state))
		}
	})
	config := awsapi.Config(state.Endpoint)
	f := &fixture{
		t: t, state: state, image: image, docker: connect(t),
		cluster: fmt.Sprintf("%s-%d", strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), fixtures.Add(1)),
		ecs:     awsecs.NewFromConfig(config), elb: elb.NewFromConfig(config), rds: awsrds.NewFromConfig(config),
		logs: cloudwatchlogs.NewFromConfig(config), secrets: secretsmanager.NewFromConfig(config),
	}
	_, err := f.ecs.CreateCluster(t.Context(), &awsecs.CreateClusterInput{ClusterName: &f.cluster})
	f.ok(err)
	_, err = f.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &f.cluster})
	f.ok(err)
	return f
}

// lastWords is the end of a cloud's log, which its process has as its output, without the calls that moto has answered.
func lastWords(state cloud.State) string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/fd/2", state.PID))
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(content), "\n"), func(line string) bool {
		return strings.HasSuffix(line, " 200 -")
	})
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// define registers a task definition of the test image with environment variables, NAME=VALUE.
func (f *fixture) define(variables ...string) string {
	f.t.Helper()
	return f.defineWith(func(*ecstypes.ContainerDefinition) {}, variables...)
}

func (f *fixture) defineWith(change func(*ecstypes.ContainerDefinition), variables ...string) string {
	f.t.Helper()
	app := ecstypes.ContainerDefinition{
		Name: aws.String("app"), Image: &f.image, Essential: aws.Bool(true), StopTimeout: aws.Int32(2),
		PortMappings: []ecstypes.PortMapping{{ContainerPort: aws.Int32(serverPort)}},
		LogConfiguration: &ecstypes.LogConfiguration{LogDriver: ecstypes.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": f.cluster, "awslogs-region": awsapi.Region, "awslogs-stream-prefix": "plane",
		}},
	}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		app.Environment = append(app.Environment, ecstypes.KeyValuePair{Name: &name, Value: &value})
	}
	change(&app)
	made, err := f.ecs.RegisterTaskDefinition(f.t.Context(), &awsecs.RegisterTaskDefinitionInput{
		Family: &f.cluster, NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: aws.String("512"), Memory: aws.String("1024"),
		RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		ContainerDefinitions:    []ecstypes.ContainerDefinition{app},
	})
	f.ok(err)
	return aws.ToString(made.TaskDefinition.TaskDefinitionArn)
}

// inVPC returns ids of the emulator's default VPC: those of an action's answer in an element.
func (f *fixture) inVPC(action, element string) []string {
	f.t.Helper()
	var all []string
	answer := query(f.t, f.state, "ec2", "Action="+action+"&Version=2016-11-15")
	for _, found := range regexp.MustCompile("<"+element+">([^<]+)<").FindAllStringSubmatch(answer, 2) {
		all = append(all, found[1])
	}
	return all
}

func (f *fixture) subnets() []string { return f.inVPC("DescribeSubnets", "subnetId") }

// balance makes a load balancer with a target group of the test's own, and returns the group's ARN and the URL.
func (f *fixture) balance() (group, url string) {
	f.t.Helper()
	ctx, name := f.t.Context(), aws.String(f.cluster)
	balancer, err := f.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: name, Subnets: f.subnets()})
	f.ok(err)
	vpc := f.inVPC("DescribeVpcs", "vpcId")[0]
	made, err := f.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: name, Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(serverPort), VpcId: &vpc,
		TargetType:      elbtypes.TargetTypeEnumIp,
		HealthCheckPath: aws.String("/health"), HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2),
		HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
	})
	f.ok(err)
	group = aws.ToString(made.TargetGroups[0].TargetGroupArn)
	_, err = f.elb.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &group, Attributes: []elbtypes.TargetGroupAttribute{
			{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("2")},
		},
	})
	f.ok(err)
	listener, err := f.elb.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: balancer.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{
			Type:                elbtypes.ActionTypeEnumFixedResponse,
			FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("404")},
		}},
	})
	f.ok(err)
	_, err = f.elb.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: listener.Listeners[0].ListenerArn, Priority: aws.Int32(1),
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/app*"}}},
		Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}},
	})
	f.ok(err)
	return group, "http://" + aws.ToString(balancer.LoadBalancers[0].DNSName)
}

// web is a service behind a load balancer.
type web struct {
	*fixture
	group, url string
}

// serve creates a service, named as its cluster, with the deployment circuit breaker on.
func (f *fixture) serve(definition string, desired int32) web {
	f.t.Helper()
	group, url := f.balance()
	_, err := f.ecs.CreateService(f.t.Context(), &awsecs.CreateServiceInput{
		Cluster: &f.cluster, ServiceName: &f.cluster, TaskDefinition: &definition, DesiredCount: &desired,
		LaunchType: ecstypes.LaunchTypeFargate,
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{
			MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200),
			DeploymentCircuitBreaker: &ecstypes.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
		LoadBalancers: []ecstypes.LoadBalancer{{
			TargetGroupArn: &group, ContainerName: aws.String("app"), ContainerPort: aws.Int32(serverPort),
		}},
		NetworkConfiguration: &ecstypes.NetworkConfiguration{
			AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
				Subnets: f.subnets(), SecurityGroups: f.inVPC("DescribeSecurityGroups", "groupId")[:1],
			},
		},
	})
	f.ok(err)
	return web{f, group, url}
}

// update updates the service, which is named in the input by this.
func (w web) update(input awsecs.UpdateServiceInput) error {
	input.Cluster, input.Service = &w.cluster, &w.cluster
	_, err := w.ecs.UpdateService(w.t.Context(), &input)
	return err
}

func (w web) release(definition string) {
	w.t.Helper()
	w.ok(w.update(awsecs.UpdateServiceInput{TaskDefinition: &definition}))
}

func (w web) scale(desired int32) {
	w.t.Helper()
	w.ok(w.update(awsecs.UpdateServiceInput{DesiredCount: &desired}))
}

func (w web) delete() {
	w.t.Helper()
	_, err := w.ecs.DeleteService(w.t.Context(), &awsecs.DeleteServiceInput{
		Cluster: &w.cluster, Service: &w.cluster, Force: aws.Bool(true),
	})
	w.ok(err)
}

func (w web) service() ecstypes.Service {
	w.t.Helper()
	found, err := w.ecs.DescribeServices(w.t.Context(), &awsecs.DescribeServicesInput{
		Cluster: &w.cluster, Services: []string{w.cluster},
	})
	w.ok(err)
	if len(found.Services) != 1 {
		w.t.Fatalf("%d services are named %s", len(found.Services), w.cluster)
	}
	return found.Services[0]
}

// stable is the rule by which the AWS provider's versions 5.x take a service for stable (hashicorp/terraform-provider-aws,
// internal/service/ecs/service.go).
func stable(s ecstypes.Service) bool {
	return len(s.Deployments) == 1 && s.RunningCount == s.DesiredCount
}

// settle waits until the service is as clients wait for it, and its deployment is over.
func (w web) settle() ecstypes.Service {
	w.t.Helper()
	var now ecstypes.Service
	await(w.t, "the service is stable", func() bool {
		now = w.service()
		return stable(now) && now.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateInProgress
	})
	return now
}

// list returns the tasks of the cluster.
func (f *fixture) list(desired ecstypes.DesiredStatus) []ecstypes.Task {
	f.t.Helper()
	listed, err := f.ecs.ListTasks(f.t.Context(), &awsecs.ListTasksInput{Cluster: &f.cluster, DesiredStatus: desired})
	f.ok(err)
	if len(listed.TaskArns) == 0 {
		return nil
	}
	found, err := f.ecs.DescribeTasks(f.t.Context(), &awsecs.DescribeTasksInput{Cluster: &f.cluster, Tasks: listed.TaskArns})
	f.ok(err)
	if len(found.Failures) > 0 {
		f.t.Errorf("ListTasks names what DescribeTasks does not know: %v", found.Failures)
	}
	return found.Tasks
}

func (f *fixture) run(definition string) string {
	f.t.Helper()
	ran, err := f.ecs.RunTask(f.t.Context(), &awsecs.RunTaskInput{
		Cluster: &f.cluster, TaskDefinition: &definition, StartedBy: aws.String("a test"),
	})
	f.ok(err)
	if len(ran.Tasks) != 1 {
		f.t.Fatalf("RunTask answers with %d tasks and the failures %v", len(ran.Tasks), ran.Failures)
	}
	return aws.ToString(ran.Tasks[0].TaskArn)
}

// becomes waits until a task has a status.
func (f *fixture) becomes(task, status string) ecstypes.Task {
	f.t.Helper()
	var now ecstypes.Task
	await(f.t, "the task is "+status, func() bool {
		found, err := f.ecs.DescribeTasks(f.t.Context(), &awsecs.DescribeTasksInput{Cluster: &f.cluster, Tasks: []string{task}})
		f.ok(err)
		now = found.Tasks[0]
		if status != "STOPPED" && aws.ToString(now.LastStatus) == "STOPPED" {
			f.t.Fatalf("the task has stopped: %s, %s", now.StopCode, aws.ToString(now.StoppedReason))
		}
		return aws.ToString(now.LastStatus) == status
	})
	return now
}

// wrote returns what a task's container has written to CloudWatch Logs, a line each.
func (f *fixture) wrote(task string) []string {
	f.t.Helper()
	_, id, _ := strings.Cut(task, ":task/"+f.cluster+"/")
	found, err := f.logs.GetLogEvents(f.t.Context(), &cloudwatchlogs.GetLogEventsInput{
		LogGroupName: &f.cluster, LogStreamName: aws.String("plane/app/" + id), StartFromHead: aws.Bool(true),
	})
	f.ok(err)
	var lines []string
	for _, event := range found.Events {
		lines = append(lines, aws.ToString(event.Message))
	}
	return lines
}

// answer asks the service once.
func (w web) answer(path string) (string, int) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, http.NoBody)
	w.ok(err)
	return do(w.t, request)
}

// stress sends requests until the returned function is called, which fails the test where one was not answered with one of
// the revisions.
func (w web) stress(revisions ...string) (end func()) {
	w.t.Helper()
	run, err := load.Start(w.t.Context(), load.Options{
		Requests: load.Gets(w.url + "/app"), Rate: 20, Timeout: 5 * time.Second,
		Check: func(answer *http.Response, body []byte) error {
			if answer.StatusCode != http.StatusOK || !slices.Contains(revisions, string(body)) {
				return fmt.Errorf("%s: %s", answer.Status, body)
			}
			return nil
		},
	})
	w.ok(err)
	w.t.Cleanup(func() { run.Stop() })
	return func() {
		w.t.Helper()
		report := run.Stop()
		w.t.Logf("requests:\n%s", report)
		if report.Overall.Failed > 0 || report.Overall.OK < 20 {
			w.t.Errorf("%d requests failed, %d went well", report.Overall.Failed, report.Overall.OK)
		}
	}
}

// events are a service's events, the newest first.
func events(s ecstypes.Service) string {
	var all []string
	for _, event := range s.Events {
		all = append(all, aws.ToString(event.Message))
	}
	return strings.Join(all, "\n")
}

// deployments returns the service deployments, the newest first.
func (w web) deployments() []ecstypes.ServiceDeployment {
	w.t.Helper()
	listed, err := w.ecs.ListServiceDeployments(w.t.Context(), &awsecs.ListServiceDeploymentsInput{
		Cluster: &w.cluster, Service: &w.cluster,
	})
	w.ok(err)
	var arns []string
	for _, brief := range listed.ServiceDeployments {
		arns = append(arns, aws.ToString(brief.ServiceDeploymentArn))
	}
	found, err := w.ecs.DescribeServiceDeployments(w.t.Context(), &awsecs.DescribeServiceDeploymentsInput{
		ServiceDeploymentArns: arns,
	})
	w.ok(err)
	return found.ServiceDeployments
}

// TestService holds that a service reaches the steady state, that its load balancer answers on this machine by its rules, and
// that tasks, targets, logs and events show as AWS shows them; and that all of it goes with the service.
func TestService(t *testing.T) {
	f := share(t)
	w := f.serve(f.define("REVISION=one"), 2)
	if s := w.service(); stable(s) || s.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateInProgress {
		t.Errorf("a service that has just been created is taken for stable: %+v", s.Deployments)
	}
	now := w.settle()
	if now.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateCompleted || now.PendingCount != 0 || now.RunningCount != 2 ||
		!strings.Contains(events(now), "has started 2 tasks: ") || !strings.Contains(events(now), "has reached a steady state.") {
		t.Errorf("the settled service: %+v, events\n%s", now.Deployments, events(now))
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(w.url, "http://"), ":")
	if ip := net.ParseIP(host); !ip.IsLoopback() {
		t.Errorf("the load balancer's name is %s, which is no loopback address", host)
	}
	for path, want := range map[string]int{"/app": http.StatusOK, "/other": http.StatusNotFound} {
		if body, code := w.answer(path); code != want || want == http.StatusOK && body != "one" {
			t.Errorf("%s answers %d %s", path, code, body)
		}
	}
	running := w.list(ecstypes.DesiredStatusRunning)
	var addresses []string
	for _, task := range running {
		if aws.ToString(task.LastStatus) != "RUNNING" || aws.ToString(task.Group) != "service:"+w.cluster ||
			aws.ToString(task.StartedBy) != aws.ToString(now.Deployments[0].Id) ||
			aws.ToString(task.Containers[0].LastStatus) != "RUNNING" ||
			!strings.HasSuffix(w.image, aws.ToString(task.Containers[0].ImageDigest)) {
			t.Errorf("a task shows as %+v", task)
		}
		for _, detail := range task.Attachments[0].Details {
			if aws.ToString(detail.Name) == "privateIPv4Address" {
				addresses = append(addresses, aws.ToString(detail.Value))
			}
		}
		await(t, "the task's words are in CloudWatch Logs", func() bool {
			return slices.Contains(w.wrote(aws.ToString(task.TaskArn)), "revision one")
		})
	}
	var targets []string
	health, err := w.elb.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &w.group})
	w.ok(err)
	for _, target := range health.TargetHealthDescriptions {
		targets = append(targets, aws.ToString(target.Target.Id))
		if target.TargetHealth.State != elbtypes.TargetHealthStateEnumHealthy || aws.ToInt32(target.Target.Port) != serverPort ||
			aws.ToString(target.HealthCheckPort) != fmt.Sprint(serverPort) {
			t.Errorf("a target shows as %+v", target)
		}
	}
	slices.Sort(addresses)
	slices.Sort(targets)
	if len(addresses) != 2 || !slices.Equal(addresses, targets) {
		t.Errorf("tasks are at %v, targets at %v", addresses, targets)
	}

	w.delete()
	if s := w.service(); aws.ToString(s.Status) != "DRAINING" {
		t.Errorf("a service whose tasks still stop is %s", aws.ToString(s.Status))
	}
	var refused *ecstypes.InvalidParameterException
	if _, err := f.ecs.CreateService(t.Context(), &awsecs.CreateServiceInput{
		Cluster: &w.cluster, ServiceName: &w.cluster, TaskDefinition: now.TaskDefinition,
	}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "still Draining") {
		t.Errorf("a service that is draining can be created: %v", err)
	}
	var inactive *ecstypes.ServiceNotActiveException
	if err := w.update(awsecs.UpdateServiceInput{DesiredCount: aws.Int32(3)}); !errors.As(err, &inactive) {
		t.Errorf("a deleted service can be updated: %v", err)
	}
	await(t, "all tasks have stopped", func() bool {
		stopped := w.list(ecstypes.DesiredStatusStopped)
		return len(stopped) == 2 && !slices.ContainsFunc(stopped, func(task ecstypes.Task) bool {
			return aws.ToString(task.LastStatus) != "STOPPED"
		})
	})
	if s := w.service(); aws.ToString(s.Status) != "INACTIVE" || len(w.list(ecstypes.DesiredStatusRunning)) > 0 {
		t.Errorf("the deleted service is %s", aws.ToString(s.Status))
	}
	for _, task := range w.list(ecstypes.DesiredStatusStopped) {
		if task.StopCode != ecstypes.TaskStopCodeServiceSchedulerInitiated || aws.ToInt32(task.Containers[0].ExitCode) != 0 {
			t.Errorf("a task of a deleted service has stopped as %s with %v", task.StopCode, task.Containers[0].ExitCode)
		}
	}
}

// TestRollingUpdate holds that no request fails while a release takes another's place, whose tasks stop only when the new
// ones are healthy; and that service deployments and revisions tell of it.
func TestRollingUpdate(t *testing.T) {
	f := share(t)
	w := f.serve(f.define("REVISION=one"), 2)
	w.settle()
	end := w.stress("one", "two")
	second := f.define("REVISION=two", "HEALTHY_AFTER=3")
	w.release(second)
	if s := w.service(); len(s.Deployments) != 2 || aws.ToString(s.Deployments[0].Status) != "PRIMARY" ||
		aws.ToString(s.Deployments[1].Status) != "ACTIVE" {
		t.Errorf("right after the update the deployments are %+v", s.Deployments)
	}
	least := int32(2)
	var now ecstypes.Service
	await(t, "the new release has taken over", func() bool {
		now = w.service()
		least = min(least, now.RunningCount)
		return stable(now) && now.Deployments[0].RolloutState == ecstypes.DeploymentRolloutStateCompleted
	})
	if body, code := w.answer("/app"); body != "two" || code != http.StatusOK {
		t.Errorf("after the update it answers %d %s", code, body)
	}
	end()
	if least < 2 {
		t.Errorf("at one time %d tasks were running", least)
	}
	if aws.ToString(now.TaskDefinition) != second || !strings.Contains(events(now), "has stopped ") {
		t.Errorf("after the update: %s, events\n%s", aws.ToString(now.TaskDefinition), events(now))
	}
	all := w.deployments()
	if len(all) != 2 || all[0].Status != ecstypes.ServiceDeploymentStatusSuccessful || all[0].FinishedAt == nil {
		t.Fatalf("the service deployments are %+v", all)
	}
	revisions, err := w.ecs.DescribeServiceRevisions(t.Context(), &awsecs.DescribeServiceRevisionsInput{
		ServiceRevisionArns: []string{
			aws.ToString(all[0].TargetServiceRevision.Arn), aws.ToString(all[0].SourceServiceRevisions[0].Arn),
		},
	})
	w.ok(err)
	if len(revisions.ServiceRevisions) != 2 || aws.ToString(revisions.ServiceRevisions[0].TaskDefinition) != second ||
		aws.ToString(all[1].TargetServiceRevision.Arn) != aws.ToString(revisions.ServiceRevisions[1].ServiceRevisionArn) {
		t.Errorf("the revisions are %+v", revisions.ServiceRevisions)
	}
	// The desired count alone begins no deployment.
	w.scale(1)
	await(t, "one task is left", func() bool { return len(w.list(ecstypes.DesiredStatusRunning)) == 1 })
	if got := len(w.deployments()); got != 2 {
		t.Errorf("a smaller desired count has made %d service deployments", got-2)
	}
}

// unready keeps a task that is to end from being found healthy before, by a check that happens to come in time.
const unready = "HEALTHY_AFTER=60"

// TestRollback holds that the circuit breaker takes a bad release back after three failures, with no request lost, and that
// the service then looks as if it had converged: whoever asks for one deployment and enough running tasks, as the AWS
// provider's versions 5.x do, takes the failed release for a success.
func TestRollback(t *testing.T) {
	t.Run("exits", func(t *testing.T) {
		w := rollBack(share(t), "REVISION=bad", "EXIT_AFTER=0.5", "EXIT_CODE=3", unready)
		for _, task := range w.failed() {
			if task.StopCode != ecstypes.TaskStopCodeEssentialContainerExited || aws.ToInt32(task.Containers[0].ExitCode) != 3 {
				t.Errorf("a task that exits has stopped as %s with %v", task.StopCode, task.Containers[0].ExitCode)
			}
		}
	})
	t.Run("unhealthy", func(t *testing.T) {
		w := rollBack(share(t), "REVISION=bad", "HEALTH_STATUS=500")
		for _, task := range w.failed() {
			if reason := aws.ToString(task.StoppedReason); task.StopCode != ecstypes.TaskStopCodeServiceSchedulerInitiated ||
				!strings.HasPrefix(reason, "Task failed ELB health checks in (target-group ") {
				t.Errorf("a task that fails its health checks has stopped as %s: %s", task.StopCode, reason)
			}
		}
		// What is seen in between: these tasks take seconds to stop.
		for _, reason := range []string{"tasks failed to start.", "rolling back to deploymentId " + w.id + "."} {
			if reason = "ECS deployment circuit breaker: " + reason; !slices.Contains(w.reasons, reason) {
				t.Errorf("no rollout state had the reason %q:\n%s", reason, slices.Compact(w.reasons))
			}
		}
		if want := []ecstypes.ServiceDeploymentStatus{
			ecstypes.ServiceDeploymentStatusInProgress, ecstypes.ServiceDeploymentStatusRollbackInProgress,
			ecstypes.ServiceDeploymentStatusRollbackSuccessful,
		}; !slices.Equal(w.statuses, want) {
			t.Errorf("the service deployment went through %v, want %v", w.statuses, want)
		}
		if words := "failed ELB health checks in (target-group "; !strings.Contains(events(w.service()), words) {
			t.Errorf("no event says %q:\n%s", words, events(w.service()))
		}
	})
}

// rolled is a service after a rollback.
type rolled struct {
	web
	bad      string // task definition
	id       string // of the deployment that was returned to
	statuses []ecstypes.ServiceDeploymentStatus
	reasons  []string // of the deployments' rollout states
}

// failed are the tasks of the release that was taken back.
func (r rolled) failed() []ecstypes.Task {
	r.t.Helper()
	failed := slices.DeleteFunc(r.list(ecstypes.DesiredStatusStopped), func(task ecstypes.Task) bool {
		return aws.ToString(task.TaskDefinitionArn) != r.bad
	})
	if len(failed) != 3 {
		r.t.Errorf("%d tasks of the bad release were started, want 3", len(failed))
	}
	return failed
}

// rollBack releases a bad revision on a good one, and holds what is so during and after any rollback.
func rollBack(f *fixture, variables ...string) rolled {
	t := f.t
	t.Helper()
	good := f.define("REVISION=good")
	w := f.serve(good, 1)
	before := w.settle().Deployments[0]
	end := w.stress("good")
	bad := f.define(variables...)
	w.release(bad)
	var statuses []ecstypes.ServiceDeploymentStatus
	var reasons []string
	await(t, "the release is rolled back", func() bool {
		for _, deployment := range w.service().Deployments {
			reasons = append(reasons, aws.ToString(deployment.RolloutStateReason))
		}
		latest := w.deployments()[0]
		if !slices.Contains(statuses, latest.Status) {
			statuses = append(statuses, latest.Status)
		}
		return latest.FinishedAt != nil
	})
	end()

	now := w.service()
	if !stable(now) {
		t.Errorf("%d deployments, %d of %d tasks run: a client of version 5.x would go on waiting",
			len(now.Deployments), now.RunningCount, now.DesiredCount)
	}
	after, id := now.Deployments[0], aws.ToString(before.Id)
	if aws.ToString(now.TaskDefinition) != good || aws.ToString(after.TaskDefinition) != good ||
		aws.ToString(after.Id) != id || after.RolloutState != ecstypes.DeploymentRolloutStateCompleted {
		t.Errorf("after the rollback: %+v", after)
	}
	for _, words := range []string{"deployment failed: tasks failed to start.", "rolling back to deployment " + id} {
		if !strings.Contains(events(now), words) {
			t.Errorf("no event says %q:\n%s", words, events(now))
		}
	}
	if last := statuses[len(statuses)-1]; last != ecstypes.ServiceDeploymentStatusRollbackSuccessful {
		t.Errorf("the service deployment ended as %s", last)
	}
	record := w.deployments()[0]
	if breaker := record.DeploymentCircuitBreaker; breaker.Threshold != 3 || breaker.FailureCount != 3 ||
		breaker.Status != ecstypes.ServiceDeploymentRollbackMonitorsStatusTriggered ||
		aws.ToString(record.Rollback.ServiceRevisionArn) != aws.ToString(record.SourceServiceRevisions[0].Arn) {
		t.Errorf("the service deployment is %+v, its breaker %+v", record, breaker)
	}
	// What is updated afterwards without naming a task definition stays with the good one.
	w.scale(1)
	if s := w.service(); aws.ToString(s.TaskDefinition) != good || len(s.Deployments) != 1 {
		t.Errorf("an update of the desired count alone begins a deployment of %s", aws.ToString(s.TaskDefinition))
	}
	return rolled{w, bad, id, statuses, reasons}
}

// TestFirstReleaseFails holds that a first release that fails stalls, with nothing to return to, until a good one comes.
func TestFirstReleaseFails(t *testing.T) {
	f := share(t)
	w := f.serve(f.define("EXIT_AFTER=0.1", unready), 1)
	await(t, "the deployment has failed", func() bool {
		return w.service().Deployments[0].RolloutState == ecstypes.DeploymentRolloutStateFailed
	})
	await(t, "its tasks have stopped", func() bool { return len(w.list(ecstypes.DesiredStatusRunning)) == 0 })
	if s := w.service(); stable(s) || s.RunningCount+s.PendingCount != 0 || len(w.list(ecstypes.DesiredStatusStopped)) != 3 {
		t.Errorf("the stalled service: %+v", s.Deployments)
	}
	if _, code := w.answer("/app"); code != http.StatusServiceUnavailable {
		t.Errorf("a service without tasks answers %d", code)
	}
	w.release(f.define("REVISION=mended"))
	if s := w.settle(); s.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateCompleted {
		t.Errorf("the mended release: %+v", s.Deployments)
	}
	if body, code := w.answer("/app"); body != "mended" || code != http.StatusOK {
		t.Errorf("the mended release answers %d %s", code, body)
	}
}

// TestInactive holds that nothing can be started from a task definition that was deregistered.
func TestInactive(t *testing.T) {
	f := share(t)
	w := f.serve(f.define("REVISION=one"), 0)
	gone := f.define("REVISION=two")
	_, err := f.ecs.DeregisterTaskDefinition(t.Context(), &awsecs.DeregisterTaskDefinitionInput{TaskDefinition: &gone})
	f.ok(err)
	name := f.cluster + "-other"
	for call, err := range map[string]error{
		"UpdateService": w.update(awsecs.UpdateServiceInput{TaskDefinition: &gone}),
		"CreateService": second(f.ecs.CreateService(t.Context(), &awsecs.CreateServiceInput{
			Cluster: &w.cluster, ServiceName: &name, TaskDefinition: &gone,
		})),
		"RunTask": second(f.ecs.RunTask(t.Context(), &awsecs.RunTaskInput{Cluster: &w.cluster, TaskDefinition: &gone})),
	} {
		var refused *ecstypes.ClientException
		if !errors.As(err, &refused) || aws.ToString(refused.Message) != "TaskDefinition is inactive" {
			t.Errorf("%s: %v", call, err)
		}
	}
	if s := w.service(); aws.ToString(s.TaskDefinition) == gone || len(s.Deployments) != 1 {
		t.Errorf("after the refused update: %+v", s.Deployments)
	}
}

func second[T any](_ T, err error) error { return err }

// TestRunTask holds that a task outside of a service runs, tells how it ended, and stops when it is asked to, by force where
// it does not listen.
func TestRunTask(t *testing.T) {
	f := share(t)
	const enough, essentialExited = "enough", "Essential container in task exited"
	for _, one := range []struct {
		name      string
		variables []string
		stop      bool
		code      ecstypes.TaskStopCode
		reason    string
		exit      int32
	}{
		{"ends", []string{"EXIT_AFTER=0.5", "EXIT_CODE=7"}, false, ecstypes.TaskStopCodeEssentialContainerExited, essentialExited, 7},
		{"stops", nil, true, ecstypes.TaskStopCodeUserInitiated, enough, 0},
		{"is stopped", []string{"IGNORE_SIGTERM=yes"}, true, ecstypes.TaskStopCodeUserInitiated, enough, 137},
	} {
		arn := f.run(f.define(one.variables...))
		if one.stop {
			f.becomes(arn, "RUNNING")
			await(t, "the server has begun", func() bool { return len(f.wrote(arn)) > 0 })
			_, err := f.ecs.StopTask(t.Context(), &awsecs.StopTaskInput{Cluster: &f.cluster, Task: &arn, Reason: aws.String(enough)})
			f.ok(err)
		}
		task := f.becomes(arn, "STOPPED")
		exit := task.Containers[0].ExitCode
		if task.StopCode != one.code || aws.ToString(task.StoppedReason) != one.reason || exit == nil || *exit != one.exit {
			t.Errorf("%s: %s, %s, %+v", one.name, task.StopCode, aws.ToString(task.StoppedReason), task.Containers[0])
		}
		if aws.ToString(task.Group) != "family:"+f.cluster || aws.ToString(task.StartedBy) != "a test" {
			t.Errorf("%s: its group is %s, started by %s", one.name, aws.ToString(task.Group), aws.ToString(task.StartedBy))
		}
	}
	if _, err := f.ecs.StopTask(t.Context(), &awsecs.StopTaskInput{Cluster: &f.cluster, Task: aws.String("none")}); err == nil {
		t.Error("a task that is not there can be stopped")
	}
}
