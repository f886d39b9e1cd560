// Package rpcv2 lets a server that speaks AWS's JSON protocol be asked by Smithy's "RPC v2 CBOR", which newer SDKs use for CloudWatch,
// and which moto does not know. A request names its operation by the path, and request and answer are CBOR with JSON's shape; only
// times look different.
package rpcv2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

const (
	header   = "smithy-protocol"
	protocol = "rpc-v2-cbor"
)

// Handler passes requests of the protocol on as JSON, and answers in CBOR. Other requests pass as they are.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(header) != protocol {
			next.ServeHTTP(w, r)
			return
		}
		asked, err := translate(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer := &kept{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(answer, asked)
		answer.pass(w)
	})
}

// translate makes of a request the same one in JSON.
func translate(r *http.Request) (*http.Request, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // service/SERVICE/operation/OPERATION
	if len(parts) != 4 || parts[0] != "service" || parts[2] != "operation" {
		return nil, fmt.Errorf("the path %q names no operation", r.URL.Path)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read the call: %w", err)
	}
	input := any(map[string]any{})
	if len(body) > 0 {
		value, err := cbor.Decode(body)
		if err != nil {
			return nil, fmt.Errorf("understand the call: %w", err)
		}
		input = plain(value)
	}
	text, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("render the call as JSON: %w", err)
	}
	asked := r.Clone(r.Context())
	asked.URL.Path = "/"
	asked.Header.Del(header)
	asked.Header.Set("Content-Type", "application/x-amz-json-1.0")
	asked.Header.Set("Accept", "application/json")
	asked.Header.Set("X-Amz-Target", parts[1]+"."+parts[3])
	asked.Header.Set("Content-Length", strconv.Itoa(len(text)))
	asked.Body, asked.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return asked, nil
}

// kept is an answer that has not been given yet.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (k *kept) Header() http.Header { return k.header }

// Write implements http.ResponseWriter.
func (k *kept) Write(part []byte) (int, error) { return k.body.Write(part) }

// WriteHeader implements http.ResponseWriter.
func (k *kept) WriteHeader(status int) { k.status = status }

// pass gives the answer as CBOR. One that is no JSON is an error of the server's own, and is told in words.
func (k *kept) pass(w http.ResponseWriter) {
	value := cbor.Value(cbor.Map{})
	if k.body.Len() > 0 {
		decoder := json.NewDecoder(bytes.NewReader(k.body.Bytes()))
		decoder.UseNumber()
		var answer any
		if err := decoder.Decode(&answer); err != nil {
			answer, k.status = map[string]any{"__type": "InternalFailure", "message": k.body.String()}, max(k.status, http.StatusInternalServerError)
		}
		value = encoded("", answer)
	}
	for name, values := range k.header {
		if name != "Content-Length" && name != "Content-Type" {
			w.Header()[name] = values
		}
	}
	w.Header().Set(header, protocol)
	w.Header().Set("Content-Type", "application/cbor")
	w.WriteHeader(k.status)
	_, _ = w.Write(cbor.Encode(value))
}

// plain is a value as encoding/json takes it. Times become seconds since 1970, as the JSON protocol has them.
func plain(value cbor.Value) any {
	switch v := value.(type) {
	case cbor.Uint:
		return uint64(v)
	case cbor.NegInt:
		return -int64(v) //nolint:gosec // no parameter of an API is so large
	case cbor.Slice:
		return []byte(v)
	case cbor.String:
		return string(v)
	case cbor.Bool:
		return bool(v)
	case cbor.Float32:
		return float32(v)
	case cbor.Float64:
		return float64(v)
	case *cbor.Tag:
		return plain(v.Value)
	case cbor.List:
		list := make([]any, len(v))
		for i, entry := range v {
			list[i] = plain(entry)
		}
		return list
	case cbor.Map:
		object := make(map[string]any, len(v))
		for name, entry := range v {
			object[name] = plain(entry)
		}
		return object
	}
	return nil
}

// timeTag marks seconds since 1970.
const timeTag = 1

// encoded is a value of JSON under a name; null is left out of objects.
func encoded(name string, value any) cbor.Value {
	switch v := value.(type) {
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	case json.Number:
		return number(name, v)
	case []any:
		list := make(cbor.List, len(v))
		for i, entry := range v {
			list[i] = encoded(name, entry)
		}
		return list
	case map[string]any:
		object := cbor.Map{}
		for key, entry := range v {
			if entry != nil {
				object[key] = encoded(key, entry)
			}
		}
		return object
	}
	return &cbor.Nil{}
}

// isTime says by its name whether a number is a time, as far as CloudWatch has any.
func isTime(name string) bool {
	return strings.HasSuffix(name, "Timestamp") || strings.HasSuffix(name, "Timestamps") || name == "LastModified"
}

func number(name string, text json.Number) cbor.Value {
	float, _ := text.Float64() // JSON has no others
	if isTime(name) {
		return &cbor.Tag{ID: timeTag, Value: cbor.Float64(float)}
	}
	whole, err := text.Int64()
	switch {
	case err != nil:
		return cbor.Float64(float)
	case whole < 0:
		return cbor.NegInt(uint64(-whole))
	}
	return cbor.Uint(uint64(whole))
}
