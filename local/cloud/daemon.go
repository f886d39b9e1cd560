package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/local/dockerengine"
	"slipway/local/tasks"
)

const logFile = "cloud.log"

// Running returns the cloud that runs in dir, if one does: its process may be gone, or its id be another's by now, so it
// is asked.
func Running(ctx context.Context, dir string) (State, bool) {
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return State{}, false
	}
	var state State
	if json.Unmarshal(content, &state) != nil {
		return State{}, false
	}
	answer, err := get(ctx, state.Endpoint+healthPath)
	return state, err == nil && string(answer) == state.ID
}

// Ensure returns the cloud that runs in dir, after starting it as a daemon where none does: exe with args must call Run.
// Of two callers at once, one starts it; one that a killed caller has started is waited for.
func Ensure(ctx context.Context, exe string, args []string, dir string) (State, error) {
	unlock, err := lock(ctx, dir)
	if err != nil {
		return State{}, err
	}
	defer unlock()
	if state, ok := Running(ctx, dir); ok {
		return state, nil
	}
	ended := make(chan error, 1)
	var command *exec.Cmd
	deadline := time.After(startTimeout)
	for {
		if state, ok := Running(ctx, dir); ok {
			return state, nil
		}
		if command == nil && server(dir) == 0 { // else it comes or goes, as one that was just killed does
			if command, err = start(exe, args, dir); err != nil {
				return State{}, err
			}
			go func() { ended <- command.Wait() }()
		}
		select {
		case err := <-ended:
			return State{}, fmt.Errorf("the cloud ended at once (%w):\n%s", err, lastWords(dir))
		case <-deadline:
			if command != nil {
				_ = command.Process.Kill()
			}
			return State{}, fmt.Errorf("the cloud was not ready within %s:\n%s", startTimeout, lastWords(dir))
		case <-ctx.Done():
			return State{}, ctx.Err()
		case <-time.After(poll):
		}
	}
}

func start(exe string, args []string, dir string) (*exec.Cmd, error) {
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the cloud's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(exe, args...) //nolint:noctx // ourselves, to outlive this process
	command.Stdout, command.Stderr = log, log
	// What leads a run to this cloud, or the user's to AWS, is not for the cloud: moto refuses an empty profile.
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "AWS_") })
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the cloud: %w", err)
	}
	return command, nil
}

// servingFile is locked by the process that serves, from its first moment to its last, and names it.
const servingFile = "serving"

// serveAlone makes this process the one that serves in dir, or says that another is.
func serveAlone(dir string) (func(), error) {
	file, err := os.OpenFile(filepath.Join(dir, servingFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file of the serving process: %w", err)
	}
	for deadline := time.Now().Add(time.Second); ; time.Sleep(poll / 10) {
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			break
		}
		if time.Now().After(deadline) { // it is no mere look, which takes the lock for a moment
			return nil, errors.Join(fmt.Errorf("process %d serves in %s already; stop it first", server(dir), dir), file.Close())
		}
	}
	if err = file.Truncate(0); err == nil {
		_, err = fmt.Fprint(file, os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("name the serving process: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// server is the id of the process that serves in dir, whether it answers already or not, or 0.
func server(dir string) int {
	file, err := os.Open(filepath.Join(dir, servingFile))
	if err != nil {
		return 0
	}
	defer func() { _ = file.Close() }()
	for {
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
			return 0 // nobody holds it
		}
		var pid int
		if _, err := fmt.Fscan(io.NewSectionReader(file, 0, 20), &pid); err == nil {
			return pid
		}
		time.Sleep(poll / 10) // it is about to write its id
	}
}

// lock takes the folder's lock, which the kernel frees when its process dies.
func lock(ctx context.Context, dir string) (func(), error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the cloud's lock: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock the cloud: %w", err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(poll):
		}
	}
}

// lastWords is the end of the cloud's log.
func lastWords(dir string) string {
	content, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// Stop ends the cloud that runs in dir, if one does, and waits until its process has gone. What a killed one left in the
// Docker Engine goes as well.
func Stop(ctx context.Context, dir string) error {
	if pid := server(dir); pid != 0 {
		if err := end(ctx, pid); err != nil {
			return fmt.Errorf("end the cloud, process %d: %w", pid, err)
		}
	}
	docker, err := dockerengine.Connect()
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	if _, err := docker.Ping(ctx); err != nil {
		return nil // with no engine, nothing of ours runs in one
	}
	return tasks.Sweep(ctx, docker, ownerOf(dir))
}

// stopTimeout bounds the end of the cloud's process, which ends its tasks and databases first.
const stopTimeout = closeTimeout + 10*time.Second

func end(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	deadline := time.Now().Add(stopTimeout)
	for runs(pid) {
		if time.Now().After(deadline) {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
	return nil
}

// runs says whether a process runs. One that has ended and whose parent has not noticed does not.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(status), ") Z ")
}
