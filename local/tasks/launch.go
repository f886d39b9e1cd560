package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// launch takes the task up to RUNNING.
func (t *Task) launch(ctx context.Context) error {
	if err := check(t.spec.Definition); err != nil {
		return fmt.Errorf("ResourceInitializationError: %w", err)
	}
	var err error
	if t.endpoint, err = t.listen(); err == nil {
		err = t.provision(ctx)
	}
	if err != nil {
		return fmt.Errorf("ResourceInitializationError: failed to set up the task's network: %w", err)
	}
	t.to(statusPending)
	secrets, err := t.secrets(ctx)
	if err != nil {
		return err
	}
	for _, c := range t.containers {
		if c.logs, err = t.validateLogger(ctx, c.definition); err != nil {
			return err
		}
	}
	if err := t.pullAll(ctx); err != nil {
		return err
	}
	if err := t.makeVolumes(ctx); err != nil {
		return err
	}
	if err := t.startAll(ctx, secrets); err != nil {
		return err
	}
	t.to(statusActivating)
	if t.spec.Activate != nil {
		t.activated = true
		if err := t.spec.Activate(ctx, t.ip.String()); err != nil {
			return fmt.Errorf("ResourceInitializationError: failed to register the task with its load balancer: %w", err)
		}
	}
	t.changeIf(func() bool {
		if t.stoppingAt != nil {
			return false
		}
		t.status, t.startedAt = statusRunning, now()
		return true
	})
	return nil
}

func (t *Task) pullAll(ctx context.Context) error {
	t.change(func() { t.pullStarted = now() })
	type pulled struct{ id, digest string }
	images := map[string]pulled{}
	for _, c := range t.containers {
		name := aws.ToString(c.definition.Image)
		if _, ok := images[name]; !ok {
			id, digest, err := t.runner.pull(ctx, name)
			if err != nil {
				if ctx.Err() == nil {
					t.change(func() { c.reason = err.Error() })
				}
				return err
			}
			images[name] = pulled{id, digest}
		}
		t.change(func() { c.imageID, c.digest = images[name].id, images[name].digest })
	}
	t.change(func() { t.pullStopped = now() })
	return nil
}

func (t *Task) makeVolumes(ctx context.Context) error {
	for _, v := range t.spec.Definition.Volumes {
		made, err := t.runner.opts.Docker.VolumeCreate(ctx, volume.CreateOptions{Labels: t.labels("")})
		if err != nil {
			return fmt.Errorf("ResourceInitializationError: failed to make the volume %s: %w", aws.ToString(v.Name), err)
		}
		t.volumes[aws.ToString(v.Name)] = made.Name
	}
	return nil
}

// startAll starts every container as soon as what it depends on lets it. It returns once all have started or never
// will; an error means that an essential one will not.
func (t *Task) startAll(ctx context.Context, secrets map[string]string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range t.containers {
		group.Go(func() error {
			err := c.awaitDependencies(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// The agent says of both that the container cannot start; a task that waited for another has no reason of
			// its own.
			reason := failedToStart
			if err != nil {
				c.neverRan("CannotStartContainerError: "+err.Error(), aws.Int32(notStartedExitCode))
			} else if err = c.start(ctx, secrets); err != nil {
				reason = err.Error()
				c.neverRan(reason, nil)
			}
			if err == nil || !essential(c.definition) {
				return nil
			}
			return errors.New(reason)
		})
	}
	return group.Wait()
}
