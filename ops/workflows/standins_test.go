package workflows_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// standIns is a folder of scripts in the place of programs that a command calls, such as the Pulumi CLI. They carry nothing out: each notes
// its words, and answers what its test lets it answer.
type standIns struct{ bin, said string }

// newStandIns makes scripts by the program's name.
func newStandIns(t *testing.T, scripts map[string]string) standIns {
	t.Helper()
	s := standIns{bin: t.TempDir(), said: filepath.Join(t.TempDir(), "said")}
	for name, script := range scripts {
		write(t, filepath.Join(s.bin, name), fmt.Sprintf("#!/bin/sh\necho %s \"$@\" >>%q\n%s\n", name, s.said, script))
		if err := os.Chmod(filepath.Join(s.bin, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// calls are what was called since the last time, a line each.
func (s standIns) calls(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(s.said)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.said); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// make types a make target at the top of the checkout, on a person's machine: without the variables of a job, but for those in env.
func (s standIns) make(t *testing.T, env []string, words ...string) (out string, err error) {
	t.Helper()
	return s.run(t.Context(), env, "make", append([]string{"--no-print-directory"}, words...)...)
}

func (s standIns) run(ctx context.Context, env []string, name string, words ...string) (out string, err error) {
	command := exec.CommandContext(ctx, name, words...)
	command.Dir = top
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "GITHUB_") && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "PULUMI_") && !strings.HasPrefix(name, "MAKE") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(append(command.Env, "PATH="+s.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "STACK=", "SLIPWAY_PULUMI="), env...)
	text, err := command.CombinedOutput()
	return string(text), err
}

// write makes a file, and the folders above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
