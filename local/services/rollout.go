package services

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// threshold is the number of failed tasks at which the circuit breaker acts: half of the desired count, but at least 3 and
// at most 200 (ECS Developer Guide, "How the Amazon ECS deployment circuit breaker detects failures").
func threshold(desired int) int { return min(max((desired+1)/2, 3), 200) }

// step looks at all tasks once and does what is due; it returns true when the service is over.
func (s *service) step() bool {
	heard := s.listen()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hear(heard)
	for _, d := range s.deployments {
		s.observe(d)
	}
	// An older deployment is shown as long as it has tasks.
	s.deployments = slices.DeleteFunc(s.deployments, func(d *deployment) bool {
		return d != s.deployments[0] && len(d.tasks) == 0
	})
	if s.deleted && s.active() == 0 {
		return true
	}
	s.judge()
	s.scale()
	s.conclude()
	return false
}

// observe notes what has become of a deployment's tasks.
func (s *service) observe(d *deployment) {
	d.tasks = slices.DeleteFunc(d.tasks, func(m *member) bool {
		status := m.task.Status()
		if aws.ToString(status.DesiredStatus) == "STOPPED" && !m.leaving { // it has ended by itself
			m.leaving = true
			s.fail(d, m)
		}
		wasHealthy := m.healthy
		if m.healthy = s.isHealthy(d, m, status); m.healthy {
			m.everWell, m.sick = true, false
			if !wasHealthy {
				d.failed = 0 // resetOnHealthyTask, which is on unless it is switched off
			}
		}
		return aws.ToString(status.LastStatus) == "STOPPED"
	})
	for _, m := range d.tasks {
		if !m.leaving {
			s.examine(d, m)
		}
	}
}

// fail counts a task that ends before it was ever healthy against its deployment.
func (s *service) fail(d *deployment, m *member) {
	if m.everWell || !d.isInProgress() {
		return
	}
	d.failed++
	d.updated = time.Now()
	if last := s.records[len(s.records)-1]; last.target == d {
		last.failures++
	}
}

// isHealthy says whether a task counts as healthy: it runs, its containers' checks pass, and so do the load balancer's.
func (s *service) isHealthy(d *deployment, m *member, status ecstypes.Task) bool {
	if m.leaving || aws.ToString(status.LastStatus) != "RUNNING" || status.HealthStatus == ecstypes.HealthStatusUnhealthy {
		return false
	}
	if status.HealthStatus == ecstypes.HealthStatusUnknown && hasHealthCheck(d.config.Definition) {
		return false
	}
	for _, group := range d.config.LoadBalancers {
		if s.targetState(group, m.task.IP()) != elbtypes.TargetHealthStateEnumHealthy {
			return false
		}
	}
	return true
}

func hasHealthCheck(definition ecstypes.TaskDefinition) bool {
	return slices.ContainsFunc(definition.ContainerDefinitions, func(c ecstypes.ContainerDefinition) bool {
		return c.HealthCheck != nil && (c.Essential == nil || *c.Essential)
	})
}

func (s *service) targetState(group ecstypes.LoadBalancer, ip string) elbtypes.TargetHealthStateEnum {
	for _, target := range s.scheduler.targets.Health(aws.ToString(group.TargetGroupArn)) {
		if aws.ToString(target.Target.Id) == ip && aws.ToInt32(target.Target.Port) == aws.ToInt32(group.ContainerPort) {
			return target.TargetHealth.State
		}
	}
	return elbtypes.TargetHealthStateEnumUnused
}

// examine stops a task that fails its checks. One that was never well fails its deployment and is stopped at once; one that
// was is replaced first, where the maximum percent leaves room (AWS Containers blog, "A deep dive into Amazon ECS task
// health and task replacement").
func (s *service) examine(d *deployment, m *member) {
	reason := s.complaint(d, m)
	switch {
	case reason == "":
	case m.everWell:
		m.sick = true
	default:
		s.tellUnhealthy(d, m)
		s.tell("(task %s) failed %s.", m.id, reason)
		s.stopTask(m, "Task failed "+reason)
		s.fail(d, m)
	}
}

// complaint says which check a running task fails, in ECS's words, or nothing.
func (s *service) complaint(d *deployment, m *member) string {
	status := m.task.Status()
	if aws.ToString(status.LastStatus) != "RUNNING" {
		return ""
	}
	if status.HealthStatus == ecstypes.HealthStatusUnhealthy {
		return "container health checks"
	}
	// The grace period begins when the task runs, and holds for the load balancer's checks alone.
	if status.StartedAt == nil || time.Since(*status.StartedAt) < d.config.Grace {
		return ""
	}
	for _, group := range d.config.LoadBalancers {
		if s.targetState(group, m.task.IP()) == elbtypes.TargetHealthStateEnumUnhealthy {
			return fmt.Sprintf("ELB health checks in (target-group %s)", aws.ToString(group.TargetGroupArn))
		}
	}
	return ""
}

// tellUnhealthy says which of the load balancer's checks a task fails, and how, in ECS's words.
func (s *service) tellUnhealthy(d *deployment, m *member) {
	for _, group := range d.config.LoadBalancers {
		for _, target := range s.scheduler.targets.Health(aws.ToString(group.TargetGroupArn)) {
			if aws.ToString(target.Target.Id) == m.task.IP() && target.TargetHealth.State == elbtypes.TargetHealthStateEnumUnhealthy {
				s.tell("(port %d) is unhealthy in (target-group %s) due to (reason %s).", aws.ToInt32(target.Target.Port),
					aws.ToString(group.TargetGroupArn), aws.ToString(target.TargetHealth.Description))
			}
		}
	}
}

func (s *service) stopTask(m *member, reason string) {
	m.leaving = true
	m.task.Stop(ecstypes.TaskStopCodeServiceSchedulerInitiated, reason)
}

// cause is why a deployment is given up, in ECS's words.
type cause struct{ event, reason, back, record string }

var (
	byBreaker = cause{
		event: "tasks failed to start.", reason: "ECS deployment circuit breaker: tasks failed to start.",
		back:   "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/%s.",
		record: "Service deployment rolled back because the circuit breaker threshold was exceeded.",
	}
	byAlarm = cause{
		event: "alarm detected.", reason: "ECS deployment failed: alarm detected.",
		back:   "ECS deployment alarm: rolling back to deploymentId ecs-svc/%s.",
		record: "Service deployment rolled back because an alarm was detected.",
	}
)

// judge lets the alarms and the circuit breaker act.
func (s *service) judge() {
	primary, last := s.deployments[0], s.records[len(s.records)-1]
	switch {
	case !primary.isInProgress() || s.deleted:
	case len(primary.ringing) > 0:
		last.ringing = primary.ringing
		s.giveUp(byAlarm, primary.config.AlarmRollback)
	case primary.config.Breaker && primary.failed >= threshold(s.config.Desired):
		last.triggered = true
		s.giveUp(byBreaker, primary.config.Rollback)
	}
}

// giveUp fails the deployment in progress, and returns to the last one that completed, where it may and there is one.
func (s *service) giveUp(why cause, rollback bool) {
	primary, last := s.deployments[0], s.records[len(s.records)-1]
	primary.state, primary.reason, primary.updated = ecstypes.DeploymentRolloutStateFailed, why.reason, time.Now()
	s.tell("(deployment ecs-svc/%s) deployment failed: %s", primary.id, why.event)
	if !rollback || s.completed == nil || primary.isRollback {
		// Nothing to return to: no task is started any more, until somebody updates the service.
		last.finish(ecstypes.ServiceDeploymentStatusStopped, primary.reason)
		return
	}
	back := s.completed
	s.completed = nil // it is no place to return to until it has completed again
	back.state, back.updated, back.isRollback, back.failed = ecstypes.DeploymentRolloutStateInProgress, time.Now(), true, 0
	back.reason, back.settled = fmt.Sprintf(why.back, back.id), time.Time{}
	back.config.Desired = s.config.Desired
	s.tell("rolling back to deployment ecs-svc/%s.", back.id)
	last.status, last.rollbackTo, last.rolledBack = ecstypes.ServiceDeploymentStatusRollbackInProgress, back.revision, time.Now()
	last.reason = why.record
	s.deployments = append([]*deployment{back}, slices.DeleteFunc(s.deployments, func(d *deployment) bool { return d == back })...)
	s.config.Definition, s.config.LoadBalancers, s.config.Network = back.config.Definition, back.config.LoadBalancers, back.config.Network
}

// scale starts and stops tasks within the bounds: minimum percent of healthy ones, rounded up, and maximum percent of all,
// rounded down.
func (s *service) scale() {
	primary, desired := s.deployments[0], s.config.Desired
	lower := (desired*primary.config.MinimumPercent + 99) / 100
	upper := desired * primary.config.MaximumPercent / 100
	total, healthy := 0, 0
	for _, d := range s.deployments {
		total += d.count(func(m *member) bool { return !m.leaving })
		healthy += d.count(func(m *member) bool { return m.healthy })
	}

	wanted := desired - primary.count(func(m *member) bool { return !m.leaving && !m.sick })
	started := 0
	for ; started < wanted && total < upper && primary.state != ecstypes.DeploymentRolloutStateFailed; started++ {
		s.start(primary)
		total++
	}
	if started > 0 {
		s.tell("has started %d tasks: %s.", started, names(primary.tasks[len(primary.tasks)-started:]))
	}

	// Tasks of older deployments go as far as the healthy ones allow; those that never became healthy hold nothing up.
	reason := fmt.Sprintf("Scaling activity initiated by (deployment ecs-svc/%s)", primary.id)
	var stopped []*member
	leave := func(m *member) {
		if m.healthy {
			healthy--
		}
		m.healthy = false
		s.stopTask(m, reason)
		stopped = append(stopped, m)
	}
	for _, d := range slices.Backward(s.deployments[1:]) {
		for _, m := range d.tasks {
			if !m.leaving && (!m.healthy || healthy > lower) {
				leave(m)
			}
		}
	}
	// Too many, as after a smaller desired count: the youngest go first.
	for _, m := range slices.Backward(primary.tasks) {
		if wanted >= 0 {
			break
		}
		if !m.leaving && !m.sick {
			leave(m)
			wanted++
		}
	}
	replaced := primary.count(func(m *member) bool { return m.healthy }) >= desired
	for _, m := range primary.tasks {
		if m.sick && !m.leaving && (replaced || started < wanted && total >= upper) {
			complaint := s.complaint(primary, m)
			s.tell("(task %s) failed %s.", m.id, complaint)
			s.stopTask(m, "Task failed "+complaint)
		}
	}
	if len(stopped) > 0 {
		s.tell("has stopped %d running tasks: %s.", len(stopped), names(stopped))
	}
}

func names(members []*member) string {
	text := ""
	for i, m := range members {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("(task %s)", m.id)
	}
	return text
}

func (s *service) start(d *deployment) {
	id, groups := NewID(), d.config.LoadBalancers
	targets := s.scheduler.targets
	var address string // set in Activate, which comes before Deactivate
	d.tasks = append(d.tasks, &member{id: id, task: s.scheduler.platform.Start(Launch{
		ID: id, Cluster: s.config.Cluster, Definition: d.config.Definition, Group: "service:" + s.config.Name,
		StartedBy: "ecs-svc/" + d.id, Connect: d.config.Connect,
		Activate: func(_ context.Context, ip string) error {
			for _, group := range groups {
				if err := targets.Register(aws.ToString(group.TargetGroupArn), ip, int(aws.ToInt32(group.ContainerPort))); err != nil {
					return err
				}
			}
			address = ip
			return nil
		},
		Deactivate: func(ctx context.Context) {
			var delays []<-chan struct{}
			for _, group := range groups {
				delays = append(delays, targets.Deregister(aws.ToString(group.TargetGroupArn), address, int(aws.ToInt32(group.ContainerPort))))
			}
			for _, delay := range delays {
				select {
				case <-delay:
				case <-ctx.Done():
				}
			}
		},
		Changed: s.wake,
	})})
}

// conclude ends a deployment that has what it wants: all its tasks healthy, and no older one left.
func (s *service) conclude() {
	primary := s.deployments[0]
	done := len(s.deployments) == 1 && len(primary.tasks) == s.config.Desired &&
		primary.count(func(m *member) bool { return m.healthy }) == s.config.Desired
	if !done || s.deleted {
		s.steady = s.steady && len(s.deployments) == 1
		primary.settled = time.Time{}
		return
	}
	if !s.isBaked(primary) {
		return
	}
	if primary.isInProgress() {
		primary.state, primary.updated = ecstypes.DeploymentRolloutStateCompleted, time.Now()
		primary.reason = fmt.Sprintf("ECS deployment ecs-svc/%s completed.", primary.id)
		primary.isRollback = false
		s.completed = primary
		s.tell("(deployment ecs-svc/%s) deployment completed.", primary.id)
		if last := s.records[len(s.records)-1]; last.finished.IsZero() {
			if last.target == primary {
				last.finish(ecstypes.ServiceDeploymentStatusSuccessful, "")
			} else {
				last.finish(ecstypes.ServiceDeploymentStatusRollbackSuccessful, "")
			}
		}
	}
	if !s.steady {
		s.steady = true
		s.tell("has reached a steady state.")
	}
}
