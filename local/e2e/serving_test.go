package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"slipway/local/load"
)

// gentleRate is of requests a second, few enough for the quarter of a virtual CPU that a task has by default.
const gentleRate = 20

// serves sends requests to both services until the function that it returns is called, which holds that none of them has failed, and
// that no backend but a release's has answered.
func (c checkout) serves(t *testing.T, url, release string) func() {
	t.Helper()
	source := c.backendOf(t, release)
	sending, err := load.Start(t.Context(), load.Options{
		Rate: gentleRate,
		Requests: append(
			load.Gets(url+"/", url+"/api/revision", url+"/api/items?limit=5"),
			load.Request{Method: "POST", URL: url + "/api/items", Body: `{"name": "under load"}`},
		),
		Check: func(answer *http.Response, body []byte) error {
			switch {
			case answer.StatusCode < 200 || answer.StatusCode > 299:
				return fmt.Errorf("status %s", answer.Status)
			case answer.Request.URL.Path == "/api/revision" && !strings.Contains(string(body), `"`+source):
				return fmt.Errorf("%s answers, want %s", body, source)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sending.Stop() })
	return func() {
		t.Helper()
		report := sending.Stop()
		t.Logf("%s", report)
		if all := report.Overall; all.OK == 0 || all.Failed > 0 {
			t.Errorf("%d requests were answered by the release before, and %d failed, such as %v", all.OK, all.Failed, all.Failures)
		}
	}
}
