package workflows_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnlockByHand types the runbook's `make unlock` as a person does, with none of the variables of a job: the backend is the one that
// the CLI is logged in to, the repository that of the stack's file, the token that of gh. The folder, its lock and its claim are real, the two
// CLIs and GitHub stand-ins; local/e2e, TestVerdict, types it with the real CLI.
func TestUnlockByHand(t *testing.T) {
	const page = "/repos/example/myapp/actions/runs/12/attempts/1"
	tests := map[string]struct {
		gh, status   string
		freed, fails bool
		says         string
	}{
		"a dead run's":   {"echo of-gh", "completed", true, false, "freed from the lock of runner@runner1"},
		"a living run's": {"echo of-gh", "in_progress", false, false, "is alive"},
		"with no token":  {"exit 1", "completed", false, true, "sign in by `gh auth login`, or export GITHUB_TOKEN, one that may read the Actions of example/myapp"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			lock := filepath.Join(state, ".pulumi/locks/organization/slipway/staging/11111111-2222-3333-4444-555555555555.json")
			write(t, lock, `{"pid": 9, "username": "runner", "hostname": "runner1", "timestamp": "2026-11-24T12:01:00Z"}`)
			write(t, filepath.Join(state, ".slipway/claims/slipway/staging/12-1-1.json"),
				`{"repository": "example/myapp", "run": 12, "attempt": 1, "host": "runner1", "started": "2026-11-24T12:00:00Z"}`)
			github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); r.URL.Path != page || got != "Bearer of-gh" {
					t.Errorf("GitHub was asked for %s with %q", r.URL, got)
				}
				_, _ = w.Write([]byte(`{"status": "` + test.status + `", "updated_at": "2026-11-24T12:20:00Z"}`))
			}))
			defer github.Close()
			s := newStandIns(t, map[string]string{
				"pulumi": `[ "$*" = 'whoami --json' ] && echo '{"user": "ann", "url": "file://` + state + `"}'`,
				"gh":     `[ "$*" = 'auth token' ] && ` + test.gh,
			})
			out, err := s.make(t, []string{"GITHUB_API_URL=" + github.URL, "PULUMI_BACKEND_URL="}, "unlock", "STACK=staging")
			if test.fails != (err != nil) || !strings.Contains(out, test.says) {
				t.Errorf("%v; it must fail: %v, and say %q:\n%s", err, test.fails, test.says, out)
			}
			if _, err := os.Stat(lock); test.freed == (err == nil) {
				t.Errorf("the lock: %v; want it freed: %v", err, test.freed)
			}
		})
	}
}

// TestUnlockNeedsALogin holds that a person who is not logged in is told so, and that no lock is not said of a state that nobody saw.
func TestUnlockNeedsALogin(t *testing.T) {
	s := newStandIns(t, map[string]string{"pulumi": "echo 'error: no credentials' >&2; exit 3"})
	out, err := s.make(t, []string{"PULUMI_BACKEND_URL="}, "unlock", "STACK=staging")
	if err == nil || !strings.Contains(out, "no credentials; type `pulumi login URL`") || strings.Contains(out, "no lock") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestUnlockInPulumiCloud holds what is asked of a person whose state is there.
func TestUnlockInPulumiCloud(t *testing.T) {
	for at, want := range map[string]string{
		"https://app.pulumi.com/ann": "PULUMI_ACCESS_TOKEN is not set",
		"https://pulumi.example/ann": "export PULUMI_BACKEND_URL",
	} {
		s := newStandIns(t, map[string]string{"pulumi": `echo '{"user": "ann", "url": "` + at + `"}'`})
		if out, err := s.make(t, []string{"PULUMI_BACKEND_URL=", "PULUMI_ACCESS_TOKEN="}, "unlock", "STACK=staging"); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v; it must say %q:\n%s", at, err, want, out)
		}
	}
}
