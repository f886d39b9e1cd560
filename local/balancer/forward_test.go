package balancer_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// TestRoundRobin holds that healthy targets get requests in turn.
func TestRoundRobin(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, forwarding())
	targets := []target{naming(t, "0"), naming(t, "1"), naming(t, "2")}
	register(t, b, targets...)
	for _, target := range targets {
		await(t, b, target, types.TargetHealthStateEnumHealthy)
	}
	from, said := client(t), ""
	for range 6 {
		said += send(t, from, newRequest(t, b, http.MethodGet, "/", "")).body
	}
	if !strings.Contains("012012012", said) {
		t.Errorf("requests went to %s", said)
	}
}

// raw is a target that is spoken to by hand. answer is given each request's head, the connection, and how many
// requests came on it before; it returns whether the connection goes on.
func raw(t *testing.T, answer func(conn net.Conn, head string, before int) bool) target {
	t.Helper()
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		_ = listening.Close()
		stop() // and with it all connections
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listening.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				from := bufio.NewReader(conn)
				for before := 0; ; before++ {
					head := ""
					for !strings.HasSuffix(head, "\r\n\r\n") {
						line, err := from.ReadString('\n')
						if err != nil {
							return
						}
						head += line
					}
					if !answer(conn, head, before) {
						return
					}
				}
			})
		}
	})
	return targetOf(t, "http://"+listening.Addr().String())
}

const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestAsksOnce holds that a request is sent once, and answered with 502, when the target closes a kept-alive connection
// under it; and that nothing is added to a request without a body.
func TestAsksOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ method, body, key string }{
		{method: "GET"},
		{method: "HEAD"},
		{method: "OPTIONS"},
		{method: "DELETE"},
		{method: "POST"},
		{method: "POST", body: "x"},
		{method: "POST", key: "once"},
		{method: "PUT", body: "x", key: "once"},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			t.Parallel()
			b := start(t)
			apply(t, b, forwarding())
			var asked, kept atomic.Int32
			to := raw(t, func(conn net.Conn, head string, before int) bool {
				if strings.HasPrefix(head, "GET /health") {
					_, _ = io.WriteString(conn, plain)
					return true
				}
				if strings.Contains(strings.ToLower(head), "transfer-encoding") {
					t.Errorf("the target is sent %q", head)
				}
				asked.Add(1)
				if before > 0 {
					kept.Add(1)
					return false
				}
				_, _ = io.WriteString(conn, plain)
				return true
			})
			register(t, b, to)
			await(t, b, to, types.TargetHealthStateEnumHealthy)
			from := client(t) // its second request is read when the first is wholly over, and the target's connection free
			if got := send(t, from, newRequest(t, b, http.MethodGet, "/", "")); got.code != 200 {
				t.Fatalf("the first request is answered with %d", got.code)
			}
			request := newRequest(t, b, test.method, "/", test.body)
			if test.key != "" {
				request.Header.Set("Idempotency-Key", test.key)
			}
			if got := send(t, from, request); got.code != 502 {
				t.Errorf("the request is answered with %d", got.code)
			}
			if asked.Load() != 2 || kept.Load() != 1 {
				t.Errorf("the target was asked %d times, %d of them on a kept connection; want 2 and 1", asked.Load(), kept.Load())
			}
		})
	}
}

// TestHeaders holds that a request reaches its target as it was sent, with what a load balancer adds.
func TestHeaders(t *testing.T) {
	t.Parallel()
	b := start(t)
	cfg := forwarding()
	apply(t, b, cfg)
	heads := make(chan string, 1)
	to := raw(t, func(conn net.Conn, head string, _ int) bool {
		if !strings.HasPrefix(head, "GET /health") {
			heads <- head
		}
		_, _ = io.WriteString(conn, plain)
		return true
	})
	register(t, b, to)
	await(t, b, to, types.TargetHealthStateEnumHealthy)
	ask := func(header http.Header) string {
		request := newRequest(t, b, http.MethodGet, "/a%2Fb//c?x;y=%zz", "")
		request.Host, request.Header = "app.test:8080", header
		send(t, client(t), request)
		return <-heads
	}
	has := func(head, pattern string, want bool) {
		t.Helper()
		if regexp.MustCompile(pattern).MatchString(head) != want {
			t.Errorf("%q in %q: want %v", pattern, head, want)
		}
	}
	head := ask(http.Header{"User_agent": {"kept"}})
	has(head, `^GET /a%2Fb//c\?x;y=%zz HTTP/1.1\r\nHost: app.test:8080\r\n`, true)
	has(head, `\r\nX-Forwarded-For: 127\.[0-9.]+\r\n`, true)
	has(head, `\r\nX-Forwarded-Proto: http\r\n`, true)
	has(head, `\r\nX-Forwarded-Port: (80|8080)\r\n`, true)
	has(head, `\r\nX-Amzn-Trace-Id: Root=1-[0-9a-f]{8}-[0-9a-f]{24}\r\n`, true)
	has(head, `\r\nUser_agent: kept\r\n`, true)
	cfg = forwarding()
	cfg.Balancers[0].Attributes["routing.http.drop_invalid_header_fields.enabled"] = "true"
	apply(t, b, cfg)
	head = ask(http.Header{
		"User_agent": {"dropped"}, "X-Forwarded-For": {"192.0.2.1", "192.0.2.2"}, "X-Forwarded-Proto": {"https"},
		"X-Forwarded-Host": {"outer.test"},
		"X-Amzn-Trace-Id":  {"Root=1-67891233-abcdef012345678912345678;Self=old;CalledFrom=app"},
	})
	has(head, `User_agent`, false)
	has(head, `\r\nX-Forwarded-For: 192\.0\.2\.1, 192\.0\.2\.2, 127\.[0-9.]+\r\n`, true)
	has(head, `\r\nX-Forwarded-Proto: http\r\n`, true)
	has(head, `\r\nX-Forwarded-Host: outer.test\r\n`, true)
	has(head, `\r\nX-Amzn-Trace-Id: Self=1-[0-9a-f]{8}-[0-9a-f]{24};`+
		`Root=1-67891233-abcdef012345678912345678;CalledFrom=app\r\n`, true)
}

// TestErrors holds which status a load balancer answers with of its own, in the form of AWS's.
func TestErrors(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	closed := raw(t, func(net.Conn, string, int) bool { return false })
	malformed := raw(t, func(conn net.Conn, _ string, _ int) bool {
		_, _ = io.WriteString(conn, "gibberish\r\n\r\n")
		return false
	})
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := targetOf(t, "http://"+nobody.Addr().String())
	_ = nobody.Close()
	quiet := raw(t, func(net.Conn, string, int) bool { <-silent; return false })
	t.Cleanup(func() { close(silent) })
	for _, test := range []struct {
		name   string
		to     []target
		method string
		header http.Header
		path   string
		code   int
		title  string
	}{
		{name: "no target", code: 503, title: "503 Service Temporarily Unavailable"},
		{name: "refused", to: []target{refusing}, code: 502, title: "502 Bad Gateway"},
		{name: "closed", to: []target{closed}, code: 502, title: "502 Bad Gateway"},
		{name: "malformed", to: []target{malformed}, code: 502, title: "502 Bad Gateway"},
		{name: "silent", to: []target{quiet}, code: 504, title: "504 Gateway Time-out"},
		{name: "trace", method: "TRACE", code: 405, title: "405 Not Allowed"},
		{name: "long", path: "/" + strings.Repeat("a", 17<<10), code: 414, title: "414 Request-URI Too Large"},
		{name: "big header", header: http.Header{"A": {strings.Repeat("a", 17<<10)}}, code: 400, title: "400 Bad Request"},
		{
			name: "many proxies", header: http.Header{"X-Forwarded-For": {strings.Repeat("192.0.2.1, ", 30) + "192.0.2.1"}},
			code: 463, title: "463",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			cfg := forwarding()
			cfg.Balancers[0].Attributes["idle_timeout.timeout_seconds"] = "1"
			apply(t, b, cfg)
			register(t, b, test.to...)
			request := newRequest(t, b, cmpOr(test.method, "GET"), cmpOr(test.path, "/"), "")
			if test.header != nil {
				request.Header = test.header
			}
			got := send(t, client(t), request)
			if got.code != test.code || !strings.Contains(got.body, "<center><h1>"+test.title+"</h1></center>") ||
				got.header.Get("Server") != "awselb/2.0" {
				t.Errorf("answered %+v", got)
			}
		})
	}
}

// TestSilentClient holds that a client which stops in a body is answered with 408, and one which asks nothing is left.
func TestSilentClient(t *testing.T) {
	t.Parallel()
	b := start(t)
	cfg := forwarding()
	cfg.Balancers[0].Attributes["idle_timeout.timeout_seconds"] = "1"
	apply(t, b, cfg)
	register(t, b, serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	for _, test := range []struct{ sent, want string }{
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408 Request Timeout\r\n"},
		{"", ""},
		{"GET / HT", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
	} {
		conn := dial(t, socket(t, b))
		began := time.Now()
		_, _ = io.WriteString(conn, test.sent)
		got, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("%q: %v", test.sent, err)
		}
		if !strings.HasPrefix(string(got), test.want) || test.want == "" && len(got) > 0 {
			t.Errorf("%q is answered with %q", test.sent, got)
		}
		if took := time.Since(began); took < 900*time.Millisecond {
			t.Errorf("%q: the connection was closed after %s", test.sent, took)
		}
	}
}

// TestLateRequest holds that a request that begins within the idle timeout has another one to come in.
func TestLateRequest(t *testing.T) {
	t.Parallel()
	b := start(t)
	cfg := listening(listener(port, saying("here")))
	cfg.Balancers[0].Attributes["idle_timeout.timeout_seconds"] = "1"
	apply(t, b, cfg)
	conn := dial(t, socket(t, b))
	for _, part := range []string{"GET / HTTP/1.1\r\n", "Host: a\r\nConnection: close\r\n\r\n"} {
		time.Sleep(700 * time.Millisecond)
		_, _ = io.WriteString(conn, part)
	}
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 OK\r\n") {
		t.Errorf("answered %q, %v", got, err)
	}
}

// TestMovingAnswer holds that an answer may take longer than the idle timeout as long as something moves.
func TestMovingAnswer(t *testing.T) {
	t.Parallel()
	b := start(t)
	cfg := forwarding()
	cfg.Balancers[0].Attributes["idle_timeout.timeout_seconds"] = "1"
	apply(t, b, cfg)
	register(t, b, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			return
		}
		for range 5 {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(400 * time.Millisecond)
		}
	}))
	if got := get(t, b, "/"); got.body != "xxxxx" {
		t.Errorf("answered %+v", got)
	}
}

// TestUpgrade holds that a WebSocket's connection passes both ways, and is cut when its target's delay is over.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	b := start(t)
	cfg := forwarding()
	cfg.Groups[0].Attributes["deregistration_delay.timeout_seconds"] = "1"
	apply(t, b, cfg)
	to := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			return
		}
		conn, stream, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, stream)
	})
	register(t, b, to)
	await(t, b, to, types.TargetHealthStateEnumHealthy)
	conn := dial(t, socket(t, b))
	_, _ = io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	from := bufio.NewReader(conn)
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answered with %s", response.Status)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := from.ReadString('\n'); line != "hello\n" {
		t.Errorf("echoed %q, %v", line, err)
	}
	<-b.Deregister(group, to.ip, to.port)
	if rest, err := io.ReadAll(from); len(rest) > 0 || err != nil {
		t.Errorf("after the delay: %q, %v", rest, err)
	}
}
