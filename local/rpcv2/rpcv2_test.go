package rpcv2_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"slipway/local/rpcv2"
)

// ask sends an operation of CloudWatch to a server that speaks JSON, by way of the handler.
func ask(t *testing.T, body []byte, server http.HandlerFunc) (*http.Response, cbor.Map) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm", bytes.NewReader(body))
	request.Header.Set("smithy-protocol", "rpc-v2-cbor")
	request.Header.Set("Content-Type", "application/cbor")
	recorder := httptest.NewRecorder()
	rpcv2.Handler(server).ServeHTTP(recorder, request)
	response := recorder.Result()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("smithy-protocol") != "rpc-v2-cbor" {
		return response, nil
	}
	value, err := cbor.Decode(content)
	if err != nil {
		t.Fatal(err)
	}
	return response, value.(cbor.Map)
}

// TestHandler holds what a server of JSON is asked, and what of its answer comes back.
func TestHandler(t *testing.T) {
	body := cbor.Encode(cbor.Map{
		"AlarmName": cbor.String("a"), "Threshold": cbor.Float64(0.5), "Period": cbor.Uint(60), "Offset": cbor.NegInt(3), "ActionsEnabled": cbor.Bool(true),
		"StartTime": &cbor.Tag{ID: 1, Value: cbor.Float64(5)}, "Dimensions": cbor.List{cbor.Map{"Name": cbor.String("b")}},
	})
	response, answer := ask(t, body, func(w http.ResponseWriter, r *http.Request) {
		var input map[string]any
		if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
			t.Error(err)
		}
		want := map[string]any{
			"AlarmName": "a", "Threshold": 0.5, "Period": 60.0, "Offset": -3.0, "ActionsEnabled": true, "StartTime": 5.0,
			"Dimensions": []any{map[string]any{"Name": "b"}},
		}
		if !reflect.DeepEqual(input, want) {
			t.Errorf("the server is asked %v", input)
		}
		if target := r.Header.Get("X-Amz-Target"); target != "GraniteServiceVersion20100801.PutMetricAlarm" || r.URL.Path != "/" ||
			r.Header.Get("Content-Type") != "application/x-amz-json-1.0" || r.Header.Get("smithy-protocol") != "" {
			t.Errorf("the server is asked for %s by %v", target, r.Header)
		}
		w.Header().Set("X-Amzn-Requestid", "1")
		_, _ = io.WriteString(w, `{"StateUpdatedTimestamp": 1795591517.5, "Timestamps": [1], "Threshold": 90.0, "Period": 60, "Low": -2, "Next": null, "Names": ["a"], "Is": false}`)
	})
	want := cbor.Map{
		"Threshold": cbor.Float64(90), "Period": cbor.Uint(60), "Low": cbor.NegInt(2), "Names": cbor.List{cbor.String("a")}, "Is": cbor.Bool(false),
		"StateUpdatedTimestamp": &cbor.Tag{ID: 1, Value: cbor.Float64(1795591517.5)},
		"Timestamps":            cbor.List{&cbor.Tag{ID: 1, Value: cbor.Float64(1)}},
	}
	if !reflect.DeepEqual(answer, want) || response.StatusCode != http.StatusOK || response.Header.Get("X-Amzn-Requestid") != "1" {
		t.Errorf("%s: the answer is %v", response.Status, answer)
	}
	if at, err := cbor.AsTime(answer["StateUpdatedTimestamp"]); err != nil || !at.Equal(time.UnixMilli(1795591517500)) {
		t.Errorf("the SDK reads the time as %s, %v", at, err)
	}
}

// TestErrors holds that a refusal comes back as one, and so does what is none of the protocol.
func TestErrors(t *testing.T) {
	response, answer := ask(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) != "{}" {
			t.Errorf("an empty call is %q", body)
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type": "ResourceNotFound", "message": "no"}`)
	})
	if response.StatusCode != http.StatusBadRequest || answer["__type"] != cbor.String("ResourceNotFound") {
		t.Errorf("%s: %v", response.Status, answer)
	}
	response, answer = ask(t, nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if response.StatusCode != http.StatusInternalServerError || answer["message"] != cbor.String("<html>") {
		t.Errorf("what is no JSON: %s: %v", response.Status, answer)
	}
	if response, answer = ask(t, nil, func(http.ResponseWriter, *http.Request) {}); response.StatusCode != http.StatusOK || len(answer) != 0 {
		t.Errorf("an empty answer: %s: %v", response.Status, answer)
	}
	if response, _ = ask(t, []byte{0xff}, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") }); response.StatusCode != http.StatusBadRequest {
		t.Errorf("what is no CBOR: %s", response.Status)
	}
}

// TestOthers holds that what is of another protocol passes untouched.
func TestOthers(t *testing.T) {
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader([]byte("Action=ListTopics")))
	recorder := httptest.NewRecorder()
	rpcv2.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})).ServeHTTP(recorder, request)
	if recorder.Body.String() != "Action=ListTopics" {
		t.Errorf("got %q", recorder.Body.String())
	}
}
