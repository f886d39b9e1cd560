package awsapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// late is a connection whose writer goes on only when an answer is being read, as can be on a busy machine.
type late struct {
	net.Conn
	read <-chan struct{}
}

func (l late) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if bytes.HasSuffix(p, []byte("{}")) { // the end of the call
		select {
		case <-l.read:
		case <-time.After(5 * time.Second):
		}
	}
	return n, err
}

// telling is a client that tells when the SDK begins to read an answer.
type telling struct {
	http.Client
	read func()
}

func (c *telling) Do(r *http.Request) (*http.Response, error) {
	answer, err := c.Client.Do(r)
	if err == nil {
		answer.Body = body{answer.Body, c.read}
	}
	return answer, err
}

type body struct {
	io.ReadCloser
	read func()
}

func (b body) Read(p []byte) (int, error) {
	b.read()
	return b.ReadCloser.Read(p)
}

// TestWhole holds that a call is made once whose answer begins before its writer is through, and that without the mend the SDK makes it
// twice.
func TestWhole(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		answer := fmt.Sprintf(`{"clusterArns":[%q]}`, strings.Repeat("x", 8192)) // more than net/http reads ahead
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
		_, _ = io.WriteString(w, answer[:64])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done(): // the caller has closed the connection
		case <-time.After(time.Second):
		}
		_, _ = io.WriteString(w, answer[64:])
	}))
	defer server.Close()
	config := Config(server.URL)
	mended, ok := config.HTTPClient.(*http.Client).Transport.(whole)
	if !ok {
		t.Fatalf("Config's client sends by %T", config.HTTPClient)
	}
	for _, mend := range []bool{true, false} {
		began := make(chan struct{})
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connection, err := new(net.Dialer).DialContext(ctx, network, address)
			return late{connection, began}, err
		}}
		client := &telling{read: sync.OnceFunc(func() { close(began) })}
		client.Transport = transport
		want := int32(2)
		if mend {
			mended.next = transport
			client.Transport, want = mended, 1
		}
		config.HTTPClient = client
		calls.Store(0)
		_, err := ecs.NewFromConfig(config).ListClusters(t.Context(), &ecs.ListClustersInput{})
		if made := calls.Load(); err != nil || made != want {
			t.Errorf("mended %v: made %d calls, want %d; %v", mend, made, want, err)
		}
		transport.CloseIdleConnections()
	}
}
