package tasks

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/containerd/errdefs"
)

const (
	essentialExited = "Essential container in task exited"
	failedToStart   = "Task failed to start"
)

// Stop asks the task to stop, and returns at once. Of all reasons the first one stays.
func (t *Task) Stop(code ecstypes.TaskStopCode, reason string) {
	t.changeIf(func() bool { return t.stop(code, reason) })
}

// stop is Stop for callers that hold the mutex.
func (t *Task) stop(code ecstypes.TaskStopCode, reason string) bool {
	if t.stoppingAt != nil {
		return false
	}
	t.stopCode, t.reason, t.stoppingAt = code, reason, now()
	t.stopStarting()
	return true
}

// Lose is the fault of a dying node: all containers of the task are killed at once. Nobody sees how they end, so they
// have no exit code. The stop code and reason are those of a task on an EC2 instance that was lost (Amazon ECS
// developer guide, "Amazon ECS stopped tasks error messages"); AWS documents none for Fargate. The instance is made up.
func (t *Task) Lose() {
	t.changeIf(func() bool {
		t.lost = true
		return t.stop(ecstypes.TaskStopCodeTerminationNotice, fmt.Sprintf("Host EC2 (instance i-%.17s) terminated.", t.spec.ID))
	})
	t.killNow()
}

// errClosed is why a runner that closes kills its tasks.
var errClosed = errors.New("the embedded cloud has stopped")

func (t *Task) kill(reason error) {
	t.Stop(ecstypes.TaskStopCodeTerminationNotice, reason.Error())
	t.killNow()
}

// ended takes the task to STOPPED.
func (t *Task) ended() {
	t.runner.mu.Lock()
	delete(t.runner.tasks, t)
	t.runner.mu.Unlock()
	t.change(func() {
		t.status, t.stoppedAt = statusStopped, now()
		for _, c := range t.containers {
			c.status = statusStopped
		}
	})
	close(t.done)
}

// deactivate takes the task to where none of its containers runs.
func (t *Task) deactivate(ctx context.Context) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.killed, cancel)()
	var deregistration sync.WaitGroup
	if t.activated && t.spec.Deactivate != nil {
		t.mu.Lock()
		graceful := t.stopCode != ecstypes.TaskStopCodeEssentialContainerExited && t.killed.Err() == nil
		t.mu.Unlock()
		if graceful {
			t.to(statusDeactivating)
			t.spec.Deactivate(waiting)
		} else { // there is nothing left that could end its requests
			deregistration.Go(func() { t.spec.Deactivate(waiting) })
		}
	}
	t.to(statusStopping)
	var stops sync.WaitGroup
	for _, c := range t.containers {
		stops.Go(func() { c.stop(ctx) })
	}
	stops.Wait()
	cancel()
	deregistration.Wait()
}

// deprovision removes all that was made for the task.
func (t *Task) deprovision(ctx context.Context) {
	patience, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	for _, c := range t.containers {
		if c.id == "" {
			continue
		}
		t.mu.Lock()
		ran := c.startedAt != nil
		t.mu.Unlock()
		if !ran { // only its removal ends what reads its output
			t.runner.remove(ctx, c.id)
		}
		if c.published != nil {
			select {
			case <-c.published:
			case <-patience.Done():
				log.Printf("tasks: the last lines of %s of task %s may be lost: CloudWatch Logs does not answer", c.name(), t.spec.ID)
			}
		}
		t.runner.remove(ctx, c.id)
	}
	if t.pause != "" {
		t.runner.remove(ctx, t.pause)
	}
	for _, name := range t.volumes {
		if err := t.runner.opts.Docker.VolumeRemove(ctx, name, true); err != nil && !errdefs.IsNotFound(err) {
			tell("remove a volume", err)
		}
	}
	if t.endpoint != nil {
		if err := t.endpoint.close(); err != nil {
			tell("close a task's sockets", err)
		}
	}
}

// containerChanged draws the conclusions from a container's new state.
func (t *Task) containerChanged(c *taskContainer) {
	t.changeIf(func() bool {
		if c.status != statusStopped || !essential(c.definition) {
			return false
		}
		t.executed = now()
		return t.stop(ecstypes.TaskStopCodeEssentialContainerExited, essentialExited)
	})
}
