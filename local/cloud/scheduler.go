package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"slipway/local/schedules"
)

// scheduling is EventBridge Scheduler's data plane as its API shows it. moto keeps what is registered; the clock starts it.
type scheduling struct {
	api   *scheduler.Client // moto's
	clock *schedules.Clock
	mu    sync.Mutex // held from reading what is registered until it is in force
}

func newScheduling(api *scheduler.Client, containers *containers) *scheduling {
	return &scheduling{api: api, clock: schedules.New(func(ctx context.Context, target types.Target) error {
		return startScheduled(ctx, containers, target)
	})}
}

// amend has the clock follow what a call has registered. It changes no answer.
func (s *scheduling) amend(ctx context.Context, operation string, body []byte) ([]byte, error) {
	if strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List") {
		return body, nil
	}
	return body, s.refresh(ctx)
}

func (s *scheduling) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]schedules.Schedule{}
	pages := scheduler.NewListSchedulesPaginator(s.api, &scheduler.ListSchedulesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the schedules: %w", err)
		}
		for _, summary := range page.Schedules {
			found, err := s.api.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: summary.GroupName, Name: summary.Name})
			if err != nil {
				return fmt.Errorf("read the schedule %s: %w", aws.ToString(summary.Name), err)
			}
			all[aws.ToString(found.GroupName)+"/"+aws.ToString(found.Name)] = schedules.Schedule{
				Expression: aws.ToString(found.ScheduleExpression), Zone: aws.ToString(found.ScheduleExpressionTimezone),
				Enabled: found.State != types.ScheduleStateDisabled, Target: *found.Target, // a change that says nothing of it enables
			}
		}
	}
	s.clock.Apply(all)
	return nil
}

// startScheduled starts a schedule's target, which is a task of a cluster or nothing that is there.
func startScheduled(ctx context.Context, containers *containers, target types.Target) error {
	task := target.EcsParameters
	if task == nil {
		return errors.New("the embedded cloud starts tasks of ECS alone; see docs/fidelity.md")
	}
	_, err := containers.runTask(ctx, ecs.RunTaskInput{
		Cluster: target.Arn, TaskDefinition: task.TaskDefinitionArn, Count: task.TaskCount, Group: task.Group,
	})
	return err
}
