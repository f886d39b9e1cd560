// Package load sends requests to a server on this machine at a steady rate and tells how they fared.
//
// It is an open loop: requests are sent on schedule, however slow the answers are, and a latency counts from the moment
// at which its request was due. A client that waits for one answer before it asks again would send less to a server
// that stalls, and report the stall once instead of for everybody who would have met it.
//
// It is not Vegeta: once that has as many workers as it may have, it waits for a free one, and it counts a latency from
// when a worker took the request up (Attack and hit in its lib/attack.go, version 12.12).
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	maxRate = 500 // requests a second: enough to see a gap of 2 ms, and bearable for a laptop's two cores
	maxBody = 1 << 20
)

// Request is one kind of request.
type Request struct {
	Method string // GET if empty
	URL    string // http, of a loopback address or localhost
	Body   string // JSON; none if empty
}

// Gets are GET requests of the given URLs.
func Gets(urls ...string) []Request {
	requests := make([]Request, len(urls))
	for i, u := range urls {
		requests[i] = Request{URL: u}
	}
	return requests
}

// Options say what is sent.
type Options struct {
	Requests    []Request     // sent in turn
	Rate        int           // requests a second, 1 to 500
	Timeout     time.Duration // of one request, from the moment at which it was due; 10 s if 0
	Connections int           // requests under way at once; 200 if 0. One too many is not sent, and counts as failed
	// Check says whether an answer is right, given its body up to 1 MiB; nil takes every status from 200 to 299.
	Check func(answer *http.Response, body []byte) error
}

// Run is load under way.
type Run struct {
	options Options
	clients [2]*http.Client // one keeps its connections, one makes a new one for every request
	start   time.Time
	end     func() // ends the schedule
	ended   chan struct{}

	mu      sync.Mutex
	results []result
	marks   []mark
	stopped time.Time
}

// result is what became of one request.
type result struct {
	due, sent, done time.Time // sent is zero where the request was not
	url             string
	reused, retried bool // its connection; whether net/http sent it a second time
	err             error
}

type mark struct {
	name string
	at   time.Time
}

// Start begins to send, until Stop is called or ctx ends. Every second round of the requests is sent on new
// connections, the others on connections that are kept. A Run that was started must be stopped. Start fails where
// options cannot be met, and refuses every host but this one.
func Start(ctx context.Context, options Options) (*Run, error) {
	if options.Timeout == 0 {
		options.Timeout = 10 * time.Second
	}
	if options.Connections == 0 {
		options.Connections = 200
	}
	if options.Check == nil {
		options.Check = wasSuccessful
	}
	if err := options.validate(); err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	options.Requests = slices.Clone(options.Requests)
	sending, end := context.WithCancel(ctx)
	r := &Run{
		options: options,
		clients: [2]*http.Client{client(options, false), client(options, true)},
		start:   time.Now(),
		end:     end,
		ended:   make(chan struct{}),
	}
	go r.send(ctx, sending)
	return r, nil
}

func (o Options) validate() error {
	if o.Rate < 1 || o.Rate > maxRate {
		return fmt.Errorf("a rate of %d requests a second; choose 1 to %d", o.Rate, maxRate)
	}
	if o.Timeout < 0 || o.Connections < 0 {
		return fmt.Errorf("a timeout of %s and %d connections; neither may be negative", o.Timeout, o.Connections)
	}
	if len(o.Requests) == 0 {
		return errors.New("no request is given; name at least one")
	}
	for _, request := range o.Requests {
		parsed, err := url.Parse(request.URL)
		if err != nil {
			return err
		}
		if parsed.Scheme != "http" {
			return fmt.Errorf("%q is no http URL; name one such as http://127.0.0.1:8080/", request.URL)
		}
		host := parsed.Hostname()
		if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
			return fmt.Errorf("%q is not on this machine, and load is sent nowhere else; name localhost or a loopback address", request.URL)
		}
	}
	return nil
}

func wasSuccessful(answer *http.Response, _ []byte) error {
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}

func client(options Options, newConnections bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{ // with no proxy: the server is on this machine
			DisableKeepAlives:   newConnections,
			MaxIdleConnsPerHost: options.Connections,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it may lead elsewhere
	}
}

// send starts every request when it is due, until sending ends; those under way live on, within ctx.
func (r *Run) send(ctx, sending context.Context) {
	defer close(r.ended)
	var underWay sync.WaitGroup
	places := make(chan struct{}, r.options.Connections)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		due := r.start.Add(time.Duration(i) * time.Second / time.Duration(r.options.Rate))
		timer.Reset(time.Until(due))
		select {
		case <-sending.Done():
			r.mu.Lock()
			r.stopped = time.Now()
			r.mu.Unlock()
			underWay.Wait()
			return
		case <-timer.C:
		}
		round, kind := i/len(r.options.Requests), i%len(r.options.Requests)
		request := r.options.Requests[kind]
		select {
		case places <- struct{}{}:
			underWay.Go(func() {
				r.note(r.do(ctx, r.clients[round%2], request, due))
				<-places
			})
		default:
			r.note(result{
				due: due, url: request.URL, done: time.Now(),
				err: fmt.Errorf("not sent: %d requests were under way already", r.options.Connections),
			})
		}
	}
}

func (r *Run) note(one result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, one)
}

// do sends one request and reads its answer.
func (r *Run) do(ctx context.Context, client *http.Client, request Request, due time.Time) (one result) {
	one = result{due: due, sent: time.Now(), url: request.URL}
	defer func() { one.done = time.Now() }()
	ctx, cancel := context.WithDeadline(ctx, due.Add(r.options.Timeout))
	defer cancel()
	connections := 0
	var body io.Reader = http.NoBody
	if request.Body != "" {
		body = bytes.NewReader([]byte(request.Body))
	}
	// A server may close a kept connection while a request is on its way. net/http then sends an idempotent one again,
	// unasked, as browsers do; what that hides is told by the count of connections.
	asked, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			connections++
			one.reused, one.retried = info.Reused, connections > 1
		},
	}), request.Method, request.URL, body)
	if err != nil {
		one.err = err
		return one
	}
	if request.Body != "" {
		asked.Header.Set("Content-Type", "application/json")
	}
	answer, err := client.Do(asked)
	if err != nil {
		one.err = err
		return one
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		one.err = fmt.Errorf("read the answer: %w", err)
		return one
	}
	one.err = r.options.Check(answer, content)
	return one
}

// Mark begins a phase, which lasts until the next one or the end. What was sent before the first Mark is in no phase.
func (r *Run) Mark(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, mark{name, time.Now()})
}

// Stop ends the schedule, waits for the answers that are still due, at most for Timeout, and reports. It may be called
// again.
func (r *Run) Stop() Report {
	r.end()
	<-r.ended
	for _, client := range r.clients {
		client.CloseIdleConnections()
	}
	return r.report()
}
