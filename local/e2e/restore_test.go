package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// interruption is a moment of a release, by what the engine prints, at which it is killed.
type interruption struct {
	name   string
	at     *regexp.Regexp
	engine bool // whether the engine is killed as well, which else finishes what it has begun
}

var interruptions = []interruption{
	{name: "while an image is built", at: regexp.MustCompile(`docker:index:Image backend\S* creating`)},
	{name: "while ECS is asked for it", at: regexp.MustCompile(`aws:ecs:Service backend updating`), engine: true},
	{name: "while it is judged", at: regexp.MustCompile(`aws:ecs:Service backend updated`), engine: true},
}

// killReleases kills a release in its middle, as a machine that loses its power or a job that is ended would, and has `restore` put
// the stack on the release before, whole: its services, its outputs, and no lock.
func (c checkout) killReleases(t *testing.T, good string, ran outputs) {
	t.Helper()
	for _, when := range interruptions {
		t.Run("killed "+when.name, func(t *testing.T) {
			killed := c.change(t, "backend/app/__init__.py", "\"\"\"Killed "+when.name+".\"\"\"\n")
			c.kill(t, when)
			c.says(t, c.local(t, "restore"), "restoring release "+good)
			c.settle(t)
			c.mustRun(t, ran.URL, good)
			after := c.outputs(t, "local")
			if after.Revision != good || after.Images["backend"] != ran.Images["backend"] || after.Images["frontend"] != ran.Images["frontend"] {
				t.Errorf("%s runs %v, want %s %v; %s was killed", after.Revision, after.Images, good, ran.Images, killed)
			}
			if left, err := filepath.Glob(filepath.Join(c.locks(t), "*.json")); err != nil || len(left) > 0 {
				t.Errorf("the locks %v are left, %v", left, err)
			}
		})
	}
}

// locks is the folder of the locks of the stack local.
func (c checkout) locks(t *testing.T) string {
	t.Helper()
	return filepath.Join(c.files(t), ".pulumi", "locks", "organization", "slipway", "local")
}

// files is the folder that the CLI keeps its state in.
func (c checkout) files(t *testing.T) string {
	t.Helper()
	return filepath.Join(c.dir, ".slipway", "state-"+c.state(t).ID)
}

// holdLock holds the state as a process of somebody's would that lives: a release is refused, and says whose the lock is; the runbook's
// last resort frees it.
func (c checkout) holdLock(t *testing.T) {
	t.Helper()
	lock := filepath.Join(c.locks(t), "11111111-2222-3333-4444-555555555555.json")
	content := fmt.Sprintf(`{"pid": %d, "username": "somebody", "hostname": "elsewhere", "timestamp": %q}`, os.Getpid(), time.Now().Format(time.RFC3339))
	if err := os.MkdirAll(filepath.Dir(lock), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c.says(t, c.refused(t, "up"), "locked", "somebody@elsewhere")
	const last = "pulumi cancel --stack STACK"
	c.says(t, c.read(t, "docs/runbook.md"), "`"+last+"`")
	c.local(t, append(strings.Fields(strings.Replace(last, "STACK", "local", 1)), "--yes")...)
	if _, err := os.Stat(lock); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is still there: %v", err)
	}
	c.unlock(t)
}

// unlock leaves the lock and the claim of a run of GitHub Actions that is dead, and types the runbook's command as a person does, with the real
// CLI to name the backend; GitHub is a stand-in.
func (c checkout) unlock(t *testing.T) {
	t.Helper()
	ended := time.Now().Add(-time.Hour).UTC()
	lock := filepath.Join(c.locks(t), "66666666-7777-8888-9999-000000000000.json")
	claim := filepath.Join(c.files(t), ".slipway", "claims", "slipway", "local", "12-1-1.json")
	for file, content := range map[string]string{
		lock:  fmt.Sprintf(`{"pid": %d, "username": "runner", "hostname": "runner1", "timestamp": %q}`, os.Getpid(), ended.Add(-time.Minute).Format(time.RFC3339)),
		claim: fmt.Sprintf(`{"repository": "example/myapp", "run": 12, "attempt": 1, "host": "runner1", "started": %q}`, ended.Add(-2*time.Minute).Format(time.RFC3339)),
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"status": "completed", "updated_at": %q}`, ended.Format(time.RFC3339))
	}))
	defer github.Close()
	command := exec.CommandContext(t.Context(), "make", "--no-print-directory", "unlock", "STACK=local")
	command.Dir = c.dir
	command.Env = append(os.Environ(), "PULUMI_BACKEND_URL=", "GITHUB_API_URL="+github.URL, "GITHUB_REPOSITORY=", "GITHUB_TOKEN=t")
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "freed from the lock of runner@runner1") {
		t.Errorf("make unlock: %v\n%s", err, out)
	}
	for _, file := range []string{lock, claim} {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", file, err)
		}
	}
}

// kill begins a release and kills it at its moment.
func (c checkout) kill(t *testing.T, when interruption) {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.bin, "up")
	command.Dir = c.dir
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	watch := &watcher{pattern: when.at, seen: make(chan struct{})}
	command.Stdout, command.Stderr = watch, watch
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case <-watch.seen:
	case err := <-ended:
		t.Fatalf("the release ended before its moment (%v):\n%s", err, watch.text())
	case <-time.After(5 * time.Minute):
		t.Errorf("the release did not come to its moment:\n%s", watch.text())
	}
	if when.engine {
		c.killCLI(t)
	}
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	<-ended
}

// watcher keeps what is printed, and tells when it fits an expression.
type watcher struct {
	pattern *regexp.Regexp
	seen    chan struct{}
	mu      sync.Mutex
	all     []byte
	told    bool
}

// Write implements io.Writer.
func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, p...)
	if !w.told && w.pattern.Match(w.all) {
		w.told = true
		close(w.seen)
	}
	return len(p), nil
}

func (w *watcher) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.all)
}
