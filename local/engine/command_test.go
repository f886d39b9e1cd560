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
	"strings"
	"syscall"
	"testing"
	"time"
)

// fake is a command that runs a shell script in the place of the Pulumi CLI.
func fake(t *testing.T, script string) command {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "pulumi")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return command{bin: bin, dir: dir}
}

func TestRun(t *testing.T) {
	c := fake(t, `echo "args: $*"; echo "$WORD"; cat; echo trouble >&2; exit 7`)
	var shown, shownErrors bytes.Buffer
	stdout, stderr, code, err := c.Run(t.Context(), t.TempDir(), strings.NewReader("input\n"), []io.Writer{&shown}, []io.Writer{&shownErrors},
		[]string{"WORD=hello"}, "up", "--yes")
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || code != 7 {
		t.Errorf("code %d, %v", code, err)
	}
	if want := "args: --non-interactive up --yes\nhello\ninput\n"; stdout != want || shown.String() != want {
		t.Errorf("returned %q and showed %q, want %q", stdout, shown.String(), want)
	}
	if stderr != "trouble\n" || shownErrors.String() != stderr {
		t.Errorf("errors %q, shown %q", stderr, shownErrors.String())
	}
	left, err := os.ReadDir(c.dir)
	if err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// TestRunInterrupted holds that cancelling asks the CLI to end in order, and waits for it.
func TestRunInterrupted(t *testing.T) {
	c := fake(t, `trap 'echo saved; exit 0' INT
echo ready
while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	out := writer(func(p []byte) {
		if strings.Contains(string(p), "ready") {
			cancel()
		}
	})
	stdout, _, code, err := c.Run(ctx, t.TempDir(), nil, []io.Writer{out}, nil, nil, "up")
	if err != nil || code != 0 || !strings.HasSuffix(stdout, "saved\n") {
		t.Errorf("got %q, code %d, %v", stdout, code, err)
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

// TestAwaitOther holds that a CLI which outlived its caller is waited for, and that another process of its id is not.
func TestAwaitOther(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	c := command{bin: sleep, dir: t.TempDir()}
	other := exec.CommandContext(t.Context(), sleep, "0.5")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = other.Wait(); close(ended) }()
	note := func(pid int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(c.dir, pidFile), fmt.Append(nil, pid), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	note(other.Process.Pid)
	var out bytes.Buffer
	if err := c.awaitOther(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("it did not wait")
	}
	if strings.Count(out.String(), "still finishing") != 1 {
		t.Errorf("it said %q", out.String())
	}
	out.Reset()
	note(os.Getpid()) // alive, and no CLI
	if err := c.awaitOther(t.Context(), &out); err != nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}

// TestEndLeftCLI holds that a CLI which an interrupted run left is ended, even one that does not listen, and that no other
// process of that id is.
func TestEndLeftCLI(t *testing.T) {
	dir := t.TempDir()
	start := func(script, home string) (ended chan struct{}) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		cmd.Env = append(os.Environ(), "PULUMI_HOME="+home)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil { // its trap, if it has one, is set
			t.Fatal(err)
		}
		ended = make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		if err := os.WriteFile(filepath.Join(dir, pidFile), fmt.Append(nil, cmd.Process.Pid), 0o600); err != nil {
			t.Fatal(err)
		}
		return ended
	}
	for _, script := range []string{"echo; while :; do sleep 0.05; done", "trap '' INT; echo; while :; do sleep 0.05; done"} {
		ended := start(script, filepath.Join(dir, "home"))
		if err := endLeftCLI(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Errorf("%s goes on", script)
		}
	}
	other := start("echo; sleep 60", filepath.Join(dir+"-other", "home"))
	if err := endLeftCLI(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	select {
	case <-other:
		t.Error("another checkout's process was ended")
	default:
	}
}

func TestFreeLocks(t *testing.T) {
	state := t.TempDir()
	if err := freeLocks(state, io.Discard); err != nil {
		t.Errorf("no locks at all: %v", err)
	}
	locks := filepath.Join(state, ".pulumi", "locks", "organization", "slipway", "local")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	// Killed, and nobody has noticed, as where its parent was killed with it.
	killed := exec.CommandContext(t.Context(), "sleep", "60")
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	if !lives(killed.Process.Pid) {
		t.Error("a process that runs is taken for gone")
	}
	_ = killed.Process.Kill()
	defer func() { _ = killed.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); lives(killed.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a process that was killed is taken for one that runs")
		}
	}
	for name, content := range map[string]string{
		"alive.json":      fmt.Sprintf(`{"pid": %d}`, os.Getpid()),
		"dead.json":       fmt.Sprintf(`{"pid": %d}`, gone.Process.Pid),
		"killed.json":     fmt.Sprintf(`{"pid": %d}`, killed.Process.Pid),
		"half.json":       `{"pi`,
		"dead.json.attrs": `{}`, // the file backend writes one beside each
	} {
		if err := os.WriteFile(filepath.Join(locks, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := freeLocks(state, &out); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(locks, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "alive.json" {
		t.Errorf("left %v, %v", left, err)
	}
	if held, err := locked(state); err != nil || fmt.Sprint(held) != fmt.Sprint(left) {
		t.Errorf("locked by %v, %v", held, err)
	}
	if strings.Count(out.String(), "removing the lock") != 3 {
		t.Errorf("it said %q", out.String())
	}
}

func TestBrief(t *testing.T) {
	err := brief("up", errors.New("first\nsecond"))
	if err == nil || err.Error() != "up failed: first; what pulumi said stands above" {
		t.Errorf("got %v", err)
	}
	if brief("up", nil) != nil {
		t.Error("an error of nothing")
	}
}

// TestEndLeftPlugins holds that what runs from the plugins' folder ends, and nothing else.
func TestEndLeftPlugins(t *testing.T) {
	dir := t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	start := func(folder string) *exec.Cmd {
		t.Helper()
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		plugin := filepath.Join(folder, "pulumi-resource-x")
		if err := os.Symlink(sleep, plugin); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), plugin, "60")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		return command
	}
	ours, other := start(filepath.Join(dir, pluginFolder, "resource-x")), start(filepath.Join(dir, "elsewhere"))
	endLeftPlugins(dir)
	if err := ours.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the plugin ended with %v", err)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another process was ended: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
}
