package balancer

import (
	"context"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func health(state types.TargetHealthStateEnum, reason types.TargetHealthReasonEnum, words string) types.TargetHealth {
	return types.TargetHealth{State: state, Reason: reason, Description: aws.String(words)}
}

// The states of page "Health checks for Application Load Balancer target groups", as it words them.
var (
	registering = health(types.TargetHealthStateEnumInitial, types.TargetHealthReasonEnumRegistrationInProgress,
		"Target registration is in progress")
	checking = health(types.TargetHealthStateEnumInitial, types.TargetHealthReasonEnumInitialHealthChecking,
		"Initial health checks in progress")
	healthy  = types.TargetHealth{State: types.TargetHealthStateEnumHealthy}
	timedOut = health(types.TargetHealthStateEnumUnhealthy, types.TargetHealthReasonEnumTimeout, "Request timed out")
	failed   = health(types.TargetHealthStateEnumUnhealthy, types.TargetHealthReasonEnumFailedHealthChecks,
		"Health checks failed")
	draining = health(types.TargetHealthStateEnumDraining, types.TargetHealthReasonEnumDeregistrationInProgress,
		"Target deregistration is in progress")
	unused = health(types.TargetHealthStateEnumUnused, types.TargetHealthReasonEnumNotInUse,
		"Target group is not configured to receive traffic from the load balancer")
)

// Health tells how the targets of a group are, in the order of their registration: the registered ones, and those
// that are draining. It is empty for a group that has not been applied.
func (b *Balancer) Health(groupARN string) []types.TargetHealthDescription {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, ok := b.groups[groupARN]
	if !ok {
		return nil
	}
	var all []types.TargetHealthDescription
	for _, t := range known.targets {
		current := t.health
		all = append(all, types.TargetHealthDescription{
			Target: &types.TargetDescription{
				Id: aws.String(t.ip.String()), Port: aws.Int32(int32(t.port)), //nolint:gosec // a port
			},
			HealthCheckPort: aws.String(known.check.portOf(t)),
			TargetHealth:    &current,
		})
	}
	return all
}

// startChecks starts a target's checks, or ends them where its group is in no rule. b.mu is held.
func (b *Balancer) startChecks(t *target) {
	if t.stopChecks != nil {
		t.stopChecks()
	}
	ctx, stop := context.WithCancel(t.ctx)
	t.stopChecks = stop
	if !t.group.used {
		t.health, t.passes, t.failures = unused, 0, 0
		b.notify()
		return
	}
	if t.health.State == types.TargetHealthStateEnumUnused {
		t.health = registering
	}
	check := t.group.check
	address := net.JoinHostPort(t.ip.String(), check.portOf(t))
	b.running.Go(func() {
		b.update(ctx, t, func() {
			if t.health.Reason == registering.Reason {
				t.health = checking
			}
		})
		for {
			due := time.NewTimer(check.interval)
			result := check.run(ctx, address)
			b.update(ctx, t, func() { t.count(result) })
			select {
			case <-due.C:
			case <-ctx.Done():
				due.Stop()
				return
			}
		}
	})
}

// update changes a target unless its checks have ended meanwhile.
func (b *Balancer) update(ctx context.Context, t *target, change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	before := t.health.State
	change()
	if t.health.State != before {
		b.notify()
	}
}

// count takes the result of a check. A target in its initial checks is healthy once one has passed: page "Health
// checks for Application Load Balancer target groups" says so, and with it page "Optimize load balancer health check
// parameters" of the ECS developer guide, which elsewhere reckons with the healthy threshold for new containers too.
// Its table gives the healthy threshold to unhealthy targets only.
func (t *target) count(result types.TargetHealth) {
	if result.State == types.TargetHealthStateEnumHealthy {
		t.passes, t.failures = t.passes+1, 0
		if t.health.State == types.TargetHealthStateEnumInitial || t.passes >= t.group.check.toHealthy {
			t.health = healthy
		}
		return
	}
	t.passes, t.failures = 0, t.failures+1
	if t.failures >= t.group.check.toUnhealthy {
		t.health = result
	}
}
