package tasks

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// The answers' form is that of "Amazon ECS task metadata v4 JSON response for tasks on Fargate"; field for field what
// aws/amazon-ecs-agent writes (ecs-agent/tmds/handlers/v4/state/response.go).
type (
	taskMetadata struct {
		Cluster, TaskARN, Family, Revision, DesiredStatus, KnownStatus string

		Limits           limits
		PullStartedAt    *time.Time `json:",omitempty"`
		PullStoppedAt    *time.Time `json:",omitempty"`
		AvailabilityZone string
		LaunchType       string
		Containers       []containerMetadata
	}
	containerMetadata struct {
		DockerID   string `json:"DockerId"`
		Name       string
		DockerName string
		Image      string
		ImageID    string
		Labels     map[string]string

		DesiredStatus, KnownStatus string

		ExitCode     *int32 `json:",omitempty"`
		Limits       limits
		CreatedAt    *time.Time      `json:",omitempty"`
		StartedAt    *time.Time      `json:",omitempty"`
		FinishedAt   *time.Time      `json:",omitempty"`
		Health       *healthMetadata `json:",omitempty"`
		Type         string
		LogDriver    string            `json:",omitempty"`
		LogOptions   map[string]string `json:",omitempty"`
		ContainerARN string
		Networks     []networkMetadata
	}
	healthMetadata struct {
		Status string `json:"status"`
	}
	limits struct {
		CPU    float64 // of a task in vCPUs, of a container in units
		Memory int     // MiB
	}
	networkMetadata struct {
		NetworkMode              string
		IPv4Addresses            []netip.Addr
		AttachmentIndex          int
		MACAddress               string
		IPv4SubnetCIDRBlock      string
		PrivateDNSName           string
		SubnetGatewayIPv4Address string `json:"SubnetGatewayIpv4Address"`
	}
)

func (t *Task) metadata() taskMetadata {
	units, _ := strconv.ParseFloat(aws.ToString(t.spec.Definition.Cpu), 64)
	memory, _ := strconv.Atoi(aws.ToString(t.spec.Definition.Memory))
	t.mu.Lock()
	m := taskMetadata{
		Cluster: t.spec.Cluster, TaskARN: t.spec.ARN, Family: aws.ToString(t.spec.Definition.Family),
		Revision:      strconv.Itoa(int(t.spec.Definition.Revision)),
		DesiredStatus: t.desired(), KnownStatus: t.status,
		Limits:        limits{CPU: units / unitsPerCPU, Memory: memory},
		PullStartedAt: t.pullStarted, PullStoppedAt: t.pullStopped,
		AvailabilityZone: availabilityZone, LaunchType: "FARGATE",
	}
	t.mu.Unlock()
	for _, c := range t.containers {
		m.Containers = append(m.Containers, t.metadataOf(c))
	}
	return m
}

func (t *Task) metadataOf(c *taskContainer) containerMetadata {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := c.definition
	m := containerMetadata{
		DockerID: c.runtimeID, Name: aws.ToString(d.Name), DockerName: t.containerName(aws.ToString(d.Name)),
		Image: aws.ToString(d.Image), ImageID: c.imageID, Labels: t.ecsLabels(aws.ToString(d.Name)),
		DesiredStatus: t.desired(), KnownStatus: c.status, ExitCode: c.exitCode,
		Limits: limits{
			CPU:    float64(d.Cpu),
			Memory: int(aws.ToInt32(d.Memory)),
		}, CreatedAt: c.createdAt, StartedAt: c.startedAt,
		FinishedAt: c.finishedAt, Type: "NORMAL", ContainerARN: c.arn,
		Networks: []networkMetadata{{
			NetworkMode: "awsvpc", IPv4Addresses: []netip.Addr{t.ip}, MACAddress: t.mac,
			IPv4SubnetCIDRBlock: t.runner.subnet.String(), PrivateDNSName: hostname(t.ip),
			SubnetGatewayIPv4Address: netip.PrefixFrom(t.runner.gateway, t.runner.subnet.Bits()).String(),
		}},
	}
	if d.HealthCheck != nil {
		m.Health = &healthMetadata{Status: string(c.health)}
	}
	if d.LogConfiguration != nil {
		m.LogDriver, m.LogOptions = string(d.LogConfiguration.LogDriver), d.LogConfiguration.Options
	}
	return m
}

// stats are what the Docker Engine says of a container now; nothing of one that does not run.
func (c *taskContainer) stats(ctx context.Context) (json.RawMessage, error) {
	c.task.mu.Lock()
	id, running := c.id, c.status == statusRunning
	c.task.mu.Unlock()
	if !running {
		return json.RawMessage("null"), nil
	}
	found, err := c.task.runner.opts.Docker.ContainerStatsOneShot(ctx, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Body.Close() }()
	return io.ReadAll(found.Body)
}
