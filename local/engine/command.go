package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/blang/semver"
)

// command runs the Pulumi CLI so that it outlives us. A CLI that dies in the middle of a creation leaves a resource that
// its state does not know; one whose caller dies finishes what it began and saves it. So it has a session of its own, and
// writes to files: a pipe that nobody reads would kill it.
type command struct {
	bin     string
	version semver.Version
	dir     string // where output and the process id of the running CLI are kept
}

const (
	pidFile     = "pulumi.pid"
	pollOutput  = 100 * time.Millisecond
	leftTimeout = 10 * time.Second
	unknownCode = -2
)

// Version returns the version of the CLI.
func (c command) Version() semver.Version { return c.version }

// Run implements auto.PulumiCommand. Cancelling ctx interrupts the CLI, which then ends in an orderly way.
func (c command) Run(ctx context.Context, workdir string, stdin io.Reader, outputs, errorOutputs []io.Writer,
	env []string, args ...string,
) (string, string, int, error) {
	if !slices.Contains(args, "--non-interactive") {
		args = append([]string{"--non-interactive"}, args...)
	}
	temp, err := os.MkdirTemp(c.dir, "run-")
	if err != nil {
		return "", "", unknownCode, fmt.Errorf("make a folder for the output of pulumi: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	stdout, err := newTail(filepath.Join(temp, "stdout"), outputs)
	if err != nil {
		return "", "", unknownCode, err
	}
	stderr, err := newTail(filepath.Join(temp, "stderr"), errorOutputs)
	if err != nil {
		return "", "", unknownCode, err
	}
	cmd := exec.Command(c.bin, args...) //nolint:noctx // the CLI we chose; ctx interrupts it below, and must not kill it
	cmd.Dir = workdir
	cmd.Env = append(append(os.Environ(), env...), "PULUMI_AUTOMATION_API=true")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout.file, stderr.file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", "", unknownCode, fmt.Errorf("start %s: %w", c.bin, err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, pidFile), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return "", "", unknownCode, fmt.Errorf("note the process id of pulumi: %w", err)
	}
	err = c.wait(ctx, cmd, stdout, stderr)
	code := unknownCode
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err == nil {
		code = 0
	}
	return stdout.text.String(), stderr.text.String(), code, err
}

// wait passes output on until the CLI has ended.
func (c command) wait(ctx context.Context, cmd *exec.Cmd, tails ...*tail) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ticker := time.NewTicker(pollOutput)
	defer ticker.Stop()
	cancelled := ctx.Done()
	for {
		select {
		case err := <-ended:
			for _, t := range tails {
				t.copy()
				_ = t.file.Close()
			}
			_ = os.Remove(filepath.Join(c.dir, pidFile))
			return err
		case <-cancelled:
			_ = cmd.Process.Signal(os.Interrupt)
			cancelled = nil
		case <-ticker.C:
			for _, t := range tails {
				t.copy()
			}
		}
	}
}

// endLeftPlugins ends provider plugins that a killed CLI has left: nobody talks to them any more, and each keeps its memory.
// It must not be called while a CLI of this folder runs.
func endLeftPlugins(dir string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		words, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(words, []byte(filepath.Join(dir, pluginFolder)+string(filepath.Separator))) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// awaitOther waits until a CLI that an earlier, killed run left behind has finished what it began.
func (c command) awaitOther(ctx context.Context, out io.Writer) error {
	pid, err := notedPID(c.dir)
	if err != nil {
		return err
	}
	for told := false; runs(pid, c.bin); told = true {
		if !told {
			_, _ = fmt.Fprintf(out, "engine: an interrupted run is still finishing (process %d); waiting for it\n", pid)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollOutput):
		}
	}
	return nil
}

// endLeftCLI ends a CLI that outlived its caller and works for the checkout whose files are in dir: in an orderly way, or,
// where it does not end within leftTimeout, at once.
func endLeftCLI(ctx context.Context, dir string) error {
	pid, err := notedPID(dir)
	if err != nil {
		return err
	}
	// Process ids are used again: ours carries the checkout's own PULUMI_HOME in its environment.
	ours := func() bool {
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		return err == nil && bytes.Contains(environment, []byte("PULUMI_HOME="+dir+"/"))
	}
	signal := syscall.SIGINT
	for deadline := time.Now().Add(leftTimeout); ours(); {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the pulumi that an interrupted run left, process %d: %w", pid, err)
		}
		signal = 0 // asked once; from now on it is only looked at
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollOutput):
		}
	}
	return nil
}

// notedPID is the process id of the CLI that runs for the checkout whose files are in dir, or ran when its caller was
// killed. It is 0, which no process has, where none is noted, or not in full.
func notedPID(dir string) (int, error) {
	content, err := os.ReadFile(filepath.Join(dir, pidFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the process id of an earlier run: %w", err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil {
		return pid, nil
	}
	return 0, nil
}

// runs says whether the process is alive and still runs bin: process ids are used again.
func runs(pid int, bin string) bool {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false
	}
	resolved, err := filepath.EvalSymlinks(bin)
	return err == nil && target == resolved
}

// tail follows a file that a child writes.
type tail struct {
	file *os.File
	to   []io.Writer
	read int64
	text strings.Builder
}

func newTail(path string, to []io.Writer) (*tail, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file for the output of pulumi: %w", err)
	}
	return &tail{file: file, to: to}, nil
}

// copy passes on what has been written since the last call.
func (t *tail) copy() {
	size, err := t.file.Stat()
	if err != nil || size.Size() == t.read {
		return
	}
	buffer := make([]byte, size.Size()-t.read)
	n, _ := t.file.ReadAt(buffer, t.read)
	t.read += int64(n)
	t.text.Write(buffer[:n])
	for _, w := range t.to {
		_, _ = w.Write(buffer[:n])
	}
}
