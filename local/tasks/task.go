package tasks

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"slipway/local/awsapi"
)

const (
	region           = awsapi.Region
	availabilityZone = region + "a"
	platformVersion  = "1.4.0" // of Fargate: the one whose words and endpoints are followed
)

// The states of a task (Amazon ECS developer guide, "Amazon ECS task lifecycle") and, of them, those of a container.
const (
	statusProvisioning   = "PROVISIONING"
	statusPending        = "PENDING"
	statusActivating     = "ACTIVATING"
	statusRunning        = "RUNNING"
	statusDeactivating   = "DEACTIVATING"
	statusStopping       = "STOPPING"
	statusDeprovisioning = "DEPROVISIONING"
	statusStopped        = "STOPPED"
)

const (
	essentialExited = "Essential container in task exited"
	failedToStart   = "Task failed to start"
)

// Spec is what a task is started from.
type Spec struct {
	ID         string // 32 hexadecimal digits, the last part of the ARN
	ARN        string
	Cluster    string // ARN
	Group      string // such as service:NAME
	StartedBy  string // such as the id of a deployment
	Definition ecstypes.TaskDefinition
	// Activate is called in ACTIVATING, with the task's address, to register targets; an error stops the task. ctx ends
	// when the task is stopped meanwhile. It may be nil.
	Activate func(ctx context.Context, ip string) error
	// Deactivate is called once if Activate was, to deregister targets. In DEACTIVATING it may block as long as the
	// deregistration delay; ctx ends when there is no reason to wait any longer. It may be nil.
	Deactivate func(ctx context.Context)
	// Changed is called after each change of state. It must not block, nor wait for the task. It may be nil.
	Changed func()
}

// Status is a task as DescribeTasks answers it.
type Status struct{ ecstypes.Task }

// PrivateIP is the task's address on the network, and empty while it has none.
func (s Status) PrivateIP() string {
	for _, attachment := range s.Attachments {
		for _, detail := range attachment.Details {
			if aws.ToString(detail.Name) == "privateIPv4Address" {
				return aws.ToString(detail.Value)
			}
		}
	}
	return ""
}

// Task is one run of a task definition. Its methods may be called from any goroutine.
type Task struct {
	runner        *Runner
	spec          Spec
	credentialsID string
	attachmentID  string
	starting      context.Context // ends when the task is to stop
	stopStarting  context.CancelFunc
	killed        context.Context // ends when its containers are to die at once
	killNow       context.CancelFunc
	done          chan struct{}
	containers    []*taskContainer // as declared
	endpoint      *endpoint
	pause         string            // the Docker Engine's id
	volumes       map[string]string // the Docker Engine's names by ours
	activated     bool

	mu          sync.Mutex
	changed     chan struct{} // closed and replaced at each change
	version     int64
	status      string
	stopCode    ecstypes.TaskStopCode
	reason      string
	lost        bool
	ip          netip.Addr
	mac         string
	createdAt   *time.Time
	connected   *time.Time
	pullStarted *time.Time
	pullStopped *time.Time
	startedAt   *time.Time
	executed    *time.Time // when the last essential container ended
	stoppingAt  *time.Time
	stoppedAt   *time.Time
}

func newTask(r *Runner, spec Spec) *Task {
	t := &Task{
		runner: r, spec: spec, volumes: map[string]string{},
		credentialsID: uuid.NewString(), attachmentID: uuid.NewString(),
		done: make(
			chan struct{},
		), changed: make(chan struct{}), status: statusProvisioning, createdAt: now(), version: 1,
	}
	t.starting, t.stopStarting = context.WithCancel(r.ctx)
	t.killed, t.killNow = context.WithCancel(r.ctx)
	for _, d := range spec.Definition.ContainerDefinitions {
		t.containers = append(t.containers, &taskContainer{
			task: t, definition: d, status: statusPending, health: ecstypes.HealthStatusUnknown,
			runtimeID: fmt.Sprintf("%s-%d", spec.ID, crc32.ChecksumIEEE([]byte(aws.ToString(d.Name)))),
			arn: fmt.Sprintf("arn:aws:ecs:%s:%s:container/%s/%s/%s", region, awsapi.Account,
				lastPart(spec.Cluster), spec.ID, uuid.NewString()),
		})
	}
	return t
}

// Done is closed once the task is STOPPED and nothing is left of it.
func (t *Task) Done() <-chan struct{} { return t.done }

// Stop asks the task to stop, and returns at once. Of all reasons the first one stays.
func (t *Task) Stop(code ecstypes.TaskStopCode, reason string) {
	t.changeIf(func() bool { return t.stop(code, reason) })
}

// stop is Stop for callers that hold the mutex.
func (t *Task) stop(code ecstypes.TaskStopCode, reason string) bool {
	if t.stoppingAt != nil {
		return false
	}
	t.stopCode, t.reason, t.stoppingAt = code, reason, now()
	t.stopStarting()
	return true
}

// Lose is the fault of a dying node: all containers of the task are killed at once. Nobody sees how they end, so they
// have no exit code. The stop code and reason are those of a task on an EC2 instance that was lost (Amazon ECS
// developer guide, "Amazon ECS stopped tasks error messages"); AWS documents none for Fargate. The instance is made up.
func (t *Task) Lose() {
	t.changeIf(func() bool {
		t.lost = true
		return t.stop(
			ecstypes.TaskStopCodeTerminationNotice,
			fmt.Sprintf("Host EC2 (instance i-%.17s) terminated.", t.spec.ID),
		)
	})
	t.killNow()
}

// errClosed is why a runner that closes kills its tasks.
var errClosed = errors.New("the embedded cloud has stopped")

func (t *Task) kill(reason error) {
	t.Stop(ecstypes.TaskStopCodeTerminationNotice, reason.Error())
	t.killNow()
}

// run is the whole life of a task.
func (t *Task) run() {
	if err := t.launch(t.starting); err != nil {
		t.Stop(ecstypes.TaskStopCodeTaskFailedToStart, err.Error()) // unless it was the stop that ended the start
	}
	<-t.starting.Done()
	ctx := context.WithoutCancel(t.runner.ctx)
	t.deactivate(ctx)
	t.to(statusDeprovisioning)
	t.deprovision(ctx)
	t.ended()
}

// ended takes the task to STOPPED.
func (t *Task) ended() {
	t.runner.mu.Lock()
	delete(t.runner.tasks, t)
	t.runner.mu.Unlock()
	t.change(func() {
		t.status, t.stoppedAt = statusStopped, now()
		for _, c := range t.containers {
			c.status = statusStopped
		}
	})
	close(t.done)
}

// launch takes the task up to RUNNING.
func (t *Task) launch(ctx context.Context) error {
	if err := check(t.spec.Definition); err != nil {
		return fmt.Errorf("ResourceInitializationError: %w", err)
	}
	var err error
	if t.endpoint, err = t.listen(); err == nil {
		err = t.provision(ctx)
	}
	if err != nil {
		return fmt.Errorf("ResourceInitializationError: failed to set up the task's network: %w", err)
	}
	t.to(statusPending)
	secrets, err := t.secrets(ctx)
	if err != nil {
		return err
	}
	for _, c := range t.containers {
		if c.logs, err = t.validateLogger(ctx, c.definition); err != nil {
			return err
		}
	}
	if err := t.pullAll(ctx); err != nil {
		return err
	}
	if err := t.makeVolumes(ctx); err != nil {
		return err
	}
	if err := t.startAll(ctx, secrets); err != nil {
		return err
	}
	t.to(statusActivating)
	if t.spec.Activate != nil {
		t.activated = true
		if err := t.spec.Activate(ctx, t.ip.String()); err != nil {
			return fmt.Errorf(
				"ResourceInitializationError: failed to register the task with its load balancer: %w",
				err,
			)
		}
	}
	t.changeIf(func() bool {
		if t.stoppingAt != nil {
			return false
		}
		t.status, t.startedAt = statusRunning, now()
		return true
	})
	return nil
}

func (t *Task) pullAll(ctx context.Context) error {
	t.change(func() { t.pullStarted = now() })
	type pulled struct{ id, digest string }
	images := map[string]pulled{}
	for _, c := range t.containers {
		name := aws.ToString(c.definition.Image)
		if _, ok := images[name]; !ok {
			id, digest, err := t.runner.pull(ctx, name)
			if err != nil {
				if ctx.Err() == nil {
					t.change(func() { c.reason = err.Error() })
				}
				return err
			}
			images[name] = pulled{id, digest}
		}
		t.change(func() { c.imageID, c.digest = images[name].id, images[name].digest })
	}
	t.change(func() { t.pullStopped = now() })
	return nil
}

func (t *Task) makeVolumes(ctx context.Context) error {
	for _, v := range t.spec.Definition.Volumes {
		made, err := t.runner.opts.Docker.VolumeCreate(ctx, volume.CreateOptions{Labels: t.labels("")})
		if err != nil {
			return fmt.Errorf(
				"ResourceInitializationError: failed to make the volume %s: %w",
				aws.ToString(v.Name),
				err,
			)
		}
		t.volumes[aws.ToString(v.Name)] = made.Name
	}
	return nil
}

// startAll starts every container as soon as what it depends on lets it. It returns once all have started or never
// will; an error means that an essential one will not.
func (t *Task) startAll(ctx context.Context, secrets map[string]string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range t.containers {
		group.Go(func() error {
			err := c.awaitDependencies(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// The agent says of both that the container cannot start; a task that waited for another has no reason of
			// its own.
			reason := failedToStart
			if err != nil {
				c.neverRan("CannotStartContainerError: "+err.Error(), aws.Int32(notStartedExitCode))
			} else if err = c.start(ctx, secrets); err != nil {
				reason = err.Error()
				c.neverRan(reason, nil)
			}
			if err == nil || !essential(c.definition) {
				return nil
			}
			return errors.New(reason)
		})
	}
	return group.Wait()
}

// deactivate takes the task to where none of its containers runs.
func (t *Task) deactivate(ctx context.Context) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.killed, cancel)()
	var deregistration sync.WaitGroup
	if t.activated && t.spec.Deactivate != nil {
		t.mu.Lock()
		graceful := t.stopCode != ecstypes.TaskStopCodeEssentialContainerExited && t.killed.Err() == nil
		t.mu.Unlock()
		if graceful {
			t.to(statusDeactivating)
			t.spec.Deactivate(waiting)
		} else { // there is nothing left that could end its requests
			deregistration.Go(func() { t.spec.Deactivate(waiting) })
		}
	}
	t.to(statusStopping)
	var stops sync.WaitGroup
	for _, c := range t.containers {
		stops.Go(func() { c.stop(ctx) })
	}
	stops.Wait()
	cancel()
	deregistration.Wait()
}

// deprovision removes all that was made for the task.
func (t *Task) deprovision(ctx context.Context) {
	patience, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	for _, c := range t.containers {
		if c.id == "" {
			continue
		}
		t.mu.Lock()
		ran := c.startedAt != nil
		t.mu.Unlock()
		if !ran { // only its removal ends what reads its output
			t.runner.remove(ctx, c.id)
		}
		if c.published != nil {
			select {
			case <-c.published:
			case <-patience.Done():
				log.Printf(
					"tasks: the last lines of %s of task %s may be lost: CloudWatch Logs does not answer",
					c.name(),
					t.spec.ID,
				)
			}
		}
		t.runner.remove(ctx, c.id)
	}
	if t.pause != "" {
		t.runner.remove(ctx, t.pause)
	}
	for _, name := range t.volumes {
		if err := t.runner.opts.Docker.VolumeRemove(ctx, name, true); err != nil && !errdefs.IsNotFound(err) {
			tell("remove a volume", err)
		}
	}
	if t.endpoint != nil {
		if err := t.endpoint.close(); err != nil {
			tell("close a task's sockets", err)
		}
	}
}

// containerChanged draws the conclusions from a container's new state.
func (t *Task) containerChanged(c *taskContainer) {
	t.changeIf(func() bool {
		if c.status != statusStopped || !essential(c.definition) {
			return false
		}
		t.executed = now()
		return t.stop(ecstypes.TaskStopCodeEssentialContainerExited, essentialExited)
	})
}

// Status is the task as it is now. It shares nothing with the task.
func (t *Task) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.spec.Definition
	s := ecstypes.Task{
		TaskArn: aws.String(
			t.spec.ARN,
		), ClusterArn: aws.String(t.spec.Cluster), Group: text(t.spec.Group), StartedBy: text(t.spec.StartedBy),
		TaskDefinitionArn: d.TaskDefinitionArn, Cpu: d.Cpu, Memory: d.Memory, EphemeralStorage: d.EphemeralStorage,
		LaunchType: ecstypes.LaunchTypeFargate, PlatformFamily: aws.String("Linux"),
		PlatformVersion:  aws.String(platformVersion),
		AvailabilityZone: aws.String(availabilityZone), Version: t.version,
		LastStatus: aws.String(t.status), DesiredStatus: aws.String(t.desired()), HealthStatus: t.health(),
		CreatedAt: copyOf(t.createdAt), PullStartedAt: copyOf(t.pullStarted), PullStoppedAt: copyOf(t.pullStopped),
		StartedAt: copyOf(
			t.startedAt,
		), ExecutionStoppedAt: copyOf(t.executed), StoppingAt: copyOf(t.stoppingAt), StoppedAt: copyOf(t.stoppedAt),
		StopCode: t.stopCode, StoppedReason: text(t.reason),
		Attributes: []ecstypes.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String(architecture())}},
		Overrides:  &ecstypes.TaskOverride{},
	}
	if t.connected != nil {
		s.Connectivity, s.ConnectivityAt = ecstypes.ConnectivityConnected, copyOf(t.connected)
	}
	s.Attachments = []ecstypes.Attachment{t.attachment()}
	for _, c := range t.containers {
		s.Overrides.ContainerOverrides = append(
			s.Overrides.ContainerOverrides,
			ecstypes.ContainerOverride{Name: c.definition.Name},
		)
		s.Containers = append(s.Containers, t.describe(c))
	}
	return Status{s}
}

// attachment is the task's network interface. The caller holds the mutex.
func (t *Task) attachment() ecstypes.Attachment {
	a := ecstypes.Attachment{
		Id:     aws.String(t.attachmentID),
		Type:   aws.String("ElasticNetworkInterface"),
		Status: aws.String("PRECREATED"),
	}
	if !t.ip.IsValid() {
		return a
	}
	a.Status = aws.String("ATTACHED")
	if t.status == statusStopped {
		a.Status = aws.String("DELETED")
	}
	for _, pair := range [][2]string{
		{"networkInterfaceId", "eni-" + t.spec.ID[:min(17, len(t.spec.ID))]},
		{"macAddress", t.mac},
		{"privateDnsName", hostname(t.ip)},
		{"privateIPv4Address", t.ip.String()},
	} {
		a.Details = append(a.Details, ecstypes.KeyValuePair{Name: aws.String(pair[0]), Value: aws.String(pair[1])})
	}
	return a
}

// describe is a container as DescribeTasks answers it. The caller holds the mutex.
func (t *Task) describe(c *taskContainer) ecstypes.Container {
	d := c.definition
	one := ecstypes.Container{
		ContainerArn: aws.String(
			c.arn,
		), TaskArn: aws.String(t.spec.ARN), Name: d.Name, Image: d.Image, ImageDigest: text(c.digest),
		LastStatus: aws.String(
			c.status,
		), HealthStatus: c.health, Reason: text(c.reason), Cpu: aws.String(strconv.Itoa(int(d.Cpu))),
		NetworkInterfaces: []ecstypes.NetworkInterface{},
	}
	if c.id != "" {
		one.RuntimeId = aws.String(c.runtimeID)
	}
	if c.exitCode != nil {
		one.ExitCode = aws.Int32(*c.exitCode)
	}
	if d.Memory != nil {
		one.Memory = aws.String(strconv.Itoa(int(*d.Memory)))
	}
	if d.MemoryReservation != nil {
		one.MemoryReservation = aws.String(strconv.Itoa(int(*d.MemoryReservation)))
	}
	if t.ip.IsValid() {
		one.NetworkInterfaces = append(one.NetworkInterfaces, ecstypes.NetworkInterface{
			AttachmentId: aws.String(t.attachmentID), PrivateIpv4Address: aws.String(t.ip.String()),
		})
	}
	return one
}

// health is that of the essential containers that have a health check: UNHEALTHY if one is, HEALTHY if all are (ECS API
// reference, "Task", healthStatus). The caller holds the mutex.
func (t *Task) health() ecstypes.HealthStatus {
	var found []ecstypes.HealthStatus
	for _, c := range t.containers {
		if essential(c.definition) && c.definition.HealthCheck != nil {
			found = append(found, c.health)
		}
	}
	switch {
	case slices.Contains(found, ecstypes.HealthStatusUnhealthy):
		return ecstypes.HealthStatusUnhealthy
	case len(found) == 0 || slices.Contains(found, ecstypes.HealthStatusUnknown):
		return ecstypes.HealthStatusUnknown
	default:
		return ecstypes.HealthStatusHealthy
	}
}

// desired is RUNNING until the task is to stop. The caller holds the mutex.
func (t *Task) desired() string {
	if t.stoppingAt != nil {
		return statusStopped
	}
	return statusRunning
}

// to moves the task to a state.
func (t *Task) to(status string) { t.change(func() { t.status = status }) }

// change makes a change under the mutex and tells of it.
func (t *Task) change(f func()) {
	t.changeIf(func() bool {
		f()
		return true
	})
}

// changeIf calls f under the mutex and, if f has changed something, tells of it.
func (t *Task) changeIf(f func() bool) {
	t.mu.Lock()
	changed := f()
	if changed {
		t.version++
		close(t.changed)
		t.changed = make(chan struct{})
	}
	t.mu.Unlock()
	if changed && t.spec.Changed != nil {
		t.spec.Changed()
	}
}

// await returns once a condition, which is looked at under the mutex after each change, holds, or ctx ends.
func (t *Task) await(ctx context.Context, holds func() bool) {
	for {
		t.mu.Lock()
		reached, changed := holds(), t.changed
		t.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (t *Task) byName(name string) *taskContainer {
	return t.find(func(c *taskContainer) bool { return c.name() == name })
}

func (t *Task) byRuntimeID(id string) *taskContainer {
	return t.find(func(c *taskContainer) bool { return c.runtimeID == id })
}

func (t *Task) find(is func(*taskContainer) bool) *taskContainer {
	if i := slices.IndexFunc(t.containers, is); i >= 0 {
		return t.containers[i]
	}
	return nil
}

func (t *Task) shortID() string { return t.spec.ID[:min(12, len(t.spec.ID))] }

// containerName is a container's name in the Docker Engine.
func (t *Task) containerName(name string) string { return "slipway-" + t.shortID() + "-" + name }

// ecsLabels are those that Fargate shows of a container.
func (t *Task) ecsLabels(name string) map[string]string {
	return map[string]string{
		"com.amazonaws.ecs.cluster":                 t.spec.Cluster,
		"com.amazonaws.ecs.container-name":          name,
		"com.amazonaws.ecs.task-arn":                t.spec.ARN,
		"com.amazonaws.ecs.task-definition-family":  aws.ToString(t.spec.Definition.Family),
		"com.amazonaws.ecs.task-definition-version": strconv.Itoa(int(t.spec.Definition.Revision)),
	}
}

func (t *Task) labels(name string) map[string]string {
	all := labels(t.runner.opts.Cloud, t.runner.opts.Owner)
	all[LabelTask] = t.spec.ARN
	maps.Copy(all, t.ecsLabels(name))
	return all
}

func now() *time.Time { return aws.Time(time.Now().UTC()) }

func copyOf(when *time.Time) *time.Time {
	if when == nil {
		return nil
	}
	return aws.Time(*when)
}

// text is nil where there is nothing to say, as in the ECS API's answers.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func tell(doing string, err error) {
	log.Printf("tasks: %s: %v; local/tasks.Sweep removes what is left", doing, err)
}

func lastPart(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}
