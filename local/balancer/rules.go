package balancer

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// options are what attributes of a load balancer say of its requests.
type options struct {
	idle        time.Duration
	dropInvalid bool
}

// optionsOf reads attributes, with the defaults of page "Application Load Balancers", section "Load balancer
// attributes".
func optionsOf(attributes map[string]string) (options, []error) {
	problems := differing(attributes, []fixed{
		{"access_logs.s3.enabled", "false"},
		{"connection_logs.s3.enabled", "false"},
		{"client_keep_alive.seconds", "3600"},
		{"routing.http.xff_client_port.enabled", "false"},
		{"routing.http.xff_header_processing.mode", "append"},
	})
	idle, err := seconds(attributes, "idle_timeout.timeout_seconds", 60*time.Second)
	if err != nil || idle == 0 {
		idle = 60 * time.Second
		problems = append(problems, fmt.Errorf("idle_timeout.timeout_seconds is not 1 or more; it is taken to be %s", idle))
	}
	dropInvalid := attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
	return options{idle: idle, dropInvalid: dropInvalid}, problems
}

// table is what a listener does with its requests. It does not change once made.
type table struct {
	options
	security  *tls.Config // nil for plain HTTP
	hsts      string      // value of the header that is added to each answer; empty for none
	rules     []rule      // by priority
	otherwise http.Handler
}

type rule struct {
	conditions []condition // all must hold
	action     http.Handler
}

type condition func(r *http.Request) bool

// route finds the action for a request. Source: page "Listener rules for your Application Load Balancer".
func (t *table) route(r *http.Request) http.Handler {
	for _, rule := range t.rules {
		if !slices.ContainsFunc(rule.conditions, func(holds condition) bool { return !holds(r) }) {
			return rule.action
		}
	}
	return t.otherwise
}

// compile makes a listener's table. A rule whose conditions are not there is left out. One whose action is not there
// stays in its place and answers 501, since its requests must not fall to the next rule.
func (b *Balancer) compile(found Listener, port int, options options, security *tls.Config) (*table, []error) {
	hsts, problems := headersOf(found.Attributes)
	made := &table{options: options, security: security, hsts: hsts}
	place := place{balancer: b, port: port, scheme: "http", hsts: hsts, options: options}
	if security != nil {
		place.scheme = "https"
	}
	var err error
	if made.otherwise, err = place.action(found.DefaultActions); err != nil {
		problems = append(problems, fmt.Errorf("default rule: %w", err))
	}
	type numbered struct {
		rule
		priority int
	}
	var rules []numbered
	for _, registered := range found.Rules {
		if aws.ToBool(registered.IsDefault) {
			continue
		}
		priority, err := strconv.Atoi(aws.ToString(registered.Priority))
		if err != nil {
			problems = append(problems, fmt.Errorf("rule %s: priority %q is no number; it is left out",
				aws.ToString(registered.RuleArn), aws.ToString(registered.Priority)))
			continue
		}
		conditions, err := conditionsOf(registered.Conditions)
		if err != nil {
			problems = append(problems, fmt.Errorf("rule of priority %d: %w; it is left out", priority, err))
			continue
		}
		action, err := place.action(registered.Actions)
		if len(registered.Transforms) > 0 {
			action, err = refused("transforms are not there")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("rule of priority %d: %w", priority, err))
		}
		rules = append(rules, numbered{rule{conditions, action}, priority})
	}
	slices.SortStableFunc(rules, func(a, b numbered) int { return cmp.Compare(a.priority, b.priority) })
	for _, rule := range rules {
		made.rules = append(made.rules, rule.rule)
	}
	return made, problems
}

// conditionsOf makes conditions. Source: page "Condition types for listener rules".
func conditionsOf(registered []types.RuleCondition) ([]condition, error) {
	var made []condition
	for _, from := range registered {
		one, err := conditionOf(from)
		if err != nil {
			return nil, fmt.Errorf("condition %s: %w", aws.ToString(from.Field), err)
		}
		made = append(made, one)
	}
	return made, nil
}

func conditionOf(from types.RuleCondition) (condition, error) {
	values, regexes := from.Values, from.RegexValues
	var header string
	switch field := aws.ToString(from.Field); field {
	case "host-header":
		if config := from.HostHeaderConfig; config != nil {
			values, regexes = config.Values, append(regexes, config.RegexValues...)
		}
	case "path-pattern":
		if config := from.PathPatternConfig; config != nil {
			values, regexes = config.Values, append(regexes, config.RegexValues...)
		}
	case "http-header":
		if config := from.HttpHeaderConfig; config != nil {
			header, values, regexes = aws.ToString(config.HttpHeaderName), config.Values, append(regexes, config.RegexValues...)
		}
	case "http-request-method":
		if config := from.HttpRequestMethodConfig; config != nil {
			values = config.Values
		}
	case "source-ip":
		if config := from.SourceIpConfig; config != nil {
			values = config.Values
		}
		return sourceIP(values)
	case "query-string":
		if from.QueryStringConfig == nil {
			return nil, fmt.Errorf("it has no QueryStringConfig; add one")
		}
		return queryString(from.QueryStringConfig.Values), nil
	default:
		return nil, fmt.Errorf("this field is not there")
	}
	if len(regexes) > 0 {
		return nil, fmt.Errorf("regular expressions are not there; use values with * and ?")
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("it has no values; add one")
	}
	switch aws.ToString(from.Field) {
	case "host-header":
		matches := anyOf(values, "(?is)")
		return func(r *http.Request) bool { return matches(hostname(r)) }, nil
	case "path-pattern":
		matches := anyOf(values, "(?s)")
		return func(r *http.Request) bool { return matches(r.URL.EscapedPath()) }, nil
	case "http-header":
		matches := anyOf(values, "(?is)")
		return func(r *http.Request) bool { return slices.ContainsFunc(r.Header.Values(header), matches) }, nil
	default:
		return func(r *http.Request) bool { return slices.Contains(values, r.Method) }, nil
	}
}

func sourceIP(values []string) (condition, error) {
	var blocks []netip.Prefix
	for _, value := range values {
		block, err := netip.ParsePrefix(value)
		if err != nil {
			return nil, fmt.Errorf("%q is no CIDR block: %w; write it as 192.0.2.0/24", value, err)
		}
		blocks = append(blocks, block)
	}
	return func(r *http.Request) bool {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		return err == nil && slices.ContainsFunc(blocks, func(block netip.Prefix) bool { return block.Contains(from.Addr()) })
	}, nil
}

// queryString holds for requests that have one of the pairs. Keys and values are compared as they are sent, not
// decoded.
func queryString(pairs []types.QueryStringKeyValuePair) condition {
	type matcher struct{ key, value func(string) bool }
	var matchers []matcher
	for _, pair := range pairs {
		one := matcher{func(string) bool { return true }, anyOf([]string{aws.ToString(pair.Value)}, "(?is)")}
		if key := aws.ToString(pair.Key); key != "" {
			one.key = anyOf([]string{key}, "(?is)")
		}
		matchers = append(matchers, one)
	}
	return func(r *http.Request) bool {
		for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
			key, value, _ := strings.Cut(part, "=")
			if slices.ContainsFunc(matchers, func(m matcher) bool { return m.key(key) && m.value(value) }) {
				return true
			}
		}
		return false
	}
}

// anyOf makes a matcher of patterns, of which one must match all of a string: * stands for any characters, ? for
// exactly one, and a backslash makes either of them literal. Its time is linear in the string.
func anyOf(patterns []string, flags string) func(string) bool {
	var expression strings.Builder
	expression.WriteString(flags + "^(?:")
	for i, pattern := range patterns {
		if i > 0 {
			expression.WriteByte('|')
		}
		for rest := []rune(pattern); len(rest) > 0; rest = rest[1:] {
			switch {
			case rest[0] == '\\' && len(rest) > 1 && (rest[1] == '*' || rest[1] == '?'):
				rest = rest[1:]
				expression.WriteString(regexp.QuoteMeta(string(rest[0])))
			case rest[0] == '*':
				expression.WriteString(".*")
			case rest[0] == '?':
				expression.WriteByte('.')
			default:
				expression.WriteString(regexp.QuoteMeta(string(rest[0])))
			}
		}
	}
	expression.WriteString(")$")
	return regexp.MustCompile(expression.String()).MatchString // quoted, so it compiles
}

// hostname is the host of a request without its port.
func hostname(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}
