package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"slipway/local/dockerengine"
)

const engineTimeout = 60 * time.Second

// EnsureDocker returns once a Docker Engine answers. One that runs is used as it is. Where none does, root installs
// Debian's package and starts it, on its Unix socket alone; anybody else is told what to type.
func EnsureDocker(ctx context.Context, out io.Writer) error {
	if err := pingDocker(ctx); err == nil {
		return nil
	} else if os.Geteuid() != 0 {
		return fmt.Errorf("no Docker Engine answers (%w), and only root can install or start one; type:\n"+
			"  sudo apt-get install -y docker.io && sudo systemctl start docker && sudo usermod -aG docker \"$USER\"\n"+
			"then log in again", err)
	}
	// Of several processes that find none, one installs and starts it.
	unlock, err := lockMachine(ctx, "docker", out)
	if err != nil {
		return err
	}
	defer unlock()
	if pingDocker(ctx) == nil {
		return nil
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		_, _ = fmt.Fprintln(out, "docker: installing Docker Engine from Debian's packages")
		if err := aptInstall(ctx, "docker.io"); err != nil {
			return err
		}
	}
	if err := exec.CommandContext(ctx, "systemctl", "start", "docker").Run(); err != nil {
		// No systemd, as in a container or a small virtual machine: the engine is started as a daemon of its own.
		if err := startDockerd(out); err != nil {
			return err
		}
	}
	return awaitDocker(ctx)
}

// lockMachine makes this process the only one of this user's that does what the name says.
func lockMachine(ctx context.Context, name string, out io.Writer) (unlock func(), err error) {
	dir, err := DefaultDir()
	if err != nil {
		return nil, err
	}
	return Cache{Dir: dir, Out: out}.lock(ctx, name)
}

func pingDocker(ctx context.Context) error {
	docker, err := dockerengine.Connect()
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	_, err = docker.Ping(ctx)
	return err
}

// aptInstall installs Debian packages without asking anything.
func aptInstall(ctx context.Context, packages ...string) error {
	unlock, err := lockMachine(ctx, "apt", io.Discard)
	if err != nil {
		return err
	}
	defer unlock()
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	if err := runQuietly(ctx, "/", env, "apt-get", "update", "--quiet"); err != nil {
		return err
	}
	return runQuietly(ctx, "/", env, append([]string{"apt-get", "install", "--yes", "--quiet", "--no-install-recommends"}, packages...)...)
}

// startDockerd starts the engine in a session of its own; what it says goes to a log.
func startDockerd(out io.Writer) error {
	name := filepath.Join(os.TempDir(), "slipway-dockerd.log")
	log, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the Docker Engine's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	_, _ = fmt.Fprintf(out, "docker: starting the engine; its log is %s\n", name)
	command := exec.Command("dockerd", "--host", "unix:///var/run/docker.sock") //nolint:noctx // it outlives us
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start dockerd: %w", err)
	}
	return command.Process.Release()
}

func awaitDocker(ctx context.Context) error {
	deadline := time.Now().Add(engineTimeout)
	for {
		err := pingDocker(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the Docker Engine was started, but does not answer within %s: %w; look at its log", engineTimeout, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ForgetImages takes the names of one registry from the engine's images, and with them the images that have no other name.
// What the engine keeps of their builds stays: the next build is as fast.
func ForgetImages(ctx context.Context, registry string) error {
	docker, err := dockerengine.Connect()
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	images, err := docker.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the engine's images: %w", err)
	}
	var problems []error
	for _, one := range images {
		for _, name := range append(one.RepoTags, one.RepoDigests...) {
			if !strings.HasPrefix(name, registry+"/") {
				continue
			}
			// An image goes with its last tag, and its digests with it.
			if _, err := docker.ImageRemove(ctx, name, image.RemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

// docker runs a command of the Docker CLI and returns what it printed.
func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
