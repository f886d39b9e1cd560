package services_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/services"
)

// The world of these tests plays tasks and targets by the name of a task definition, in the fake time of synctest.
const (
	startTime = 3 * time.Second  // until a task runs
	checkTime = 6 * time.Second  // until the load balancer has an opinion
	drainTime = 20 * time.Second // deregistration delay
)

// world is a platform and its target groups.
type world struct {
	mu     sync.Mutex
	tasks  []*fakeTask
	groups map[string]map[string]elbtypes.TargetHealthStateEnum // by group and IP
	most   int                                                  // tasks at once
	least  int                                                  // healthy targets, once there were any
	sick   bool                                                 // every check fails
	alarms map[string]bool                                      // those that ring

	primary []string // the namespace of each revision that became the primary one
}

func newWorld() *world {
	return &world{groups: map[string]map[string]elbtypes.TargetHealthStateEnum{}, least: 1 << 30}
}

type fakeTask struct {
	world  *world
	launch services.Launch
	ip     string
	mu     sync.Mutex
	status ecstypes.Task
	stop   chan struct{}
	once   sync.Once
}

func (w *world) Start(launch services.Launch) services.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	task := &fakeTask{
		world: w, launch: launch, ip: fmt.Sprintf("10.0.0.%d", len(w.tasks)+1), stop: make(chan struct{}),
		status: ecstypes.Task{LastStatus: aws.String("PENDING"), DesiredStatus: aws.String("RUNNING"), HealthStatus: ecstypes.HealthStatusUnknown},
	}
	w.tasks = append(w.tasks, task)
	alive := 0
	for _, one := range w.tasks {
		if aws.ToString(one.Status().DesiredStatus) == "RUNNING" {
			alive++
		}
	}
	w.most = max(w.most, alive)
	go task.live()
	return task
}

func (w *world) Primary(config services.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if config.Connect != nil {
		w.primary = append(w.primary, aws.ToString(config.Connect.Namespace))
	}
}

// all returns every task that was ever started.
func (w *world) all() []*fakeTask {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.tasks)
}

// bounds returns how many tasks there were at most, and how many healthy targets at least.
func (w *world) bounds() (most, least int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most, w.least
}

func (t *fakeTask) live() {
	defer t.set(func(s *ecstypes.Task) { s.LastStatus, s.DesiredStatus = aws.String("STOPPED"), aws.String("STOPPED") })
	kind := aws.ToString(t.launch.Definition.TaskDefinitionArn)
	if strings.HasPrefix(kind, "pull-fails") || !t.wait(startTime) {
		return
	}
	if t.launch.Activate(context.Background(), t.ip) != nil {
		return
	}
	t.set(func(s *ecstypes.Task) { s.LastStatus, s.StartedAt = aws.String("RUNNING"), aws.Time(time.Now()) })
	well := true
	switch {
	case strings.HasPrefix(kind, "crash"), strings.HasPrefix(kind, "one-well") && !t.isFirst():
		t.wait(time.Second)
		t.set(func(s *ecstypes.Task) { s.DesiredStatus = aws.String("STOPPED") })
		t.launch.Deactivate(context.Background())
		return
	case strings.HasPrefix(kind, "unhealthy"):
		well = false
	case strings.HasPrefix(kind, "ill"):
		t.set(func(s *ecstypes.Task) { s.HealthStatus = ecstypes.HealthStatusUnhealthy })
	case strings.HasPrefix(kind, "recovers"):
		t.set(func(s *ecstypes.Task) { s.HealthStatus = ecstypes.HealthStatusUnhealthy })
		time.AfterFunc(checkTime/2, func() { t.set(func(s *ecstypes.Task) { s.HealthStatus = ecstypes.HealthStatusHealthy }) })
	}
	if t.wait(checkTime) {
		t.world.judge(t.ip, well)
		t.launch.Changed()
		<-t.stop
	}
	t.launch.Deactivate(context.Background())
}

// isFirst says whether a task is the first of its task definition.
func (t *fakeTask) isFirst() bool {
	for _, one := range t.world.all() {
		if aws.ToString(one.launch.Definition.TaskDefinitionArn) == aws.ToString(t.launch.Definition.TaskDefinitionArn) {
			return one == t
		}
	}
	return false
}

func (t *fakeTask) wait(d time.Duration) bool {
	select {
	case <-t.stop:
		return false
	case <-time.After(d):
		return true
	}
}

func (t *fakeTask) set(change func(*ecstypes.Task)) {
	t.mu.Lock()
	change(&t.status)
	t.mu.Unlock()
	t.launch.Changed()
}

func (t *fakeTask) Status() ecstypes.Task {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

func (t *fakeTask) IP() string { return t.ip }

func (t *fakeTask) Stop(code ecstypes.TaskStopCode, reason string) {
	t.once.Do(func() {
		t.mu.Lock()
		t.status.StopCode, t.status.StoppedReason, t.status.DesiredStatus = code, aws.String(reason), aws.String("STOPPED")
		t.mu.Unlock()
		close(t.stop)
	})
}

func (w *world) judge(ip string, well bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := elbtypes.TargetHealthStateEnumHealthy
	if !well || w.sick {
		state = elbtypes.TargetHealthStateEnumUnhealthy
	}
	if w.groups["tg"] != nil { // no load balancer has an opinion otherwise
		w.groups["tg"][ip] = state
	}
}

func (w *world) Register(group, ip string, _ int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.groups[group] == nil {
		w.groups[group] = map[string]elbtypes.TargetHealthStateEnum{}
	}
	w.groups[group][ip] = elbtypes.TargetHealthStateEnumInitial
	return nil
}

func (w *world) Deregister(group, ip string, _ int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups[group], ip)
	healthy := 0
	for _, state := range w.groups[group] {
		if state == elbtypes.TargetHealthStateEnumHealthy {
			healthy++
		}
	}
	w.least = min(w.least, healthy)
	done := make(chan struct{})
	time.AfterFunc(drainTime, func() { close(done) })
	return done
}

func (w *world) Health(group string) []elbtypes.TargetHealthDescription {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []elbtypes.TargetHealthDescription
	for ip, state := range w.groups[group] {
		all = append(all, elbtypes.TargetHealthDescription{
			Target:       &elbtypes.TargetDescription{Id: aws.String(ip), Port: aws.Int32(80)},
			TargetHealth: &elbtypes.TargetHealth{State: state},
		})
	}
	return all
}

const arn = "arn:aws:ecs:us-east-1:123456789012:service/c/web"

func config(definition string, desired int) services.Config {
	return services.Config{
		ARN: arn, Name: "web", Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/c",
		Definition: ecstypes.TaskDefinition{TaskDefinitionArn: aws.String(definition)},
		Desired:    desired, MinimumPercent: 100, MaximumPercent: 200, Breaker: true, Rollback: true, Grace: 10 * time.Second,
		LoadBalancers: []ecstypes.LoadBalancer{{TargetGroupArn: aws.String("tg"), ContainerPort: aws.Int32(80)}},
	}
}

// settle waits, in fake time, until the primary deployment is no longer in progress, and returns how long it took.
func settle(t *testing.T, s *services.Scheduler) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < time.Hour {
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		view, _ := s.View(arn)
		if view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateInProgress {
			return time.Since(begin)
		}
	}
	t.Fatal("the deployment did not end within an hour")
	return 0
}

func inBubble(t *testing.T, test func(*testing.T, *world, *services.Scheduler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := services.New(w, w, w)
		test(t, w, s)
		s.Delete(arn)
		time.Sleep(5 * time.Minute)
		if view, _ := s.View(arn); view.Draining || view.Running > 0 {
			t.Errorf("five minutes after its deletion the service still shows %+v", view)
		}
		s.Close()
	})
}

func said(view services.View, words string) bool {
	for _, event := range view.Events {
		if strings.Contains(aws.ToString(event.Message), words) {
			return true
		}
	}
	return false
}

// inForce is the task definition of a service's primary deployment.
func inForce(view services.View) string {
	return aws.ToString(view.Config.Definition.TaskDefinitionArn)
}

// TestGoodRelease holds that new tasks are healthy before old ones go, that the bounds are kept, and what the API tells.
func TestGoodRelease(t *testing.T) {
	for _, desired := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(desired), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				s.Put(config("good:1", desired), false)
				if view, _ := s.View(arn); len(view.Deployments) != 1 || view.Running != 0 || view.CurrentARN == "" {
					t.Errorf("a new service shows %+v", view)
				}
				settle(t, s)
				s.Put(config("good:2", desired), false)
				if view, _ := s.View(arn); len(view.Deployments) != 2 {
					t.Errorf("right after an update %d deployments show: a client would take the service for stable", len(view.Deployments))
				}
				took := settle(t, s)
				view, _ := s.View(arn)
				if inForce(view) != "good:2" || view.Running != desired || len(view.Deployments) != 1 || view.CurrentARN != "" {
					t.Errorf("after the release: %+v", view)
				}
				if want := startTime + checkTime + drainTime; took < want || took > want+3*time.Second {
					t.Errorf("the release took %s, want about %s", took, want)
				}
				if most, least := w.bounds(); most > 2*desired || least < desired {
					t.Errorf("%d tasks at most and %d healthy targets at least, want %d and %d", most, least, 2*desired, desired)
				}
				if !said(view, "has reached a steady state.") || !said(view, "deployment completed.") {
					t.Errorf("events: %v", view.Events)
				}
				records := s.Deployments(arn)
				if len(records) != 2 || records[0].Status != ecstypes.ServiceDeploymentStatusSuccessful ||
					aws.ToString(records[0].TargetServiceRevision.Arn) != view.RevisionARN {
					t.Errorf("service deployments: %+v", records)
				}
			})
		})
	}
}

func (w *world) InAlarm(names []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !w.alarms[name] })
}

func (w *world) ring(alarms ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms = map[string]bool{}
	for _, name := range alarms {
		w.alarms[name] = true
	}
}

// watched is a service whose releases are watched by two alarms.
func watched(definition string) services.Config {
	c := config(definition, 2)
	c.Alarms, c.AlarmRollback = []string{"5xx", "unhealthy"}, true
	return c
}

// TestAlarms holds that a release during which an alarm goes off is taken back though all its tasks are well, until some time after
// the last old one has gone, and what is told of it.
func TestAlarms(t *testing.T) {
	for name, after := range map[string]time.Duration{"under way": startTime + 2*time.Second, "on its own": startTime + checkTime + drainTime + 2*time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				s.Put(watched("good:1"), false)
				settle(t, s)
				s.Put(watched("good:2"), false)
				time.Sleep(after)
				if view, _ := s.View(arn); aws.ToString(view.Deployments[0].TaskDefinition) != "good:2" || view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateInProgress {
					t.Fatalf("after %s: %+v", after, view.Deployments)
				}
				w.ring("unhealthy", "another's")
				settle(t, s)
				view, _ := s.View(arn)
				if inForce(view) != "good:1" || len(view.Deployments) != 1 || view.Running != 2 {
					t.Errorf("after the rollback: %+v", view)
				}
				if _, least := w.bounds(); least < 2 {
					t.Errorf("at one time %d targets were healthy, want 2 throughout", least)
				}
				record := s.Deployments(arn)[0]
				if record.Status != ecstypes.ServiceDeploymentStatusRollbackSuccessful || !slices.Equal(record.Alarms.TriggeredAlarmNames, []string{"unhealthy"}) ||
					record.Alarms.Status != ecstypes.ServiceDeploymentRollbackMonitorsStatusTriggered ||
					record.DeploymentCircuitBreaker.Status != ecstypes.ServiceDeploymentRollbackMonitorsStatusMonitoringComplete {
					t.Errorf("service deployment: %+v, alarms %+v, breaker %+v", record, record.Alarms, record.DeploymentCircuitBreaker)
				}
				if !said(view, "deployment failed: alarm detected.") || !said(view, "rolling back to deployment ecs-svc/") {
					t.Errorf("events: %v", view.Events)
				}
			})
		})
	}
}

// TestUnheardAlarms holds which alarms take nothing back: one that rang before the release, which may be what mends it, one that is not
// the service's, any that is switched off, and all of them once the release is over.
func TestUnheardAlarms(t *testing.T) {
	for name, c := range map[string]struct {
		config        services.Config
		before, after []string
	}{
		"rang before": {watched("good:2"), []string{"5xx"}, []string{"5xx", "unhealthy"}},
		"another's":   {watched("good:2"), nil, []string{"other"}},
		"off":         {config("good:2", 2), nil, []string{"5xx"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				s.Put(watched("good:1"), false)
				settle(t, s)
				w.ring(c.before...)
				s.Put(c.config, false)
				time.Sleep(startTime + time.Second)
				w.ring(c.after...)
				settle(t, s)
				if view, _ := s.View(arn); inForce(view) != "good:2" {
					t.Errorf("it was taken back: %v", view.Events)
				}
				w.ring("5xx")
				time.Sleep(time.Minute)
				if view, _ := s.View(arn); inForce(view) != "good:2" || view.Running != 2 {
					t.Errorf("an alarm after the release took it back: %v", view.Events)
				}
			})
		})
	}
}

// TestAlarmWithoutRollback holds that a release is given up by an alarm and left as it is, where that is asked for.
func TestAlarmWithoutRollback(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		s.Put(watched("good:1"), false)
		settle(t, s)
		asked := watched("good:2")
		asked.AlarmRollback = false
		s.Put(asked, false)
		time.Sleep(startTime + time.Second)
		w.ring("5xx")
		settle(t, s)
		view, _ := s.View(arn)
		if inForce(view) != "good:2" || view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateFailed {
			t.Errorf("%+v", view)
		}
	})
}

// TestBreaker holds that the third failure takes a release back, whatever fails, with no healthy target less at any time,
// and that the service then looks as if it had never been asked: one deployment, as many tasks running as desired.
func TestBreaker(t *testing.T) {
	for _, bad := range []string{"crash:2", "unhealthy:2", "ill:2", "pull-fails:2"} {
		t.Run(bad, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				s.Put(config("good:1", 2), false)
				settle(t, s)
				before, _ := s.View(arn)
				s.Put(config(bad, 2), false)
				settle(t, s)
				view, _ := s.View(arn)
				if inForce(view) != "good:1" || len(view.Deployments) != 1 || view.Running != 2 {
					t.Errorf("after the rollback: %+v", view)
				}
				if aws.ToString(view.Deployments[0].Id) != aws.ToString(before.Deployments[0].Id) {
					t.Errorf("it returned to %s, and not to %s", *view.Deployments[0].Id, *before.Deployments[0].Id)
				}
				if _, least := w.bounds(); least < 2 {
					t.Errorf("at one time %d targets were healthy, want 2 throughout", least)
				}
				record := s.Deployments(arn)[0]
				if record.Status != ecstypes.ServiceDeploymentStatusRollbackSuccessful || record.DeploymentCircuitBreaker.FailureCount < 3 ||
					record.DeploymentCircuitBreaker.Status != ecstypes.ServiceDeploymentRollbackMonitorsStatusTriggered ||
					record.Rollback == nil || aws.ToString(record.Rollback.ServiceRevisionArn) != view.RevisionARN {
					t.Errorf("service deployment: %+v", record)
				}
				if !said(view, "deployment failed: tasks failed to start.") || !said(view, "rolling back to deployment ecs-svc/") {
					t.Errorf("events: %v", view.Events)
				}
				// The next good release goes through, and the one after a rollback can be taken back again.
				s.Put(config("good:3", 2), false)
				settle(t, s)
				s.Put(config(bad, 2), false)
				settle(t, s)
				if view, _ := s.View(arn); inForce(view) != "good:3" {
					t.Errorf("after a second rollback: %+v", view)
				}
			})
		})
	}
}

// TestReset holds that a task that gets healthy sets the breaker's count back, once: it does not protect a release whose
// other tasks go on failing.
func TestReset(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		s.Put(config("good:1", 2), false)
		settle(t, s)
		s.Put(config("one-well:2", 2), false)
		settle(t, s)
		view, _ := s.View(arn)
		started := 0
		for _, task := range w.all() {
			if aws.ToString(task.launch.Definition.TaskDefinitionArn) == "one-well:2" {
				started++
			}
		}
		// Two crash before the first is well, and three after it.
		if inForce(view) != "good:1" || started != 6 {
			t.Errorf("after %d tasks, of which one was well, the service runs %s; want a rollback after 6", started, inForce(view))
		}
	})
}

// TestThreshold holds the breaker's threshold: half of the desired count, at least 3.
func TestThreshold(t *testing.T) {
	for desired, want := range map[int]int32{1: 3, 6: 3, 7: 4, 25: 13, 400: 200, 1000: 200} {
		inBubble(t, func(t *testing.T, _ *world, s *services.Scheduler) {
			asked := config("pull-fails:1", desired)
			asked.MaximumPercent = 100
			s.Put(asked, false)
			if got := s.Deployments(arn)[0].DeploymentCircuitBreaker.Threshold; got != want {
				t.Errorf("%d tasks: threshold %d, want %d", desired, got, want)
			}
			settle(t, s)
		})
	}
}

// TestNothingToReturnTo holds that a first release that fails stalls, with no task and no rollback, until it is mended.
func TestNothingToReturnTo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		s.Put(config("crash:1", 1), false)
		settle(t, s)
		time.Sleep(2 * time.Minute)
		view, _ := s.View(arn)
		if view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateFailed || view.Running+view.Pending > 0 || len(w.all()) != 3 {
			t.Errorf("it shows %+v after %d tasks, want a failed deployment after 3", view, len(w.all()))
		}
		s.Put(config("good:2", 1), false)
		settle(t, s)
		if view, _ := s.View(arn); view.Running != 1 || inForce(view) != "good:2" {
			t.Errorf("after the mended release: %+v", view)
		}
	})
}

// TestWithoutBreaker holds that a failing release goes on trying for as long as nobody stops it.
func TestWithoutBreaker(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		asked := config("good:1", 1)
		asked.Breaker = false
		s.Put(asked, false)
		settle(t, s)
		asked.Definition.TaskDefinitionArn = aws.String("crash:2")
		s.Put(asked, false)
		time.Sleep(10 * time.Minute)
		view, _ := s.View(arn)
		_, least := w.bounds()
		if view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateInProgress || len(w.all()) < 10 || least < 1 {
			t.Errorf("it shows %+v after %d tasks", view, len(w.all()))
		}
	})
}

// TestMinimum holds that with a minimum of 0 percent old tasks go before new ones come, and that with no room above 100
// percent they must.
func TestMinimum(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		asked := config("good:1", 4)
		asked.MinimumPercent, asked.MaximumPercent = 50, 100
		s.Put(asked, false)
		settle(t, s)
		asked.Definition.TaskDefinitionArn = aws.String("good:2")
		s.Put(asked, false)
		settle(t, s)
		most, least := w.bounds()
		if view, _ := s.View(arn); inForce(view) != "good:2" || most != 4 || least != 2 {
			t.Errorf("%d tasks at most, %d healthy at least, want 4 and 2; %+v", most, least, view)
		}
	})
}

// TestScale holds that the desired count alone begins no deployment.
func TestScale(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *world, s *services.Scheduler) {
		s.Put(config("good:1", 2), false)
		settle(t, s)
		for _, desired := range []int{5, 1} {
			s.Put(config("good:1", desired), false)
			time.Sleep(time.Minute)
			view, _ := s.View(arn)
			if view.Running != desired || len(s.Deployments(arn)) != 1 {
				t.Errorf("asked for %d: %+v", desired, view)
			}
		}
		s.Put(config("good:1", 1), true)
		settle(t, s)
		if got := len(s.Deployments(arn)); got != 2 {
			t.Errorf("a forced deployment made %d service deployments, want 2", got)
		}
	})
}

// TestConnect holds that another part in Service Connect begins a deployment, that the same one does not, and that tasks and the API
// know of it.
func TestConnect(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		with := func(namespace string) services.Config {
			c := config("good:1", 1)
			c.LoadBalancers = nil
			c.Connect = &ecstypes.ServiceConnectConfiguration{Enabled: true, Namespace: aws.String(namespace)}
			return c
		}
		for i, namespace := range []string{"one", "one", "two"} {
			s.Put(with(namespace), false)
			settle(t, s)
			view, _ := s.View(arn)
			if got := aws.ToString(view.Deployments[0].ServiceConnectConfiguration.Namespace); got != namespace || view.Running != 1 {
				t.Errorf("the service shows %d tasks in the namespace %s, want one in %s", view.Running, got, namespace)
			}
			if want := []int{1, 1, 2}[i]; len(s.Deployments(arn)) != want {
				t.Errorf("%s: %d deployments, want %d", namespace, len(s.Deployments(arn)), want)
			}
		}
		tasks := w.all()
		if got := aws.ToString(tasks[len(tasks)-1].launch.Connect.Namespace); got != "two" {
			t.Errorf("the last task was started in the namespace %s", got)
		}
	})
}

// TestLost holds that tasks that end after a good release are replaced, and that no breaker counts them.
func TestLost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		s.Put(config("good:1", 2), false)
		settle(t, s)
		for range 5 {
			for _, task := range w.all() {
				task.Stop("", "lost")
			}
			time.Sleep(time.Minute)
		}
		view, _ := s.View(arn)
		if view.Running != 2 || view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateCompleted {
			t.Errorf("it shows %+v", view)
		}
	})
}

// TestSick holds that a task that was well is replaced before it is stopped, and kept if it recovers.
func TestSick(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		s.Put(config("good:1", 2), false)
		settle(t, s)
		ill := w.all()[0]
		w.judge(ill.ip, false)
		s.Wake()
		time.Sleep(startTime)
		if aws.ToString(ill.Status().DesiredStatus) == "STOPPED" {
			t.Error("the sick task went before its replacement was well")
		}
		time.Sleep(time.Minute)
		if aws.ToString(ill.Status().LastStatus) != "STOPPED" || !strings.Contains(aws.ToString(ill.Status().StoppedReason), "Task failed ELB health checks in (target-group tg)") {
			t.Errorf("the sick task: %+v", ill.Status())
		}
		// All at once, as when the database is away: nothing is stopped that may be well again.
		w.mu.Lock()
		w.sick = true
		w.mu.Unlock()
		var old []*fakeTask
		for _, task := range w.all() {
			if aws.ToString(task.Status().LastStatus) == "RUNNING" {
				old = append(old, task)
				w.judge(task.ip, false)
			}
		}
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.sick = false
		w.mu.Unlock()
		for _, task := range old {
			if aws.ToString(task.Status().LastStatus) != "RUNNING" {
				t.Error("a task was stopped though none could take its place")
			}
			w.judge(task.ip, true)
		}
		time.Sleep(2 * time.Minute)
		if view, _ := s.View(arn); view.Running != 2 {
			t.Errorf("after all is well again: %+v", view)
		}
	})
}
