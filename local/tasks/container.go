package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
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

// start makes the container and starts it. It is not interrupted by the task's stop, so that what it leaves is known.
func (c *taskContainer) start(ctx context.Context, secrets map[string]string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineTimeout)
	defer cancel()
	docker := c.task.runner.opts.Docker
	made, err := docker.ContainerCreate(ctx, c.config(secrets), c.hostConfig(), nil, nil, c.task.containerName(c.name()))
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
