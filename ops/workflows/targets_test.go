package workflows_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// job are the variables of a job of a pull request.
var job = []string{
	"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=example/myapp", "GITHUB_REF=refs/pull/5/merge", "GITHUB_REF_NAME=5/merge", "GITHUB_RUN_ID=12",
	"GITHUB_RUN_ATTEMPT=1", "GITHUB_WORKFLOW=deploy", "GITHUB_ACTOR=ann", "GITHUB_SERVER_URL=https://github.com", "GITHUB_TOKEN=of-the-job",
}

// TestTargets types the targets that neither the runbook nor the embedded cloud has, and holds what each asks the Pulumi CLI for.
func TestTargets(t *testing.T) {
	s := newStandIns(t, map[string]string{"pulumi": answersOnAWS})
	for target, want := range map[string][]string{
		"preview": {"pulumi preview --stack staging"},
		"down":    {"pulumi destroy --stack staging"},
		"outputs": {"pulumi stack output --stack staging --json"},
		"restore": {
			"pulumi stack output --stack staging --json", "pulumi stack history --stack staging --json --page-size 1",
			"pulumi up --stack staging --config-file FILE --yes --non-interactive", "FILE has revision " + release,
		},
		"summary": {"pulumi stack output --stack staging --json"},
		"review":  {"pulumi preview --stack staging --json --show-sames --non-interactive"},
	} {
		out, err := s.make(t, nil, target, "STACK=staging")
		got := s.calls(t)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("make %s: %v; it asked for\n  %s\nwant\n  %s\n%s", target, err, strings.Join(got, "\n  "), strings.Join(want, "\n  "), out)
		}
	}
}

// TestNotify types make notify as the job of a failed gate does, which has no state to read, and as one that has. Slack is a stand-in.
func TestNotify(t *testing.T) {
	for name, test := range map[string]struct{ pulumi, result, says string }{
		"a failed gate": {"exit 1", "failure", ":x: *staging*: deploy failed\n<https://github.com/example/myapp/actions/runs/12|deploy of 5/merge by ann>"},
		"a release":     {answersOnAWS, "success", ":white_check_mark: *staging*: deploy went well\n`" + release[:12] + "` is running\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var told struct{ Text string }
			slack := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
					t.Error(err)
				}
			}))
			defer slack.Close()
			s := newStandIns(t, map[string]string{"pulumi": test.pulumi})
			out, err := s.make(t, append([]string{"SLACK_WEBHOOK_URL=" + slack.URL + "/hook", "RESULT=" + test.result}, job...), "notify", "STACK=staging")
			slack.Close() // and so nothing is still told
			if err != nil || !strings.Contains(out, "Slack was told") || !strings.HasPrefix(told.Text, test.says) {
				t.Errorf("%v; Slack was told\n%s\nwant\n%s\n%s", err, told.Text, test.says, out)
			}
		})
	}
}

// TestComment types make comment in a job of a pull request. GitHub is a stand-in.
func TestComment(t *testing.T) {
	var posted struct{ Body string }
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repos/example/myapp/issues/5/comments" || r.Header.Get("Authorization") != "Bearer of-the-job" {
			t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`[]`))
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&posted); err != nil {
			t.Error(err)
		}
	}))
	defer github.Close()
	s := newStandIns(t, map[string]string{"pulumi": answersOnAWS})
	out, err := s.make(t, append([]string{"GITHUB_API_URL=" + github.URL}, job...), "comment", "STACK=staging")
	github.Close()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := s.calls(t), []string{"pulumi preview --stack staging --json --show-sames --non-interactive"}; !slices.Equal(got, want) {
		t.Errorf("it asked for %v, want %v", got, want)
	}
	review := read(t, "out/review.md")
	if !strings.Contains(review, "staging") || !strings.Contains(posted.Body, strings.TrimSpace(review)) {
		t.Errorf("the comment is\n%s\nand the review\n%s", posted.Body, review)
	}
}

// TestForked types make forked in a job of a pull request.
func TestForked(t *testing.T) {
	page := filepath.Join(t.TempDir(), "summary")
	s := newStandIns(t, nil)
	out, err := s.make(t, append([]string{"GITHUB_STEP_SUMMARY=" + page}, job...), "forked")
	const want = "Pull request 5 comes from a fork"
	if err != nil || !strings.Contains(out, want) {
		t.Errorf("%v\n%s", err, out)
	}
	if content, err := os.ReadFile(page); err != nil || !strings.Contains(string(content), want) {
		t.Errorf("the page of the job has %q, %v", content, err)
	}
}
