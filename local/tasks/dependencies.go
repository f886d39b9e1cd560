package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// dependencies tells whether the container may start. An error says that it never may; otherwise recheck is when a
// dependency times out, if ever. Rules and words: aws/amazon-ecs-agent, agent/engine/dependencygraph/graph.go. The
// caller holds the task's mutex.
func (c *taskContainer) dependencies() (resolved bool, recheck time.Time, err error) {
	resolved = true
	for _, d := range c.definition.DependsOn {
		on := c.task.byName(aws.ToString(d.ContainerName))
		if c.satisfied(on, d.Condition) {
			continue
		}
		resolved = false
		failed := func(form string) error {
			return fmt.Errorf("dependency graph: "+form, "["+on.String()+"]", "["+c.String()+"]")
		}
		if on.status != statusStopped {
			timeout := aws.ToInt32(on.definition.StartTimeout)
			if timeout <= 0 || on.startedAt == nil { // START has no timeout: it is met with startedAt
				continue
			}
			due := on.startedAt.Add(time.Duration(timeout) * time.Second)
			if !time.Now().Before(due) {
				return false, due, failed("container ordering dependency %s for target %s has timed out.")
			}
			if recheck.IsZero() || due.Before(recheck) {
				recheck = due
			}
			continue
		}
		cannot := "failed to resolve container ordering dependency %s for target %s "
		switch {
		case on.startedAt == nil:
			return false, recheck, failed(cannot + "because dependency will never start")
		case d.Condition == ecstypes.ContainerConditionSuccess:
			return false, recheck, failed(cannot + "as dependency did not exit successfully.")
		default: // it ended, and was not or is not healthy
			return false, recheck, failed("failed to resolve the container ordering dependency %s for target %s")
		}
	}
	return resolved, recheck, nil
}

func (*taskContainer) satisfied(on *taskContainer, condition ecstypes.ContainerCondition) bool {
	switch condition {
	case ecstypes.ContainerConditionStart:
		return on.startedAt != nil
	case ecstypes.ContainerConditionComplete:
		return on.status == statusStopped && on.exitCode != nil
	case ecstypes.ContainerConditionSuccess:
		return on.status == statusStopped && on.exitCode != nil && *on.exitCode == 0
	default:
		return on.status == statusRunning && on.health == ecstypes.HealthStatusHealthy
	}
}

// awaitDependencies returns once the container may start, or why it never may.
func (c *taskContainer) awaitDependencies(ctx context.Context) error {
	for {
		c.task.mu.Lock()
		resolved, recheck, err := c.dependencies()
		changed := c.task.changed
		c.task.mu.Unlock()
		if err != nil || resolved {
			return err
		}
		var timeout <-chan time.Time
		if !recheck.IsZero() {
			timer := time.NewTimer(time.Until(recheck))
			defer timer.Stop() // few: each means that a container changed
			timeout = timer.C
		}
		select {
		case <-changed:
		case <-timeout:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *taskContainer) dependsOn(other *taskContainer) bool {
	return slices.ContainsFunc(c.definition.DependsOn, func(d ecstypes.ContainerDependency) bool {
		return aws.ToString(d.ContainerName) == other.name()
	})
}
