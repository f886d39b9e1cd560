package tasks

import (
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Limits and defaults of Fargate (ECS API reference, "ContainerDefinition" and "HealthCheck"; Amazon ECS developer
// guide, "Amazon ECS task definition parameters for Fargate").
const (
	defaultStopTimeout = 30  // seconds
	maxStopTimeout     = 120 // seconds
	unitsPerCPU        = 1024
	minCPUShares       = 2 // the kernel's least, which the ECS agent uses where cpu is not set

	healthInterval = 30 // seconds
	healthTimeout  = 5  // seconds
	healthRetries  = 3
)

// config is what the definition asks for of the process.
func (c *taskContainer) config(secrets map[string]string) *container.Config {
	d := c.definition
	config := &container.Config{
		Image: c.imageID, Cmd: d.Command, Entrypoint: d.EntryPoint, WorkingDir: aws.ToString(d.WorkingDirectory),
		User: aws.ToString(d.User), Env: c.environment(secrets), Labels: c.task.labels(c.name()),
		// A health check of the image's is not ECS's to run (Amazon ECS developer guide, "Determine Amazon ECS task
		// health using container health checks").
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	for name, value := range d.DockerLabels {
		if _, ours := config.Labels[name]; !ours {
			config.Labels[name] = value
		}
	}
	if h := d.HealthCheck; h != nil {
		seconds := func(declared *int32, otherwise int) time.Duration {
			if declared != nil {
				otherwise = int(*declared)
			}
			return time.Duration(otherwise) * time.Second
		}
		config.Healthcheck = &container.HealthConfig{
			Test: h.Command, Interval: seconds(h.Interval, healthInterval), Timeout: seconds(h.Timeout, healthTimeout),
			StartPeriod: seconds(h.StartPeriod, 0), Retries: healthRetries,
		}
		if h.Retries != nil {
			config.Healthcheck.Retries = int(*h.Retries)
		}
	}
	return config
}

// environment is what Fargate gives to a container (Amazon ECS developer guide, "Amazon ECS environment variables"),
// and AWS_ENDPOINT_URL, which takes the AWS SDKs to the emulator. What the definition declares wins.
func (c *taskContainer) environment(secrets map[string]string) []string {
	values := map[string]string{
		"ECS_CONTAINER_METADATA_URI":    linkLocal + "/v3/" + c.runtimeID,
		"ECS_CONTAINER_METADATA_URI_V4": linkLocal + "/v4/" + c.runtimeID,
		"AWS_EXECUTION_ENV":             "AWS_ECS_FARGATE",
		"AWS_REGION":                    region,
		"AWS_DEFAULT_REGION":            region,
		"AWS_ENDPOINT_URL":              linkLocal + ":4566",
	}
	if c.task.spec.Definition.TaskRoleArn != nil {
		values["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/" + c.task.credentialsID
	}
	for _, v := range c.definition.Environment {
		values[aws.ToString(v.Name)] = aws.ToString(v.Value)
	}
	for _, s := range c.definition.Secrets {
		values[aws.ToString(s.Name)] = secrets[aws.ToString(s.ValueFrom)]
	}
	list := make([]string, 0, len(values))
	for name, value := range values {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// hostConfig is what the definition asks for of the machine. The task's cpu and memory bound each container, not all of
// them together: the Docker Engine has no group of containers.
func (c *taskContainer) hostConfig() *container.HostConfig {
	d, definition := c.definition, c.task.spec.Definition
	units, _ := strconv.ParseInt(aws.ToString(definition.Cpu), 10, 64)     // checked
	memory, _ := strconv.ParseInt(aws.ToString(definition.Memory), 10, 64) // checked
	if d.Memory != nil {
		memory = min(memory, int64(*d.Memory))
	}
	host := &container.HostConfig{
		NetworkMode:    container.NetworkMode("container:" + c.task.pause),
		LogConfig:      container.LogConfig{Type: "none"},
		ReadonlyRootfs: aws.ToBool(d.ReadonlyRootFilesystem),
		Init:           aws.Bool(d.LinuxParameters != nil && aws.ToBool(d.LinuxParameters.InitProcessEnabled)),
		Resources: container.Resources{
			Memory: memory << 20, MemorySwap: memory << 20, // Fargate has no swap
			MemoryReservation: int64(aws.ToInt32(d.MemoryReservation)) << 20,
			NanoCPUs:          min(units*1e9/unitsPerCPU, int64(c.task.runner.cpus)*1e9), // the engine refuses more than there are
			CPUShares:         max(int64(d.Cpu), minCPUShares),
		},
	}
	if p := d.LinuxParameters; p != nil && p.Capabilities != nil {
		host.CapAdd, host.CapDrop = p.Capabilities.Add, p.Capabilities.Drop
	}
	for _, u := range d.Ulimits {
		host.Ulimits = append(host.Ulimits, &container.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	for _, m := range d.MountPoints {
		host.Mounts = append(host.Mounts, mount.Mount{
			Type: mount.TypeVolume, Source: c.task.volumes[aws.ToString(m.SourceVolume)],
			Target:   aws.ToString(m.ContainerPath),
			ReadOnly: aws.ToBool(m.ReadOnly),
		})
	}
	return host
}
