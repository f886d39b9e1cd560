package report_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"slipway/ops/report"
)

func message(t *testing.T, result string, runs ...report.Run) report.Message {
	t.Helper()
	return report.Message{Summary: report.Summary{Stack: "staging", Result: result, Outputs: outputs(t), Runs: runs, Job: job(t)}}
}

func TestSlack(t *testing.T) {
	var text string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Text string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s, %v", r.Method, err)
		}
		text = body.Text
	}))
	defer server.Close()
	failed := report.Run{Action: "up", Result: report.Failure, Reason: "backend: <!channel> & more\nsecond line"}
	for result, want := range map[string][]string{
		report.Success: {":white_check_mark: *staging*: deploy went well", "`0123456789ab` is running at http://lb.example"},
		report.Failure: {
			":x: *staging*: deploy failed", "> backend: &lt;!channel&gt; &amp; more",
			"<https://github.com/o/r/actions/runs/7|deploy of main by ann>",
		},
	} {
		m := message(t, result)
		if result == report.Failure {
			m = message(t, result, failed)
		}
		if err := report.Slack(context.Background(), server.Client(), server.URL+"/secret", m); err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("the message lacks %q:\n%s", part, text)
			}
		}
		if strings.Contains(text, "second line") || strings.Contains(text, "**") {
			t.Errorf("the message is not for Slack:\n%s", text)
		}
	}
}

// Whoever has the webhook can post: no error may carry it into a public log.
func TestSlackNeverNamesTheWebhook(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such hook: http://"+r.Host+r.URL.Path, http.StatusNotFound)
	}))
	defer server.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, webhook := range map[string]string{
		"refused":      server.URL + "/T0/B0/hush",
		"unreachable":  closed.URL + "/T0/B0/hush",
		"not https":    "http://hooks.example/T0/B0/hush",
		"no URL":       "T0/B0/hush",
		"control byte": "https://hooks.example/\x7f/hush",
	} {
		t.Run(name, func(t *testing.T) {
			err := report.Slack(context.Background(), server.Client(), webhook, message(t, report.Success))
			if err == nil || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v; want an error that does not name the webhook", err)
			}
		})
	}
}
