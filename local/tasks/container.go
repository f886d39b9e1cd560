package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/registry"
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

const (
	logsTimeout = 20 * time.Second // how long a task waits for the logs of its ended containers to be published
	// notStartedExitCode is what the ECS agent reports of a container whose dependency failed
	// (agent/engine/task_manager.go).
	notStartedExitCode = 143
)

// taskContainer is a container of a task. The fields below id are guarded by the task's mutex.
type taskContainer struct {
	task       *Task
	definition ecstypes.ContainerDefinition
	runtimeID  string // as Fargate's: the task's id and a number
	arn        string
	logs       *logStream
	published  <-chan struct{} // closed once the logs of the ended container are published

	id         string // the Docker Engine's; empty until it is made
	imageID    string
	digest     string
	status     string // PENDING, RUNNING or STOPPED
	health     ecstypes.HealthStatus
	exitCode   *int32
	reason     string
	createdAt  *time.Time
	startedAt  *time.Time
	finishedAt *time.Time
}

func (c *taskContainer) name() string { return aws.ToString(c.definition.Name) }

// String names a container and its state as the ECS agent does in messages (agent/api/container/container.go).
func (c *taskContainer) String() string {
	known, desired, exit := c.status, statusRunning, ""
	if c.id == "" && known == statusPending {
		known = "NONE"
	}
	if c.exitCode != nil {
		exit = fmt.Sprintf(" - Exit: %d", *c.exitCode)
	}
	return fmt.Sprintf("%s(%s) (%s->%s)%s", c.name(), aws.ToString(c.definition.Image), known, desired, exit)
}

// dependencies tells whether the container may start. An error says that it never may; otherwise recheck is when a
// dependency times out, if ever. Rules and words: aws/amazon-ecs-agent, agent/engine/dependencygraph/graph.go. The
// caller holds the task's mutex.
func (c *taskContainer) dependencies() (resolved bool, recheck time.Time, err error) {
	resolved = true
	for _, d := range c.definition.DependsOn {
		on := c.task.byName(aws.ToString(d.ContainerName))
		if c.satisfied(on, d.Condition) {
			continue
		}
		resolved = false
		failed := func(form string) error {
			return fmt.Errorf("dependency graph: "+form, "["+on.String()+"]", "["+c.String()+"]")
		}
		if on.status != statusStopped {
			timeout := aws.ToInt32(on.definition.StartTimeout)
			if timeout <= 0 || on.startedAt == nil { // START has no timeout: it is met with startedAt
				continue
			}
			due := on.startedAt.Add(time.Duration(timeout) * time.Second)
			if !time.Now().Before(due) {
				return false, due, failed("container ordering dependency %s for target %s has timed out.")
			}
			if recheck.IsZero() || due.Before(recheck) {
				recheck = due
			}
			continue
		}
		cannot := "failed to resolve container ordering dependency %s for target %s "
		switch {
		case on.startedAt == nil:
			return false, recheck, failed(cannot + "because dependency will never start")
		case d.Condition == ecstypes.ContainerConditionSuccess:
			return false, recheck, failed(cannot + "as dependency did not exit successfully.")
		default: // it ended, and was not or is not healthy
			return false, recheck, failed("failed to resolve the container ordering dependency %s for target %s")
		}
	}
	return resolved, recheck, nil
}

func (*taskContainer) satisfied(on *taskContainer, condition ecstypes.ContainerCondition) bool {
	switch condition {
	case ecstypes.ContainerConditionStart:
		return on.startedAt != nil
	case ecstypes.ContainerConditionComplete:
		return on.status == statusStopped && on.exitCode != nil
	case ecstypes.ContainerConditionSuccess:
		return on.status == statusStopped && on.exitCode != nil && *on.exitCode == 0
	default:
		return on.status == statusRunning && on.health == ecstypes.HealthStatusHealthy
	}
}

// awaitDependencies returns once the container may start, or why it never may.
func (c *taskContainer) awaitDependencies(ctx context.Context) error {
	for {
		c.task.mu.Lock()
		resolved, recheck, err := c.dependencies()
		changed := c.task.changed
		c.task.mu.Unlock()
		if err != nil || resolved {
			return err
		}
		var timeout <-chan time.Time
		if !recheck.IsZero() {
			timer := time.NewTimer(time.Until(recheck))
			defer timer.Stop() // few: each means that a container changed
			timeout = timer.C
		}
		select {
		case <-changed:
		case <-timeout:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start makes the container and starts it. It is not interrupted by the task's stop, so that what it leaves is known.
func (c *taskContainer) start(ctx context.Context, secrets map[string]string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineTimeout)
	defer cancel()
	docker := c.task.runner.opts.Docker
	made, err := docker.ContainerCreate(
		ctx,
		c.config(secrets),
		c.hostConfig(),
		nil,
		nil,
		c.task.containerName(c.name()),
	)
	if err != nil {
		return fmt.Errorf("CannotCreateContainerError: %w", err)
	}
	c.task.change(func() { c.id, c.createdAt = made.ID, now() })
	r := c.task.runner
	r.mu.Lock()
	r.containers[made.ID] = c
	r.mu.Unlock()
	if c.logs != nil {
		if c.published, err = c.logs.follow(r.ctx, c); err != nil {
			return fmt.Errorf("CannotStartContainerError: failed to initialize logging driver: %w", err)
		}
	}
	if err := docker.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return fmt.Errorf("CannotStartContainerError: %w", err)
	}
	c.refresh(ctx)
	return nil
}

// neverRan notes why a container was not started.
func (c *taskContainer) neverRan(reason string, exitCode *int32) {
	c.task.change(func() { c.status, c.reason, c.exitCode, c.finishedAt = statusStopped, reason, exitCode, now() })
}

// refresh asks the Docker Engine for the container's state and takes it over. STOPPED is final.
func (c *taskContainer) refresh(ctx context.Context) {
	found, err := c.task.runner.opts.Docker.ContainerInspect(ctx, c.id)
	if err != nil && !errdefs.IsNotFound(err) {
		return // asked again at the next event, and when the stream of events is back
	}
	changed := false
	c.task.changeIf(func() bool {
		if c.status == statusStopped {
			return false
		}
		if err != nil { // somebody removed it
			c.status, c.reason, c.finishedAt = statusStopped, "CannotInspectContainerError: "+err.Error(), now()
			changed = true
			return true
		}
		changed = c.take(found.State)
		return changed
	})
	if changed {
		c.task.containerChanged(c)
	}
}

// take takes over what the Docker Engine says. The caller holds the task's mutex.
func (c *taskContainer) take(state *container.State) bool {
	before, healthBefore := c.status, c.health
	if started, err := time.Parse(time.RFC3339Nano, state.StartedAt); err == nil && !started.IsZero() {
		c.startedAt = &started
	}
	if state.Health != nil {
		switch state.Health.Status {
		case container.Healthy:
			c.health = ecstypes.HealthStatusHealthy
		case container.Unhealthy:
			c.health = ecstypes.HealthStatusUnhealthy
		}
	}
	switch {
	case state.Running || state.Paused || state.Restarting:
		c.status = statusRunning
	case state.Status == container.StateExited || state.Status == container.StateDead:
		c.status, c.finishedAt = statusStopped, now()
		if finished, err := time.Parse(time.RFC3339Nano, state.FinishedAt); err == nil && !finished.IsZero() {
			c.finishedAt = &finished
		}
		if !c.task.lost { // nobody has seen how it ended
			c.exitCode = aws.Int32(int32(state.ExitCode)) //nolint:gosec // a byte
		}
		if state.OOMKilled {
			c.reason = "OutOfMemoryError: Container killed due to memory usage"
		}
	}
	return c.status != before || c.health != healthBefore
}

// stop ends the container after all that depend on it: the image's signal of stopping, and SIGKILL after stopTimeout.
// Where the task is killed it is SIGKILL at once, in no order.
func (c *taskContainer) stop(ctx context.Context) {
	c.task.await(c.task.killed, func() bool {
		return !slices.ContainsFunc(c.task.containers, func(other *taskContainer) bool {
			return other.id != "" && other.status != statusStopped && other.dependsOn(c)
		})
	})
	c.task.mu.Lock()
	id, status := c.id, c.status
	c.task.mu.Unlock()
	if id == "" || status == statusStopped {
		return
	}
	timeout := defaultStopTimeout
	if c.definition.StopTimeout != nil {
		timeout = int(*c.definition.StopTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(timeout)*time.Second+engineTimeout)
	defer cancel()
	docker := c.task.runner.opts.Docker
	kill := func() error { return docker.ContainerKill(ctx, id, "SIGKILL") }
	var err error
	if c.task.killed.Err() != nil {
		err = kill()
	} else {
		defer context.AfterFunc(c.task.killed, func() { _ = kill() })() // lets the call below return
		err = docker.ContainerStop(ctx, id, container.StopOptions{Timeout: &timeout})
	}
	c.refresh(ctx)
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) { // neither of what has ended by itself
		c.task.change(func() { c.reason = "CannotStopContainerError: " + err.Error() })
		return
	}
	c.task.await(ctx, func() bool { return c.status == statusStopped })
}

func (c *taskContainer) dependsOn(other *taskContainer) bool {
	return slices.ContainsFunc(c.definition.DependsOn, func(d ecstypes.ContainerDependency) bool {
		return aws.ToString(d.ContainerName) == other.name()
	})
}

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
			NanoCPUs: min(
				units*1e9/unitsPerCPU,
				int64(c.task.runner.cpus)*1e9,
			), // the engine refuses more than there are
			CPUShares: max(int64(d.Cpu), minCPUShares),
		},
	}
	if p := d.LinuxParameters; p != nil && p.Capabilities != nil {
		host.CapAdd, host.CapDrop = p.Capabilities.Add, p.Capabilities.Drop
	}
	for _, u := range d.Ulimits {
		host.Ulimits = append(
			host.Ulimits,
			&container.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)},
		)
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

// pull pulls an image from its registry, as Fargate does for each task, and returns the engine's id of it and its
// digest. The name is resolved by the registry first: of a digest that the engine has, it would not ask whether it may
// be pulled.
func (r *Runner) pull(ctx context.Context, name string) (id, digest string, err error) {
	unresolved := func(err error) error {
		return fmt.Errorf(
			"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref %s: %w",
			name,
			err,
		)
	}
	uncopied := func(err error) error {
		return fmt.Errorf(
			"CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy %s: %w",
			name,
			err,
		)
	}
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return "", "", unresolved(err)
	}
	select {
	case r.pulls <- struct{}{}:
		defer func() { <-r.pulls }()
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
	var options image.PullOptions
	if auth := r.opts.Registry(); hostOf(auth.ServerAddress) == reference.Domain(named) {
		if options.RegistryAuth, err = registry.EncodeAuthConfig(auth); err != nil {
			return "", "", unresolved(err)
		}
	}
	resolved, err := r.opts.Docker.DistributionInspect(ctx, named.String(), options.RegistryAuth)
	if err != nil {
		return "", "", unresolved(err)
	}
	if r.opts.DiskFull != nil && r.opts.DiskFull() {
		return "", "", uncopied(errors.New("no space left on device"))
	}
	exact, err := reference.WithDigest(reference.TrimNamed(named), resolved.Descriptor.Digest)
	if err != nil {
		return "", "", unresolved(err)
	}
	progress, err := r.opts.Docker.ImagePull(ctx, exact.String(), options)
	if err != nil {
		return "", "", uncopied(err)
	}
	defer func() { _ = progress.Close() }()
	for messages := json.NewDecoder(progress); ; {
		var message struct {
			Error string `json:"error"`
		}
		if err := messages.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", "", uncopied(err)
		}
		if message.Error != "" {
			return "", "", uncopied(errors.New(message.Error))
		}
	}
	found, err := r.opts.Docker.ImageInspect(ctx, exact.String())
	if err != nil {
		return "", "", uncopied(err)
	}
	return found.ID, exact.Digest().String(), nil
}

// hostOf is the host and port of an address that may be written as a URL.
func hostOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	host, _, _ := strings.Cut(address, "/")
	return host
}

// remove removes a container and its anonymous volumes, running or not.
func (r *Runner) remove(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	err := r.opts.Docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) { // somebody else is at it
		tell("remove a container", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.containers, id)
}
