package locks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/ops/locks"
)

// service answers as the reference of Pulumi Cloud's API describes it, and notes what is cancelled.
func service(t *testing.T, updates string) (cloud locks.Cloud, cancelled *[]string) {
	t.Helper()
	cancelled = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const stack = "/api/stacks/acme/slipway/staging/"
		switch {
		case r.Header.Get("Authorization") != "token t":
			http.Error(w, "no token", http.StatusUnauthorized)
		case r.Method == http.MethodGet && r.URL.Path == stack+"updates" && r.URL.Query().Get("output-type") == "service":
			_, _ = w.Write([]byte(updates))
		case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, stack+"update/"):
			*cancelled = append(*cancelled, strings.TrimPrefix(r.URL.Path, stack))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return locks.Cloud{Client: server.Client(), API: server.URL, Token: "t", Organization: "acme"}, cancelled
}

func newest(result, page string) string {
	return fmt.Sprintf(`{"updates":[{"updateID":"u-1","requestedBy":{"githubLogin":"ann"},"info":{"kind":"update","result":%q,
		"startTime":%d,"environment":{"ci.system":"GitHub Actions","ci.build.url":%q}}}]}`, result, noon.Add(time.Minute).Unix(), page)
}

func TestCloud(t *testing.T) {
	const page = "https://github.com/o/r/actions/runs/1"
	tests := map[string]struct {
		updates string
		answers answers
		freed   bool
		said    string // part of it, or of the error
	}{
		"a dead run's update":            {newest("in-progress", page), answers{1: dead}, true, "freed from the lock of ann since"},
		"an update that never began":     {newest("not-started", page), answers{1: dead}, true, "freed"},
		"a living run's update":          {newest("in-progress", page), answers{1: alive}, false, "run 1 of o/r is alive"},
		"a person's update":              {newest("in-progress", ""), nil, false, "no run claims it"},
		"an update of another CI system": {newest("in-progress", "https://ci.example/o/r/actions/runs/1"), answers{1: dead}, false, "no run claims it"},
		"an update that ended well":      {newest("succeeded", page), answers{1: dead}, false, "no lock"},
		"an update that failed":          {newest("failed", page), answers{1: dead}, false, "no lock"},
		"no update":                      {`{"updates":[]}`, nil, false, "no lock"},
		"a result that is new":           {newest("paused", page), answers{1: dead}, false, `"paused"`},
		"no JSON":                        {`<html>`, nil, false, "understand"},
		"no start":                       {`{"updates":[{"updateID":"u","info":{"result":"in-progress"}}]}`, nil, false, "no id or no start"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cloud, cancelled := service(t, test.updates)
			var out strings.Builder
			cleaner := locks.Cleaner{Backend: cloud, Runs: test.answers.state, Now: func() time.Time { return noon.Add(time.Hour) }, Out: &out}
			if err := cleaner.Free(context.Background(), stack); err != nil {
				out.WriteString(err.Error())
			}
			if freed := len(*cancelled) == 1 && (*cancelled)[0] == "update/u-1/cancel"; freed != test.freed || len(*cancelled) > 1 {
				t.Errorf("cancelled %v; want it: %v", *cancelled, test.freed)
			}
			if !strings.Contains(out.String(), test.said) {
				t.Errorf("it said %q; want %q", &out, test.said)
			}
		})
	}
}

func TestCloudRefuses(t *testing.T) {
	cloud, _ := service(t, "")
	cloud.Token = "wrong"
	if _, err := cloud.Locks(context.Background(), stack); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v; want the service's answer", err)
	}
}

// Pulumi Cloud does not know attempts. A run that was started again must have completed before.
func TestEarlierAttempt(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repos/o/r/actions/runs/1" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = w.Write([]byte(`{"status":"in_progress","updated_at":"2026-11-24T12:40:00Z","run_started_at":"2026-11-24T12:30:00Z"}`))
	}))
	defer server.Close()
	github := locks.GitHub{Client: server.Client(), API: server.URL, Repository: "o/r", Token: "t"}
	for started, want := range map[time.Time]bool{noon: true, noon.Add(35 * time.Minute): false} {
		state, err := github.State(context.Background(), locks.Claim{Repository: "o/r", Run: 1, Started: started})
		if err != nil || state.Completed != want {
			t.Errorf("an update of %v: %+v, %v; want completed: %v", started, state, err, want)
		}
	}
}
