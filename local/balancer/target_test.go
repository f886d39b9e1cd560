package balancer_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/balancer"
)

// checked is a target whose checks are answered by a status that can be changed, and counted since it was.
type checked struct {
	target
	held   chan struct{} // while it is not closed, a status of 0 is no answer
	mu     sync.Mutex
	status int
	checks int
}

func newChecked(t *testing.T, status int) *checked {
	t.Helper()
	c := &checked{held: make(chan struct{}), status: status}
	c.target = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			_, _ = io.WriteString(w, fmt.Sprint(c.port))
			return
		}
		c.mu.Lock()
		c.checks++
		status := c.status
		c.mu.Unlock()
		if status == 0 {
			<-c.held
			return
		}
		w.WriteHeader(status)
	})
	t.Cleanup(func() { close(c.held) })
	return c
}

func (c *checked) turn(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.checks = status, 0
}

// expect holds that as many checks have come, or one more, which may come before it is looked.
func (c *checked) expect(t *testing.T, checks int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checks != checks && c.checks != checks+1 {
		t.Errorf("the state has changed after %d checks, not %d", c.checks, checks)
	}
}

// TestHealth holds that a new target needs one passed check, an unhealthy one as many as its healthy threshold, and a
// healthy one as many failed ones as its unhealthy threshold to be unhealthy.
func TestHealth(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, forwarding())
	c := newChecked(t, 200)
	register(t, b, c.target)
	await(t, b, c.target, types.TargetHealthStateEnumHealthy)
	c.expect(t, 1)
	c.turn(404)
	now := await(t, b, c.target, types.TargetHealthStateEnumUnhealthy)
	c.expect(t, 2)
	if now.Reason != types.TargetHealthReasonEnumResponseCodeMismatch ||
		aws.ToString(now.Description) != "Health checks failed with these codes: [404]" {
		t.Errorf("it is unhealthy for %s: %s", now.Reason, aws.ToString(now.Description))
	}
	c.turn(200)
	now = await(t, b, c.target, types.TargetHealthStateEnumHealthy)
	c.expect(t, 3)
	if now.Reason != "" || now.Description != nil {
		t.Errorf("it is healthy for a reason: %+v", now)
	}
}

// TestHealthReasons holds how each failure of a check is named, and that a matcher's codes pass.
func TestHealthReasons(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int // -1: nothing listens
		codes  string
		want   types.TargetHealthReasonEnum // or none: healthy
	}{
		{200, "200", ""},
		{204, "200-299", ""},
		{302, "200,302", ""},
		{201, "200,202", types.TargetHealthReasonEnumResponseCodeMismatch},
		{0, "200", types.TargetHealthReasonEnumTimeout},
		{-1, "200", types.TargetHealthReasonEnumFailedHealthChecks},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			t.Parallel()
			b := start(t)
			cfg := forwarding()
			cfg.Groups[0].Matcher.HttpCode = &test.codes
			apply(t, b, cfg)
			c := newChecked(t, test.status)
			to := c.target
			if test.status < 0 {
				nobody, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				to = targetOf(t, "http://"+nobody.Addr().String())
				_ = nobody.Close()
			}
			register(t, b, to)
			if now := healthOf(b, to); now.State != types.TargetHealthStateEnumInitial && test.want != "" {
				t.Errorf("a new target is %+v", now)
			}
			if test.want == "" {
				await(t, b, to, types.TargetHealthStateEnumHealthy)
				return
			}
			if now := await(t, b, to, types.TargetHealthStateEnumUnhealthy); now.Reason != test.want {
				t.Errorf("it is unhealthy for %s", now.Reason)
			}
		})
	}
}

// TestUnused holds that the targets of a group in no rule are not checked, and are once it is in one.
func TestUnused(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, balancer.Config{Groups: []balancer.TargetGroup{targetGroup(group)}})
	c := newChecked(t, 200)
	register(t, b, c.target)
	if now := healthOf(b, c.target); now.State != types.TargetHealthStateEnumUnused ||
		now.Reason != types.TargetHealthReasonEnumNotInUse {
		t.Errorf("it is %+v", now)
	}
	apply(t, b, forwarding())
	await(t, b, c.target, types.TargetHealthStateEnumHealthy)
	apply(t, b, balancer.Config{Groups: []balancer.TargetGroup{targetGroup(group)}})
	if now := healthOf(b, c.target); now.State != types.TargetHealthStateEnumUnused {
		t.Errorf("it is %+v", now)
	}
	c.turn(200)
	select {
	case <-b.Deregister(group, c.ip, c.port):
	case <-time.After(soon):
		t.Error("nothing is to be drained, and it is waited for")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checks != 0 {
		t.Errorf("it was checked %d times while it was not used", c.checks)
	}
	if all := b.Health(group); len(all) != 0 {
		t.Errorf("it is still there: %+v", all)
	}
}

// TestChoosesSound holds that targets in their initial checks get no requests while another one is healthy, and that
// when none is, all get them.
func TestChoosesSound(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, forwarding())
	sound, slow := newChecked(t, 200), newChecked(t, 0)
	ask := func() map[string]int {
		from, said := client(t), map[string]int{}
		for range 4 {
			said[send(t, from, newRequest(t, b, http.MethodGet, "/", "")).body]++
		}
		return said
	}
	register(t, b, slow.target)
	if said := ask(); said[fmt.Sprint(slow.port)] != 4 {
		t.Errorf("a group of one initial target: %v", said)
	}
	register(t, b, sound.target)
	await(t, b, sound.target, types.TargetHealthStateEnumHealthy)
	if said := ask(); said[fmt.Sprint(sound.port)] != 4 {
		t.Errorf("one is healthy: %v", said)
	}
	await(t, b, slow.target, types.TargetHealthStateEnumUnhealthy)
	if said := ask(); said[fmt.Sprint(sound.port)] != 4 {
		t.Errorf("one is healthy, one unhealthy: %v", said)
	}
	sound.turn(500)
	await(t, b, sound.target, types.TargetHealthStateEnumUnhealthy)
	if said := ask(); said[fmt.Sprint(sound.port)] != 2 || said[fmt.Sprint(slow.port)] != 2 {
		t.Errorf("both are unhealthy: %v", said)
	}
	b.Deregister(group, sound.ip, sound.port)
	b.Deregister(group, slow.ip, slow.port)
	if got := get(t, b, "/"); got.code != 503 {
		t.Errorf("both are draining, and a request is answered with %d", got.code)
	}
}

// TestDrainingUnderLoad holds that no request fails while one target replaces another, and that none reaches the old
// one once it has been deregistered.
func TestDrainingUnderLoad(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, forwarding())
	var served [2]atomic.Int32
	var targets [2]target
	for i := range targets {
		targets[i] = serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/health" {
				served[i].Add(1)
				time.Sleep(5 * time.Millisecond)
			}
			_, _ = io.WriteString(w, "ok")
		})
	}
	register(t, b, targets[0])
	await(t, b, targets[0], types.TargetHealthStateEnumHealthy)
	from, done := client(t), make(chan struct{})
	var load sync.WaitGroup
	var asked, failed atomic.Int32
	for range 8 {
		load.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				response, err := from.Do(newRequest(t, b, http.MethodGet, "/", ""))
				asked.Add(1)
				if err != nil {
					failed.Add(1)
					continue
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
					failed.Add(1)
				}
				_ = response.Body.Close()
			}
		})
	}
	until := func(count *atomic.Int32, least int32) {
		for late := time.Now().Add(soon); count.Load() < least; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("only %d of %d requests came", count.Load(), least)
			}
		}
	}
	until(&served[0], 100)
	register(t, b, targets[1])
	await(t, b, targets[1], types.TargetHealthStateEnumHealthy)
	until(&served[1], 100)
	b.Deregister(group, targets[0].ip, targets[0].port)
	before := asked.Load() // those chosen before are over when each client has asked twice more
	until(&asked, before+32)
	old := served[0].Load()
	until(&asked, before+500)
	close(done)
	load.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
	if more := served[0].Load() - old; more != 0 {
		t.Errorf("%d requests reached the draining target", more)
	}
	if now := healthOf(b, targets[0]); now.State != types.TargetHealthStateEnumDraining ||
		now.Reason != types.TargetHealthReasonEnumDeregistrationInProgress {
		t.Errorf("it is %+v", now)
	}
}

// TestInFlight holds that a request that runs when its target is deregistered may finish within the delay, is cut
// after it, and goes on when the target is registered again.
func TestInFlight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, delay   string
		finish, again bool
		code          int
	}{
		{name: "within the delay", delay: "60", finish: true, code: 200},
		{name: "after the delay", delay: "1", code: 502},
		{name: "registered again", delay: "2", again: true, finish: true, code: 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			cfg := forwarding()
			cfg.Groups[0].Attributes["deregistration_delay.timeout_seconds"] = test.delay
			apply(t, b, cfg)
			began, finish := make(chan struct{}), make(chan struct{})
			to := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					close(began)
					<-finish
				}
				_, _ = io.WriteString(w, "done")
			})
			register(t, b, to)
			await(t, b, to, types.TargetHealthStateEnumHealthy)
			answered := make(chan reply, 1)
			go func() { answered <- get(t, b, "/slow") }()
			<-began
			over := b.Deregister(group, to.ip, to.port)
			if test.again {
				register(t, b, to)
				await(t, b, to, types.TargetHealthStateEnumHealthy)
			}
			deregistered := time.Now()
			if test.finish && !test.again {
				select {
				case <-over:
					t.Error("the delay was over at once")
				default:
				}
			} else {
				<-over
			}
			if test.finish {
				close(finish)
			} else {
				defer close(finish)
				if took := time.Since(deregistered); took < 900*time.Millisecond {
					t.Errorf("the delay was over after %s", took)
				}
			}
			if got := <-answered; got.code != test.code {
				t.Errorf("answered %+v", got)
			}
		})
	}
}
