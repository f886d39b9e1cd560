package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

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

func newContainers(api *ecs.Client, runner *tasks.Runner, targets services.Targets, alarms services.Alarms) *containers {
	c := &containers{api: api, runner: runner, asked: map[string]map[string]any{}}
	c.scheduler = services.New(c, targets, alarms)
	c.mesh = connect.New(c.addresses)
	return c
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

// close ends all tasks at once, and the scheduler first, which would start others.
func (c *containers) close(ctx context.Context) error {
	c.scheduler.Close()
	return c.runner.Close(ctx)
}
