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

func (s *service) stopTask(m *member, reason string) {
	m.leaving = true
	m.task.Stop(ecstypes.TaskStopCodeServiceSchedulerInitiated, reason)
}
