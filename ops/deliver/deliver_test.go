package deliver_test

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
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/ops/deliver"
	"slipway/ops/report"
)

// fake is a stack that prints and fails as it is told, once for each run.
type fake struct {
	outputs map[string]any
	prints  []string // by run; a run that prints fails, an empty one goes well
	asked   []string // releases
}

func (f *fake) Name() string { return "staging" }

func (f *fake) Up(_ context.Context, release string, out io.Writer) error {
	f.asked = append(f.asked, release)
	if n := len(f.asked); n <= len(f.prints) && f.prints[n-1] != "" {
		_, _ = fmt.Fprint(out, f.prints[n-1])
		return errors.New("exit status 255")
	}
	return nil
}

func (f *fake) Outputs(context.Context) (map[string]any, error) { return f.outputs, nil }

func (f *fake) Services(context.Context, string) ([]string, error) { return []string{"backend"}, nil }

func (f *fake) AWS(context.Context, string) (aws.Config, error) { return aws.Config{}, nil }

const release = "0123456789abcdef0123456789abcdef01234567"

func desk(t *testing.T) (deliver.Desk, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	return deliver.Desk{Out: &out, Runs: filepath.Join(t.TempDir(), "runs.json")}, &out
}

func lastRun(t *testing.T, d deliver.Desk) report.Run {
	t.Helper()
	runs, err := report.ReadRuns(d.Runs)
	if err != nil || len(runs) == 0 {
		t.Fatalf("noted %v, %v", runs, err)
	}
	return runs[len(runs)-1]
}

// TestRace holds that the second of two jobs which build one commit at once goes on with the first one's image, and that no other
// failure is tried again.
func TestRace(t *testing.T) {
	d, out := desk(t)
	for _, words := range []string{
		"tag invalid: The image tag 'x' already exists in the 'myapp/backend' repository and cannot be overwritten because the tag is immutable.",
		"tag invalid: The image tag 'x' already exists in the 'myapp/backend' repository and cannot be overwritten because the repository is immutable.",
		"ImageTagAlreadyExistsException: The image tag 'x' already exists",
	} {
		out.Reset()
		f := &fake{prints: []string{"error: " + words + "\n"}}
		if err := d.Up(t.Context(), f); err != nil || len(f.asked) != 2 || !strings.Contains(out.String(), "going on with its image") {
			t.Errorf("%s: %d runs, %v: %s", words, len(f.asked), err, out)
		}
	}
	f := &fake{prints: []string{"error: no such thing\n"}}
	if err := d.Up(t.Context(), f); err == nil || len(f.asked) != 1 {
		t.Errorf("%d runs, %v", len(f.asked), err)
	}
}

// TestNote holds that a run is noted with what the engine gave as its reason, without its colours and counts.
func TestNote(t *testing.T) {
	d, _ := desk(t)
	printed := "updating\nDiagnostics:\n  \x1b[31mpulumi:pulumi:Stack\x1b[0m:\n    error: services.backend: it does not run\n      | last words\n\nResources:\n    1 errored\n"
	err := d.Up(t.Context(), &fake{prints: []string{printed}})
	run := lastRun(t, d)
	if err == nil || run.Result != report.Failure || !strings.HasSuffix(run.Reason, "error: services.backend: it does not run\n      | last words") {
		t.Errorf("%v; noted %+v", err, run)
	}
	if strings.Contains(run.Reason, "\x1b") || strings.Contains(run.Reason, "errored") {
		t.Errorf("noted %q", run.Reason)
	}
	if err := d.Up(t.Context(), &fake{}); err != nil || lastRun(t, d).Result != report.Success {
		t.Errorf("%v; noted %+v", err, lastRun(t, d))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Up(ctx, &fake{prints: []string{"interrupted"}}); err == nil || lastRun(t, d).Result != report.Cancelled {
		t.Errorf("%v; noted %+v", err, lastRun(t, d))
	}
}

func TestRestore(t *testing.T) {
	d, _ := desk(t)
	f := &fake{outputs: map[string]any{"revision": release}}
	if err := d.Restore(t.Context(), f); err != nil || len(f.asked) != 1 || f.asked[0] != release || lastRun(t, d).Action != report.Restore {
		t.Errorf("asked for %v, %v; noted %+v", f.asked, err, lastRun(t, d))
	}
	for name, c := range map[string]struct {
		outputs map[string]any
		words   string
	}{
		"nothing ran yet": {map[string]any{}, "no release of staging has run well yet"},
		"a dirty tree":    {map[string]any{"revision": release + "-dirty-0123456789ab"}, "cannot be named again"},
	} {
		f := &fake{outputs: c.outputs}
		if err := d.Restore(t.Context(), f); err == nil || !strings.Contains(err.Error(), c.words) || len(f.asked) > 0 {
			t.Errorf("%s: %v, asked for %v", name, err, f.asked)
		}
	}
}

// TestRestoreOfNothing holds that a job restores after a run that has changed something, and leaves the stack alone after one that was
// refused before; a person, who knows more, has it restored in any case.
func TestRestoreOfNothing(t *testing.T) {
	const refused = "Updating (staging):\n    pulumi:pulumi:Stack slipway-staging running\n\nDiagnostics:\n  pulumi:pulumi:Stack (slipway-staging):\n" +
		"    error: revision: release x has not run well in staging\n\nResources:\n    22 unchanged\n\nDuration: 3s\n"
	for name, c := range map[string]struct {
		printed  string
		job      bool
		restores bool
	}{
		"refused":                   {refused, true, false},
		"refused, of nothing":       {strings.Replace(refused, "    22 unchanged\n", "", 1), true, false},
		"refused, in colour":        {strings.Replace(refused, "Resources:", "\x1b[1mResources:\x1b[0m", 1), true, false},
		"refused, for a person":     {refused, false, true},
		"after a change":            {strings.Replace(refused, "    22 unchanged", "    ~ 1 updated\n    1 change. 21 unchanged", 1), true, true},
		"after a replacement":       {strings.Replace(refused, "    22 unchanged", "    +-1 replaced\n    1 change. 21 unchanged", 1), true, true},
		"a resource that failed":    {strings.Replace(refused, "Diagnostics:\n", "Diagnostics:\n  aws:rds:Instance (database):\n    error: no\n", 1), true, true},
		"cut off":                   {"Updating (staging):\n", true, true},
		"refused after a refresh":   {"Resources:\n    2 unchanged\n\n" + refused, true, false},
		"locked, after a mere look": {"error: the stack is currently locked\n", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			d, out := desk(t)
			d.Job = c.job
			f := &fake{outputs: map[string]any{"revision": release}, prints: []string{c.printed}}
			if err := d.Up(t.Context(), f); err == nil {
				t.Fatal("the run did not fail")
			}
			if err := d.Restore(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			if restored := len(f.asked) == 2; restored != c.restores || !restored && !strings.Contains(out.String(), "nothing to restore") {
				t.Errorf("restored: %t, want %t\n%s", restored, c.restores, out)
			}
		})
	}
}

func TestRollback(t *testing.T) {
	d, _ := desk(t)
	f := &fake{}
	if err := d.Rollback(t.Context(), f, release); err != nil || f.asked[0] != release {
		t.Errorf("asked for %v, %v", f.asked, err)
	}
	for _, bad := range []string{"", "main", release[1:], "$(id)", "--yes"} {
		f := &fake{}
		if err := d.Rollback(t.Context(), f, bad); err == nil || !strings.Contains(err.Error(), "make releases STACK=staging") || len(f.asked) > 0 {
			t.Errorf("%q: %v, asked for %v", bad, err, f.asked)
		}
	}
}

// checkout is one with a commit, a release, and its stack of staging.
func checkout(t *testing.T) (top, release string) {
	t.Helper()
	top = t.TempDir()
	git(t, top, "init", "--quiet")
	return top, commit(t, top, "{backend: {port: 8000, memory: 512}}", "  slipway:serviceOverrides: {backend: {count: 2}}\n")
}

// commit makes one with rows of services, and lines of the stack's own file.
func commit(t *testing.T, top, rows, own string) string {
	t.Helper()
	write(t, filepath.Join(top, "Pulumi.yaml"), "name: slipway\nconfig:\n  slipway:imagesPlatform: {default: linux/arm64}\n"+
		"  slipway:services: {default: "+rows+"}\n", 0o600)
	write(t, filepath.Join(top, "Pulumi.staging.yaml"),
		"encryptionsalt: v1:salt\nconfig:\n  aws:region: eu-west-1\n  slipway:githubOwner: example\n"+own, 0o600)
	git(t, top, "add", "--all")
	git(t, top, "-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message", "change")
	return git(t, top, "rev-parse", "HEAD")
}

func git(t *testing.T, top string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir = top
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, file, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// TestPin holds that a pinned configuration names the release and has its rows and its platform; that what the release did not have is
// retired, and keeps its secrets; that all else is the stack's own as it is now, and its file stays.
func TestPin(t *testing.T) {
	top, first := checkout(t)
	commit(t, top, "{backend: {port: 9000, environment: {NEW: x}}, mailer: {count: 3, secrets: {KEY: key}}}",
		"  slipway:imagesPlatform: linux/amd64\n  slipway:databaseStorageGb: 50\n  slipway:serviceOverrides: '{\"backend\": {\"memory\": 4096}}'\n")
	own := filepath.Join(top, "Pulumi.staging.yaml")
	before, _ := os.ReadFile(own)
	file, err := deliver.Pin(t.Context(), top, "acme/staging", first)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(file) }()
	content, _ := os.ReadFile(file)
	want := `config:
    aws:region: eu-west-1
    slipway:databaseStorageGb: 50
    slipway:githubOwner: example
    slipway:imagesPlatform: linux/arm64
    slipway:revision: ` + first + `
    slipway:serviceOverrides: {}
    slipway:services:
        backend:
            count: 2
            memory: 512
            port: 8000
        mailer:
            retired: true
            secrets:
                KEY: key
encryptionsalt: v1:salt
`
	if string(content) != want {
		t.Errorf("pinned is\n%swant\n%s", content, want)
	}
	if after, _ := os.ReadFile(own); !bytes.Equal(before, after) {
		t.Errorf("the stack's own file became\n%s", after)
	}
	for stack, names := range map[string][]string{"staging": {first, "backend"}, "acme/staging": {"HEAD", "backend,mailer"}} {
		if rows, err := deliver.Rows(t.Context(), top, stack, names[0]); err != nil || strings.Join(rows, ",") != names[1] {
			t.Errorf("%s has the rows %v, %v; want %s", names[0], rows, err, names[1])
		}
	}
	write(t, filepath.Join(top, "Pulumi.later.yaml"), "config: {aws:region: eu-west-1}\n", 0o600)
	for stack, c := range map[string]struct{ release, words string }{
		"nowhere": {first, "Pulumi.nowhere.yaml: no such file or directory; run at the top of the checkout"},
		"later":   {first, "commit " + first + " has no Pulumi.later.yaml"},
		"staging": {strings.Repeat("0", 40), "`git fetch origin " + strings.Repeat("0", 40) + "` gets it where the repository has; `make releases STACK=staging`"},
	} {
		if _, err := deliver.Pin(t.Context(), top, stack, c.release); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("release %s of %s: %v, want %q", c.release, stack, err, c.words)
		}
	}
}

// stub makes a command that writes down its arguments, prints a history and a state, and shows the pinned configuration.
func stub(t *testing.T, history, state string) (command []string, said func() string) {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "pulumi")
	write(t, script, "#!/bin/sh\necho \"$@\" >>"+dir+"/said\ncase \"$*\" in\n*history*) echo '"+history+"' ;;\n*export*) echo '"+state+"' ;;\n*config-file*) grep -c slipway:revision \"${5}\" >>"+dir+"/said ;;\nesac\n", 0o700)
	return []string{script}, func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "said"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// TestCLI holds what the plain CLI is asked: after a release that failed or was killed its services are read first; a release is named
// by a configuration of its own, which is gone afterwards.
func TestCLI(t *testing.T) {
	const (
		history = "stack history --stack staging --json --page-size 1\n"
		state   = "stack export --stack staging\n"
		settles = "refresh --stack staging --target **aws:ecs/service:Service** --yes --skip-preview --non-interactive\n"
		up      = "up --stack staging --yes --non-interactive\n"
		well    = `[{"result":"succeeded","endTime":"2026-11-25T08:00:00.000Z"}]`
	)
	for name, c := range map[string]struct {
		history string
		written string // when the state was written last
		named   bool
		want    string
	}{
		"a first run":                      {`[]`, "", false, history + up},
		"after one that went well":         {well, "2026-11-25T07:59:59Z", false, history + state + up},
		"after one that wrote at its end":  {well, "2026-11-25T08:00:01.5Z", false, history + state + up},
		"after one that was killed":        {well, "2026-11-25T08:03:00.123456789Z", false, history + state + settles + up},
		"after one that failed":            {`[{"result":"failed","endTime":"2026-11-25T08:00:00.000Z"}]`, "", false, history + settles + up},
		"after one that did not come back": {`[{"result":"in-progress"}]`, "", false, history + settles + up},
		"a named release":                  {`[]`, "", true, history + "up --stack staging --config-file FILE --yes --non-interactive\n1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			command, said := stub(t, c.history, `{"version":3,"deployment":{"manifest":{"time":"`+c.written+`"}}}`)
			t.Setenv("TMPDIR", t.TempDir())
			t.Setenv("GITHUB_ACTIONS", "")
			top, first := checkout(t)
			stack := deliver.CLI{Top: top, Stack: "staging", Command: command}
			if !c.named {
				first = ""
			}
			if err := stack.Up(t.Context(), first, io.Discard); err != nil {
				t.Fatal(err)
			}
			got := said()
			left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "Pulumi.*"))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if i := strings.Index(got, "--config-file "); i >= 0 {
				rest := got[i+len("--config-file "):]
				got = got[:i] + "--config-file FILE" + rest[strings.IndexByte(rest, ' '):]
			}
			if got != c.want {
				t.Errorf("asked\n%swant\n%s", got, c.want)
			}
		})
	}
}

// TestSettings holds that a stack's files are read as the CLI reads them, with every problem told.
func TestSettings(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range []string{"staging", "production", "local", "acme/staging"} {
		cfg, region, err := deliver.Settings(top, stack)
		if err != nil || region != "us-east-1" || cfg.GitHub.Environment != deliver.Bare(stack) || len(cfg.Services) != 2 {
			t.Errorf("%s: %+v in %s, %v", stack, cfg, region, err)
		}
	}
	if _, _, err := deliver.Settings(top, "nowhere"); err == nil || !strings.Contains(err.Error(), "Pulumi.nowhere.yaml") {
		t.Errorf("an unknown stack: %v", err)
	}
}

// TestProfile holds that AWS is asked with the credentials of the profile that the stack's file names, as the provider is, whatever else
// the environment has.
func TestProfile(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "Pulumi.yaml"), "name: slipway\n", 0o600)
	write(t, filepath.Join(top, "Pulumi.staging.yaml"), "config:\n  aws:region: eu-west-1\n", 0o600)
	write(t, filepath.Join(top, "Pulumi.production.yaml"), "config:\n  aws:profile: prod\n", 0o600)
	write(t, filepath.Join(top, "Pulumi.broken.yaml"), "config:\n  aws:profile: nobody\n", 0o600)
	write(t, filepath.Join(top, "profiles"), "[profile prod]\naws_access_key_id = of-prod\naws_secret_access_key = x\n", 0o600)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(top, "profiles"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(top, "none"))
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_ACCESS_KEY_ID", "of-environment")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	for stack, want := range map[string]string{"staging": "of-environment", "production": "of-prod", "acme/production": "of-prod"} {
		config, err := deliver.CLI{Top: top, Stack: stack}.AWS(t.Context(), "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := config.Credentials.Retrieve(t.Context()); err != nil || got.AccessKeyID != want || config.Region != "eu-west-1" {
			t.Errorf("%s is asked in %s with the key %s, %v; want %s", stack, config.Region, got.AccessKeyID, err, want)
		}
	}
	if _, err := (deliver.CLI{Top: top, Stack: "broken"}).AWS(t.Context(), "eu-west-1"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a profile that is not there: %v", err)
	}
}
