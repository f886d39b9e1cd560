package schedules

import (
	"context"
	"log"
	"reflect"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// Schedule is one as it is registered.
type Schedule struct {
	Expression string
	Zone       string // as the IANA names it
	Enabled    bool
	Target     types.Target
}

// Clock starts what is registered when its time has come. Its methods may be called from any goroutine.
type Clock struct {
	start func(ctx context.Context, target types.Target) error
	ctx   context.Context
	stop  context.CancelFunc
	group sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running map[string]*hand
}

// hand is a schedule that is followed.
type hand struct {
	schedule Schedule
	stop     context.CancelFunc
}

// New makes a Clock, which Close ends. start starts a schedule's target; its error is told in the log, and not tried again.
func New(start func(ctx context.Context, target types.Target) error) *Clock {
	ctx, stop := context.WithCancel(context.Background())
	return &Clock{start: start, ctx: ctx, stop: stop, running: map[string]*hand{}}
}

// Close ends all schedules. What they have started goes on.
func (c *Clock) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.group.Wait()
}

// Apply follows the given schedules and no others, each by its name. One that is as before goes on; one that has changed begins anew.
func (c *Clock) Apply(all map[string]Schedule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, one := range c.running {
		if schedule, there := all[name]; !there || !reflect.DeepEqual(schedule, one.schedule) {
			one.stop()
			delete(c.running, name)
		}
	}
	for name, schedule := range all {
		if c.running[name] != nil || c.closed {
			continue
		}
		ctx, stop := context.WithCancel(c.ctx)
		c.running[name] = &hand{schedule: schedule, stop: stop}
		c.group.Go(func() { c.follow(ctx, name, schedule, time.Now()) })
	}
}

// follow starts a schedule's target at each of its times, until ctx ends or no time is left.
func (c *Clock) follow(ctx context.Context, name string, schedule Schedule, since time.Time) {
	if !schedule.Enabled {
		return
	}
	expression, err := Parse(schedule.Expression, schedule.Zone)
	if err != nil {
		log.Printf("schedule %s will never come: %v", name, err)
		return
	}
	for last := since.Add(-time.Nanosecond); ; {
		next, ok := expression.Next(last, since)
		if !ok {
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		last = next
		if err := c.start(ctx, schedule.Target); err != nil && ctx.Err() == nil {
			log.Printf("schedule %s could not start its target, which is not tried again: %v", name, err)
		}
	}
}
