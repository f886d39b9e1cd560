package secret_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"slipway/infra/config"
	"slipway/ops/secret"
)

// vault plays Secrets Manager, and keeps what it was asked.
type vault struct {
	refuses string // an error's name
	asked   []map[string]any
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	request := map[string]any{"": r.Header.Get("X-Amz-Target")}
	_ = json.Unmarshal(body, &request)
	v.asked = append(v.asked, request)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if v.refuses != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": v.refuses, "message": "no"})
		return
	}
	_, _ = io.WriteString(w, `{}`)
}

func set(t *testing.T, v *vault, name, value string) (printed string, err error) {
	t.Helper()
	server := httptest.NewServer(v)
	defer server.Close()
	cloud := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), RetryMaxAttempts: 1,
	}
	cfg := &config.Config{App: config.App{Name: "myapp"}, Services: []config.Service{{Name: "backend", Secrets: map[string]string{"API_KEY": "api"}}}}
	var out bytes.Buffer
	err = secret.Set(t.Context(), cloud, cfg, "staging", name, strings.NewReader(value), &out)
	return out.String(), err
}

func TestSet(t *testing.T) {
	for given, want := range map[string]string{
		"hunter2": "hunter2", "hunter2\n": "hunter2", "two\nlines\n\n": "two\nlines\n", " blanks stay ": " blanks stay ",
		strings.Repeat("x", 65536) + "\n": strings.Repeat("x", 65536),
	} {
		v := &vault{}
		printed, err := set(t, v, "api", given)
		if err != nil || len(v.asked) != 1 {
			t.Fatalf("%.20q: %v, %d calls", given, err, len(v.asked))
		}
		if got := v.asked[0]; got["SecretString"] != want || got["SecretId"] != "myapp-staging/api" || got[""] != "secretsmanager.PutSecretValue" {
			t.Errorf("%.20q: it asked for %.200v", given, got)
		}
		if strings.Contains(printed, want) || !strings.Contains(printed, "myapp-staging/api has a new value") {
			t.Errorf("it printed %q", printed)
		}
	}
}

// TestRefused holds what is refused before anything is asked, and what Secrets Manager's own refusal means.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ secret, value, refuses, want string }{
		"a secret of nobody's":    {"apy", "x", "", `names a secret "apy"; it has api`},
		"nothing":                 {"api", "", "", "is empty"},
		"an empty line":           {"api", "\n", "", "is empty"},
		"too much":                {"api", strings.Repeat("x", 65537), "", "longer than the 65536 bytes"},
		"a stack that is not yet": {"api", "hunter2", "ResourceNotFoundException", "the first up of staging makes it"},
		"somebody who may not":    {"api", "hunter2", "AccessDeniedException", "set secret myapp-staging/api"},
	} {
		v := &vault{refuses: c.refuses}
		printed, err := set(t, v, c.secret, c.value)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
			continue
		}
		if c.value != "" && c.value != "\n" && c.value != "x" && strings.Contains(printed+err.Error(), c.value) {
			t.Errorf("%s: the value stands in %q, %v", name, printed, err)
		}
		if c.refuses == "" && len(v.asked) > 0 {
			t.Errorf("%s: Secrets Manager was asked", name)
		}
	}
}
