package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/ops/report"
)

const (
	sha       = "0123456789abcdef0123456789abcdef01234567"
	sha256hex = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

var began = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func job(t *testing.T) report.Job {
	t.Helper()
	return report.JobFromEnv(env(map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "deploy", "GITHUB_REPOSITORY": "o/r", "GITHUB_ACTOR": "ann",
		"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7", "GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main",
	}))
}

func outputs(t *testing.T) report.Outputs {
	t.Helper()
	o, err := report.ReadOutputs(strings.NewReader(`{"url":"http://lb.example","revision":"` + sha + `","region":"us-east-1",
		"cluster":"myapp-staging","services":{"backend":"b"},"databaseEndpoint":"ignored",
		"images":{"frontend":"1.ecr.example/myapp/frontend@` + sha256hex + `","backend":"1.ecr.example/myapp/backend@` + sha256hex + `"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestMarkdown(t *testing.T) {
	up := report.Run{
		Action: "up", Result: report.Success, Started: began, Ended: began.Add(185 * time.Second),
	}
	failed := report.Run{Action: "up", Result: report.Failure, Started: began, Ended: began.Add(time.Minute), Reason: "backend: crash loop\n```\nexit 1"}
	restored := report.Run{Action: "restore", Result: report.Success}
	tests := map[string]struct {
		summary report.Summary
		want    []string
		not     []string
	}{
		"success": {
			summary: report.Summary{Stack: "staging", Result: report.Success, Outputs: outputs(t), Runs: []report.Run{up}, Job: job(t)},
			want: []string{
				"### ✅ staging: deploy went well", "| URL | http://lb.example |",
				"[`0123456789ab`](https://github.com/o/r/commit/" + sha + ")",
				"| Image of backend | `" + sha256hex + "` |", "| Image of frontend |",
				"| `up` | success in 3 min 05 s |", "`myapp-staging` in us-east-1",
			},
			not: []string{"ecr.example", "could not be read"},
		},
		"failure, and a restore that went well": {
			summary: report.Summary{Stack: "staging", Result: report.Failure, Outputs: outputs(t), Runs: []report.Run{failed, restored}, Job: job(t)},
			want: []string{
				"### ❌ staging: deploy failed, and the previous revision was restored", "Why `up` failed", "````\nbackend: crash loop",
				"| `restore` | success |",
			},
		},
		"failure, and a restore that failed too": {
			summary: report.Summary{
				Stack: "staging", Result: report.Failure, Outputs: outputs(t), Job: job(t),
				Runs: []report.Run{failed, {Action: "restore", Result: report.Failure, Reason: "no revision ran well yet"}},
			},
			want: []string{"**restoring the previous revision failed**", "no revision ran well yet"},
		},
		"nothing is known": {
			summary: report.Summary{Stack: "staging", Result: report.Failure},
			want:    []string{"### ❌ staging: run failed", "could not be read"},
			not:     []string{"| URL |"},
		},
		"cancelled, on a person's machine, with a dirty tree": {
			summary: report.Summary{Stack: "local", Result: report.Cancelled, Outputs: report.Outputs{Revision: sha + "-dirty-abc"}},
			want:    []string{"⚠️ local: run was cancelled", "`" + sha + "-dirty-abc`"},
			not:     []string{"]("},
		},
		"a person's machine sets no RESULT": {
			summary: report.Summary{Stack: "local", Runs: []report.Run{failed, restored}},
			want:    []string{"### ❌ local: run failed, and the previous revision was restored"},
		},
		"nothing is known at all": {
			summary: report.Summary{Stack: "local"},
			want:    []string{"⚠️ local: run ended with an unknown result"},
		},
		"a value that would end its cell": {
			summary: report.Summary{Stack: "s", Result: "odd", Outputs: report.Outputs{URL: "http://a|b\nc", Revision: sha}},
			want:    []string{`| http://a\|b c |`, "ended with odd"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := report.Markdown(test.summary)
			for _, part := range test.want {
				if !strings.Contains(text, part) {
					t.Errorf("the summary lacks %q:\n%s", part, text)
				}
			}
			for _, part := range test.not {
				if strings.Contains(text, part) {
					t.Errorf("the summary has %q:\n%s", part, text)
				}
			}
		})
	}
}

func TestLongReasonKeepsItsEnd(t *testing.T) {
	run := report.Run{Action: "up", Result: report.Failure, Reason: strings.Repeat("x", 9000) + "the last line"}
	text := report.Markdown(report.Summary{Stack: "s", Result: report.Failure, Runs: []report.Run{run}})
	if len(text) > 5000 || !strings.Contains(text, "the last line") {
		t.Errorf("%d bytes; want a short text with the last line", len(text))
	}
}

func TestNoOutputs(t *testing.T) {
	if o, err := report.ReadOutputs(strings.NewReader("")); err != nil || o.Revision != "" {
		t.Errorf("%+v, %v; want none", o, err)
	}
	if _, err := report.ReadOutputs(strings.NewReader("error: no stack")); err == nil {
		t.Error("words are taken for outputs")
	}
}

func TestRuns(t *testing.T) {
	path := report.RunsPath(t.TempDir(), "staging")
	if runs, err := report.ReadRuns(path); err != nil || len(runs) != 0 {
		t.Fatalf("%v, %v; want none", runs, err)
	}
	for _, action := range []string{"rollback", "up", "restore"} {
		if err := report.NoteRun(path, report.Run{Action: action, Started: began, Ended: began.Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := report.ReadRuns(path)
	if err != nil || len(runs) != 2 || runs[0].Action != "up" || runs[1].Action != "restore" || runs[0].Took() != time.Second {
		t.Errorf("%+v, %v", runs, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.ReadRuns(path); err == nil {
		t.Error("a broken file is taken for no runs")
	}
}

func TestUnknownDuration(t *testing.T) {
	for _, run := range []report.Run{{}, {Ended: began}, {Started: began}} {
		if got := run.Took(); got != 0 {
			t.Errorf("%+v took %v, want 0", run, got)
		}
	}
}

func TestJob(t *testing.T) {
	if j := report.JobFromEnv(env(map[string]string{"GITHUB_REPOSITORY": "o/r"})); j != (report.Job{}) {
		t.Errorf("outside of GitHub Actions: %+v, want nothing", j)
	}
	if j := job(t); j.RunURL != "https://github.com/o/r/actions/runs/7" || j.Pull != 0 {
		t.Errorf("%+v", j)
	}
	if j := report.JobFromEnv(env(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/42/merge"})); j.Pull != 42 {
		t.Errorf("pull request %d, want 42", j.Pull)
	}
}

func TestAppend(t *testing.T) {
	if err := report.Append("", "x"); err != nil {
		t.Errorf("outside of a job: %v", err)
	}
	path := filepath.Join(t.TempDir(), "summary")
	for _, text := range []string{"a", "b\n"} {
		if err := report.Append(path, text); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "a\nb\n" {
		t.Errorf("%q", got)
	}
}

func TestOutputURL(t *testing.T) {
	for given, want := range map[string]string{
		"http://lb.example": "url=http://lb.example\n", "https://app.example/": "url=https://app.example/\n",
		"": "", "javascript:alert(1)": "", "http://a\nother=1": "",
	} {
		if got := report.OutputURL(report.Outputs{URL: given}); got != want {
			t.Errorf("%q gives %q, want %q", given, got, want)
		}
	}
}

func TestFork(t *testing.T) {
	if text := report.Fork(report.Job{Pull: 3}); !strings.Contains(text, "Pull request 3") || !strings.Contains(text, "fork") {
		t.Errorf("%s", text)
	}
}
