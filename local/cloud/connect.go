package cloud

import (
	"log"
	"net"
	"path"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/connect"
	"slipway/local/services"
	"slipway/local/tasks"
)

// Primary implements services.Platform: it makes known what a service offers by Service Connect from now on, after a rollback what it
// offered before. A service that offers nothing yet, or any more, is taken out.
func (c *containers) Primary(config services.Config) {
	endpoints, err := connect.Endpoints(config.ARN, config.Connect, config.Definition)
	if err != nil { // amendService has refused such a configuration
		log.Printf("service connect: %s offers nothing: %v", config.Name, err)
	}
	c.mesh.Put(namespaceOf(config.Connect), config.ARN, endpoints)
}

// namespaceOf is the namespace of a service's part in Service Connect, by its id or name; empty where it has none.
func namespaceOf(config *ecstypes.ServiceConnectConfiguration) string {
	if config == nil || !config.Enabled {
		return ""
	}
	return path.Base(aws.ToString(config.Namespace))
}

// upstreams are what a task of a service reaches by Service Connect: all that its namespace knows when it starts, but itself. Real
// proxies stand beside the task's ports; ours would stand in their way, so what has a port of the task's own is left out, and said.
func (c *containers) upstreams(launch services.Launch) []tasks.Upstream {
	namespace := namespaceOf(launch.Connect)
	if namespace == "" {
		return nil
	}
	own, all := portsOf(launch.Definition), []tasks.Upstream(nil)
	for _, endpoint := range c.mesh.Known(namespace) {
		switch {
		case "service:"+path.Base(endpoint.Service) == launch.Group:
		case slices.Contains(own, endpoint.Port):
			log.Printf("service connect: task %s of %s cannot call %s, since it listens on port %d itself; see docs/fidelity.md",
				launch.ID, launch.Group, endpoint.Name, endpoint.Port)
		default:
			all = append(all, tasks.Upstream{Name: endpoint.Name, Port: endpoint.Port, Handler: c.mesh.Proxy(endpoint)})
		}
	}
	return all
}

// portsOf are the ports that a task listens on.
func portsOf(definition ecstypes.TaskDefinition) []int {
	var ports []int
	for _, container := range definition.ContainerDefinitions {
		for _, mapping := range container.PortMappings {
			ports = append(ports, int(aws.ToInt32(mapping.ContainerPort)))
		}
	}
	return ports
}

// addresses are those of the tasks of a service that run and are not unhealthy, each with the number that a port has in the
// definition that the task is of: while a release goes out, two may differ.
func (c *containers) addresses(service, port string) []string {
	cluster, group := path.Base(path.Dir(service)), "service:"+path.Base(service)
	var found []string
	for _, k := range c.find(&cluster) {
		status := k.task.Status()
		if aws.ToString(status.Group) == group && aws.ToString(status.LastStatus) == "RUNNING" &&
			aws.ToString(status.DesiredStatus) == "RUNNING" && status.HealthStatus != ecstypes.HealthStatusUnhealthy {
			if number, ok := connect.PortOf(k.task.Definition(), port); ok {
				found = append(found, net.JoinHostPort(status.PrivateIP(), strconv.Itoa(number)))
			}
		}
	}
	return found
}
