// Package tasks runs ECS task definitions for Fargate as real containers of a Docker Engine. What a definition asks for
// is carried out; what this package cannot do makes the task fail with words, and is never left out silently.
//
// Each task has a pause container that owns its network namespace, as ECS's awsvpc mode has, and one address on a
// bridge network. In that namespace, and nowhere else, 169.254.170.2 answers as Fargate does: see endpoint.go.
package tasks

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Labels of all that this package makes in the Docker Engine.
const (
	LabelCloud = "slipway.cloud" // Options.Cloud
	LabelOwner = "slipway.owner" // Options.Owner
	LabelTask  = "slipway.task"  // ARN of the task, on its containers

	labelSockets = "slipway.sockets" // of the pause container: the runner's folder of sockets
)

const (
	socketsPrefix = "slipway-tasks-"
	maxPulls      = 2               // at one time
	engineTimeout = 2 * time.Minute // of a call to the Docker Engine that does not wait for a container
)

// Options are what New needs. All are required but DiskFull.
type Options struct {
	Docker         *client.Client
	Cloud          string // id of this life of the embedded cloud
	Owner          string // the cloud's folder; what a killed cloud leaves is found by it, see Sweep
	Network        string // name of the bridge network of tasks; made where it is not there
	Pause          string // image of the pause container, see tools.Cache.PauseImage
	SecretsManager *secretsmanager.Client
	Logs           *cloudwatchlogs.Client
	Registry       func() registry.AuthConfig // credentials; sent to the registry at their ServerAddress alone
	API            string                     // HOST:PORT of AWS's API on loopback, for AWS_ENDPOINT_URL of tasks
	DiskFull       func() bool                // fault: pulls find the node's disk full
}

// Runner runs tasks on one Docker Engine. Its methods may be called from any goroutine.
type Runner struct {
	opts    Options
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	group   sync.WaitGroup // tasks and the watch for events
	subnet  netip.Prefix
	gateway netip.Addr
	sockets string
	cpus    int // of the machine
	pulls   chan struct{}

	mu         sync.Mutex
	closed     bool
	tasks      map[*Task]struct{}        // not STOPPED
	containers map[string]*taskContainer // by the Docker Engine's id
}

// New makes a runner. It makes sure of the network and of a folder for sockets; ctx bounds that alone. Errors name the
// step.
func New(ctx context.Context, opts Options) (*Runner, error) {
	found, err := EnsureNetwork(ctx, opts.Docker, opts.Network, labels(opts.Cloud, opts.Owner))
	if err != nil {
		return nil, err
	}
	info, err := opts.Docker.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the Docker Engine for the machine's size: %w", err)
	}
	r := &Runner{
		opts: opts, cpus: info.NCPU, pulls: make(chan struct{}, maxPulls),
		tasks: map[*Task]struct{}{}, containers: map[string]*taskContainer{},
	}
	if r.subnet, r.gateway, err = addressesOf(found); err != nil {
		return nil, err
	}
	if r.sockets, err = os.MkdirTemp("", socketsPrefix); err != nil {
		return nil, fmt.Errorf("make a folder for sockets: %w", err)
	}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.group.Go(r.watch)
	return r, nil
}

// Start starts a task and returns at once. The task goes on by itself until it is STOPPED; that of a closed runner is
// so at once. What is wrong with a task is in its Status.
func (r *Runner) Start(spec Spec) *Task {
	t := newTask(r, spec)
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.tasks[t] = struct{}{}
		r.group.Go(t.run)
	}
	r.mu.Unlock()
	if closed {
		t.kill(errClosed)
		t.ended()
	}
	return t
}

// Close kills all tasks at once, waits until they are STOPPED and removed, and removes the network unless others are
// attached to it. When ctx ends first, what is left can be removed by Sweep.
func (r *Runner) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	all := slices.Collect(maps.Keys(r.tasks))
	r.mu.Unlock()
	ended := make(chan struct{})
	for _, t := range all {
		t.kill(errClosed)
	}
	go func() {
		defer close(ended)
		for _, t := range all {
			<-t.done
		}
		r.cancel() // the watch ends last: tasks need it to see their containers end
		r.group.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("wait for tasks to stop: %w; sweep what is left", ctx.Err())
	}
	if err := r.opts.Docker.NetworkRemove(ctx, r.opts.Network); err != nil && !errdefs.IsNotFound(err) && !inUse(err) {
		return fmt.Errorf("remove the network %s: %w", r.opts.Network, err)
	}
	return wrap(os.RemoveAll(r.sockets), "remove the folder of sockets")
}

// Sweep removes every container, volume and network with the label of the owner, and the sockets of its runners. It is
// for what a killed cloud has left: tasks of a living one would be lost.
func Sweep(ctx context.Context, docker *client.Client, owner string) error {
	mine := filters.NewArgs(filters.Arg("label", LabelOwner+"="+owner))
	containers, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	if err != nil {
		return fmt.Errorf("list the containers of %s: %w", owner, err)
	}
	var problems []error
	note := func(err error) {
		if err != nil && !errdefs.IsNotFound(err) {
			problems = append(problems, err)
		}
	}
	for _, one := range containers {
		note(removed(ctx, docker, one.ID))
		// The label is checked: whoever may talk to the engine may write any path into it.
		if dir := one.Labels[labelSockets]; filepath.Dir(dir) == filepath.Clean(os.TempDir()) &&
			strings.HasPrefix(filepath.Base(dir), socketsPrefix) {
			note(os.RemoveAll(dir))
		}
	}
	volumes, err := docker.VolumeList(ctx, volume.ListOptions{Filters: mine})
	note(err)
	for _, one := range volumes.Volumes {
		note(docker.VolumeRemove(ctx, one.Name, true))
	}
	networks, err := docker.NetworkList(ctx, network.ListOptions{Filters: mine})
	note(err)
	for _, one := range networks {
		note(docker.NetworkRemove(ctx, one.ID))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("remove what %s has left in the Docker Engine: %w", owner, err)
	}
	return nil
}

// removed removes a container and its anonymous volumes, and returns when it is gone: where somebody else removes it at
// this moment, as the dying cloud's own clean-up may, it waits for them, since networks and volumes are free only then.
func removed(ctx context.Context, docker *client.Client, id string) error {
	err := docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if !errdefs.IsConflict(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	gone, failed := docker.ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-gone:
		return nil
	case err := <-failed:
		return err
	}
}

// watch looks at a container whenever the Docker Engine tells that it ended or that its health changed, until Close.
func (r *Runner) watch() {
	for r.ctx.Err() == nil {
		stream, failed := r.opts.Docker.Events(r.ctx, events.ListOptions{
			Since: fmt.Sprint(time.Now().Add(-time.Second).Unix()), // what happens while this call is under way
			Filters: filters.NewArgs(
				filters.Arg(
					"type",
					string(events.ContainerEventType),
				),
				filters.Arg("label", LabelCloud+"="+r.opts.Cloud),
				filters.Arg("event", "die"),
				filters.Arg("event", "destroy"),
				filters.Arg("event", "health_status"),
			),
		})
		for _, c := range r.watched() { // of which events may have been missed
			c.refresh(r.ctx)
		}
		for listening := true; listening; {
			select {
			case event := <-stream:
				r.mu.Lock()
				c := r.containers[event.Actor.ID]
				r.mu.Unlock()
				if c != nil {
					c.refresh(r.ctx)
				}
			case err := <-failed:
				if listening = false; r.ctx.Err() == nil {
					log.Printf("tasks: the Docker Engine's events ended: %v; asking again", err)
					pauseFor(r.ctx, time.Second)
				}
			}
		}
	}
}

func (r *Runner) watched() []*taskContainer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.containers))
}

func labels(cloud, owner string) map[string]string {
	return map[string]string{LabelCloud: cloud, LabelOwner: owner}
}

func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
