package load

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func start(t *testing.T, options Options) *Run {
	t.Helper()
	run, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Stop() })
	return run
}

// after waits for a channel, which a server closes once it has seen what the test is about.
func after(t *testing.T, seen <-chan struct{}) {
	t.Helper()
	select {
	case <-seen:
	case <-time.After(30 * time.Second):
		t.Fatal("the server did not see what it was to see within 30 s")
	}
}

// counted is a channel that closes when the returned function was called n times.
func counted(n int64) (<-chan struct{}, func() int64) {
	seen := make(chan struct{})
	var calls atomic.Int64
	return seen, func() int64 {
		call := calls.Add(1)
		if call == n {
			close(seen)
		}
		return call
	}
}

// TestRate holds that requests go out at the rate asked for, in turn, with their methods and bodies, and that kept and
// new connections have half each.
func TestRate(t *testing.T) {
	seen, count := counted(180)
	var mu sync.Mutex
	methods, closing := map[string]int{}, map[string]int{}
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		key := r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		methods[key]++
		if r.Close {
			closing[key]++
		}
		count()
	})
	begin := time.Now()
	run := start(t, Options{Rate: 60, Requests: append(Gets(url+"/a"), Request{Method: "POST", URL: url + "/b", Body: `{"name":"x"}`})})
	after(t, seen)
	took := time.Since(begin)
	report := run.Stop()
	if took < 2900*time.Millisecond {
		t.Errorf("180 requests at 60 a second went out within %s", took)
	}
	all := report.Overall
	// A request more or less may fall on either side of a second's edge, and more where the machine is busy.
	if all.LowestSent < 50 || all.LowestOK < 50 {
		t.Errorf("at least %d were sent and %d answered in every second, want 50:\n%s", all.LowestSent, all.LowestOK, report)
	}
	if all.Failed > 0 || all.OK != all.Sent || all.Retried > 0 {
		t.Errorf("got\n%s", report)
	}
	want := []string{"GET /a  ", `POST /b application/json {"name":"x"}`}
	for _, key := range want {
		if n := methods[key]; n < 89 || n > 95 {
			t.Errorf("%q came %d times of %v", key, n, methods)
		}
		if n := closing[key]; n < 43 || n > 48 {
			t.Errorf("%q came %d times on a new connection, want half of %d", key, n, methods[key])
		}
	}
	if len(methods) != len(want) || all.Reused < 80 {
		t.Errorf("%d requests on used connections, and all were %v", all.Reused, methods)
	}
}

// TestFailuresAreCounted holds that every answer that Check does not want is a failure, and that the first few are
// told.
func TestFailuresAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		check   func(*http.Response, []byte) error
		what    string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil, "status 502 Bad Gateway"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, nil, "status 302 Found"},
		"content": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "old") }, func(_ *http.Response, body []byte) error {
			return errors.New("it says " + string(body))
		}, "it says old"},
		"torn": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		}, nil, "read the answer: unexpected EOF"},
		"cut": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			seen, count := counted(20)
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if count()%2 == 0 {
					c.handler(w, r)
				}
			})
			if c.check == nil {
				c.check = wasSuccessful
			}
			run := start(t, Options{Rate: 50, Requests: []Request{{Method: "POST", URL: url}}, Check: func(answer *http.Response, body []byte) error {
				if answer.StatusCode == http.StatusOK && len(body) == 0 {
					return nil // the half of the answers that is in order
				}
				return c.check(answer, body)
			}})
			after(t, seen)
			report := run.Stop()
			all := report.Overall
			if all.OK < all.Sent/2 || all.Failed < 10 || all.OK+all.Failed != all.Sent {
				t.Errorf("got\n%s", report)
			}
			if len(all.Failures) != keptFailures {
				t.Fatalf("%d failures are told, want %d", len(all.Failures), keptFailures)
			}
			for _, f := range all.Failures {
				if !strings.Contains(f.What.Error(), c.what) || f.URL != url || f.Due.IsZero() {
					t.Errorf("told %v of %s at %s, want %q", f.What, f.URL, f.Due, c.what)
				}
			}
			if !strings.Contains(report.String(), c.what) || !strings.Contains(report.String(), "more") {
				t.Errorf("the table says\n%s", report)
			}
		})
	}
}

// TestStallShows holds that a server which answers nobody for a while is told as everybody met it: requests go out on
// schedule all the same, each that was due in the stall waited for its end, and no answer came in some second of it.
func TestStallShows(t *testing.T) {
	const stall = 2 * time.Second
	seen, count := counted(300)
	var once sync.Once
	stalled := make(chan struct{}) // closed at the end of the stall
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if count() >= 60 {
			once.Do(func() { time.AfterFunc(stall, func() { close(stalled) }) })
			<-stalled
		}
	})
	run := start(t, Options{Rate: 60, Requests: Gets(url)})
	after(t, seen)
	all := run.Stop().Overall
	if all.Failed > 0 || all.LowestSent < 50 {
		t.Errorf("%d failed, and at least %d a second were sent, want none and 50", all.Failed, all.LowestSent)
	}
	if all.LowestOK > 2 {
		t.Errorf("in every second of a stall of %s at least %d were answered", stall, all.LowestOK)
	}
	// 120 of some 300 met the stall, for between all of it and nothing. A closed loop would have had one or a few slow
	// ones.
	if all.Max < stall-100*time.Millisecond || all.P95 < stall/2 || all.P50 > stall/4 {
		t.Errorf("p50 %s, p95 %s, max %s", all.P50, all.P95, all.Max)
	}
}

// TestTimeout holds that a request that is not answered in time fails, and took no less than that.
func TestTimeout(t *testing.T) {
	seen, count := counted(10)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		count()
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	run := start(t, Options{Rate: 50, Timeout: 300 * time.Millisecond, Requests: Gets(url)})
	after(t, seen)
	all := run.Stop().Overall
	if all.OK > 0 || all.Failed < 10 || all.P50 < 300*time.Millisecond || !errors.Is(all.Failures[0].What, context.DeadlineExceeded) {
		t.Errorf("got %+v", all)
	}
}

// TestBounded holds that no more requests are under way than allowed, and that what was not sent counts as failed.
func TestBounded(t *testing.T) {
	release := make(chan struct{})
	seen, count := counted(3)
	var underWay, most atomic.Int64
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if now := underWay.Add(1); now > most.Load() {
			most.Store(now)
		}
		count()
		<-release
		underWay.Add(-1)
	})
	run := start(t, Options{Rate: 100, Connections: 3, Requests: Gets(url)})
	after(t, seen)
	// The first three are held, so whatever has ended was not sent.
	deadline := time.After(30 * time.Second)
	for ended := 0; ended < 5; {
		select {
		case <-deadline:
			close(release)
			t.Fatal("no request was turned away within 30 s")
		case <-time.After(10 * time.Millisecond):
		}
		run.mu.Lock()
		ended = len(run.results)
		run.mu.Unlock()
	}
	close(release)
	all := run.Stop().Overall
	if most.Load() != 3 || all.Unsent < 5 || all.Failed != all.Unsent || !strings.Contains(all.Failures[0].What.Error(), "3 requests were under way") {
		t.Errorf("%d at once; got %+v", most.Load(), all)
	}
}

// TestPhases holds that a phase has what was due in it and nothing else.
func TestPhases(t *testing.T) {
	var bad atomic.Bool
	first, countFirst := counted(30)
	second, countSecond := counted(30)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if bad.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			countSecond()
			return
		}
		countFirst()
	})
	run := start(t, Options{Rate: 25, Requests: Gets(url)})
	run.Mark("good")
	after(t, first)
	run.Mark("between")
	bad.Store(true)
	run.Mark("bad")
	after(t, second)
	report := run.Stop()
	names := []string{}
	sent := 0
	for _, p := range report.Phases {
		names = append(names, p.Name)
		sent += p.Sent
	}
	if !slices.Equal(names, []string{"good", "between", "bad"}) {
		t.Fatalf("phases %v", names)
	}
	good, between, broken := report.Phases[0], report.Phases[1], report.Phases[2]
	if good.OK < 29 || good.Failed > 1 || broken.OK > 1 || broken.Failed < 29 { // one may be under way at the border
		t.Errorf("got\n%s", report)
	}
	if between.LowestSent != -1 || good.LowestOK < 20 || broken.LowestOK > 1 {
		t.Errorf("lowest a second: %d between, %d good, %d bad", between.LowestSent, good.LowestOK, broken.LowestOK)
	}
	if sent > report.Overall.Sent || sent < report.Overall.Sent-1 { // what was due before the first mark is in none
		t.Errorf("%d in phases, %d overall", sent, report.Overall.Sent)
	}
	lines := strings.Split(report.String(), "\n")
	if len(lines) < 5 || !strings.HasPrefix(strings.TrimSpace(lines[4]), "overall") {
		t.Errorf("the table says\n%s", report)
	}
}

// TestRetried holds that a request which net/http sends again, since its connection was closed under it, is told as
// such.
func TestRetried(t *testing.T) {
	seen, count := counted(12)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if !r.Close && count()%3 == 0 {
			panic(http.ErrAbortHandler) // as a server does that ends with the request in its hands
		}
	})
	run := start(t, Options{Rate: 50, Requests: Gets(url)})
	after(t, seen)
	if all := run.Stop().Overall; all.Retried == 0 {
		t.Errorf("got %+v", all)
	}
}

// TestEndOfContext holds that load ends with its context, whatever is under way.
func TestEndOfContext(t *testing.T) {
	seen, count := counted(3)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		count()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	run, err := Start(ctx, Options{Rate: 50, Timeout: time.Hour, Requests: Gets(url)})
	if err != nil {
		t.Fatal(err)
	}
	after(t, seen)
	cancel()
	if all := run.Stop().Overall; all.OK > 0 || all.Failed < 3 || run.Stop().Overall.Failed != all.Failed {
		t.Errorf("got %+v", all)
	}
}

// TestRefused holds that what cannot be meant is refused, above all another machine.
func TestRefused(t *testing.T) {
	for what, options := range map[string]Options{
		"a rate of 0":      {Requests: Gets("http://127.0.0.1/")},
		"a rate of 501":    {Rate: 501, Requests: Gets("http://127.0.0.1/")},
		"no request":       {Rate: 1},
		"not on this":      {Rate: 1, Requests: Gets("http://127.0.0.1/", "http://192.0.2.1/")},
		"example.com":      {Rate: 1, Requests: Gets("http://127.0.0.1.example.com/")},
		"no http URL":      {Rate: 1, Requests: Gets("https://localhost/")},
		"may be negative":  {Rate: 1, Connections: -1, Requests: Gets("http://[::1]/")},
		"invalid char":     {Rate: 1, Requests: Gets("http://local host/")},
		"timeout of -1s":   {Rate: 1, Timeout: -time.Second, Requests: Gets("http://localhost/")},
		"this machine, an": {Rate: 1, Requests: Gets("http://0.0.0.0/")},
	} {
		run, err := Start(t.Context(), options)
		if err == nil {
			run.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

func TestQuantile(t *testing.T) {
	ten := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		values  []time.Duration
		percent int
		want    time.Duration
	}{{ten, 50, 5}, {ten, 95, 10}, {ten, 100, 10}, {ten[:1], 50, 1}, {nil, 99, 0}} {
		if got := quantile(c.values, c.percent); got != c.want {
			t.Errorf("quantile(%v, %d) = %d, want %d", c.values, c.percent, got, c.want)
		}
	}
}
