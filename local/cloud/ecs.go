package cloud

import (
	"encoding/json"
	"fmt"
	"slices"
)

// describing lists the operations of ECS that answer with services.
var describing = []string{"CreateService", "DescribeServices", "UpdateService"}

// playTasks claims that every active service runs as many tasks as it was asked for, all of the task definition that it
// was asked for, in one finished deployment that began long ago. It is a claim and nothing more: no task runs. The AWS
// provider then finds a steady state by its rule of versions 5.x (one deployment, running equals desired); only for a
// deployment younger than its own call would it ask for service deployments, which moto does not have.
func playTasks(operation string, body []byte) ([]byte, error) {
	if !slices.Contains(describing, operation) {
		return body, nil
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("understand moto's answer to %s: %w", operation, err)
	}
	if service, ok := answer["service"].(map[string]any); ok {
		playService(service)
	}
	services, _ := answer["services"].([]any)
	for _, entry := range services {
		if service, ok := entry.(map[string]any); ok {
			playService(service)
		}
	}
	return json.Marshal(answer)
}

func playService(service map[string]any) {
	if service["status"] != "ACTIVE" {
		return
	}
	desired := service["desiredCount"]
	service["runningCount"], service["pendingCount"] = desired, 0
	id := "ecs-svc/0"
	if deployments, ok := service["deployments"].([]any); ok && len(deployments) > 0 {
		if deployment, ok := deployments[len(deployments)-1].(map[string]any); ok {
			if given, ok := deployment["id"].(string); ok {
				id = given
			}
		}
	}
	const longAgo = 1.0e9 // seconds since 1970
	service["deployments"] = []any{map[string]any{
		"id": id, "status": "PRIMARY", "taskDefinition": service["taskDefinition"],
		"desiredCount": desired, "runningCount": desired, "pendingCount": 0, "failedTasks": 0,
		"createdAt": longAgo, "updatedAt": longAgo, "launchType": "FARGATE",
		"rolloutState": "COMPLETED", "rolloutStateReason": "ECS deployment completed.",
		"networkConfiguration": service["networkConfiguration"],
	}}
}
