package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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

func (g *group) find(ip netip.Addr, port int) *target {
	for _, t := range g.targets {
		if t.ip == ip && t.port == port {
			return t
		}
	}
	return nil
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

// check is how a group's targets are checked.
type check struct {
	port                   string // or "traffic-port"
	path                   string // with a query, if there is one
	interval, timeout      time.Duration
	toHealthy, toUnhealthy int // checks in a row
	codes                  string
}

// checkOf reads the settings of page "Health checks for Application Load Balancer target groups", with its defaults.
func checkOf(from types.TargetGroup) (check, error) {
	number := func(value *int32, standard int) int {
		if value == nil {
			return standard
		}
		return int(*value)
	}
	made := check{
		port: "traffic-port", path: "/", codes: "200",
		interval:  time.Duration(number(from.HealthCheckIntervalSeconds, 30)) * time.Second,
		timeout:   time.Duration(number(from.HealthCheckTimeoutSeconds, 5)) * time.Second,
		toHealthy: number(from.HealthyThresholdCount, 5), toUnhealthy: number(from.UnhealthyThresholdCount, 2),
	}
	if from.HealthCheckPort != nil {
		made.port = *from.HealthCheckPort
	}
	if from.HealthCheckPath != nil {
		made.path = *from.HealthCheckPath
	}
	if from.Matcher != nil && from.Matcher.HttpCode != nil {
		made.codes = *from.Matcher.HttpCode
	}
	if from.TargetType == types.TargetTypeEnumLambda || from.TargetType == types.TargetTypeEnumAlb {
		return check{}, fmt.Errorf("targets of type %s are not there; use ip", from.TargetType)
	}
	if from.Protocol != types.ProtocolEnumHttp {
		return check{}, fmt.Errorf("protocol %s is not there; use HTTP", from.Protocol)
	}
	if version := aws.ToString(from.ProtocolVersion); version != "" && version != "HTTP1" {
		return check{}, fmt.Errorf("protocol version %s is not there; use HTTP1", version)
	}
	if from.HealthCheckProtocol != types.ProtocolEnumHttp && from.HealthCheckProtocol != "" {
		return check{}, fmt.Errorf("health check protocol %s is not there; use HTTP", from.HealthCheckProtocol)
	}
	if made.interval <= 0 || made.timeout <= 0 || made.toHealthy < 1 || made.toUnhealthy < 1 {
		return check{}, errors.New("interval, timeout and thresholds of its health checks must be 1 or more")
	}
	if _, err := http.NewRequest(http.MethodGet, "http://127.0.0.1"+made.path, nil); //nolint:noctx // it is not sent
	err != nil || !strings.HasPrefix(made.path, "/") {
		return check{}, fmt.Errorf("health check path %q is no path; write it as /path?query", made.path)
	}
	if _, err := strconv.ParseUint(made.port, 10, 16); err != nil && made.port != "traffic-port" {
		return check{}, fmt.Errorf("health check port %q is neither a port nor traffic-port", made.port)
	}
	_, err := matches(made.codes, http.StatusOK)
	return made, err
}

// matches tells whether codes, as 200, 200-299 or 200,202, name a status.
func matches(codes string, status int) (bool, error) {
	found := false
	for part := range strings.SplitSeq(codes, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, alsoErr := strconv.Atoi(high)
		if err != nil || alsoErr != nil {
			return false, fmt.Errorf("matcher %q names no HTTP codes; write them as 200, 200-299 or 200,202", codes)
		}
		found = found || from <= status && status <= to
	}
	return found, nil
}

func (c check) portOf(t *target) string {
	if c.port == "traffic-port" {
		return strconv.Itoa(t.port)
	}
	return c.port
}

// checker sends checks. Each has a connection of its own, which is closed after it.
var checker = http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// run makes one check.
func (c check) run(ctx context.Context, address string) types.TargetHealth {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+c.path, nil)
	if err != nil {
		return failed // checkOf has made one of it before
	}
	request.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	response, err := checker.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return timedOut
		}
		return failed
	}
	_ = response.Body.Close()
	if ok, _ := matches(c.codes, response.StatusCode); ok {
		return healthy
	}
	return health(types.TargetHealthStateEnumUnhealthy, types.TargetHealthReasonEnumResponseCodeMismatch,
		fmt.Sprintf("Health checks failed with these codes: [%d]", response.StatusCode))
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
