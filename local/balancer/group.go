package balancer

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// group is a target group.
type group struct {
	check   check
	delay   time.Duration // from deregistration to the cut of connections
	used    bool          // by a rule
	targets []*target     // by registration, the draining ones too
	turn    int           // counts the requests
}

// applyGroups makes the groups those of cfg.
func (b *Balancer) applyGroups(cfg Config) []error {
	var problems []error
	used := usedGroups(cfg.Balancers)
	kept := map[string]bool{}
	for _, found := range cfg.Groups {
		arn, name := aws.ToString(found.TargetGroupArn), aws.ToString(found.TargetGroupName)
		refused := differing(found.Attributes, []fixed{
			{"load_balancing.algorithm.type", "round_robin"},
			{"slow_start.duration_seconds", "0"},
			{"stickiness.enabled", "false"},
			{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"},
			{"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"},
		})
		for _, err := range refused {
			problems = append(problems, fmt.Errorf("target group %s: %w", name, err))
		}
		check, err := checkOf(found.TargetGroup)
		delay, wrong := seconds(found.Attributes, "deregistration_delay.timeout_seconds", 300*time.Second)
		if err := errors.Join(err, wrong); err != nil {
			problems = append(problems, fmt.Errorf("target group %s: %w; it can have no targets", name, err))
			continue
		}
		kept[arn] = true
		known, ok := b.groups[arn]
		if !ok {
			known = &group{}
			b.groups[arn] = known
		}
		known.delay = delay
		if known.check == check && known.used == used[arn] {
			continue
		}
		known.check, known.used = check, used[arn]
		for _, target := range known.targets {
			if target.drained == nil {
				b.startChecks(target)
			}
		}
	}
	for arn, known := range b.groups {
		if !kept[arn] {
			b.removeGroup(known)
			delete(b.groups, arn)
		}
	}
	return problems
}

// usedGroups are the groups that a rule of an application load balancer names.
func usedGroups(balancers []LoadBalancer) map[string]bool {
	used := map[string]bool{}
	note := func(actions []types.Action) {
		for _, action := range actions {
			used[aws.ToString(action.TargetGroupArn)] = true
			if action.ForwardConfig != nil {
				for _, group := range action.ForwardConfig.TargetGroups {
					used[aws.ToString(group.TargetGroupArn)] = true
				}
			}
		}
	}
	for _, balancer := range balancers {
		for _, listener := range balancer.Listeners {
			note(listener.DefaultActions)
			for _, rule := range listener.Rules {
				note(rule.Actions)
			}
		}
	}
	return used
}

func (g *group) find(ip netip.Addr, port int) *target {
	for _, t := range g.targets {
		if t.ip == ip && t.port == port {
			return t
		}
	}
	return nil
}

// removeGroup removes a group's targets. b.mu is held.
func (b *Balancer) removeGroup(g *group) {
	for len(g.targets) > 0 {
		b.remove(g.targets[0])
	}
}

// pick chooses the target of a request, and the connections to it, round robin among the healthy targets. Where none is
// healthy, all registered targets are chosen from: the group fails open. The pages "Health checks for Application Load
// Balancer target groups" and "Target group health" say so of unhealthy targets; that it is so also of targets in their
// initial checks is told by users (github.com/open-guides/og-aws, pull request 116). Draining ones are never chosen.
func (b *Balancer) pick(groupARN string, idle time.Duration) (*target, *http.Transport) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, ok := b.groups[groupARN]
	if !ok {
		return nil, nil
	}
	var registered, sound []*target
	for _, t := range known.targets {
		if t.drained != nil {
			continue
		}
		registered = append(registered, t)
		if t.health.State == types.TargetHealthStateEnumHealthy {
			sound = append(sound, t)
		}
	}
	from := sound
	if len(from) == 0 {
		from = registered
	}
	if len(from) == 0 {
		return nil, nil
	}
	chosen := from[known.turn%len(from)]
	known.turn++
	if chosen.transports[idle] == nil {
		chosen.transports[idle] = newTransport(idle)
	}
	return chosen, chosen.transports[idle]
}
