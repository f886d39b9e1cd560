package services

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

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

// fail counts a task that ends before it was ever healthy against its deployment. Of those that nothing checks, ones that have run are
// no failures to ECS: once a task runs, it counts those alone that fail their checks.
func (s *service) fail(d *deployment, m *member) {
	if m.everWell || !d.isInProgress() || !isChecked(d.config) && m.task.Status().StartedAt != nil {
		return
	}
	d.failed++
	d.updated = time.Now()
	if last := s.records[len(s.records)-1]; last.target == d {
		last.failures++
	}
}

// settling is how long a task must have run that nothing checks before it counts as healthy (ECS API Reference,
// DeploymentConfiguration, minimumHealthyPercent).
const settling = 40 * time.Second

// isHealthy says whether a task counts as healthy: it runs, its containers' checks pass, and so do the load balancer's.
func (s *service) isHealthy(d *deployment, m *member, status ecstypes.Task) bool {
	if m.leaving || aws.ToString(status.LastStatus) != "RUNNING" || status.HealthStatus == ecstypes.HealthStatusUnhealthy {
		return false
	}
	if status.HealthStatus == ecstypes.HealthStatusUnknown && hasHealthCheck(d.config.Definition) {
		return false
	}
	if !isChecked(d.config) {
		return status.StartedAt != nil && time.Since(*status.StartedAt) >= settling
	}
	for _, group := range d.config.LoadBalancers {
		if s.targetState(group, m.task.IP()) != elbtypes.TargetHealthStateEnumHealthy {
			return false
		}
	}
	return true
}

// isChecked says whether anything tells the health of a service's tasks.
func isChecked(c Config) bool { return len(c.LoadBalancers) > 0 || hasHealthCheck(c.Definition) }

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
	// The grace period begins when the task runs, and holds for all checks (ECS API Reference, CreateService,
	// healthCheckGracePeriodSeconds).
	if status.StartedAt == nil || time.Since(*status.StartedAt) < d.config.Grace {
		return ""
	}
	if status.HealthStatus == ecstypes.HealthStatusUnhealthy {
		return "container health checks"
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
