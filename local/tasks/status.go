package tasks

import (
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// The states of a task (Amazon ECS developer guide, "Amazon ECS task lifecycle") and, of them, those of a container.
const (
	statusProvisioning   = "PROVISIONING"
	statusPending        = "PENDING"
	statusActivating     = "ACTIVATING"
	statusRunning        = "RUNNING"
	statusDeactivating   = "DEACTIVATING"
	statusStopping       = "STOPPING"
	statusDeprovisioning = "DEPROVISIONING"
	statusStopped        = "STOPPED"
)

// Status is a task as DescribeTasks answers it.
type Status struct{ ecstypes.Task }

// PrivateIP is the task's address on the network, and empty while it has none.
func (s Status) PrivateIP() string {
	for _, attachment := range s.Attachments {
		for _, detail := range attachment.Details {
			if aws.ToString(detail.Name) == "privateIPv4Address" {
				return aws.ToString(detail.Value)
			}
		}
	}
	return ""
}

// Status is the task as it is now. It shares nothing with the task.
func (t *Task) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.spec.Definition
	s := ecstypes.Task{
		TaskArn: aws.String(t.spec.ARN), ClusterArn: aws.String(t.spec.Cluster),
		Group: text(t.spec.Group), StartedBy: text(t.spec.StartedBy),
		TaskDefinitionArn: d.TaskDefinitionArn, Cpu: d.Cpu, Memory: d.Memory, EphemeralStorage: d.EphemeralStorage,
		LaunchType: ecstypes.LaunchTypeFargate, PlatformFamily: aws.String("Linux"),
		PlatformVersion:  aws.String(platformVersion),
		AvailabilityZone: aws.String(availabilityZone), Version: t.version,
		LastStatus: aws.String(t.status), DesiredStatus: aws.String(t.desired()), HealthStatus: t.health(),
		CreatedAt: copyOf(t.createdAt), PullStartedAt: copyOf(t.pullStarted), PullStoppedAt: copyOf(t.pullStopped),
		StartedAt: copyOf(t.startedAt), ExecutionStoppedAt: copyOf(t.executed),
		StoppingAt: copyOf(t.stoppingAt), StoppedAt: copyOf(t.stoppedAt),
		StopCode: t.stopCode, StoppedReason: text(t.reason),
		Attributes: []ecstypes.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String(architecture())}},
		Overrides:  &ecstypes.TaskOverride{},
	}
	if t.connected != nil {
		s.Connectivity, s.ConnectivityAt = ecstypes.ConnectivityConnected, copyOf(t.connected)
	}
	s.Attachments = []ecstypes.Attachment{t.attachment()}
	for _, c := range t.containers {
		s.Overrides.ContainerOverrides = append(s.Overrides.ContainerOverrides, ecstypes.ContainerOverride{Name: c.definition.Name})
		s.Containers = append(s.Containers, t.describe(c))
	}
	return Status{s}
}

// attachment is the task's network interface. The caller holds the mutex.
func (t *Task) attachment() ecstypes.Attachment {
	a := ecstypes.Attachment{
		Id:     aws.String(t.attachmentID),
		Type:   aws.String("ElasticNetworkInterface"),
		Status: aws.String("PRECREATED"),
	}
	if !t.ip.IsValid() {
		return a
	}
	a.Status = aws.String("ATTACHED")
	if t.status == statusStopped {
		a.Status = aws.String("DELETED")
	}
	for _, pair := range [][2]string{
		{"networkInterfaceId", "eni-" + t.spec.ID[:min(17, len(t.spec.ID))]},
		{"macAddress", t.mac},
		{"privateDnsName", hostname(t.ip)},
		{"privateIPv4Address", t.ip.String()},
	} {
		a.Details = append(a.Details, ecstypes.KeyValuePair{Name: aws.String(pair[0]), Value: aws.String(pair[1])})
	}
	return a
}

// describe is a container as DescribeTasks answers it. The caller holds the mutex.
func (t *Task) describe(c *taskContainer) ecstypes.Container {
	d := c.definition
	one := ecstypes.Container{
		ContainerArn: aws.String(c.arn), TaskArn: aws.String(t.spec.ARN),
		Name: d.Name, Image: d.Image, ImageDigest: text(c.digest),
		LastStatus: aws.String(c.status), HealthStatus: c.health, Reason: text(c.reason),
		Cpu:               aws.String(strconv.Itoa(int(d.Cpu))),
		NetworkInterfaces: []ecstypes.NetworkInterface{},
	}
	if c.id != "" {
		one.RuntimeId = aws.String(c.runtimeID)
	}
	if c.exitCode != nil {
		one.ExitCode = aws.Int32(*c.exitCode)
	}
	if d.Memory != nil {
		one.Memory = aws.String(strconv.Itoa(int(*d.Memory)))
	}
	if d.MemoryReservation != nil {
		one.MemoryReservation = aws.String(strconv.Itoa(int(*d.MemoryReservation)))
	}
	if t.ip.IsValid() {
		one.NetworkInterfaces = append(one.NetworkInterfaces, ecstypes.NetworkInterface{
			AttachmentId: aws.String(t.attachmentID), PrivateIpv4Address: aws.String(t.ip.String()),
		})
	}
	return one
}

// health is that of the essential containers that have a health check: UNHEALTHY if one is, HEALTHY if all are (ECS API
// reference, "Task", healthStatus). The caller holds the mutex.
func (t *Task) health() ecstypes.HealthStatus {
	var found []ecstypes.HealthStatus
	for _, c := range t.containers {
		if essential(c.definition) && c.definition.HealthCheck != nil {
			found = append(found, c.health)
		}
	}
	switch {
	case slices.Contains(found, ecstypes.HealthStatusUnhealthy):
		return ecstypes.HealthStatusUnhealthy
	case len(found) == 0 || slices.Contains(found, ecstypes.HealthStatusUnknown):
		return ecstypes.HealthStatusUnknown
	default:
		return ecstypes.HealthStatusHealthy
	}
}

// desired is RUNNING until the task is to stop. The caller holds the mutex.
func (t *Task) desired() string {
	if t.stoppingAt != nil {
		return statusStopped
	}
	return statusRunning
}

func copyOf(when *time.Time) *time.Time {
	if when == nil {
		return nil
	}
	return aws.Time(*when)
}

// text is nil where there is nothing to say, as in the ECS API's answers.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
