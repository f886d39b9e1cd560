package services_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/services"
)

// TestGrace holds that within the grace period no check counts, a container's own included: a task that is ill meanwhile is neither
// replaced nor held against its release.
func TestGrace(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		asked := config("recovers:1", 2)
		asked.Definition.ContainerDefinitions = []ecstypes.ContainerDefinition{{HealthCheck: &ecstypes.HealthCheck{}}}
		s.Put(asked, false)
		if took := settle(t, s); took > startTime+checkTime+2*time.Second {
			t.Errorf("it took %s", took)
		}
		view, _ := s.View(arn)
		if len(w.all()) != 2 || view.Running != 2 || view.Deployments[0].FailedTasks != 0 || s.Deployments(arn)[0].DeploymentCircuitBreaker.FailureCount != 0 {
			t.Errorf("after %d tasks: %+v", len(w.all()), view)
		}
	})
}

// TestUnchecked holds that a task that nothing checks counts as healthy 40 s after it runs, so that old tasks stay as long; and that
// one that runs and ends before fails no release, which goes on trying.
func TestUnchecked(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		asked := config("good:1", 1)
		asked.LoadBalancers = nil
		s.Put(asked, false)
		if took := settle(t, s); took < 43*time.Second || took > 45*time.Second {
			t.Errorf("the first release took %s, want %s and 40 s", took, startTime)
		}
		asked.Definition.TaskDefinitionArn = aws.String("good:2")
		s.Put(asked, false)
		time.Sleep(42 * time.Second)
		if got := len(running(w.of("good:1"))); got != 1 {
			t.Error("the old task was stopped before the new one counts")
		}
		settle(t, s)
		asked.Definition.TaskDefinitionArn = aws.String("crash:3")
		s.Put(asked, false)
		time.Sleep(5 * time.Minute)
		view, _ := s.View(arn)
		if d := view.Deployments[0]; d.RolloutState != ecstypes.DeploymentRolloutStateInProgress || d.FailedTasks != 0 || len(w.of("crash:3")) < 10 {
			t.Errorf("after %d tasks that ended: %+v", len(w.of("crash:3")), d)
		}
		if len(running(w.of("good:2"))) != 1 {
			t.Error("the old task has gone, though none came")
		}
	})
}
