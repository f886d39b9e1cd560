package services

import (
	"fmt"
	"slices"
	"time"

	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
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
	if s.hasEnded() {
		return true
	}
	s.judge()
	s.scale()
	s.conclude()
	return false
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
	if primary.isRollback {
		last.finish(ecstypes.ServiceDeploymentStatusRollbackFailed, primary.reason)
		return
	}
	if !rollback || s.completed == nil {
		// Nothing to return to: it starts no task any more, until somebody updates the service.
		last.finish(ecstypes.ServiceDeploymentStatusStopped, primary.reason)
		return
	}
	back := s.completed
	s.completed = nil // it is no place to return to until it has completed again
	back.state, back.updated, back.isRollback, back.failed = ecstypes.DeploymentRolloutStateInProgress, time.Now(), true, 0
	back.reason, back.settled = fmt.Sprintf(why.back, back.id), time.Time{}
	s.config = s.config.revised(back.config)
	back.config = s.config
	s.tell("rolling back to deployment ecs-svc/%s.", back.id)
	last.status, last.rollbackTo, last.rolledBack = ecstypes.ServiceDeploymentStatusRollbackInProgress, back.revision, time.Now()
	last.reason = why.record
	s.deployments = append([]*deployment{back}, slices.DeleteFunc(s.deployments, func(d *deployment) bool { return d == back })...)
	s.scheduler.platform.Primary(back.config)
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
