package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"slipway/local/awsapi"
	"slipway/local/policies"
	"slipway/ops/report"
)

// failure is a commit that cannot run, and what the verdict on it must say.
type failure struct {
	name   string
	file   string
	change func(content string) string
	fault  string // in force while the release goes out; empty for none
	words  []string
}

var failures = []failure{
	{
		// First, while the commit's images are there: nothing is pushed then, but the tasks cannot pull.
		name: "an image that cannot be pulled", file: "Pulumi.local.yaml",
		change: func(content string) string { return withBackend(content, "      environment: {CHANGED: \"1\"}\n") },
		fault:  "registry",
		words:  []string{"TaskFailedToStart", "CannotPullContainerError"},
	},
	{
		name: "a crash loop", file: "backend/app/asgi.py",
		change: func(string) string { return "raise SystemExit(\"this revision does not start\")\n" },
		words: []string{
			"EssentialContainerExited", "container backend: exit code 1", "| this revision does not start",
			"(3 tasks failed, the threshold is 3)",
		},
	},
	{
		name: "a health check that never passes", file: "backend/app/main.py",
		change: func(content string) string { return strings.ReplaceAll(content, `"/api/readyz"`, `"/api/elsewhere"`) },
		words: []string{
			"failed ELB health checks", "(port 8000) is unhealthy in (target-group", "due to (reason Health checks failed with these codes: [404])",
			":8000 was unhealthy: Target.ResponseCodeMismatch: Health checks failed with these codes: [404]",
		},
	},
	{
		name: "a failing migration", file: "backend/migrations/versions/0002_broken.py",
		change: func(string) string { return second("ALTER TABLE nowhere ADD COLUMN x integer") },
		words:  []string{"container migrate: exit code 1", `relation "nowhere" does not exist`},
	},
}

// second is a migration behind the sample's only one.
func second(statement string) string {
	return fmt.Sprintf(`"""Run one statement."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run it."""
    op.execute(%q)
`, statement)
}

// touchesFrontend fits what the engine prints when it changes what the frontend runs; it prints other lines when it only looks.
var touchesFrontend = regexp.MustCompile(`aws:ecs:(TaskDefinition|Service) frontend (creating|updating|replacing)`)

// withBackend adds lines to the backend's overrides in Pulumi.local.yaml.
func withBackend(content, lines string) string {
	return strings.Replace(content, "    backend:\n", "    backend:\n"+lines, 1)
}

// TestVerdict releases what cannot run, again and again: each `up` must fail within minutes, in words that say why, with the
// release before answering every request meanwhile and the frontend untouched, though each commit changes it, too. Then the way
// back: by name, with no build, to the very image that ran; after releases that were killed; and after somebody has changed
// something by hand. All that it took is within the deploy role's policies.
func TestVerdict(t *testing.T) {
	c := clone(t)
	// The sample's minute of grace would make a failing health check take minutes. A target is unhealthy after three checks, which take
	// ten seconds; the rest is for the verdict to see it before ECS stops its task.
	c.change(t, "Pulumi.local.yaml", withBackend(c.read(t, "Pulumi.local.yaml"), "      healthGraceSeconds: 16\n"))

	// The very first release of a stack can fail as well, and there is nothing to go back to.
	crashLoop := failures[1]
	start := c.read(t, "backend/app/asgi.py")
	failed := c.change(t, "backend/app/asgi.py", crashLoop.change(""))
	log := c.fails(t)
	c.says(t, log, append(crashLoop.words,
		"services.backend: myapp-local-backend:1 does not start, and there is no earlier deployment to go back to")...)
	if touchesFrontend.MatchString(log) {
		t.Errorf("the frontend was touched:\n%s", log)
	}
	c.says(t, c.refused(t, "restore"), "no release of local has run well yet")

	// Nor is there anything to go back to for the next, which fails by what is not its own fault. With that mended, the same commit
	// runs, though nothing in it has changed.
	good := c.change(t, "backend/app/asgi.py", start)
	c.local(t, "fault", "disk-full")
	c.says(t, c.refused(t, "up"), "no space left on device")
	c.local(t, "fault", "clear")
	c.local(t, "up")
	ran := c.outputs(t, "local")
	c.answers(t, ran.URL+"/api/readyz")
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) { c.judge(t, f, good, ran) })
	}

	// A commit that runs well and migrates, and back: the older image runs on the newer schema.
	c.write(t, "backend/migrations/versions/0002_note.py", second("ALTER TABLE items ADD COLUMN note text"))
	run(t, c.dir, "git", "add", "--all")
	next := c.commit(t)
	if log := c.local(t, "up"); !building.MatchString(log) {
		t.Errorf("a commit of the backend built nothing:\n%s", log)
	}
	c.mustRun(t, ran.URL, next)
	back := c.local(t, "rollback", good)
	if building.MatchString(back) {
		t.Errorf("the way back built something:\n%s", back)
	}
	c.mustRun(t, ran.URL, good)
	c.answers(t, ran.URL+"/api/items")
	c.says(t, strings.Join(c.logged(t, "local", "backend"), "\n"), "the schema is at 0002, newer than this image's: nothing to migrate")
	if after := c.outputs(t, "local"); after.Revision != good || after.Images["backend"] != ran.Images["backend"] || after.Images["frontend"] != ran.Images["frontend"] {
		t.Errorf("after the way back %s runs %v, want %s %v", after.Revision, after.Images, good, ran.Images)
	}
	if status := run(t, c.dir, "git", "status", "--porcelain"); status != "" {
		t.Errorf("the way back changed the checkout: %s", status)
	}
	listed := c.local(t, "releases")
	for _, release := range []string{good, next} {
		if !strings.Contains(listed, release) {
			t.Errorf("%s is not listed:\n%s", release, listed)
		}
	}
	if lines := strings.Count(listed, " local "); lines != 2 {
		t.Errorf("%d releases are listed, want the two that ran well:\n%s", lines, listed)
	}
	c.says(t, c.refused(t, "rollback", failed), "release "+failed+" has not run well in local", "make up STACK=local")
	never := strings.Repeat("0", 40)
	c.says(t, c.refused(t, "rollback", never), "this clone has no commit "+never, "make releases STACK=local")
	c.says(t, c.refused(t, "rollback", "main"), `"main" is not a commit`, "make releases STACK=local")
	c.killReleases(t, good, ran)
	c.holdLock(t)
	c.drift(t)
	c.followRunbook(t, good)
	lacks, err := policies.Lacks(documents(t, c.state(t), "local", "deploy"), c.record(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range lacks {
		t.Errorf("the deploy role needs and lacks %s", one)
	}
	c.local(t, "down")
}

var runbookCommand = regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+ STACK=local(?: [A-Z]+=[A-Za-z]+)*)")

// followRunbook types what docs/runbook.md says for the embedded cloud, in its order. Its commands for AWS are run by
// ops/workflows, TestRunbookOnAWS.
func (c checkout) followRunbook(t *testing.T, release string) {
	t.Helper()
	commands := runbookCommand.FindAllStringSubmatch(c.read(t, "docs/runbook.md"), -1)
	if len(commands) < 5 {
		t.Errorf("the runbook has only %d commands for the embedded cloud", len(commands))
	}
	for _, command := range commands {
		words := strings.Fields(strings.ReplaceAll(command[1], "=SHA", "="+release))
		run(t, c.dir, "make", append([]string{"--no-print-directory"}, words...)...)
	}
	c.mustRun(t, c.outputs(t, "local").URL, release)
	// What else the workflows type, with nothing to tell and with something.
	typed := func(target string) string {
		return run(t, c.dir, "make", "--no-print-directory", target, "STACK=local")
	}
	c.says(t, typed("drift"), "local: no drift")
	c.says(t, typed("cost"), "application load balancer", "in all")
	c.says(t, typed("notify"), "SLACK_WEBHOOK_URL is not set")
	c.change(t, "Pulumi.local.yaml", strings.Replace(c.read(t, "Pulumi.local.yaml"), "\nconfig:\n", "\nconfig:\n  slipway:databaseName: other\n", 1))
	c.says(t, typed("review"), "1 resource with state is replaced or deleted", "<code>dbName</code>")
}

// untouched says whether the last run, which failed, is on record as one that had changed nothing.
func (c checkout) untouched(t *testing.T, stack string) bool {
	t.Helper()
	runs, err := report.ReadRuns(report.RunsPath(c.dir, stack))
	if err != nil || len(runs) == 0 {
		t.Fatalf("on record are %v, %v", runs, err)
	}
	return runs[len(runs)-1].Untouched
}

// drift changes something by hand, and has the commands of the runbook say so and put it right.
func (c checkout) drift(t *testing.T) {
	t.Helper()
	group, days := "/slipway/myapp-local/backend", int32(3)
	_, err := cloudwatchlogs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{
		LogGroupName: &group, RetentionInDays: &days,
	})
	if err != nil {
		t.Fatal(err)
	}
	find := exec.CommandContext(t.Context(), "make", "--no-print-directory", "drift", "STACK=local")
	find.Dir = c.dir
	found, err := find.CombinedOutput()
	if err == nil {
		t.Error("drift was found, and the command did not fail")
	}
	c.says(t, string(found), "retentionInDays", "make refresh STACK=local")
	run(t, c.dir, "make", "--no-print-directory", "refresh", "STACK=local")
	mended := run(t, c.dir, "make", "--no-print-directory", "up", "STACK=local")
	if touched := changes(mended); !slices.Contains(touched, "aws:cloudwatch:LogGroup") {
		t.Errorf("what had drifted was not put right, but %v:\n%s", touched, mended)
	}
	c.says(t, run(t, c.dir, "make", "--no-print-directory", "drift", "STACK=local"), "local: no drift")
}

// judge releases what cannot run, and holds what must be true after it.
func (c checkout) judge(t *testing.T, f failure, good string, ran outputs) {
	t.Helper()
	content, _ := os.ReadFile(filepath.Join(c.dir, f.file)) // a new file has none yet
	before := c.services(t)
	served := c.serves(t, ran.URL, good)
	c.write(t, f.file, f.change(string(content)))
	if f.fault == "" { // else what was built could not be pushed
		c.write(t, "frontend/public.txt", f.name)
	}
	run(t, c.dir, "git", "add", "--all")
	c.commit(t)
	if f.fault != "" {
		c.local(t, "fault", f.fault)
	}
	log := c.fails(t)
	if f.fault != "" {
		c.local(t, "fault", "clear")
	}
	c.says(t, log, append(f.words, "services.backend: myapp-local-backend:", "was asked for, and ECS went back to")...)
	if touchesFrontend.MatchString(log) {
		t.Errorf("the frontend was touched:\n%s", log)
	}
	if c.untouched(t, "local") {
		t.Error("a release that ECS took back is on record as one that changed nothing")
	}
	c.settle(t)
	served()
	c.mustRun(t, ran.URL, good)
	for i, service := range c.services(t) {
		if is, was := aws.ToString(service.TaskDefinition), aws.ToString(before[i].TaskDefinition); is != was {
			t.Errorf("%s runs %s, want %s as before", aws.ToString(service.ServiceName), is, was)
		}
	}
	if now := c.outputs(t, "local").Revision; now != good {
		t.Errorf("the outputs say that %s runs, want %s", now, good)
	}
	run(t, c.dir, "git", "revert", "--no-edit", "HEAD")
	if f.file == "backend/app/asgi.py" { // what the workflow does after a bad verdict; once is enough
		restored := c.local(t, "restore")
		c.says(t, restored, "restoring release "+good)
		c.mustRun(t, ran.URL, good)
	}
}

// soon is how long a verdict on a release that fails may take.
const soon = 5 * time.Minute

// fails has an `up` fail, within minutes, and returns what it printed.
func (c checkout) fails(t *testing.T) string {
	t.Helper()
	start := time.Now()
	log := c.refused(t, "up")
	took := time.Since(start).Round(time.Second)
	t.Logf("the verdict took %s", took)
	if took > soon {
		t.Errorf("the verdict took %s, want %s at most", took, soon)
	}
	return log
}

func (c checkout) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// says holds that a text has all the words.
func (c checkout) says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}
