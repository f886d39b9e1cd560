package locks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/ops/locks"
)

var (
	noon  = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	stack = locks.Stack{Project: "slipway", Name: "staging"}
	dead  = locks.State{Completed: true, At: noon.Add(20 * time.Minute)}
	alive = locks.State{At: noon.Add(20 * time.Minute)}
)

// answers are states by run.
type answers map[int64]locks.State

func (a answers) state(_ context.Context, claim locks.Claim) (locks.State, error) {
	state, ok := a[claim.Run]
	if !ok {
		return locks.State{}, errors.New("GitHub answered 404")
	}
	return state, nil
}

func claim(run int64, host string, started time.Time) locks.Claim {
	return locks.Claim{Repository: "o/r", Run: run, Attempt: 1, Host: host, Started: started}
}

func TestJudge(t *testing.T) {
	lock := locks.Lock{Host: "runner1", User: "runner", PID: 9, Taken: noon.Add(time.Minute)}
	tests := map[string]struct {
		claims  []locks.Claim
		answers answers
		after   time.Duration // since noon
		stale   bool
		known   bool
		reason  string // part of it, or of the error
	}{
		"its run is dead":             {[]locks.Claim{claim(1, "runner1", noon)}, answers{1: dead}, time.Hour, true, true, "run 1, attempt 1, of o/r completed"},
		"its run is alive":            {[]locks.Claim{claim(1, "runner1", noon)}, answers{1: alive}, 30 * time.Hour, false, true, "is alive"},
		"its run has just died":       {[]locks.Claim{claim(1, "runner1", noon)}, answers{1: dead}, 25 * time.Minute, false, true, "can go at 12:30:00"},
		"nobody claims it":            {nil, nil, time.Hour, false, false, "no run claims it"},
		"another host":                {[]locks.Claim{claim(1, "runner2", noon)}, answers{1: dead}, time.Hour, false, false, "no run claims it"},
		"a run that began after it":   {[]locks.Claim{claim(1, "runner1", noon.Add(2*time.Minute))}, answers{1: dead}, time.Hour, false, false, "no run claims it"},
		"a run that began long ago":   {[]locks.Claim{claim(1, "runner1", noon.Add(-4*time.Hour))}, answers{1: dead}, time.Hour, false, false, "no run claims it"},
		"a run that was over by then": {[]locks.Claim{claim(1, "runner1", noon)}, answers{1: {Completed: true, At: noon.Add(time.Second)}}, time.Hour, false, false, "no run claims it"},
		"two that fit, one alive": {
			[]locks.Claim{claim(1, "runner1", noon.Add(-time.Minute)), claim(2, "runner1", noon)}, answers{1: dead, 2: alive}, time.Hour, false, true, "run 2, attempt 1, of o/r is alive",
		},
		"two that fit, the first alive": {
			[]locks.Claim{claim(1, "runner1", noon.Add(-time.Minute)), claim(2, "runner1", noon)}, answers{1: alive, 2: dead}, time.Hour, false, true, "run 1, attempt 1, of o/r is alive",
		},
		"two that fit, both dead": {
			[]locks.Claim{claim(1, "runner1", noon.Add(-time.Minute)), claim(2, "runner1", noon)}, answers{1: dead, 2: dead}, time.Hour, true, true, "completed",
		},
		"GitHub does not know the run": {[]locks.Claim{claim(1, "runner1", noon)}, nil, time.Hour, false, false, "404"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := locks.Judge(context.Background(), lock, test.claims, test.answers.state, noon.Add(test.after))
			reason := got.Reason
			if err != nil {
				reason = err.Error()
			}
			if got.Stale != test.stale || got.Known != test.known || !strings.Contains(reason, test.reason) {
				t.Errorf("stale %v, known %v, %q; want %v, %v, %q", got.Stale, got.Known, reason, test.stale, test.known, test.reason)
			}
		})
	}
}

// The file of a lock as CLI 3.259 writes it into a local backend, with its companion.
func take(t *testing.T, top, name, host string, taken time.Time) string {
	t.Helper()
	folder := filepath.Join(top, ".pulumi/locks/organization/slipway/staging")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name+".json")
	content := fmt.Sprintf(`{"pid":3432,"username":"root","hostname":%q,"timestamp":%q}`, host, taken.Format(time.RFC3339Nano))
	for file, text := range map[string]string{path: content, path + ".attrs": `{"user.content_type":"x"}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestFreeDeletesWhatIsDeadAndNothingElse(t *testing.T) {
	ctx, top := context.Background(), t.TempDir()
	files := locks.Files{Store: locks.Folder(top)}
	stale := take(t, top, "stale", "runner1", noon.Add(time.Minute))
	living := take(t, top, "living", "runner2", noon.Add(2*time.Minute))
	mine := take(t, top, "mine", "laptop", noon.Add(3*time.Minute))
	for _, c := range []locks.Claim{claim(1, "runner1", noon), claim(2, "runner2", noon)} {
		if _, err := files.Leave(ctx, stack, c); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	now := noon.Add(time.Hour)
	cleaner := locks.Cleaner{Backend: files, Runs: answers{1: dead, 2: alive}.state, Now: func() time.Time { return now }, Out: &out}
	if err := cleaner.Free(ctx, stack); err != nil {
		t.Fatal(err)
	}
	if exists(stale) || exists(stale+".attrs") || !exists(living) || !exists(mine) {
		t.Errorf("the stale lock is there: %v; a living one: %v; a person's: %v", exists(stale), exists(living), exists(mine))
	}
	for _, part := range []string{"freed from the lock of root@runner1", "kept the lock of root@runner2", "kept the lock of root@laptop"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("it did not say %q:\n%s", part, &out)
		}
	}
	now = noon.Add(5 * time.Hour) // the person's lock becomes a puzzle
	if err := cleaner.Free(ctx, stack); err == nil || !strings.Contains(err.Error(), "pulumi cancel --stack staging") {
		t.Errorf("%v; want an error that says what to type", err)
	}
	if !exists(mine) {
		t.Error("a lock that nobody claims was deleted")
	}
}

func TestFreeTidiesClaims(t *testing.T) {
	ctx, files := context.Background(), locks.Files{Store: locks.Folder(t.TempDir())}
	for _, run := range []int64{1, 2} {
		if _, err := files.Leave(ctx, stack, claim(run, "runner", noon)); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	cleaner := locks.Cleaner{
		Backend: files, Runs: answers{1: dead, 2: alive}.state, Now: func() time.Time { return noon.Add(time.Hour) }, Out: &out,
	}
	if err := cleaner.Free(ctx, stack); err != nil {
		t.Fatal(err)
	}
	left, err := files.Claims(ctx, stack)
	if err != nil || len(left) != 1 || left[0].Run != 2 || !strings.Contains(out.String(), "no lock") {
		t.Errorf("claims %v, error %v, said %q; want that of the living run", left, err, &out)
	}
}

// A lock or a claim that cannot be read must not look like none.
func TestFreeDoesNotGuess(t *testing.T) {
	ctx, top := context.Background(), t.TempDir()
	path := take(t, top, "broken", "runner", noon)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	cleaner := locks.Cleaner{Backend: locks.Files{Store: locks.Folder(top)}, Runs: answers{}.state, Now: time.Now, Out: &strings.Builder{}}
	if err := cleaner.Free(ctx, stack); err == nil || !exists(path) {
		t.Errorf("error %v, the file is there: %v; want an error, and the file kept", err, exists(path))
	}
}

func TestUnansweredRunKeepsTheLock(t *testing.T) {
	ctx, top := context.Background(), t.TempDir()
	path := take(t, top, "lock", "runner", noon.Add(time.Minute))
	files := locks.Files{Store: locks.Folder(top)}
	if _, err := files.Leave(ctx, stack, claim(1, "runner", noon)); err != nil {
		t.Fatal(err)
	}
	cleaner := locks.Cleaner{Backend: files, Runs: answers{}.state, Now: func() time.Time { return noon.Add(time.Hour) }, Out: &strings.Builder{}}
	if err := cleaner.Free(ctx, stack); err == nil || !exists(path) {
		t.Errorf("error %v, the lock is there: %v; want both", err, exists(path))
	}
}

func TestNewClaim(t *testing.T) {
	values := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "12", "GITHUB_RUN_ATTEMPT": "3", "GITHUB_REPOSITORY": "o/r"}
	getenv := func(name string) string { return values[name] }
	got, ok, err := locks.NewClaim(getenv, "h", noon)
	if want := (locks.Claim{Repository: "o/r", Run: 12, Attempt: 3, Host: "h", Started: noon}); got != want || !ok || err != nil {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	values["GITHUB_RUN_ATTEMPT"] = ""
	if _, ok, err := locks.NewClaim(getenv, "h", noon); ok || err == nil {
		t.Errorf("without an attempt: %v, %v", ok, err)
	}
	values["GITHUB_ACTIONS"] = ""
	if _, ok, err := locks.NewClaim(getenv, "h", noon); ok || err != nil {
		t.Errorf("on a person's machine: %v, %v; want no claim", ok, err)
	}
}

func TestGitHub(t *testing.T) {
	tests := map[string]struct {
		status    int
		body      string
		completed bool
		err       string
	}{
		"completed":   {200, `{"status":"completed","conclusion":"cancelled","updated_at":"2026-11-24T12:20:00Z"}`, true, ""},
		"in progress": {200, `{"status":"in_progress","updated_at":"2026-11-24T12:20:00Z"}`, false, ""},
		"queued":      {200, `{"status":"queued","updated_at":"2026-11-24T12:20:00Z"}`, false, ""},
		"gone":        {404, `{"message":"Not Found"}`, false, "404"},
		"no rights":   {403, `{}`, false, "403"},
		"no status":   {200, `{}`, false, "no status"},
		"no JSON":     {200, `<html>`, false, "understand"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/repos/o/r/actions/runs/1/attempts/1" || r.Header.Get("Authorization") != "Bearer token" {
					t.Errorf("%s with %s", r.URL, r.Header.Get("Authorization"))
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			github := locks.GitHub{Client: server.Client(), API: server.URL, Repository: "o/r", Token: "token"}
			state, err := github.State(context.Background(), claim(1, "h", noon))
			if test.err == "" && (err != nil || state.Completed != test.completed || state.At.IsZero()) {
				t.Errorf("%+v, %v", state, err)
			}
			if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("%+v, %v; want an error with %q", state, err, test.err)
			}
		})
	}
	for missing, test := range map[string]struct {
		github locks.GitHub
		want   string
	}{
		"the repository": {locks.GitHub{Token: "token"}, "set githubOwner and githubRepository"},
		"the right one":  {locks.GitHub{Repository: "else/where", Token: "token"}, "it belongs to o/r, and our token to else/where"},
		"a token":        {locks.GitHub{Repository: "o/r"}, "gh auth login"},
	} {
		if _, err := test.github.State(context.Background(), claim(1, "h", noon)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("without %s: %v; want an error with %q", missing, err, test.want)
		}
	}
}
