package balancer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// connectTimeout is how long a target may take to accept a connection. Source: page "Troubleshoot your Application Load
// Balancers", section "HTTP 504: Gateway timeout".
const connectTimeout = 10 * time.Second

// Why a request was ended.
var (
	errIdle    = errors.New("nothing was sent for the idle timeout")
	errClient  = errors.New("the client sent nothing of its body for the idle timeout")
	errRemoved = errors.New("the target's deregistration delay is over")
)

// forward carries out a forward action.
type forward struct {
	place
	groups []types.TargetGroupTuple
	weight uint32        // of all groups
	turn   atomic.Uint32 // counts the requests
}

func (p place) forward(action types.Action) (http.Handler, error) {
	f := &forward{place: p}
	if config := action.ForwardConfig; config != nil {
		f.groups = config.TargetGroups
		if sticky := config.TargetGroupStickinessConfig; sticky != nil && aws.ToBool(sticky.Enabled) {
			return refused("stickiness of target groups is not there")
		}
	}
	if len(f.groups) == 0 && action.TargetGroupArn != nil {
		f.groups = []types.TargetGroupTuple{{TargetGroupArn: action.TargetGroupArn}}
	}
	for _, group := range f.groups {
		f.weight += weightOf(group)
	}
	return f, nil
}

func weightOf(group types.TargetGroupTuple) uint32 {
	if group.Weight == nil {
		return 1
	}
	return uint32(max(0, *group.Weight)) //nolint:gosec // not negative
}

// choose finds the target group of the next request: of as many requests as the weights add up to, each group has as
// many as it weighs. An empty group is chosen too; a load balancer does not look for another one.
func (f *forward) choose() string {
	if f.weight == 0 {
		return ""
	}
	turn := (f.turn.Add(1) - 1) % f.weight
	for _, group := range f.groups {
		if turn < weightOf(group) {
			return aws.ToString(group.TargetGroupArn)
		}
		turn -= weightOf(group)
	}
	return ""
}

// ServeHTTP implements http.Handler. It asks one target, once.
func (f *forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, transport := f.balancer.pick(f.choose(), f.idle)
	if target == nil {
		f.fail(w, r, http.StatusServiceUnavailable, errors.New("the target group has no registered targets"))
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(target.ctx, func() { cancel(context.Cause(target.ctx)) })()
	var answering atomic.Bool
	body := &clientBody{ReadCloser: r.Body}
	watch := newWatch(f.idle, func() {
		controller, past := http.NewResponseController(w), time.Unix(1, 0)
		if body.waiting.Load() {
			cancel(errClient)
			_ = controller.SetReadDeadline(past) // the transport waits for its read
		}
		cancel(errIdle)
		if answering.Load() {
			_ = controller.SetWriteDeadline(past) // the client may be who does not read
		}
	})
	defer watch.stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if conn, ok := got.Conn.(*targetConn); ok {
			conn.watch.Store(watch)
		}
	}})
	r = r.WithContext(ctx)
	r.Body = body
	w.Header()["Content-Type"] = nil // keeps the server from guessing one
	proxy := httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { f.rewrite(p, target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      f.balancer.log,
		ModifyResponse: func(answer *http.Response) error {
			answering.Store(true)
			if f.hsts != "" {
				answer.Header.Del(hstsHeader) // the load balancer's stands there already
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				err = context.Cause(r.Context())
			}
			f.fail(w, r, statusOf(err), fmt.Errorf("target %s: %w", target.address(), err))
		},
	}
	proxy.ServeHTTP(w, r)
}

// statusOf is the status for an error on the way to a target. Source: page "Troubleshoot your Application Load
// Balancers", section "The load balancer generates an HTTP error".
func statusOf(err error) int {
	var network *net.OpError
	switch {
	case errors.Is(err, errClient):
		return http.StatusRequestTimeout
	case errors.Is(err, errIdle), errors.As(err, &network) && network.Op == "dial" && network.Timeout():
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadGateway
	}
}

func (f *forward) fail(w http.ResponseWriter, r *http.Request, code int, err error) {
	f.balancer.log.Printf("%s %s is answered with %d: %v", r.Method, r.URL.EscapedPath(), code, err)
	answer(w, code)
}

// validName is what a header's name must be for routing.http.drop_invalid_header_fields.enabled to keep it. Source:
// page "Application Load Balancers", section "Load balancer attributes".
var validName = regexp.MustCompile(`^[-A-Za-z0-9]+$`)

// rewrite makes the request to the target. Source of the headers: pages "HTTP headers and Application Load Balancers"
// and "Request tracing for your Application Load Balancer".
func (f *forward) rewrite(p *httputil.ProxyRequest, to *target) {
	in, out := p.In, p.Out
	out.URL.Scheme, out.URL.Host = "http", to.address()
	out.URL.RawQuery = in.URL.RawQuery // ReverseProxy has left out what it cannot parse
	out.Host = in.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-Host"} { // it has removed them, and a load balancer does not
		if values, ok := in.Header[name]; ok {
			out.Header[name] = values
		}
	}
	if f.dropInvalid {
		for name := range out.Header {
			if !validName.MatchString(name) {
				delete(out.Header, name)
			}
		}
	}
	from, _, _ := net.SplitHostPort(in.RemoteAddr)
	out.Header.Set("X-Forwarded-For", strings.Join(append(in.Header.Values("X-Forwarded-For"), from), ", "))
	out.Header.Set("X-Forwarded-Proto", f.scheme)
	out.Header.Set("X-Forwarded-Port", strconv.Itoa(f.port))
	out.Header.Set("X-Amzn-Trace-Id", trace(in.Header.Get("X-Amzn-Trace-Id"), time.Now()))
	onceOnly(out)
}

// onceOnly keeps net/http's Transport from sending a request again when its kept-alive connection is closed under it:
// a load balancer answers 502 then (page "Troubleshoot your Application Load Balancers", section "HTTP 502: Bad
// gateway"). The Transport sends again what has no body, by method (GET and such) or by the header Idempotency-Key,
// which it looks for by its canonical name. So a request without a body has an empty one, whose encoding is said to
// be none so that nothing of it is sent, and the header has its name in lower case.
func onceOnly(out *http.Request) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := out.Header[name]; ok {
			delete(out.Header, name)
			out.Header[strings.ToLower(name)] = values
		}
	}
	replayed := []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	if out.Body == nil && slices.Contains(replayed, out.Method) {
		out.Body = io.NopCloser(strings.NewReader(""))
		out.TransferEncoding = []string{"identity"}
	}
}

// trace makes the value of X-Amzn-Trace-Id from the one that came.
func trace(came string, now time.Time) string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails
	made := fmt.Sprintf("1-%08x-%s", now.Unix(), hex.EncodeToString(id[:]))
	var others []string
	rooted := false
	for field := range strings.SplitSeq(came, ";") {
		name, _, _ := strings.Cut(field, "=")
		if name == "Self" || field == "" {
			continue
		}
		rooted = rooted || name == "Root"
		others = append(others, field)
	}
	if rooted {
		return strings.Join(append([]string{"Self=" + made}, others...), ";")
	}
	return strings.Join(append([]string{"Root=" + made}, others...), ";")
}

// clientBody knows whether it is being waited for.
type clientBody struct {
	io.ReadCloser
	waiting atomic.Bool
}

// Read implements io.Reader.
func (c *clientBody) Read(p []byte) (int, error) {
	c.waiting.Store(true)
	defer c.waiting.Store(false)
	return c.ReadCloser.Read(p)
}

// newTransport makes the connections to one target. They are kept alive for as long as the idle timeout is.
func newTransport(idle time.Duration) *http.Transport {
	dialer := net.Dialer{Timeout: connectTimeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &targetConn{watched{Conn: conn}}, nil
		},
		DisableCompression:  true,
		MaxIdleConnsPerHost: maxClients,
		IdleConnTimeout:     idle,
	}
}
