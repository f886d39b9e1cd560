package workflows_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const top = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// files are the workflows and our own actions, by path from the top.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{".github/workflows/*", ".github/actions/*/*"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			all = append(all, strings.TrimPrefix(path, top+"/"))
		}
	}
	return all
}

func TestWorkflows(t *testing.T) {
	m := readMakefile(read(t, "Makefile"))
	seen := map[string]bool{}
	for _, file := range files(t) {
		seen[filepath.Base(file)] = true
		for _, problem := range check(filepath.Base(file), []byte(read(t, file)), m) {
			t.Error(problem)
		}
	}
	for _, want := range []string{"deploy.yml", "preview.yml", "rollback.yml", "drift.yml", "cleanup.yml", "gates.yml", "action.yml"} {
		if !seen[want] {
			t.Errorf("%s was not found", want)
		}
	}
}

// A local action that is not there is found when the job runs.
func TestLocalUsesExist(t *testing.T) {
	local := regexp.MustCompile(`uses: \./(\S+)`)
	found := 0
	for _, file := range files(t) {
		for _, use := range local.FindAllStringSubmatch(read(t, file), -1) {
			found++
			path := use[1]
			if filepath.Ext(path) == "" {
				path = filepath.Join(path, "action.yml")
			}
			if _, err := os.Stat(filepath.Join(top, path)); err != nil {
				t.Errorf("%s uses ./%s: %v", file, use[1], err)
			}
		}
	}
	if found == 0 {
		t.Error("no local use was found")
	}
}

// Versions that stand in the workflows, and elsewhere as well.
func TestVersionsAgree(t *testing.T) {
	tests := map[string]struct{ in, inWorkflows *regexp.Regexp }{
		"go.mod":              {regexp.MustCompile(`pulumi/sdk/v3 v(\S+)`), regexp.MustCompile(`pulumi-version: (\S+)`)},
		"backend/Dockerfile":  {regexp.MustCompile(`PYTHON_IMAGE=python:([\d.]+)`), regexp.MustCompile(`python-version: "(.+)"`)},
		"frontend/Dockerfile": {regexp.MustCompile(`NODE_IMAGE=node:([\d.]+)`), regexp.MustCompile(`node-version: "(.+)"`)},
	}
	for file, test := range tests {
		want := test.in.FindStringSubmatch(read(t, file))
		if want == nil {
			t.Errorf("%s names no version", file)
			continue
		}
		found := 0
		for _, workflow := range files(t) {
			for _, got := range test.inWorkflows.FindAllStringSubmatch(read(t, workflow), -1) {
				found++
				if got[1] != want[1] {
					t.Errorf("%s has %s, %s has %s", workflow, got[1], file, want[1])
				}
			}
		}
		if found == 0 {
			t.Errorf("no workflow names the version of %s", file)
		}
	}
}

// One action in two versions is one that somebody forgot.
func TestOneVersionOfEachAction(t *testing.T) {
	uses := regexp.MustCompile(`uses: ([\w.-]+/[\w./-]+)@(\S+ # \S+)`)
	versions := map[string]string{}
	for _, file := range files(t) {
		for _, use := range uses.FindAllStringSubmatch(read(t, file), -1) {
			if other, ok := versions[use[1]]; ok && other != use[2] {
				t.Errorf("%s: %s is %s here and %s elsewhere", file, use[1], use[2], other)
			}
			versions[use[1]] = use[2]
		}
	}
}

// What a deployment needs to tell the truth, in the order that it needs it.
func TestDeployment(t *testing.T) {
	text := read(t, ".github/workflows/deploy.yml")
	at := -1
	for _, part := range []string{
		"needs: gates", "fetch-depth: 0", "run: make unlock", "run: make up",
		"if: failure() && steps.up.outcome == 'failure'", "run: make restore",
		"if: always()", "run: make summary", "if: always()", "run: make notify",
	} {
		next := strings.Index(text[at+1:], part)
		if next < 0 {
			t.Fatalf("deploy.yml lacks %q, or has it too early", part)
		}
		at += 1 + next
	}
	if strings.Contains(text, "continue-on-error") {
		t.Error("deploy.yml goes on after an error: the verdict would be lost")
	}
	for _, gate := range []string{"make test-backend", "make test-frontend", "make test-infra", "make lint"} {
		if !strings.Contains(read(t, ".github/workflows/gates.yml"), "run: "+gate+"\n") {
			t.Errorf("gates.yml lacks %s", gate)
		}
	}
}

// The two jobs of a pull request exclude each other, and none of the two runs for neither kind.
func TestForks(t *testing.T) {
	text := read(t, ".github/workflows/preview.yml")
	for _, part := range []string{
		"github.event.pull_request.head.repo.full_name == github.repository\n      && github.event.pull_request.user.login != 'dependabot[bot]'",
		"github.event.pull_request.head.repo.full_name != github.repository\n      || github.event.pull_request.user.login == 'dependabot[bot]'",
	} {
		if strings.Count(text, part) != 1 {
			t.Errorf("preview.yml does not have once\n%s", part)
		}
	}
	if strings.Contains(text, "DEPLOY_ROLE_ARN") {
		t.Error("a pull request takes the deploy role")
	}
}
