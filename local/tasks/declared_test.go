package tasks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/docker/docker/api/types/container"

	"slipway/local/tasks"
)

// checked has a container checked each second, and found unhealthy by its first failure.
func checked(command string, change ...func(*ecstypes.HealthCheck)) func(*ecstypes.ContainerDefinition) {
	return func(c *ecstypes.ContainerDefinition) {
		c.HealthCheck = &ecstypes.HealthCheck{
			Command: []string{"CMD-SHELL", command}, Interval: aws.Int32(1), Retries: aws.Int32(1),
		}
		for _, one := range change {
			one(c.HealthCheck)
		}
	}
}

// inspect is what the Docker Engine knows of a task's container.
func (r *run) inspect(name string) container.InspectResponse {
	r.t.Helper()
	found, err := shared.docker.ContainerInspect(r.t.Context(), "slipway-"+r.id[:12]+"-"+name)
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// TestImageCheck holds that a health check of the image's own is not run.
func TestImageCheck(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	made, err := shared.docker.ContainerCreate(ctx, &container.Config{Image: "slipway-base/python:3", Cmd: []string{"true"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	sick := shared.registry + "/sick:one"
	_, err = shared.docker.ContainerCommit(ctx, made.ID, container.CommitOptions{
		Reference: sick, Changes: []string{"HEALTHCHECK --interval=1s --retries=1 CMD false"},
	})
	if removed := shared.docker.ContainerRemove(ctx, made.ID, container.RemoveOptions{}); err != nil || removed != nil {
		t.Fatal(err, removed)
	}
	image, err := push(ctx, sick, sick)
	if err != nil {
		t.Fatal(err)
	}
	built, err := shared.docker.ImageInspect(ctx, image)
	if err != nil || built.Config.Healthcheck == nil || !slices.Equal(built.Config.Healthcheck.Test, []string{"CMD-SHELL", "false"}) {
		t.Fatalf("the image has no check: %+v, %v", built.Config, err)
	}
	r := f.start(definition(python("app", forever, func(c *ecstypes.ContainerDefinition) { c.Image = &image })))
	status := r.awaitRunning()
	if health := r.inspect("app").State.Health; health != nil || status.Containers[0].HealthStatus != ecstypes.HealthStatusUnknown {
		t.Errorf("the image's check is run: %+v; %s", health, status.Containers[0].HealthStatus)
	}
}

// TestHelperHealth holds that the health of a container that is not essential is not its task's.
func TestHelperHealth(t *testing.T) {
	f := newFixture(t)
	r := f.start(definition(python("app", forever, checked("true")), python("ill", forever, helper, checked("false"))))
	status := r.await("both are checked", func(s tasks.Status) bool {
		return s.Containers[0].HealthStatus == ecstypes.HealthStatusHealthy && s.Containers[1].HealthStatus == ecstypes.HealthStatusUnhealthy
	})
	if status.HealthStatus != ecstypes.HealthStatusHealthy {
		t.Errorf("a task with an unhealthy helper is %s", status.HealthStatus)
	}
}

// TestStartPeriod holds that checks that fail in startPeriod do not count.
func TestStartPeriod(t *testing.T) {
	f := newFixture(t)
	const secondOn = `echo >> /tmp/checks; test $(wc -l < /tmp/checks) -gt 1`
	r := f.start(definition(python("app", forever, checked(secondOn, func(h *ecstypes.HealthCheck) { h.StartPeriod = aws.Int32(50) }))))
	var seen []ecstypes.HealthStatus
	r.await("HEALTHY", func(s tasks.Status) bool {
		if !slices.Contains(seen, s.HealthStatus) {
			seen = append(seen, s.HealthStatus)
		}
		return s.HealthStatus == ecstypes.HealthStatusHealthy
	})
	if want := []ecstypes.HealthStatus{ecstypes.HealthStatusUnknown, ecstypes.HealthStatusHealthy}; !slices.Equal(seen, want) {
		t.Errorf("its health was %s", seen)
	}
}

// TestEntryPoint holds that entryPoint is what runs, and command what it is given.
func TestEntryPoint(t *testing.T) {
	f := newFixture(t)
	r := f.start(definition(python("app", "", func(c *ecstypes.ContainerDefinition) {
		c.EntryPoint, c.Command = []string{"sh", "-c", `echo "$0, $1"`}, []string{"one two", "three"}
	})))
	status := r.end()
	if got := f.lines(r, "app"); !slices.Equal(got, []string{"one two, three"}) {
		t.Errorf("%s; wrote %q", describe(status), got)
	}
}

// TestCPU holds that a container gets no more than the task's cpu, or all of a smaller machine, and of what is short as its own says.
func TestCPU(t *testing.T) {
	f := newFixture(t)
	const quota = `
import os
file = "/sys/fs/cgroup/cpu.max" # of version 2
if not os.path.exists(file): file = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"
print("may use", open(file).read().split()[0])`
	r := f.start(definition(
		python("app", quota+forever, func(c *ecstypes.ContainerDefinition) { c.Cpu = 128 }),
		python("other", forever, helper),
	))
	r.awaitRunning()
	for name, shares := range map[string]int64{"app": 128, "other": 2} {
		if got := r.inspect(name).HostConfig; got.NanoCPUs != 250_000_000 || got.CPUShares != shares {
			t.Errorf("%s has %d CPUShares, %d NanoCPUs", name, got.CPUShares, got.NanoCPUs)
		}
	}
	f.awaitLine(r, "app", "may use 25000") // µs of each 100 ms
	info, err := shared.docker.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	big := definition(python("app", forever))
	big.Cpu = aws.String("1048576")
	r = f.start(big)
	r.awaitRunning()
	if got, want := r.inspect("app").HostConfig.NanoCPUs, int64(info.NCPU)*1e9; got != want {
		t.Errorf("a task that is bigger than the machine has %d NanoCPUs, want %d", got, want)
	}
}

// TestStartOrder holds that a container starts after the one whose START it waits for. That one waits itself, for one that takes
// its time: else both would start at one moment.
func TestStartOrder(t *testing.T) {
	f := newFixture(t)
	r := f.start(definition(
		python("last", forever, after("middle", ecstypes.ContainerConditionStart)),
		python("middle", forever, after("first", ecstypes.ContainerConditionComplete)),
		python("first", "import time; time.sleep(2)", helper),
	))
	r.awaitRunning()
	began := func(name string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, r.inspect(name).State.StartedAt)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	if middle, last := began("middle"), began("last"); last.Before(middle) {
		t.Errorf("the last started %s before the middle one", middle.Sub(last))
	}
}
