package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
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
// Of two callers at once, one starts it.
func Ensure(ctx context.Context, exe string, args []string, dir string) (State, error) {
	unlock, err := lock(ctx, dir)
	if err != nil {
		return State{}, err
	}
	defer unlock()
	if state, ok := Running(ctx, dir); ok {
		return state, nil
	}
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return State{}, fmt.Errorf("open the cloud's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	command := exec.Command(exe, args...) //nolint:noctx // ourselves, to outlive this process
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return State{}, fmt.Errorf("start the cloud: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	deadline := time.After(startTimeout)
	for {
		if state, ok := Running(ctx, dir); ok {
			return state, nil
		}
		select {
		case err := <-ended:
			return State{}, fmt.Errorf("the cloud ended at once (%w):\n%s", err, lastWords(dir))
		case <-deadline:
			_ = command.Process.Kill()
			return State{}, fmt.Errorf("the cloud was not ready within %s:\n%s", startTimeout, lastWords(dir))
		case <-ctx.Done():
			return State{}, ctx.Err()
		case <-time.After(poll):
		}
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

// Stop ends the cloud that runs in dir, if one does, and waits until it has gone.
func Stop(ctx context.Context, dir string) error {
	state, ok := Running(ctx, dir)
	if !ok {
		return nil
	}
	if err := syscall.Kill(state.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the cloud, process %d: %w", state.PID, err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, ok := Running(ctx, dir); !ok {
			return nil
		}
		if time.Now().After(deadline) {
			return syscall.Kill(state.PID, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
}
