package balancer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// target is a registered or draining target.
type target struct {
	group      *group
	ip         netip.Addr
	port       int
	health     types.TargetHealth
	passes     int // checks passed since one failed
	failures   int // checks failed since one passed
	stopChecks context.CancelFunc
	drained    chan struct{} // while it is draining
	delay      *time.Timer   // likewise
	ctx        context.Context
	cut        context.CancelCauseFunc // ends ctx, and with it the target's requests
	transports map[time.Duration]*http.Transport
}

func (t *target) address() string { return net.JoinHostPort(t.ip.String(), strconv.Itoa(t.port)) }

// Register registers a target with a group that has been applied. ip is an IPv4 or IPv6 address. Its first check is
// made at once; with one that passes it is healthy. A target that is draining is taken back, its connections with it;
// one that is registered stays as it is.
func (b *Balancer) Register(groupARN, ip string, port int) error {
	at, err := netip.ParseAddr(ip)
	if err != nil {
		return fmt.Errorf("register a target: %w; give its IP address", err)
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("register target %s: port %d is not within 1 to 65535", ip, port)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("register target %s: the balancer is closed; make a new one", ip)
	}
	known, ok := b.groups[groupARN]
	if !ok {
		return fmt.Errorf("register target %s: target group %s has not been applied; apply it first", ip, groupARN)
	}
	t := known.find(at, port)
	switch {
	case t == nil:
		t = &target{group: known, ip: at, port: port, transports: map[time.Duration]*http.Transport{}}
		t.ctx, t.cut = context.WithCancelCause(b.ctx)
		known.targets = append(known.targets, t)
	case t.drained == nil:
		return nil
	default:
		t.delay.Stop()
		close(t.drained)
		t.drained, t.delay = nil, nil
	}
	t.health, t.passes, t.failures = registering, 0, 0
	b.startChecks(t)
	b.notify()
	return nil
}

// Deregister deregisters a target: it gets no more requests, and those it has may finish until the group's
// deregistration delay has passed. Then its connections are cut, and the channel is closed. It is closed at once for
// a target that is not registered, or whose group is in no rule; and when the target is registered again, or the
// balancer closed, meanwhile. Source: page "Edit target group attributes for your Application Load Balancer", section
// "Deregistration delay".
func (b *Balancer) Deregister(groupARN, ip string, port int) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	over := make(chan struct{})
	at, err := netip.ParseAddr(ip)
	known, ok := b.groups[groupARN]
	var t *target
	if err == nil && ok {
		t = known.find(at, port)
	}
	if t == nil {
		close(over)
		return over
	}
	if t.drained != nil {
		return t.drained
	}
	t.stopChecks()
	t.health, t.drained = draining, over
	delay := known.delay
	if !known.used {
		delay = 0
	}
	t.delay = time.AfterFunc(delay, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if t.drained == over {
			b.remove(t)
		}
	})
	b.notify()
	return over
}

// remove ends all that a target has. b.mu is held.
func (b *Balancer) remove(t *target) {
	t.group.targets = slices.DeleteFunc(t.group.targets, func(other *target) bool { return other == t })
	t.stopChecks()
	t.cut(errRemoved)
	for _, transport := range t.transports {
		transport.CloseIdleConnections()
	}
	if t.drained != nil {
		t.delay.Stop()
		close(t.drained)
		t.drained = nil
	}
	b.notify()
}
