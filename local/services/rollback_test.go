package services_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/services"
)

// TestBreakerOfMany holds that the breaker counts to the threshold of the desired count: a release whose tasks fail two at a time.
func TestBreakerOfMany(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		asked := config("good:1", 25)
		asked.MaximumPercent = 108
		s.Put(asked, false)
		settle(t, s)
		asked.Definition.TaskDefinitionArn = aws.String("pull-fails:2")
		s.Put(asked, false)
		settle(t, s)
		if got := len(w.of("pull-fails:2")); got < 13 || got > 14 {
			t.Errorf("%d tasks failed before the release was taken back, want 13 or 14", got)
		}
		if view, _ := s.View(arn); inForce(view) != "good:1" || view.Running != 25 {
			t.Errorf("after the rollback: %s, %d tasks", inForce(view), view.Running)
		}
	})
}

// TestRollbackFails holds that a rollback whose tasks fail, too, ends as such, and that the service is left as it is.
func TestRollbackFails(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		s.Put(config("one-well:1", 1), false)
		settle(t, s)
		s.Put(config("crash:2", 1), false)
		time.Sleep(time.Second)
		w.all()[0].Stop("", "lost")
		settle(t, s)
		time.Sleep(2 * time.Minute)
		record := s.Deployments(arn)[0]
		if record.Status != ecstypes.ServiceDeploymentStatusRollbackFailed || record.FinishedAt == nil || record.Rollback == nil ||
			!strings.Contains(aws.ToString(record.StatusReason), "tasks failed to start") {
			t.Errorf("service deployment: %+v, %s", record, aws.ToString(record.StatusReason))
		}
		view, _ := s.View(arn)
		if view.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateFailed || inForce(view) != "one-well:1" || view.Running+view.Pending > 0 {
			t.Errorf("the service: %+v", view)
		}
	})
}

// TestSources holds that a service deployment names every revision that had tasks when it began, and that none is told of after the
// service's end.
func TestSources(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *world, s *services.Scheduler) {
		s.Put(config("good:1", 2), false)
		settle(t, s)
		var revisions []string
		for _, next := range []string{"good:2", "good:3"} {
			view, _ := s.View(arn)
			revisions = append([]string{view.RevisionARN}, revisions...)
			s.Put(config(next, 2), false)
			time.Sleep(startTime + time.Second)
		}
		sources := s.Deployments(arn)[0].SourceServiceRevisions
		if len(sources) != 2 || aws.ToString(sources[0].Arn) != revisions[0] || aws.ToString(sources[1].Arn) != revisions[1] ||
			sources[0].RunningTaskCount != 2 || sources[1].RunningTaskCount != 2 || sources[1].RequestedTaskCount != 0 {
			t.Errorf("the sources are %+v, want %v", sources, revisions)
		}
		s.Delete(arn)
		if got := len(s.Deployments(arn)); got != 3 {
			t.Errorf("while its tasks stop %d service deployments are told of", got)
		}
		time.Sleep(time.Minute)
		if view, _ := s.View(arn); len(s.Deployments(arn)) > 0 || view.CurrentARN != "" {
			t.Errorf("after the service's end: %+v, and now %q", s.Deployments(arn), view.CurrentARN)
		}
	})
}

// TestRollbackRestores holds that a rollback returns to all that a revision is, that whoever asks for it as it then is, but for the
// count, begins no deployment, and that what is the service's own stays as it was asked for last.
func TestRollbackRestores(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
		with := func(definition, part, provider string) services.Config {
			c := config(definition, 1)
			c.Connect = &ecstypes.ServiceConnectConfiguration{Enabled: true, Namespace: aws.String(part)}
			c.Network = &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{SecurityGroups: []string{part}}}
			c.Capacity = []ecstypes.CapacityProviderStrategyItem{{CapacityProvider: aws.String(provider), Weight: 1}}
			return c
		}
		good, bad := with("good:1", "one", "FARGATE"), with("crash:2", "two", "FARGATE_SPOT")
		bad.MaximumPercent = 150 // which is none of a revision
		bad.LoadBalancers = append(bad.LoadBalancers, ecstypes.LoadBalancer{TargetGroupArn: aws.String("other"), ContainerPort: aws.Int32(80)})
		bad.Desired, good.Desired = 2, 2
		s.Put(good, false)
		settle(t, s)
		s.Put(bad, false)
		settle(t, s)
		view, _ := s.View(arn)
		want := good
		want.MaximumPercent = 150
		if !reflect.DeepEqual(view.Config, want) {
			t.Errorf("in force is %+v, want %+v", view.Config, want)
		}
		if told := w.primary; len(told) != 3 || told[1] != "two" || told[2] != "one" {
			t.Errorf("the primary deployments were told to be of %v", told)
		}
		again := view.Config
		again.Desired = 3
		again.Network = &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{SecurityGroups: []string{"one"}, Subnets: []string{}}}
		s.Put(again, false)
		time.Sleep(time.Minute)
		if view, _ := s.View(arn); view.Running != 3 || len(s.Deployments(arn)) != 2 {
			t.Errorf("the count alone has made %d service deployments: %+v", len(s.Deployments(arn)), view)
		}
	})
}
