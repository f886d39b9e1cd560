package verdict

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// unchecked judges a service that ECS finds steady and whose health nothing checks. ECS counts such a task as healthy once it
// runs, and completes its deployment, whatever it does next: so each must have run for a while.
func (c *hearing) unchecked(ctx context.Context) (state, error) {
	stopped, err := c.stopped(ctx)
	if err != nil {
		return state{}, err
	}
	ended := 0
	for _, task := range stopped {
		if task.StopCode == ecstypes.TaskStopCodeEssentialContainerExited && when(task).After(c.began) {
			ended++
		}
	}
	if ended == shownTasks {
		return state{failed: fmt.Sprintf("its tasks end by themselves, the last %d one after the other", ended)}, nil
	}
	listed, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &c.service.Cluster, ServiceName: &c.service.Name})
	if err != nil || len(listed.TaskArns) == 0 { // all were stopped on purpose: none is asked for
		return state{settled: true}, err
	}
	found, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &c.service.Cluster, Tasks: listed.TaskArns})
	if err != nil {
		return state{}, err
	}
	for _, task := range found.Tasks {
		if task.StartedAt == nil || time.Since(aws.ToTime(task.StartedAt)) < c.trial {
			return state{waiting: fmt.Sprintf("task %s has not run for %s, and nothing else tells its health", short(aws.ToString(task.TaskArn)), c.trial)}, nil
		}
	}
	return state{settled: true}, nil
}
