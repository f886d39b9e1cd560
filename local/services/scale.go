package services

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// scale starts and stops tasks within the bounds: minimum percent of healthy ones, rounded up, and maximum percent of all,
// rounded down.
func (s *service) scale() {
	primary, desired := s.deployments[0], s.config.Desired
	lower := (desired*primary.config.MinimumPercent + 99) / 100
	upper := desired * primary.config.MaximumPercent / 100
	total := s.count(func(m *member) bool { return !m.leaving })
	healthy := s.count(func(m *member) bool { return m.healthy })

	wanted := desired - primary.count(func(m *member) bool { return !m.leaving && !m.sick })
	if primary.state == ecstypes.DeploymentRolloutStateFailed {
		wanted = min(wanted, 0) // it starts no task any more
	}
	started := s.start(primary, min(wanted, upper-total))
	total += started
	total += s.start(s.completed, min(s.lost(lower), upper-total))
	isCrowded := func() bool { return started < wanted && total >= upper }

	reason := fmt.Sprintf("Scaling activity initiated by (deployment ecs-svc/%s)", primary.id)
	var stopped []*member
	leave := func(m *member) {
		if m.healthy {
			healthy--
		}
		m.healthy = false
		s.stopTask(m, reason)
		stopped = append(stopped, m)
		total--
	}
	// Tasks of older deployments go as far as the healthy ones allow. One that was never well holds nothing up, but where it takes a
	// lost one's place and the new deployment has the room it wants.
	for _, d := range slices.Backward(s.deployments[1:]) {
		for _, m := range d.tasks {
			isUnready := !m.everWell && (d != s.completed || isCrowded())
			if !m.leaving && (isUnready || healthy > lower || healthy == lower && !m.healthy) {
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
	if len(stopped) > 0 {
		s.tell("has stopped %d running tasks: %s.", len(stopped), names(stopped))
	}
	s.stopSick(isCrowded(), lower)
}

// lost is how many tasks of the last completed deployment are to be replaced by others of it while a new one goes out: as many as its
// tasks and those of the new one that were well fall short of the minimum. What the new one has lost is its own to replace.
func (s *service) lost(lower int) int {
	primary, old := s.deployments[0], s.completed
	if old == nil || old == primary || !primary.isInProgress() {
		return 0
	}
	there := primary.count(func(m *member) bool { return !m.leaving && m.everWell })
	for _, d := range s.deployments[1:] {
		there += d.count(func(m *member) bool { return !m.leaving && !m.sick && (m.everWell || d == old) })
	}
	return min(lower, old.config.Desired) - there
}

// stopSick stops tasks that were well and are not: of the primary deployment once others have taken their place, and where there is
// no room to start others, one at a time while more tasks run than must (ECS API Reference, DeploymentConfiguration,
// minimumHealthyPercent).
func (s *service) stopSick(isCrowded bool, lower int) {
	primary := s.deployments[0]
	replaced := primary.count(func(m *member) bool { return m.healthy }) >= s.config.Desired
	running := s.count(func(m *member) bool { return !m.leaving && aws.ToString(m.task.Status().LastStatus) == "RUNNING" })
	for _, d := range slices.Backward(s.deployments) {
		for _, m := range d.tasks {
			makesRoom := isCrowded && running > lower
			if m.sick && !m.leaving && (makesRoom || d == primary && replaced) {
				complaint := s.complaint(d, m)
				s.tell("(task %s) failed %s.", m.id, complaint)
				s.stopTask(m, "Task failed "+complaint)
				isCrowded = false
			}
		}
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

// start starts so many tasks of a deployment, which an older one may have lost all of, and says how many: none of a negative number.
func (s *service) start(d *deployment, number int) int {
	if number <= 0 {
		return 0
	}
	if !slices.Contains(s.deployments, d) {
		s.deployments = append(s.deployments, d)
	}
	for range number {
		s.launch(d)
	}
	s.tell("has started %d tasks: %s.", number, names(d.tasks[len(d.tasks)-number:]))
	return number
}

func (s *service) launch(d *deployment) {
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

func (s *service) stopTask(m *member, reason string) {
	m.leaving = true
	m.task.Stop(ecstypes.TaskStopCodeServiceSchedulerInitiated, reason)
}
