package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
	"slipway/local/connect"
	"slipway/local/services"
)

// The operations of ECS that answer with services.
var describing = []string{"CreateService", "DescribeServices", "UpdateService", "DeleteService"}

// forgotten are the inputs of a service that moto takes and does not give back, which would show as changed on every run.
var forgotten = []string{
	"availabilityZoneRebalancing", "capacityProviderStrategy", "deploymentConfiguration", "enableECSManagedTags", "enableExecuteCommand",
	"healthCheckGracePeriodSeconds", "platformVersion", "propagateTags", "serviceConnectConfiguration",
}

// inForce is what a service's primary deployment is of, by the names of UpdateService; nil where it has none.
func inForce(config services.Config) map[string]any {
	return map[string]any{
		"taskDefinition": aws.ToString(config.Definition.TaskDefinitionArn), "networkConfiguration": awsapi.Render(config.Network),
		"loadBalancers": awsapi.Render(config.LoadBalancers), "serviceConnectConfiguration": awsapi.Render(config.Connect),
		"capacityProviderStrategy": awsapi.Render(config.Capacity),
	}
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
	var untold []string
	switch {
	case operation == "CreateService" && view.Draining:
		return nil, refusal{"InvalidParameterException", "Unable to Start a service that is still Draining."}
	case operation == "UpdateService" && view.Deleted:
		return nil, refusal{"ServiceNotActiveException", "Service was not ACTIVE."}
	case operation == "UpdateService" && known:
		// What the call does not say stays as it is in force. moto would go by what was asked for last, and a rollback may lie between.
		for name, value := range inForce(view.Config) {
			if input[name] != nil {
				continue
			}
			untold = append(untold, name)
			if input[name] = value; value == nil {
				delete(input, name)
			}
		}
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
	for _, name := range untold {
		delete(c.asked[key], name)
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
	switch operation {
	case "CreateService", "UpdateService":
		config, err := c.configOf(ctx, service)
		if err != nil {
			return err
		}
		if _, err := connect.Endpoints(arn, config.Connect, config.Definition); err != nil {
			return err
		}
		c.scheduler.Put(config, force)
	case "DeleteService":
		c.scheduler.Delete(arn)
		c.mesh.Remove(arn) // last: no rollback offers anything any more
	}
	view, known := c.scheduler.View(arn)
	if known {
		for name, value := range inForce(view.Config) {
			if service[name] = value; value == nil {
				delete(service, name)
			}
		}
	}
	delete(service, "serviceConnectConfiguration") // which stands with each deployment
	if strategy, _ := service["capacityProviderStrategy"].([]any); len(strategy) > 0 {
		delete(service, "launchType") // a service has one or the other; moto makes EC2 of none
	}
	if !known {
		return nil
	}
	if view.Draining && service["status"] == "INACTIVE" {
		service["status"] = "DRAINING"
	}
	service["desiredCount"], service["runningCount"], service["pendingCount"] = view.Desired, view.Running, view.Pending
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
