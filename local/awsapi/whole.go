package awsapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// whole sends a call in one piece, so that no answer is lost on this machine.
//
// net/http looks once more for the end of a body after it has sent it. The SDK closes the body as soon as an answer begins, and what it wraps
// a body in says then that reading has failed, whereupon net/http closes the connection, under the answer: the SDK takes that for a
// broken connection, and makes the call again. An answer must be fast for that, as one on loopback is where the machine is busy.
// Source: aws/aws-sdk-go-v2#2737; net/http, isKnownInMemoryReader.
type whole struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return w.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the call's body: %w", err)
	}
	sent := r.Clone(r.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))
	return w.next.RoundTrip(sent)
}
