package workflows_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// makeCommand is a command in a document: a line of a block, or between backquotes.
var makeCommand = regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+(?: [A-Z]+=[A-Za-z]+)*)")

func commandsOf(text string) []string {
	var found []string
	for _, match := range makeCommand.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(found, match[1]) {
			found = append(found, match[1])
		}
	}
	return found
}

// TestDocumentsNameTargets holds that every make command in a document is a target.
func TestDocumentsNameTargets(t *testing.T) {
	m := readMakefile(read(t, "Makefile"))
	for _, document := range []string{"README.md", "docs/runbook.md", "local/README.md"} {
		commands := commandsOf(read(t, document))
		if len(commands) == 0 {
			t.Errorf("%s names no command", document)
		}
		for _, command := range commands {
			if target, _, _ := strings.Cut(command, " "); !m.targets[target] {
				t.Errorf("%s says `make %s`, and the Makefile has no target %s", document, command, target)
			}
		}
	}
}

// TestRunbookOnAWS runs each command of the runbook for a stack on AWS, by make, down to the Pulumi CLI, in whose place a script
// answers as one that has nothing to say. Those for the embedded cloud are run there (e2e, TestVerdict).
func TestRunbookOnAWS(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	const answers = `#!/bin/sh
echo "$@" >>"$SAID"
case "$*" in
*history*) echo '[]' ;;
*'stack output'*) echo '{"revision":"0123456789abcdef0123456789abcdef01234567","region":"us-east-1","registry":"123456789012","repositories":{"backend":"myapp/backend"}}' ;;
*refresh*) echo '{"steps":[],"changeSummary":{}}' ;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "pulumi"), []byte(answers), 0o700); err != nil {
		t.Fatal(err)
	}
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]any{"imageDetails": []any{}})
	}))
	defer registry.Close()
	ran := 0
	for _, command := range commandsOf(read(t, "docs/runbook.md")) {
		if !strings.Contains(command, "STACK=staging") {
			continue
		}
		ran++
		words := strings.Fields(strings.ReplaceAll(command, "=SHA", "=0123456789abcdef0123456789abcdef01234567"))
		make := exec.CommandContext(t.Context(), "make", words...)
		make.Dir = top
		make.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "SAID="+filepath.Join(bin, "said"),
			"PULUMI_BACKEND_URL=file://"+t.TempDir(), "AWS_ENDPOINT_URL="+registry.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
			"GITHUB_ACTIONS=", "GITHUB_STEP_SUMMARY=", "MAKEFLAGS=", "MAKELEVEL=", "STACK=", "SLIPWAY_PULUMI=")
		if out, err := make.CombinedOutput(); err != nil {
			t.Errorf("make %s: %v\n%s", command, err, out)
		}
	}
	if ran < 4 {
		t.Errorf("only %d commands were found", ran)
	}
}

// typed is a command in the runbook: what stands between backquotes or on a line of a block and begins as one does.
var typed = regexp.MustCompile("(?m)(?:^|`)((?:aws|curl|docker|gh|git|make|psql|pulumi|terraform) [^`#\n]*)")

// alsoRun are commands of the runbook that neither names a stack that tests type them for nor is left out: where each is run.
var alsoRun = map[string]string{
	"make up":                           "local/e2e, all of it",
	"make outputs":                      "local/e2e, TestVerdict, by `make outputs STACK=local`",
	"make secret STACK=... SECRET=NAME": "ops/secret, behind the command: the value comes from a terminal or a pipe",
	"pulumi cancel --stack STACK":       "local/e2e, TestVerdict, checkout.holdLock",
}

// TestRunbookIsRun holds that the runbook names no command that no test runs: those for the embedded cloud and for staging are typed
// by tests that find them in it, and the few others are known.
func TestRunbookIsRun(t *testing.T) {
	found := map[string]bool{}
	for _, match := range typed.FindAllStringSubmatch(read(t, "docs/runbook.md"), -1) {
		command := strings.TrimSpace(match[1])
		found[command] = true
		isRun := makeCommand.FindString(command) == command && (strings.Contains(command, "STACK=local") || strings.Contains(command, "STACK=staging"))
		if !isRun && alsoRun[command] == "" {
			t.Errorf("no test is known to run `%s`", command)
		}
	}
	for command, where := range alsoRun {
		if !found[command] {
			t.Errorf("the runbook does not say `%s` any more, which is run by %s", command, where)
		}
	}
}
