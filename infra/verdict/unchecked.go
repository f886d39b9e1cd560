package verdict

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// ends says that tasks of a service whose health nothing checks end by themselves again and again, or nothing. ECS counts such a
// task as healthy once it has run for 40 s, and completes its deployment, whatever it does next. Where tasks end before, the
// deployment stays in progress: to the circuit breaker, a task that has run has not failed.
func (c *hearing) ends(ctx context.Context) (string, error) {
	if c.service.Checked {
		return "", nil
	}
	stopped, err := c.stopped(ctx)
	if err != nil {
		return "", err
	}
	ended := 0
	for _, task := range stopped {
		if task.StopCode == ecstypes.TaskStopCodeEssentialContainerExited && when(task).After(c.began) {
			ended++
		}
	}
	if ended < shownTasks {
		return "", nil
	}
	return fmt.Sprintf("its tasks end by themselves, the last %d one after the other", ended), nil
}

// tried is the state of such a service that ECS finds steady: each of its tasks must have run for a while.
func (c *hearing) tried(ctx context.Context) (state, error) {
	listed, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &c.service.Cluster, ServiceName: &c.service.Name})
	if err != nil {
		return state{}, err
	}
	if len(listed.TaskArns) == 0 { // none is asked for
		return state{settled: true}, nil
	}
	found, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &c.service.Cluster, Tasks: listed.TaskArns})
	if err != nil {
		return state{}, err
	}
	for _, task := range found.Tasks {
		if task.StartedAt == nil || time.Since(*task.StartedAt) < c.trial {
			return state{waiting: fmt.Sprintf("task %s has not run for %s, and nothing else tells its health", short(aws.ToString(task.TaskArn)), c.trial)}, nil
		}
	}
	return state{settled: true}, nil
}
