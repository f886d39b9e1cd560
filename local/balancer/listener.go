package balancer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of page "Quotas for your Application Load Balancers" and "Troubleshoot your Application Load Balancers".
const (
	maxLine      = 16 << 10 // bytes of a request line, and of a single header
	maxHeader    = 64 << 10 // bytes of all headers
	maxForwarded = 30       // addresses in X-Forwarded-For
)

// maxClients is how many connections of clients a listener has open at once; more wait. An ALB scales instead.
const maxClients = 1024

// codeForwarded is the status for too many addresses in X-Forwarded-For.
const codeForwarded = 463

// listener is an open socket. Its table is replaced while it serves.
type listener struct {
	balancer *Balancer
	socket   net.Listener
	server   *http.Server
	end      context.CancelFunc // ends the requests, also those whose connections the server has given away
	table    atomic.Pointer[table]
}

// listen opens a listener.
func (b *Balancer) listen(at netip.AddrPort, rules *table) (*listener, error) {
	ctx, end := context.WithCancel(b.ctx)
	var sockets net.ListenConfig
	socket, err := sockets.Listen(ctx, "tcp4", at.String())
	if err != nil {
		end()
		return nil, fmt.Errorf("open its listener: %w; see what else listens on port %d of all addresses: ss -ltn",
			err, at.Port())
	}
	l := &listener{balancer: b, socket: socket, end: end}
	l.table.Store(rules)
	l.server = &http.Server{ //nolint:gosec // clients are timed by the idle timeout of the table, which may change
		Handler:                      l,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     b.log,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, clientKey{}, conn)
		},
		ConnState: l.follow,
	}
	b.running.Go(func() {
		err := l.server.Serve(accepting{netutil.LimitListener(socket, maxClients), l})
		if !errors.Is(err, http.ErrServerClosed) {
			b.log.Printf("listener %s ended: %v", at, err)
		}
	})
	return l, nil
}

func (l *listener) close() error {
	l.end()
	err := l.server.Close()
	if closed := l.socket.Close(); !errors.Is(closed, net.ErrClosed) { // the server knows of it only once it serves
		err = errors.Join(err, closed)
	}
	return err
}

// client is a client's connection. It is closed when nothing comes for the idle timeout outside of a request; within
// one, another watch looks on.
type client struct {
	watched
	taken bool // by an upgrade
}

type clientKey struct{}

// await starts the watch between two requests.
func (c *client) await(idle time.Duration) {
	c.watch.Store(newWatch(idle, func() { _ = c.Close() }))
}

type accepting struct {
	net.Listener
	listener *listener
}

// Accept implements net.Listener.
func (a accepting) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	table := a.listener.table.Load()
	if table.security != nil {
		conn = tls.Server(conn, table.security)
	}
	from := &client{watched: watched{Conn: conn}}
	from.await(table.idle)
	return from, nil
}

// follow is told by the server what becomes of a connection.
func (l *listener) follow(conn net.Conn, state http.ConnState) {
	from, ok := conn.(*client)
	if !ok {
		return // it accepts no others
	}
	switch state {
	case http.StateNew:
		l.balancer.running.Add(1)
	case http.StateHijacked:
		from.taken = true
	case http.StateClosed:
		from.watch.Load().stop()
		l.balancer.running.Done()
	}
}

// ServeHTTP implements http.Handler.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	table := l.table.Load()
	if table.hsts != "" {
		w.Header().Set(hstsHeader, table.hsts)
	}
	if from, ok := r.Context().Value(clientKey{}).(*client); ok {
		from.watch.Load().stop()
		defer func() {
			if from.taken {
				l.balancer.running.Done()
				return
			}
			from.await(table.idle)
		}()
	}
	if code := refusal(r); code != 0 {
		answer(w, code)
		return
	}
	table.route(r).ServeHTTP(w, r)
}

// refusal is the status of a request that no rule is asked for, or 0. Source: page "Troubleshoot your Application Load
// Balancers", section "The load balancer generates an HTTP error".
func refusal(r *http.Request) int {
	if r.Method == http.MethodTrace {
		return http.StatusMethodNotAllowed
	}
	if len(r.RequestURI) > maxLine {
		return http.StatusRequestURITooLong
	}
	for name, values := range r.Header {
		for _, value := range values {
			if len(name)+len(value) > maxLine {
				return http.StatusBadRequest
			}
		}
	}
	if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 &&
		strings.Count(strings.Join(forwarded, ","), ",") >= maxForwarded {
		return codeForwarded
	}
	return 0
}
