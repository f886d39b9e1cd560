package balancer_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"golang.org/x/sys/unix"

	"slipway/local/balancer"
)

// TestApplyKeepsSockets holds that a listener that stays keeps its connections while its rules change, that one that
// is gone refuses, and that other ports open beside it.
func TestApplyKeepsSockets(t *testing.T) {
	t.Parallel()
	b := start(t)
	from := client(t)
	ask := func(port string) (said string, reused bool) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(got httptrace.GotConnInfo) { reused = got.Reused },
		})
		ip, _, _ := strings.Cut(socket(t, b), ":")
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ip+":"+port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		return send(t, from, request).body, reused
	}
	apply(t, b, listening(listener(9001, saying("one"))))
	if said, _ := ask("9001"); said != "one" {
		t.Errorf("it says %q", said)
	}
	before := b.Host(name)
	apply(t, b, listening(listener(9001, saying("two")), listener(9002, saying("other"))))
	if said, reused := ask("9001"); said != "two" || !reused {
		t.Errorf("it says %q, on a kept connection: %v", said, reused)
	}
	if said, _ := ask("9002"); said != "other" {
		t.Errorf("the new listener says %q", said)
	}
	apply(t, b, listening(listener(9002, saying("other"))))
	ip, _, _ := strings.Cut(socket(t, b), ":")
	if conn, err := net.Dial("tcp", ip+":9001"); err == nil {
		_ = conn.Close()
		t.Error("a listener that is gone accepts")
	}
	if said, reused := ask("9002"); said != "other" || !reused {
		t.Errorf("the listener that stayed says %q, on a kept connection: %v", said, reused)
	}
	if now := b.Host(name); now != before {
		t.Errorf("the host was %s and is %s", before, now)
	}
}

// TestHost holds that each load balancer has an address of its own in 127.0.0.0/8, stable until it is deleted, and
// that no two balancers share one.
func TestHost(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 2 {
		b := start(t)
		for _, name := range []string{"a", "b"} {
			host := b.Host(name)
			ip, _, _ := strings.Cut(host, ":")
			at, err := netip.ParseAddr(ip)
			if err != nil || !at.IsLoopback() || host == "127.0.0.1" || seen[host] {
				t.Errorf("the host of %s is %q", name, host)
			}
			seen[host] = true
			if again := b.Host(name); again != host {
				t.Errorf("the host of %s was %s and is %s", name, host, again)
			}
		}
	}
	b := start(t)
	before := b.Host(name)
	apply(t, b, balancer.Config{})
	if now := b.Host(name); now != before {
		t.Errorf("before its load balancer was there, the host was %s and is %s", before, now)
	}
	apply(t, b, forwarding())
	if now := b.Host(name); now != before {
		t.Errorf("with its load balancer, the host was %s and is %s", before, now)
	}
	apply(t, b, balancer.Config{})
	if now := b.Host(name); now == before {
		t.Errorf("a deleted load balancer's host is still %s", now)
	}
}

// TestLoopbackOnly holds that a listener is not reached at any other address of the machine.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, listening(listener(9003, saying("here"))))
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		ip := address.(*net.IPNet).IP
		if ip.IsLinkLocalUnicast() {
			continue // needs a zone
		}
		if conn, err := net.Dial("tcp", net.JoinHostPort(ip.String(), "9003")); err == nil {
			_ = conn.Close()
			t.Errorf("it is reached at %s", ip)
		}
	}
}

// unprivileged makes a balancer on a thread that may not bind ports below 1024. The thread is given back as it was:
// were it left to end, the kernel would kill the processes that were started on it to die with their parent.
func unprivileged(t *testing.T) *balancer.Balancer {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before [2]unix.CapUserData
	if err := unix.Capget(&header, &before[0]); err != nil {
		t.Fatal(err)
	}
	without := before
	without[0].Effective &^= 1 << unix.CAP_NET_BIND_SERVICE
	if err := unix.Capset(&header, &without[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&header, &before[0]); err != nil {
			t.Error(err)
		}
	}()
	b, err := balancer.New(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMovedPorts holds that where ports below 1024 may not be bound, every port is moved by 8000, and Host names 8080.
func TestMovedPorts(t *testing.T) {
	t.Parallel()
	b := unprivileged(t)
	t.Cleanup(func() { _ = b.Close() })
	cfg := listening(
		listener(80, types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{
			StatusCode: types.RedirectActionStatusCodeEnumHttp302, Port: aws.String("81"),
		}}),
		listener(81, saying("81")),
		listener(60000, saying("too high")),
	)
	if err := b.Apply(cfg); err == nil || !strings.Contains(err.Error(), "listener on port 60000") {
		t.Errorf("Apply says %v", err)
	}
	host := b.Host(name)
	if !strings.HasSuffix(host, ":8080") {
		t.Errorf("the host is %s", host)
	}
	to := get(t, b, "/").header.Get("Location")
	if want := "http://" + strings.Replace(host, ":8080", ":8081", 1) + "/"; to != want {
		t.Errorf("port 80 redirects to %q, not %q", to, want)
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := send(t, client(t), request); got.body != "81" {
		t.Errorf("port 81 says %+v", got)
	}
}

// TestRetriesBinding holds that a port that could not be bound is said so, and tried again by the next Apply of the
// same.
func TestRetriesBinding(t *testing.T) {
	t.Parallel()
	b := start(t)
	ip, _, _ := strings.Cut(socket(t, b), ":")
	taken, err := net.Listen("tcp", ip+":9004")
	if err != nil {
		t.Fatal(err)
	}
	cfg := listening(listener(9004, saying("mine")))
	if err := b.Apply(cfg); err == nil || !strings.Contains(err.Error(), "open its listener") {
		t.Errorf("Apply says %v", err)
	}
	_ = taken.Close()
	apply(t, b, cfg)
	_ = dial(t, ip+":9004").Close()
}

// TestClose holds that Close ends listeners, requests, checks and draining, that no goroutine is left, and that
// nothing can be done afterwards. It does not run in parallel: goroutines of other tests would be counted.
func TestClose(t *testing.T) {
	b := start(t)
	apply(t, b, forwarding())
	began, over := make(chan struct{}), make(chan struct{})
	to := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			close(began)
			<-r.Context().Done() // its connection is cut
			close(over)
		}
	})
	register(t, b, to)
	conn := dial(t, socket(t, b))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-began
	drained := b.Deregister(group, to.ip, to.port)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	<-drained
	<-over
	if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("its client: %v", err)
	}
	for late := time.Now().Add(soon); ; time.Sleep(time.Millisecond) { // those that Close has waited for are about to end
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "slipway/local/balancer.") {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("goroutines are left:\n%s", stacks)
		}
	}
	if err := b.Apply(forwarding()); err == nil {
		t.Error("Apply still works")
	}
	if err := b.Register(group, to.ip, to.port); err == nil {
		t.Error("Register still works")
	}
	if host := b.Host(name); host != "" {
		t.Errorf("the host is %q", host)
	}
}
