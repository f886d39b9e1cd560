package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	patience = 4 * time.Minute        // after which an undisturbed step counts as hanging
	settling = 45 * time.Second       // of the tasks and the load balancer, after a step
	asking   = 100 * time.Millisecond // between two questions whether something holds
)

// worker is a clone with a cloud of its own.
type worker struct {
	options  Options
	dir      string
	kinds    map[string]int // of what the cloud holds when all is well
	items    []string       // that must be in the database
	commands []string       // undisturbed ones of this run, with how long they took
	newest   string         // the clone's last commit, which `up` releases
	ran      []string       // commits that have run in this cloud, the oldest first
	log      *bytes.Buffer  // what the tool printed in this run
}

func newWorker(ctx context.Context, options Options, dir string) (*worker, error) {
	w := &worker{options: options, dir: dir, log: &bytes.Buffer{}}
	for _, args := range [][]string{
		{"clone", "--quiet", options.Source, dir},
		{"-C", dir, "config", "user.name", "chaos"},
		{"-C", dir, "config", "user.email", "chaos@example.com"},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return w, w.configure()
}

// configure writes the stack's values: one service with its database, on the pace of a test.
func (w *worker) configure() error {
	var project, stack struct {
		Config map[string]any `yaml:"config"`
		Rest   map[string]any `yaml:",inline"`
	}
	for name, into := range map[string]any{"Pulumi.yaml": &project, "Pulumi.local.yaml": &stack} {
		content, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			return fmt.Errorf("read the clone's values: %w", err)
		}
		if err := yaml.Unmarshal(content, into); err != nil {
			return fmt.Errorf("understand %s: %w", name, err)
		}
	}
	all, _ := project.Config["slipway:services"].(map[string]any)
	rows, _ := all["default"].(map[string]any)
	overrides, _ := stack.Config["slipway:serviceOverrides"].(map[string]any)
	override, ok := overrides["backend"].(map[string]any)
	backend, there := rows["backend"].(map[string]any)
	if !there || !ok {
		return errors.New("the sample's backend is not where it was in Pulumi.yaml and Pulumi.local.yaml")
	}
	override["cpu"], override["memory"], override["healthGraceSeconds"] = 1024, 2048, 15
	delete(backend, "path")
	backend["default"] = true
	stack.Config["slipway:services"] = map[string]any{"backend": backend}
	stack.Config["slipway:serviceOverrides"] = map[string]any{"backend": override}
	stack.Config["slipway:edgeDeregistrationSeconds"] = 1
	content, err := yaml.Marshal(stack)
	if err != nil {
		return fmt.Errorf("render the clone's values: %w", err)
	}
	return os.WriteFile(filepath.Join(w.dir, "Pulumi.local.yaml"), content, 0o600)
}

// commit makes a new revision of the backend. Its image is the old one under another name, since the file that changes is none that
// the Dockerfile copies: no build takes time.
func (w *worker) commit(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(w.dir, "backend", "change"), []byte(time.Now().String()), 0o600); err != nil {
		return fmt.Errorf("change the backend's folder: %w", err)
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--message", "change"}, {"rev-parse", "HEAD"}} {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", w.dir}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
		}
		w.newest = strings.TrimSpace(string(out))
	}
	return nil
}

// result is what became of one command of the tool.
type result struct {
	err  error
	text string
}

// command runs the tool to its end.
func (w *worker) command(ctx context.Context, args ...string) result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command := exec.CommandContext(ctx, w.options.Bin, args...)
	command.Dir = w.dir
	start := time.Now()
	out, err := command.CombinedOutput()
	_, _ = fmt.Fprintf(w.log, "\n--- %s %s\n", time.Now().Format(time.TimeOnly), strings.Join(args, " "))
	w.commands = append(w.commands, fmt.Sprintf("%s %.0f s", args[0], time.Since(start).Seconds()))
	w.log.Write(out)
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, lastLines(string(out)))
	}
	return result{err, string(out)}
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], " / ")
}

func (w *worker) cloudDir() string { return filepath.Join(w.dir, ".slipway", "cloud") }

var addressLine = regexp.MustCompile(`(?m)^  url: "([^"]+)"$`)

// url is the address that the last `up` printed.
func (w *worker) url() string {
	matches := addressLine.FindAllStringSubmatch(w.log.String(), -1)
	if len(matches) == 0 {
		return ""
	}
	return matches[len(matches)-1][1]
}

// locks are the files of the state's locks.
func (w *worker) locks() []string {
	var found []string
	_ = filepath.WalkDir(filepath.Join(w.dir, ".slipway"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.Contains(path, filepath.Join(".pulumi", "locks")) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// clouds counts the processes that serve the worker's cloud.
func (w *worker) clouds() int {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	count := 0
	for _, file := range lines {
		content, _ := os.ReadFile(file)
		if words := strings.Split(string(content), "\x00"); slices.Contains(words, "cloud") && slices.Contains(words, w.cloudDir()) {
			count++
		}
	}
	return count
}

// settles says whether something comes to hold within the time that tasks and checks take.
func settles(ctx context.Context, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	return until(ctx, holds)
}

// until asks again and again whether something holds, and says whether it did before ctx ended.
func until(ctx context.Context, holds func() bool) bool {
	for ctx.Err() == nil {
		if holds() {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(asking):
		}
	}
	return false
}

func get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}

// keepLog writes down what the tool and the cloud printed in this run, for whoever looks into it.
func (w *worker) keepLog(run int) error {
	if err := os.MkdirAll(w.options.Logs, 0o700); err != nil {
		return fmt.Errorf("make a folder for logs: %w", err)
	}
	text := w.log.String()
	for _, name := range []string{"cloud.log", "calls.jsonl"} {
		content, err := os.ReadFile(filepath.Join(w.cloudDir(), name))
		text += fmt.Sprintf("\n--- %s (%v)\n%s", name, err, content)
	}
	return os.WriteFile(filepath.Join(w.options.Logs, fmt.Sprintf("chaos-run-%d.log", run)), []byte(text), 0o600)
}

// close ends what is left.
func (w *worker) close() {
	w.command(context.Background(), "stop")
}
