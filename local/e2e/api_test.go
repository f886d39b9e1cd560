package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"slipway/local/awsapi"
	"slipway/local/cloud"
)

// call calls an operation of a service that speaks JSON.
func call(t *testing.T, state cloud.State, service, target string, input, output any) {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, state.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	answer := send(t, service, request)
	if err := json.Unmarshal(answer, output); err != nil {
		t.Fatalf("%s: %v: %s", target, err, answer)
	}
}

// query calls an operation of a service that takes forms and answers in XML.
func query(t *testing.T, state cloud.State, service string, form url.Values) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, state.Endpoint+"/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(t, service, request)
}

// send makes a call as one of this machine's own: its service is named, but nothing is signed.
func send(t *testing.T, service string, request *http.Request) []byte {
	t.Helper()
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+awsapi.Housekeeping+"/20260101/"+awsapi.Region+"/"+service+
		"/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s answers %s: %s, %v", service, response.Status, answer, err)
	}
	return answer
}
