package balancer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

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
