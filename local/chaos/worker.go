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
	"strconv"
	"strings"
	"syscall"
	"time"

	"gopkg.in/yaml.v3"

	"slipway/local/cloud"
	"slipway/local/faults"
)

const (
	impatience = 75 * time.Second       // after which a person would end a disturbed step
	patience   = 4 * time.Minute        // after which an undisturbed one counts as hanging
	settling   = 45 * time.Second       // of the tasks and the load balancer, after a step
	asking     = 100 * time.Millisecond // between two questions about a fault
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

// disturb runs the tool with a fault that begins once there is a cloud, and a kill after a while. It notes how it ended, and whether the
// fault came about.
func (w *worker) disturb(ctx context.Context, s step, words []string, p plan, o *Outcome) {
	command := exec.Command(w.options.Bin, words...) //nolint:noctx // killed below, as hard as the plan wants it
	command.Dir = w.dir
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		o.Violations = append(o.Violations, "could not start: "+err.Error())
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	faulty, cancel := context.WithCancel(ctx)
	defer cancel()
	met := make(chan bool, 1)
	if p.faultStep == s {
		go func() { met <- w.inflict(faulty, p.fault) }()
	} else {
		met <- o.Met
	}
	end, why := impatience, "impatient"
	if p.killStep == s {
		end, why = p.killAfter, "killed"
	}
	var verdict string
	select {
	case err := <-ended:
		verdict = "unharmed"
		if err != nil {
			verdict = "failed"
		}
	case <-time.After(end):
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		who := p.victim
		if why == "impatient" {
			who = toolCLI // a CLI that waits for what will not come would hold everybody up
		}
		w.kill(ctx, who)
		<-ended
		verdict = why
	}
	cancel()
	o.Met = <-met // waited for: a late fault would be met by what is not to be disturbed
	_, _ = fmt.Fprintf(w.log, "\n--- disturbed: %s, ended %s: %s\n", words[0], time.Now().Format(time.TimeOnly), verdict)
	w.log.Write(out.Bytes())
	o.explain(out.String())
	o.Disturbed = append(o.Disturbed, string(s)+" "+verdict)
}

func (w *worker) cloudDir() string { return filepath.Join(w.dir, ".slipway", "cloud") }

// inflict puts a fault in force once the cloud runs, and says whether it came about before ctx ended.
func (w *worker) inflict(ctx context.Context, fault faults.Fault) bool {
	for {
		if state, ok := cloud.Running(ctx, w.cloudDir()); ok {
			return cloud.AddFault(ctx, state.Endpoint, fault) == nil && w.cameAbout(ctx, state, fault) // the cloud may end at this moment
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(asking):
		}
	}
}

// cameAbout says whether a fault that is in force in a cloud comes about: one of calls was met as soon as it is not listed as it was drawn.
// It asks all the while, since a cloud that has ended cannot tell, and once more when ctx has ended.
func (w *worker) cameAbout(ctx context.Context, in cloud.State, fault faults.Fault) bool {
	if !fault.OfCall() {
		return true
	}
	ask := context.WithoutCancel(ctx)
	for {
		over := ctx.Err() != nil
		if now, ok := cloud.Running(ask, w.cloudDir()); ok && now.ID == in.ID { // another one has never had the fault
			if listed, err := cloud.Faults(ask, now.Endpoint); err == nil && !slices.Contains(listed, fault) {
				return true
			}
		}
		if over {
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(asking):
		}
	}
}

// kill kills what is left of a run, beside the tool.
func (w *worker) kill(ctx context.Context, who victim) {
	if who == tool {
		return
	}
	if content, err := os.ReadFile(filepath.Join(w.dir, ".slipway", "pulumi.pid")); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && executable(pid) == "pulumi" {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if who == machine {
		if state, ok := cloud.Running(ctx, w.cloudDir()); ok {
			_ = syscall.Kill(state.PID, syscall.SIGKILL)
		}
	}
}

// executable is the base name of what a process runs, or nothing: the id may be another's by now.
func executable(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

func (w *worker) clearFaults(ctx context.Context) {
	if state, ok := cloud.Running(ctx, w.cloudDir()); ok {
		_ = cloud.ClearFaults(ctx, state.Endpoint) // it may end at this moment
	}
}

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
