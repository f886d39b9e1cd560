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
	json, query, ec2, s3 answer
	message              string
}

// answer is what differs between protocols.
type answer struct {
	code   string
	status int
}

// The codes are those that the SDKs retry on: aws-sdk-go-v2, aws/retry. S3's are of its API Reference, "Error responses".
var (
	throttled = problem{
		json: answer{"ThrottlingException", http.StatusBadRequest}, query: answer{"Throttling", http.StatusBadRequest},
		ec2: answer{"RequestLimitExceeded", http.StatusServiceUnavailable}, s3: answer{"SlowDown", http.StatusServiceUnavailable},
		message: "Rate exceeded",
	}
	internal = problem{
		json: answer{"InternalServerError", http.StatusInternalServerError}, query: answer{"InternalFailure", http.StatusInternalServerError},
		ec2: answer{"InternalError", http.StatusInternalServerError}, s3: answer{"InternalError", http.StatusInternalServerError},
		message: "An internal error has occurred.",
	}
)

// xmlServices answer in the query protocol's XML, unless they are asked in JSON. Route 53 has another protocol, with the same errors.
var xmlServices = []string{"iam", "elasticloadbalancing", "rds", "sts", "sns", "cloudwatch", "route53"}

func refuse(w http.ResponseWriter, r *http.Request, service string, p problem) {
	inJSON := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json")
	switch {
	case service == "ec2":
		write(w, p.ec2.status, "text/xml", fmt.Sprintf(
			"<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>fault</RequestID></Response>", p.ec2.code, p.message))
	case service == "s3":
		write(w, p.s3.status, "application/xml", fmt.Sprintf(
			"<Error><Code>%s</Code><Message>%s</Message><RequestId>fault</RequestId></Error>", p.s3.code, p.message))
	case slices.Contains(xmlServices, service) && !inJSON:
		write(w, p.query.status, "text/xml", fmt.Sprintf(
			"<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>fault</RequestId></ErrorResponse>",
			p.query.code, p.message))
	default:
		body, _ := json.Marshal(map[string]string{"__type": p.json.code, "message": p.message}) // strings always render
		write(w, p.json.status, "application/x-amz-json-1.1", string(body))
	}
}

func write(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, body)
}
