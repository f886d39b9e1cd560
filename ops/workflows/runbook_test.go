package workflows_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// release is a commit where a document says SHA: the one that is checked out, since a way back asks git for what the release has.
var release = func() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		panic(fmt.Sprintf("the tests need a checkout with a commit: %v", err))
	}
	return strings.TrimSpace(string(out))
}()

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

// onAWS are what each command of the runbook for a stack on AWS must ask the Pulumi CLI and AWS for, in this order, and nothing else.
var onAWS = map[string][]string{
	"up STACK=staging": {
		"pulumi stack history --stack staging --json --page-size 1",
		"pulumi up --stack staging --yes --non-interactive",
	},
	"rollback STACK=staging REVISION=SHA": {
		"pulumi stack history --stack staging --json --page-size 1",
		"pulumi up --stack staging --config-file FILE --yes --non-interactive",
		"FILE has revision " + release,
	},
	"releases STACK=staging": {
		"pulumi stack output --stack staging --json",
		"aws AmazonEC2ContainerRegistry_V20150921.DescribeImages of myapp/backend",
	},
	"drift STACK=staging": {
		"pulumi refresh --preview-only --json --non-interactive --stack staging --exclude urn:pulumi:**docker:index/image:Image::**",
	},
	"refresh STACK=staging": {
		"pulumi refresh --yes --skip-preview --non-interactive --stack staging --exclude urn:pulumi:**docker:index/image:Image::**",
	},
	"unlock STACK=staging": {"pulumi whoami --json"}, // the rest is files: TestUnlockByHand
}

// answersOnAWS is a Pulumi CLI that is logged in to a folder, and has nothing else to say. It notes the release in a file of configuration.
var answersOnAWS = `case "$*" in
*whoami*) echo '{"url": "file://'"${0%/*}"'"}' ;;
*history*) echo '[]' ;;
*'stack output'*) echo '{"revision":"` + release + `","region":"us-east-1","registry":"123456789012","repositories":{"backend":"myapp/backend"}}' ;;
*'preview '*--json*) echo '{"steps":[{"op":"same","urn":"urn:pulumi:staging::slipway::pulumi:pulumi:Stack::slipway-staging"}]}' ;;
*refresh*) echo '{"steps":[],"changeSummary":{}}' ;;
*--config-file*)
	while [ "$1" != --config-file ]; do shift; done
	sed -n 's/.*slipway:revision: *"\{0,1\}\([0-9a-f]*\).*/FILE has revision \1/p' "$2" >>"$said" ;;
esac`

// TestRunbookOnAWS types each command of the runbook for a stack on AWS. The Pulumi CLI and AWS are stand-ins there, which carry nothing out
// and note how they are asked: what is held is that a command asks for the right thing, not what becomes of it. The commands for the embedded
// cloud are carried out there (e2e, TestVerdict).
func TestRunbookOnAWS(t *testing.T) {
	s := newStandIns(t, map[string]string{"pulumi": answersOnAWS})
	registry := s.aws(t, `{"imageDetails": []}`)
	seen := map[string]bool{}
	for _, command := range commandsOf(read(t, "docs/runbook.md")) {
		if !strings.Contains(command, "STACK=staging") {
			continue
		}
		want, known := onAWS[command]
		if !known {
			t.Errorf("nothing says what `make %s` must ask for", command)
		}
		seen[command] = true
		words := strings.Fields(strings.ReplaceAll(command, "=SHA", "="+release))
		out, err := s.make(t, registry, words...)
		if err != nil {
			t.Errorf("make %s: %v\n%s", command, err, out)
		}
		got := s.calls(t)
		if !slices.Equal(got, want) {
			t.Errorf("make %s asked for\n  %s\nwant\n  %s", command, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	for command := range onAWS {
		if !seen[command] {
			t.Errorf("the runbook does not say `make %s` any more", command)
		}
	}
}

// typed is a command in the runbook: what stands between backquotes or on a line of a block and begins as one does.
var typed = regexp.MustCompile("(?m)(?:^|`)((?:aws|curl|docker|gh|git|make|psql|pulumi|terraform) [^`#\n]*)")

// alsoRun are commands of the runbook that neither names a stack that tests type them for nor is left out: where each is run.
var alsoRun = map[string]string{
	"make up":                           "local/e2e, all of it",
	"make outputs":                      "local/e2e, TestVerdict, by `make outputs STACK=local`",
	"make secret STACK=... SECRET=NAME": "local/e2e, TestGoBack, with the value by a pipe",
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
