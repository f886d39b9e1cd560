package verdict

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const (
	shownTasks  = 3   // of those that stopped, the last ones
	shownEvents = 5   // of those that complain, the last ones
	shownLines  = 20  // of a container's log, the last ones
	lineLength  = 500 // bytes of a line of a log, of which the rest is left out
)

// deployment says what ECS tells of the deployment that failed, and of targets since then.
func (c *hearing) deployment(ctx context.Context) ([]string, error) {
	found, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &c.service.Cluster, Services: []string{c.service.Name},
	})
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, service := range found.Services {
		since := c.began
		if _, asked := deployments(service, c.service.TaskDefinition); asked != nil {
			if reason := aws.ToString(asked.RolloutStateReason); reason != "" {
				lines = append(lines, fmt.Sprintf("deployment %s: %s", aws.ToString(asked.Id), reason))
			}
			if created := aws.ToTime(asked.CreatedAt); created.After(since) { // what ECS said before is of the release before
				since = created
			}
		}
		lines = append(lines, complaints(service.Events, since)...)
	}
	// The deployment that was taken back is gone from the service soon; its record stays.
	listed, err := c.ecs.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{
		Cluster: &c.service.Cluster, Service: &c.service.Name,
	})
	if err != nil || len(listed.ServiceDeployments) == 0 {
		return lines, err
	}
	last := slices.MaxFunc(listed.ServiceDeployments, func(a, b ecstypes.ServiceDeploymentBrief) int {
		return aws.ToTime(a.CreatedAt).Compare(aws.ToTime(b.CreatedAt))
	})
	described, err := c.ecs.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{
		ServiceDeploymentArns: []string{aws.ToString(last.ServiceDeploymentArn)},
	})
	if err != nil {
		return lines, err
	}
	for _, deployment := range described.ServiceDeployments {
		line := fmt.Sprintf("service deployment %s: %s", short(aws.ToString(deployment.ServiceDeploymentArn)), deployment.Status)
		if reason := aws.ToString(deployment.StatusReason); reason != "" {
			line += ": " + reason
		}
		if breaker := deployment.DeploymentCircuitBreaker; breaker != nil && breaker.FailureCount > 0 {
			line += fmt.Sprintf(" (%d tasks failed, the threshold is %d)", breaker.FailureCount, breaker.Threshold)
		}
		lines = append(lines, line)
		if alarms := deployment.Alarms; alarms != nil {
			for _, name := range alarms.TriggeredAlarmNames {
				lines = append(lines, fmt.Sprintf("alarm %s went off while it went out; what it says stands in docs/runbook.md and in its description", name))
			}
		}
	}
	return lines, nil
}

// complaining are parts of the events in which ECS says what it cannot do, or which target is unhealthy and how.
var complaining = []string{"is unhealthy in", "unable to", "was unable", "alarm detected"}

// complaints are the events of that kind since a time, each once, the newest first.
func complaints(events []ecstypes.ServiceEvent, since time.Time) []string {
	var lines []string
	for _, event := range events {
		message := aws.ToString(event.Message)
		if aws.ToTime(event.CreatedAt).Before(since) || !slices.ContainsFunc(complaining, func(part string) bool { return strings.Contains(message, part) }) {
			continue
		}
		if line := "event: " + message; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines[:min(len(lines), shownEvents)]
}

// tasks says why the last tasks of the release stopped, and what the containers that failed had to say.
func (c *hearing) tasks(ctx context.Context) ([]string, error) {
	stopped, err := c.stopped(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	told := map[string]bool{} // what several tasks have in common is shown once
	for _, task := range stopped {
		lines = append(lines, fmt.Sprintf("task %s stopped: %s: %s", short(aws.ToString(task.TaskArn)), task.StopCode, aws.ToString(task.StoppedReason)))
		for _, container := range task.Containers {
			line := describe(container)
			if line == "" {
				continue
			}
			lines = append(lines, "  "+line)
			log, err := c.log(ctx, task, container)
			if err != nil {
				return lines, err
			}
			if text := strings.Join(log, "\n"); len(log) > 0 && !told[text] {
				told[text] = true
				for _, line := range log {
					lines = append(lines, "  | "+line)
				}
			}
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "no task of it has stopped")
	}
	return lines, nil
}

// describe says how a container ended, if it did not end well.
func describe(container ecstypes.Container) string {
	name, reason := aws.ToString(container.Name), aws.ToString(container.Reason)
	switch {
	case container.ExitCode != nil && *container.ExitCode != 0:
		return strings.TrimSuffix(fmt.Sprintf("container %s: exit code %d: %s", name, *container.ExitCode, reason), ": ")
	case reason != "":
		return fmt.Sprintf("container %s: %s", name, reason)
	case container.HealthStatus == ecstypes.HealthStatusUnhealthy:
		return fmt.Sprintf("container %s: its own health check failed", name)
	}
	return ""
}

// stopped are the last tasks of the release that stopped, the newest first. ECS remembers them for an hour at least.
func (c *hearing) stopped(ctx context.Context) ([]ecstypes.Task, error) {
	listed, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{
		Cluster: &c.service.Cluster, ServiceName: &c.service.Name, DesiredStatus: ecstypes.DesiredStatusStopped,
	})
	if err != nil || len(listed.TaskArns) == 0 {
		return nil, err
	}
	found, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &c.service.Cluster, Tasks: listed.TaskArns})
	if err != nil {
		return nil, err
	}
	tasks := slices.DeleteFunc(found.Tasks, func(t ecstypes.Task) bool {
		return aws.ToString(t.TaskDefinitionArn) != c.service.TaskDefinition
	})
	// Tasks that were stopped only because the release had failed by then tell nothing.
	if told := slices.Clone(tasks); slices.ContainsFunc(told, failedByItself) {
		tasks = slices.DeleteFunc(told, func(t ecstypes.Task) bool { return !failedByItself(t) })
	}
	slices.SortFunc(tasks, func(a, b ecstypes.Task) int {
		return cmp.Or(when(b).Compare(when(a)), cmp.Compare(aws.ToString(a.TaskArn), aws.ToString(b.TaskArn)))
	})
	return tasks[:min(len(tasks), shownTasks)], nil
}

// failedByItself says whether a task stopped for a reason of its own, and not because the scheduler made room.
func failedByItself(task ecstypes.Task) bool {
	return !strings.HasPrefix(aws.ToString(task.StoppedReason), "Scaling activity")
}

// when a task stopped, or was about to.
func when(task ecstypes.Task) time.Time {
	if task.StoppedAt != nil {
		return *task.StoppedAt
	}
	return aws.ToTime(task.StoppingAt)
}

// log is the end of a container's log; empty where it has none.
func (c *hearing) log(ctx context.Context, task ecstypes.Task, container ecstypes.Container) ([]string, error) {
	name := aws.ToString(container.Name)
	limit := int32(shownLines)
	found, err := c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{
		LogGroupName:  &c.service.LogGroup,
		LogStreamName: aws.String(fmt.Sprintf("%s/%s/%s", name, name, short(aws.ToString(task.TaskArn)))),
		Limit:         &limit,
		StartFromHead: aws.Bool(false),
	})
	if errors.As(err, new(*logstypes.ResourceNotFoundException)) { // a container that never started has no stream
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := make([]string, 0, len(found.Events))
	for _, event := range found.Events {
		line := strings.TrimRight(aws.ToString(event.Message), "\r\n")
		if len(line) > lineLength {
			line = strings.ToValidUTF8(line[:lineLength], "") + " ..."
		}
		lines = append(lines, line)
	}
	return lines, nil
}
