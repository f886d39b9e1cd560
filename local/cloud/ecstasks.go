package cloud

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
	"slipway/local/services"
	"slipway/local/tasks"
)

// kept is a task that the API shows: as long as it runs, and an hour more, as ECS does.
type kept struct {
	task    *tasks.Task
	cluster string // ARN
}

const (
	shownAfterStop = time.Hour
	mostStopped    = 1000 // tasks that are shown
)

// Start implements services.Platform.
func (c *containers) Start(launch services.Launch) services.Task {
	task := c.runner.Start(tasks.Spec{
		ID: launch.ID, ARN: strings.Replace(launch.Cluster, ":cluster/", ":task/", 1) + "/" + launch.ID, Cluster: launch.Cluster,
		Group: launch.Group, StartedBy: launch.StartedBy, Definition: launch.Definition, Upstreams: c.upstreams(launch),
		Activate: launch.Activate, Deactivate: launch.Deactivate, Changed: launch.Changed,
	})
	c.keep(task, launch.Cluster)
	return serviceTask{task}
}

// serviceTask is a task as the scheduler sees it.
type serviceTask struct{ *tasks.Task }

// Status implements services.Task.
func (t serviceTask) Status() ecstypes.Task { return t.Task.Status().Task }

// IP implements services.Task.
func (t serviceTask) IP() string { return t.Task.Status().PrivateIP() }

func (c *containers) keep(task *tasks.Task, cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks = stillShown(c.tasks, func(k *kept) *time.Time { return k.task.Status().StoppedAt }, time.Now())
	c.tasks = append(c.tasks, &kept{task, cluster})
}

// stillShown is what the API shows of tasks, the oldest first, by when they stopped.
func stillShown[T any](all []T, stoppedAt func(T) *time.Time, now time.Time) []T {
	stopped := 0
	for _, one := range all {
		if stoppedAt(one) != nil {
			stopped++
		}
	}
	return slices.DeleteFunc(all, func(one T) bool {
		at := stoppedAt(one)
		if at == nil || now.Sub(*at) <= shownAfterStop && stopped <= mostStopped {
			return false
		}
		stopped--
		return true
	})
}

// lose kills tasks as a dying node would, all of them where most is 0.
func (c *containers) lose(most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost := 0
	for _, k := range c.tasks {
		if status := k.task.Status(); aws.ToString(status.LastStatus) != "STOPPED" && (most == 0 || lost < most) {
			k.task.Lose()
			lost++
		}
	}
}

// find lists the tasks of a cluster, which is given by its name or ARN, the default one where it is not.
func (c *containers) find(cluster *string) []*kept {
	name := clusterName(aws.ToString(cluster))
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []*kept
	for _, k := range c.tasks {
		if path.Base(k.cluster) == name {
			found = append(found, k)
		}
	}
	return found
}

func (c *containers) listTasks(input ecs.ListTasksInput) (any, error) {
	wanted := cmp.Or(string(input.DesiredStatus), "RUNNING")
	arns := []string{}
	for _, k := range c.find(input.Cluster) {
		status := k.task.Status()
		switch {
		case aws.ToString(status.DesiredStatus) != wanted:
		case input.ServiceName != nil && aws.ToString(status.Group) != "service:"+path.Base(*input.ServiceName):
		case input.Family != nil && !strings.Contains(aws.ToString(status.TaskDefinitionArn), "task-definition/"+*input.Family+":"):
		case input.StartedBy != nil && aws.ToString(status.StartedBy) != *input.StartedBy:
		default:
			arns = append(arns, aws.ToString(status.TaskArn))
		}
	}
	return map[string]any{"taskArns": arns}, nil
}

func (c *containers) describeTasks(input ecs.DescribeTasksInput) (any, error) {
	found, missing := []any{}, []any{}
	known := c.find(input.Cluster)
	for _, wanted := range input.Tasks {
		at := slices.IndexFunc(known, func(k *kept) bool { return path.Base(aws.ToString(k.task.Status().TaskArn)) == path.Base(wanted) })
		if at < 0 {
			missing = append(missing, map[string]string{"arn": wanted, "reason": "MISSING"})
			continue
		}
		found = append(found, awsapi.Render(known[at].task.Status().Task))
	}
	return map[string]any{"tasks": found, "failures": missing}, nil
}

func (c *containers) stopTask(input ecs.StopTaskInput) (any, error) {
	for _, k := range c.find(input.Cluster) {
		if path.Base(aws.ToString(k.task.Status().TaskArn)) == path.Base(aws.ToString(input.Task)) {
			k.task.Stop(ecstypes.TaskStopCodeUserInitiated, cmp.Or(aws.ToString(input.Reason), "Task stopped by user"))
			return map[string]any{"task": awsapi.Render(k.task.Status().Task)}, nil
		}
	}
	return nil, refusal{"InvalidParameterException", "The referenced task was not found."}
}

func (c *containers) runTask(ctx context.Context, input ecs.RunTaskInput) (any, error) {
	if input.Overrides != nil {
		return nil, refusal{"UnsupportedFeatureException", "Overrides of tasks are not there in the embedded cloud; see docs/fidelity.md."}
	}
	definition, err := c.api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: input.TaskDefinition})
	if err != nil {
		return nil, refusal{"ClientException", "TaskDefinition not found."}
	}
	if definition.TaskDefinition.Status == ecstypes.TaskDefinitionStatusInactive {
		return nil, errInactive
	}
	name := clusterName(aws.ToString(input.Cluster))
	clusters, err := c.api.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{name}})
	if err != nil || len(clusters.Clusters) == 0 {
		return nil, refusal{"ClusterNotFoundException", "Cluster not found."}
	}
	started := []any{}
	for range min(max(1, int(aws.ToInt32(input.Count))), 10) {
		task := c.Start(services.Launch{
			ID: services.NewID(), Cluster: aws.ToString(clusters.Clusters[0].ClusterArn), Definition: *definition.TaskDefinition,
			Group: cmp.Or(aws.ToString(input.Group), "family:"+aws.ToString(definition.TaskDefinition.Family)), StartedBy: aws.ToString(input.StartedBy),
		})
		started = append(started, awsapi.Render(task.Status()))
	}
	return map[string]any{"tasks": started, "failures": []any{}}, nil
}
