package cloud

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"sync"
)

// tasks plays ECS's data plane. It claims that every active service runs as many tasks as it was asked for, all of the task
// definition that it was asked for, in one finished deployment that began long ago. It is a claim and nothing more: no
// task runs. The AWS provider then finds a steady state by its rule of versions 5.x (one deployment, running equals
// desired); only for a deployment younger than its own call would it ask for service deployments, which moto does not have.
type tasks struct {
	mu    sync.Mutex
	asked map[string]map[string]any // by cluster/service: what moto was told and does not keep
}

func newTasks() *tasks { return &tasks{asked: map[string]map[string]any{}} }

var (
	// The operations of ECS that answer with services.
	describing = []string{"CreateService", "DescribeServices", "UpdateService"}
	// The inputs of a service that moto takes and does not give back, which would show as changed on every run.
	forgotten = []string{
		"availabilityZoneRebalancing", "deploymentConfiguration", "enableECSManagedTags", "enableExecuteCommand",
		"healthCheckGracePeriodSeconds", "platformVersion", "propagateTags",
	}
)

// note remembers what a call asks of a service, and leaves the call's body as it was.
func (t *tasks) note(operation string, r *http.Request) error {
	if operation != "CreateService" && operation != "UpdateService" {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read %s: %w", operation, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var input map[string]any
	if err := json.Unmarshal(body, &input); err != nil {
		return fmt.Errorf("understand %s: %w", operation, err)
	}
	service := input["serviceName"]
	if operation == "UpdateService" {
		service = input["service"]
	}
	key := serviceKey(input["cluster"], service)
	t.mu.Lock()
	defer t.mu.Unlock()
	if operation == "CreateService" || t.asked[key] == nil {
		t.asked[key] = map[string]any{}
	}
	for _, name := range forgotten {
		if value, ok := input[name]; ok {
			t.asked[key][name] = value
		}
	}
	return nil
}

// serviceKey names a service, whether its parts are given as names or as ARNs.
func serviceKey(cluster, service any) string {
	c, _ := cluster.(string)
	s, _ := service.(string)
	return path.Base(c) + "/" + path.Base(s)
}

// play amends an answer that holds services.
func (t *tasks) play(operation string, body []byte) ([]byte, error) {
	if !slices.Contains(describing, operation) {
		return body, nil
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("understand moto's answer to %s: %w", operation, err)
	}
	services, _ := answer["services"].([]any)
	if service, ok := answer["service"]; ok {
		services = append(services, service)
	}
	for _, entry := range services {
		if service, ok := entry.(map[string]any); ok && service["status"] == "ACTIVE" {
			t.playService(service)
		}
	}
	return json.Marshal(answer)
}

func (t *tasks) playService(service map[string]any) {
	t.mu.Lock()
	for name, value := range t.asked[serviceKey(service["clusterArn"], service["serviceName"])] {
		service[name] = value
	}
	t.mu.Unlock()
	desired := service["desiredCount"]
	service["runningCount"], service["pendingCount"] = desired, 0
	const longAgo = 1.0e9 // seconds since 1970
	service["deployments"] = []any{map[string]any{
		"id": "ecs-svc/0", "status": "PRIMARY", "taskDefinition": service["taskDefinition"],
		"desiredCount": desired, "runningCount": desired, "pendingCount": 0, "failedTasks": 0,
		"createdAt": longAgo, "updatedAt": longAgo, "launchType": "FARGATE",
		"rolloutState": "COMPLETED", "rolloutStateReason": "ECS deployment completed.",
		"networkConfiguration": service["networkConfiguration"],
	}}
}
