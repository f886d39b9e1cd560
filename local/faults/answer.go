package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Serve carries out a call that meets a fault: next is how it would have gone.
func (f Fault) Serve(w http.ResponseWriter, r *http.Request, service string, next http.HandlerFunc) {
	switch f.Kind {
	case Throttle:
		refuse(w, r, service, throttled)
	case Error:
		refuse(w, r, service, internal)
	case Slow:
		if wait(r.Context(), f.Delay) {
			next(w, r)
		}
	case Lost:
		next(&deaf{header: http.Header{}}, r)
		hangUp(w)
	default:
		next(w, r)
	}
}

func wait(ctx context.Context, delay time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay):
		return true
	}
}

// deaf takes an answer and gives it to nobody.
type deaf struct{ header http.Header }

// Header implements http.ResponseWriter.
func (d *deaf) Header() http.Header { return d.header }

// Write implements http.ResponseWriter.
func (d *deaf) Write(body []byte) (int, error) { return len(body), nil }

// WriteHeader implements http.ResponseWriter.
func (d *deaf) WriteHeader(int) {}

// hangUp closes the connection that a call came by, without a word.
func hangUp(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler) // HTTP/2: the server then resets the stream
	}
	if connection, _, err := hijacker.Hijack(); err == nil {
		_ = connection.Close()
	}
}

// problem is an error as AWS's protocols word it.
type problem struct {
	json, query, ec2 string // its code in each
	jsonStatus       int
	queryStatus      int
	ec2Status        int
	message          string
}

// The codes are those that the SDKs retry on: aws-sdk-go-v2, aws/retry.
var (
	throttled = problem{
		json: "ThrottlingException", query: "Throttling", ec2: "RequestLimitExceeded",
		jsonStatus: http.StatusBadRequest, queryStatus: http.StatusBadRequest, ec2Status: http.StatusServiceUnavailable, message: "Rate exceeded",
	}
	internal = problem{
		json: "InternalServerError", query: "InternalFailure", ec2: "InternalError",
		jsonStatus: http.StatusInternalServerError, queryStatus: http.StatusInternalServerError, ec2Status: http.StatusInternalServerError,
		message: "An internal error has occurred.",
	}
)

// queryServices speak the query protocol, and answer in XML, unless they are asked in JSON.
var queryServices = []string{"iam", "elasticloadbalancing", "rds", "sts", "sns", "cloudwatch"}

func refuse(w http.ResponseWriter, r *http.Request, service string, p problem) {
	inJSON := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json")
	switch {
	case service == "ec2":
		write(w, p.ec2Status, "text/xml", fmt.Sprintf(
			"<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>fault</RequestID></Response>", p.ec2, p.message))
	case slices.Contains(queryServices, service) && !inJSON:
		write(w, p.queryStatus, "text/xml", fmt.Sprintf(
			"<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>fault</RequestId></ErrorResponse>", p.query, p.message))
	default:
		body, _ := json.Marshal(map[string]string{"__type": p.json, "message": p.message}) // strings always render
		write(w, p.jsonStatus, "application/x-amz-json-1.1", string(body))
	}
}

func write(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}
