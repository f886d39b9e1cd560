package cloud

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
	"slipway/local/connect"
	"slipway/local/services"
	"slipway/local/tasks"
)

// containers is ECS's data plane as its API shows it. moto keeps clusters, services and task definitions; what runs is told
// by the scheduler and the runner of tasks.
type containers struct {
	api       *ecs.Client // moto's
	runner    *tasks.Runner
	scheduler *services.Scheduler
	mesh      *connect.Mesh

	mu    sync.Mutex
	asked map[string]map[string]any // by cluster/service: what moto was told and does not keep
	tasks []*kept                   // the oldest first
}

// kept is a task that the API shows: as long as it runs, and an hour more, as ECS does.
type kept struct {
	task    *tasks.Task
	cluster string // ARN
}

const (
	shownAfterStop = time.Hour
	mostTasks      = 1000 // that are shown at all
)

func newContainers(api *ecs.Client, runner *tasks.Runner, targets services.Targets, alarms services.Alarms) *containers {
	c := &containers{api: api, runner: runner, asked: map[string]map[string]any{}}
	c.scheduler = services.New(c, targets, alarms)
	c.mesh = connect.New(c.addresses)
	return c
}

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
	c.tasks = slices.DeleteFunc(c.tasks, func(k *kept) bool {
		stopped := k.task.Status().StoppedAt
		return stopped != nil && time.Since(*stopped) > shownAfterStop
	})
	c.tasks = append(c.tasks[max(0, len(c.tasks)-mostTasks):], &kept{task, cluster})
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

// The operations of ECS that answer with services.
var describing = []string{"CreateService", "DescribeServices", "UpdateService", "DeleteService"}

// forgotten are the inputs of a service that moto takes and does not give back, which would show as changed on every run.
var forgotten = []string{
	"availabilityZoneRebalancing", "capacityProviderStrategy", "deploymentConfiguration", "enableECSManagedTags", "enableExecuteCommand",
	"healthCheckGracePeriodSeconds", "platformVersion", "propagateTags", "serviceConnectConfiguration",
}

// refusal is an error of the API that a caller is to see.
type refusal struct{ code, message string }

// Error implements error.
func (r refusal) Error() string { return r.code + ": " + r.message }

// errInactive refuses a task definition that was deregistered, which moto takes (ECS API Reference,
// DeregisterTaskDefinition).
var errInactive = refusal{"ClientException", "TaskDefinition is inactive"}

// serve answers what moto cannot know of, and says whether it has. Anything else is moto's, whose answer amend completes.
func (c *containers) serve(w http.ResponseWriter, r *http.Request, operation string) (done bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var answer any
	switch operation {
	case "CreateService", "UpdateService":
		if body, err = c.note(r.Context(), operation, body); err == nil {
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			return false
		}
	case "ListTasks":
		answer, err = handle(body, c.listTasks)
	case "DescribeTasks":
		answer, err = handle(body, c.describeTasks)
	case "StopTask":
		answer, err = handle(body, c.stopTask)
	case "RunTask":
		answer, err = handle(body, func(input ecs.RunTaskInput) (any, error) { return c.runTask(r.Context(), input) })
	case "ListServiceDeployments":
		answer, err = handle(body, c.listServiceDeployments)
	case "DescribeServiceDeployments":
		answer, err = handle(body, c.describeServiceDeployments)
	case "DescribeServiceRevisions":
		answer, err = handle(body, c.describeServiceRevisions)
	case "ExecuteCommand", "StopServiceDeployment", "StartTask", "CreateTaskSet", "UpdateTaskProtection":
		err = refusal{"UnsupportedFeatureException", operation + " is not there in the embedded cloud; see docs/fidelity.md."}
	default:
		return false
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		refused := refusal{"InvalidParameterException", err.Error()}
		_ = errors.As(err, &refused)
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": refused.code, "message": refused.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
	return true
}

// handle reads an input of the SDK's types, whose names differ from the protocol's in their first letter alone.
func handle[Input any](body []byte, with func(Input) (any, error)) (any, error) {
	var input Input
	if err := json.Unmarshal(body, &input); err != nil {
		return nil, fmt.Errorf("understand the call: %w", err)
	}
	return with(input)
}

// note remembers what a call asks of a service, refuses what moto takes and ECS does not, and returns the call for moto.
func (c *containers) note(ctx context.Context, operation string, body []byte) ([]byte, error) {
	var input map[string]any
	if err := json.Unmarshal(body, &input); err != nil {
		return nil, fmt.Errorf("understand %s: %w", operation, err)
	}
	if definition, ok := input["taskDefinition"].(string); ok {
		found, err := c.api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
		if err == nil && found.TaskDefinition.Status == ecstypes.TaskDefinitionStatusInactive {
			return nil, errInactive
		}
	}
	service := input["serviceName"]
	if operation == "UpdateService" {
		service = input["service"]
	}
	key := serviceKey(input["cluster"], service)
	view, known := c.scheduler.View(c.scheduler.Find(path.Dir(key), path.Base(key)))
	switch {
	case operation == "CreateService" && view.Draining:
		return nil, refusal{"InvalidParameterException", "Unable to Start a service that is still Draining."}
	case operation == "UpdateService" && view.Deleted:
		return nil, refusal{"ServiceNotActiveException", "Service was not ACTIVE."}
	case operation == "UpdateService" && known && input["taskDefinition"] == nil:
		// The one in force stays. moto would go by what was asked for last, and a rollback may lie between.
		input["taskDefinition"] = view.Definition
	}
	body, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", operation, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if operation == "CreateService" || c.asked[key] == nil {
		c.asked[key] = map[string]any{}
	}
	for _, name := range forgotten {
		value, ok := input[name]
		if !ok {
			continue
		}
		if was, isObject := c.asked[key][name].(map[string]any); isObject { // of which a call may say a part
			changed := maps.Clone(was)
			part, _ := value.(map[string]any)
			maps.Copy(changed, part)
			value = changed
		}
		c.asked[key][name] = value
	}
	c.asked[key]["forceNewDeployment"] = input["forceNewDeployment"]
	return body, nil
}

// serviceKey names a service as CLUSTER/SERVICE, whether its parts are given as names or as ARNs.
func serviceKey(cluster, service any) string {
	c, _ := cluster.(string)
	s, _ := service.(string)
	return clusterName(c) + "/" + path.Base(s)
}

// clusterName is the name of a cluster that is given by its name or ARN, or that is the default one.
func clusterName(given string) string {
	if given == "" {
		return "default"
	}
	return path.Base(given)
}

// amend completes moto's answers that hold services, and has the scheduler do what a call has asked for.
func (c *containers) amend(ctx context.Context, operation string, body []byte) ([]byte, error) {
	if !slices.Contains(describing, operation) {
		return body, nil
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("understand moto's answer to %s: %w", operation, err)
	}
	list, _ := answer["services"].([]any)
	if service, ok := answer["service"]; ok {
		list = append(list, service)
	}
	for _, entry := range list {
		service, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		if err := c.amendService(ctx, operation, service); err != nil {
			return nil, err
		}
	}
	return json.Marshal(answer)
}

func (c *containers) amendService(ctx context.Context, operation string, service map[string]any) error {
	arn, _ := service["serviceArn"].(string)
	c.mu.Lock()
	asked := c.asked[serviceKey(service["clusterArn"], service["serviceName"])]
	force, _ := asked["forceNewDeployment"].(bool)
	for name, value := range asked {
		if name != "forceNewDeployment" {
			service[name] = value
		}
	}
	c.mu.Unlock()
	if strategy, _ := service["capacityProviderStrategy"].([]any); len(strategy) > 0 {
		delete(service, "launchType") // a service has one or the other; moto makes EC2 of none
	}
	switch operation {
	case "CreateService", "UpdateService":
		config, err := c.configOf(ctx, service)
		if err != nil {
			return err
		}
		if err := c.offer(config); err != nil {
			return err
		}
		c.scheduler.Put(config, force)
	case "DeleteService":
		c.mesh.Remove(arn)
		c.scheduler.Delete(arn)
	}
	delete(service, "serviceConnectConfiguration") // which stands with each deployment
	view, known := c.scheduler.View(arn)
	if !known {
		return nil
	}
	if view.Draining && service["status"] == "INACTIVE" {
		service["status"] = "DRAINING"
	}
	service["desiredCount"], service["runningCount"], service["pendingCount"] = view.Desired, view.Running, view.Pending
	service["taskDefinition"] = view.Definition
	service["deployments"] = awsapi.Render(view.Deployments)
	service["events"] = awsapi.Render(view.Events)
	service["currentServiceRevisions"] = awsapi.Render(view.RevisionCounts)
	delete(service, "currentServiceDeployment")
	if view.CurrentARN != "" {
		service["currentServiceDeployment"] = view.CurrentARN
	}
	return nil
}

// configOf reads a service as the API describes it. ECS's defaults of the percents are 100 and 200.
func (c *containers) configOf(ctx context.Context, service map[string]any) (services.Config, error) {
	encoded, err := json.Marshal(service)
	if err != nil {
		return services.Config{}, fmt.Errorf("render a service: %w", err)
	}
	var read struct {
		ServiceArn, ServiceName, ClusterArn, TaskDefinition string
		DesiredCount                                        int
		DeploymentConfiguration                             ecstypes.DeploymentConfiguration
		LoadBalancers                                       []ecstypes.LoadBalancer
		HealthCheckGracePeriodSeconds                       int
		NetworkConfiguration                                *ecstypes.NetworkConfiguration
		CapacityProviderStrategy                            []ecstypes.CapacityProviderStrategyItem
		ServiceConnectConfiguration                         *ecstypes.ServiceConnectConfiguration
	}
	if err := json.Unmarshal(encoded, &read); err != nil {
		return services.Config{}, fmt.Errorf("understand service %v: %w", service["serviceName"], err)
	}
	definition, err := c.api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &read.TaskDefinition})
	if err != nil {
		return services.Config{}, fmt.Errorf("read the task definition of service %s: %w", read.ServiceName, err)
	}
	config := services.Config{
		ARN: read.ServiceArn, Name: read.ServiceName, Cluster: read.ClusterArn, Definition: *definition.TaskDefinition,
		Desired: read.DesiredCount, MinimumPercent: 100, MaximumPercent: 200, LoadBalancers: read.LoadBalancers,
		Grace: time.Duration(read.HealthCheckGracePeriodSeconds) * time.Second, Network: read.NetworkConfiguration,
		Capacity: read.CapacityProviderStrategy,
		Connect:  read.ServiceConnectConfiguration,
	}
	if percent := read.DeploymentConfiguration.MinimumHealthyPercent; percent != nil {
		config.MinimumPercent = int(*percent)
	}
	if percent := read.DeploymentConfiguration.MaximumPercent; percent != nil {
		config.MaximumPercent = int(*percent)
	}
	if breaker := read.DeploymentConfiguration.DeploymentCircuitBreaker; breaker != nil {
		config.Breaker, config.Rollback = breaker.Enable, breaker.Rollback
	}
	if alarms := read.DeploymentConfiguration.Alarms; alarms != nil && alarms.Enable {
		config.Alarms, config.AlarmRollback = alarms.AlarmNames, alarms.Rollback
	}
	return config, nil
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

// serviceARN finds a service that is given by name or ARN.
func (c *containers) serviceARN(cluster, service *string) (string, error) {
	arn := aws.ToString(service)
	if !strings.HasPrefix(arn, "arn:") {
		arn = c.scheduler.Find(clusterName(aws.ToString(cluster)), arn)
	}
	if _, known := c.scheduler.View(arn); known {
		return arn, nil
	}
	return "", refusal{"ServiceNotFoundException", "Service not found."}
}

func (c *containers) listServiceDeployments(input ecs.ListServiceDeploymentsInput) (any, error) {
	arn, err := c.serviceARN(input.Cluster, input.Service)
	if err != nil {
		return nil, err
	}
	briefs := []ecstypes.ServiceDeploymentBrief{}
	for _, d := range c.scheduler.Deployments(arn) {
		if len(input.Status) > 0 && !slices.Contains(input.Status, d.Status) {
			continue
		}
		briefs = append(briefs, ecstypes.ServiceDeploymentBrief{
			ServiceDeploymentArn: d.ServiceDeploymentArn, ServiceArn: d.ServiceArn, ClusterArn: d.ClusterArn, CreatedAt: d.CreatedAt,
			StartedAt: d.StartedAt, FinishedAt: d.FinishedAt, Status: d.Status, StatusReason: d.StatusReason,
			TargetServiceRevisionArn: d.TargetServiceRevision.Arn,
		})
	}
	return map[string]any{"serviceDeployments": awsapi.Render(briefs)}, nil
}

func (c *containers) describeServiceDeployments(input ecs.DescribeServiceDeploymentsInput) (any, error) {
	found, missing := describeBelow(c, input.ServiceDeploymentArns, c.scheduler.Deployments,
		func(d ecstypes.ServiceDeployment) *string { return d.ServiceDeploymentArn })
	return map[string]any{"serviceDeployments": found, "failures": missing}, nil
}

func (c *containers) describeServiceRevisions(input ecs.DescribeServiceRevisionsInput) (any, error) {
	found, missing := describeBelow(c, input.ServiceRevisionArns, c.scheduler.Revisions,
		func(r ecstypes.ServiceRevision) *string { return r.ServiceRevisionArn })
	return map[string]any{"serviceRevisions": found, "failures": missing}, nil
}

// describeBelow renders the things of those ARNs among all that their services have, and names those that are not there.
func describeBelow[Thing any](c *containers, arns []string, all func(service string) []Thing, arnOf func(Thing) *string) (found, missing []any) {
	found, missing = []any{}, []any{}
	for _, arn := range arns {
		things := all(c.scheduler.Owner(arn))
		if at := slices.IndexFunc(things, func(thing Thing) bool { return aws.ToString(arnOf(thing)) == arn }); at >= 0 {
			found = append(found, awsapi.Render(things[at]))
		} else {
			missing = append(missing, map[string]string{"arn": arn, "reason": "MISSING"})
		}
	}
	return found, missing
}

// close ends all tasks at once, and the scheduler first, which would start others.
func (c *containers) close(ctx context.Context) error {
	c.scheduler.Close()
	return c.runner.Close(ctx)
}
