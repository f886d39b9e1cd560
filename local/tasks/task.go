package tasks

import (
	"context"
	"fmt"
	"hash/crc32"
	"log"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/uuid"

	"slipway/local/awsapi"
)

const (
	region           = awsapi.Region
	availabilityZone = region + "a"
	platformVersion  = "1.4.0" // of Fargate: the one whose words and endpoints are followed
)

// Spec is what a task is started from.
type Spec struct {
	ID         string // 32 hexadecimal digits, the last part of the ARN
	ARN        string
	Cluster    string // ARN
	Group      string // such as service:NAME
	StartedBy  string // such as the id of a deployment
	Definition ecstypes.TaskDefinition
	Upstreams  []Upstream
	// Activate is called in ACTIVATING, with the task's address, to register targets; an error stops the task. ctx ends
	// when the task is stopped meanwhile. It may be nil.
	Activate func(ctx context.Context, ip string) error
	// Deactivate is called once if Activate was, to deregister targets. In DEACTIVATING it may block as long as the
	// deregistration delay; ctx ends when there is no reason to wait any longer. It may be nil.
	Deactivate func(ctx context.Context)
	// Changed is called after each change of state. It must not block, nor wait for the task. It may be nil.
	Changed func()
}

// Upstream is what a task reaches by a name of its own, as through Service Connect's proxy.
type Upstream struct {
	Name    string
	Port    int
	Handler http.Handler
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
		done: make(chan struct{}), changed: make(chan struct{}),
		status: statusProvisioning, createdAt: now(), version: 1,
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

// Definition is what the task is a run of. The caller must not change it.
func (t *Task) Definition() ecstypes.TaskDefinition { return t.spec.Definition }

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

func tell(doing string, err error) {
	log.Printf("tasks: %s: %v; local/tasks.Sweep removes what is left", doing, err)
}

func lastPart(arn string) string {
	return arn[strings.LastIndexByte(arn, '/')+1:]
}
