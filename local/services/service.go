package services

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// service is one service under way.
type service struct {
	scheduler *Scheduler
	woken     chan struct{}

	mu          sync.Mutex
	config      Config
	deleted     bool
	deployments []*deployment // the primary one first, then older ones that still have tasks
	completed   *deployment   // the last that reached COMPLETED: where a rollback goes
	records     []*record     // service deployments, the oldest first
	revisions   []ecstypes.ServiceRevision
	events      []ecstypes.ServiceEvent // the oldest first
	steady      bool                    // the steady state has been told of
}

// deployment is a revision of a service and its tasks.
type deployment struct {
	id         string // 19 digits: ecs-svc/ID, and the end of its revision's ARN
	config     Config
	revision   string // ARN
	created    time.Time
	updated    time.Time
	state      ecstypes.DeploymentRolloutState
	reason     string
	failed     int // consecutive failures of tasks
	tasks      []*member
	isRollback bool

	heard     bool      // its alarms have been asked for
	unwatched bool      // one rang when it began: none counts
	ringing   []string  // names of alarms that ring, from when on a task of it runs
	settled   time.Time // since when it has what it wants; zero while it has not
}

func (d *deployment) isInProgress() bool { return d.state == ecstypes.DeploymentRolloutStateInProgress }

// member is a task of a deployment.
type member struct {
	id       string
	task     Task
	healthy  bool // all its checks have passed, now
	everWell bool
	sick     bool // was well, and is to be replaced
	leaving  bool // it stops
}

func newService(scheduler *Scheduler, config Config) *service {
	s := &service{scheduler: scheduler, woken: make(chan struct{}, 1), config: config}
	s.deploy(config)
	return s
}

func (s *service) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasEnded()
}

func (s *service) hasEnded() bool { return s.deleted && s.active() == 0 }

// active counts the tasks that have not stopped.
func (s *service) active() int {
	count := 0
	for _, d := range s.deployments {
		count += len(d.tasks)
	}
	return count
}

func (s *service) wake() {
	select {
	case s.woken <- struct{}{}:
	default: // it will look anyway
	}
}

func (s *service) loop(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if s.step() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.woken:
		case <-ticker.C:
		}
	}
}

func (s *service) update(config Config, force bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Compared with what is in force, not with what was asked for last: a rollback may lie between.
	differs := s.deployments[0].config.differs(config)
	s.config = config
	if differs || force {
		s.deploy(config)
	} else {
		s.deployments[0].config = config
		s.deployments[0].updated = time.Now()
	}
	s.steady = false
	s.wake()
}

func (s *service) delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted = true
	s.config.Desired = 0
	s.wake()
}

// deploy begins a deployment of a new revision, which becomes the primary one.
func (s *service) deploy(config Config) {
	id, now := decimalID(), time.Now()
	d := &deployment{
		id: id, config: config, revision: s.arn("service-revision", id), created: now, updated: now,
		state: ecstypes.DeploymentRolloutStateInProgress, reason: fmt.Sprintf("ECS deployment ecs-svc/%s in progress.", id),
	}
	var sources []ecstypes.ServiceRevisionSummary
	for i, previous := range s.deployments {
		requested := 0 // of one that another had begun to take the place of
		if i == 0 {
			requested = previous.config.Desired
		}
		sources = append(sources, ecstypes.ServiceRevisionSummary{
			Arn: aws.String(previous.revision), RequestedTaskCount: count(requested), RunningTaskCount: count(previous.running()),
			PendingTaskCount: count(previous.pending()),
		})
	}
	if len(s.records) > 0 {
		if last := s.records[len(s.records)-1]; last.finished.IsZero() {
			last.finish(ecstypes.ServiceDeploymentStatusStopped, "A newer service deployment has taken its place.")
		}
	}
	s.deployments = append([]*deployment{d}, s.deployments...)
	s.records = append(s.records, &record{
		arn: s.arn("service-deployment", NewID()[:21]), target: d, sources: sources, created: now,
		status: ecstypes.ServiceDeploymentStatusInProgress,
	})
	s.revisions = append(s.revisions, ecstypes.ServiceRevision{
		ServiceRevisionArn: aws.String(d.revision), ServiceArn: aws.String(config.ARN), ClusterArn: aws.String(config.Cluster),
		TaskDefinition: config.Definition.TaskDefinitionArn, CreatedAt: aws.Time(now), LaunchType: config.launchType(),
		CapacityProviderStrategy: config.Capacity,
		LoadBalancers:            config.LoadBalancers, NetworkConfiguration: config.Network,
		ServiceConnectConfiguration: config.Connect,
	})
	s.steady = false
	s.scheduler.platform.Primary(config)
}

// arn names something below the service: arn:aws:ecs:REGION:ACCOUNT:KIND/CLUSTER/SERVICE/ID.
func (s *service) arn(kind, id string) string {
	return strings.Replace(s.config.ARN, ":service/", ":"+kind+"/", 1) + "/" + id
}

// tell keeps what happened, as `aws ecs describe-services` shows it. ECS keeps the last 100.
func (s *service) tell(format string, args ...any) {
	s.events = append(s.events, ecstypes.ServiceEvent{
		Id: aws.String(NewID()), CreatedAt: aws.Time(time.Now()),
		Message: aws.String(fmt.Sprintf("(service %s) ", s.config.Name) + fmt.Sprintf(format, args...)),
	})
	s.events = s.events[max(0, len(s.events)-100):]
}

func (d *deployment) running() int {
	return d.count(func(m *member) bool { return aws.ToString(m.task.Status().LastStatus) == "RUNNING" })
}

func (d *deployment) pending() int {
	return d.count(func(m *member) bool {
		status := aws.ToString(m.task.Status().LastStatus)
		return !m.leaving && status != "RUNNING" && status != "STOPPED"
	})
}

// count is the number of tasks of all deployments that are so.
func (s *service) count(is func(*member) bool) int {
	count := 0
	for _, d := range s.deployments {
		count += d.count(is)
	}
	return count
}

func (d *deployment) count(is func(*member) bool) int {
	count := 0
	for _, m := range d.tasks {
		if is(m) {
			count++
		}
	}
	return count
}

func (s *service) view() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	primary := s.deployments[0]
	view := View{
		Deleted: s.deleted, Draining: s.deleted && s.active() > 0, Desired: s.config.Desired,
		Config: primary.config, RevisionARN: primary.revision,
	}
	if last := s.records[len(s.records)-1]; last.finished.IsZero() && !s.hasEnded() {
		view.CurrentARN = last.arn
	}
	for i, d := range s.deployments {
		running := d.running()
		pending := d.pending()
		view.Running += running
		view.Pending += pending
		status, desired := "PRIMARY", s.config.Desired
		if i > 0 {
			status, desired = "ACTIVE", 0
		}
		view.Deployments = append(view.Deployments, ecstypes.Deployment{
			Id: aws.String("ecs-svc/" + d.id), Status: aws.String(status), TaskDefinition: d.config.Definition.TaskDefinitionArn,
			DesiredCount: count(desired), RunningCount: count(running), PendingCount: count(pending), FailedTasks: count(d.failed),
			CreatedAt: aws.Time(d.created), UpdatedAt: aws.Time(d.updated), LaunchType: d.config.launchType(),
			CapacityProviderStrategy: d.config.Capacity,
			PlatformVersion:          aws.String("1.4.0"), PlatformFamily: aws.String("Linux"), NetworkConfiguration: d.config.Network,
			ServiceConnectConfiguration: d.config.Connect,
			RolloutState:                d.state, RolloutStateReason: aws.String(d.reason),
		})
		view.RevisionCounts = append(view.RevisionCounts, ecstypes.ServiceCurrentRevisionSummary{
			Arn: aws.String(d.revision), RequestedTaskCount: count(desired), RunningTaskCount: count(running), PendingTaskCount: count(pending),
		})
	}
	view.Events = slices.Clone(s.events)
	slices.Reverse(view.Events)
	return view
}

// count is a number of tasks as the SDK has it.
func count(n int) int32 { return int32(n) } //nolint:gosec // numbers of tasks are small
