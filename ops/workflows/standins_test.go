package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// standIns is a folder of scripts in the place of programs that a command calls, such as the Pulumi CLI. They carry nothing out: each notes
// its words, and answers what its test lets it answer. A script may add lines of its own to the notes, which are the file "$said".
type standIns struct{ bin, said string }

// newStandIns makes scripts by the program's name.
func newStandIns(t *testing.T, scripts map[string]string) standIns {
	t.Helper()
	setAside(t, "out/runs-staging.json", "out/review.md")
	s := standIns{bin: t.TempDir(), said: filepath.Join(t.TempDir(), "said")}
	for name, script := range scripts {
		write(t, filepath.Join(s.bin, name), fmt.Sprintf("#!/bin/sh\nsaid=%q\necho %s \"$*\" >>\"$said\"\n%s\n", s.said, name, script))
		if err := os.Chmod(filepath.Join(s.bin, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// setAside takes files of the checkout away for the test, which the commands that it types would read and write: whoever works here
// may want theirs again.
func setAside(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		file = filepath.Join(top, file)
		content, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		_ = os.Remove(file)
		t.Cleanup(func() {
			_ = os.Remove(file)
			if content != nil {
				write(t, file, string(content))
			}
		})
	}
}

// aws is an API of AWS on loopback that gives one answer to everything and notes what it is asked, and of what. It returns what leads a command there.
func (s standIns) aws(t *testing.T, answer string) (env []string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ RepositoryName, SecretID string }
		_ = json.NewDecoder(r.Body).Decode(&asked) // encoding/json takes keys in any case
		note, err := os.OpenFile(s.said, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(note, "aws %s of %s\n", r.Header.Get("X-Amz-Target"), asked.RepositoryName+asked.SecretID)
			err = errors.Join(err, note.Close())
		}
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(server.Close)
	return []string{"AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}
}

// configFile is a configuration that a command has made for a release, whose name is new each time.
var configFile = regexp.MustCompile(`--config-file \S+`)

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
	said := strings.TrimSuffix(configFile.ReplaceAllString(string(content), "--config-file FILE"), "\n")
	return strings.Split(said, "\n")
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
