package balancer_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/balancer"
)

const (
	name  = "app-1.us-east-1.elb.amazonaws.com"
	port  = 80
	group = "arn:group"
	soon  = 15 * time.Second // by when what is waited for must have happened
)

func start(t *testing.T) *balancer.Balancer {
	t.Helper()
	b, err := balancer.New(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func apply(t *testing.T, b *balancer.Balancer, cfg balancer.Config) {
	t.Helper()
	if err := b.Apply(cfg); err != nil {
		t.Fatal(err)
	}
}

// forwarding is a configuration of one listener, which forwards all to one group. Its checks are quick, its delay is
// long.
func forwarding() balancer.Config {
	return listening(listener(port, types.Action{Type: types.ActionTypeEnumForward, TargetGroupArn: aws.String(group)}))
}

func listening(listeners ...balancer.Listener) balancer.Config {
	return balancer.Config{
		Balancers: []balancer.LoadBalancer{{
			LoadBalancer: types.LoadBalancer{
				LoadBalancerName: aws.String("app"), DNSName: aws.String(name), Type: types.LoadBalancerTypeEnumApplication,
			},
			Attributes: map[string]string{},
			Listeners:  listeners,
		}},
		Groups: []balancer.TargetGroup{targetGroup(group)},
	}
}

func targetGroup(arn string) balancer.TargetGroup {
	return balancer.TargetGroup{
		TargetGroup: types.TargetGroup{
			TargetGroupArn: aws.String(arn), TargetGroupName: aws.String(arn), Protocol: types.ProtocolEnumHttp,
			TargetType: types.TargetTypeEnumIp, HealthCheckPath: aws.String("/health"),
			HealthCheckPort:            aws.String("traffic-port"),
			HealthCheckIntervalSeconds: aws.Int32(1), HealthCheckTimeoutSeconds: aws.Int32(1),
			HealthyThresholdCount: aws.Int32(3), UnhealthyThresholdCount: aws.Int32(2),
			Matcher: &types.Matcher{HttpCode: aws.String("200")},
		},
		Attributes: map[string]string{"deregistration_delay.timeout_seconds": "60"},
	}
}

func listener(port int32, otherwise types.Action, rules ...types.Rule) balancer.Listener {
	return balancer.Listener{
		Listener: types.Listener{
			Port: aws.Int32(port), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{otherwise},
		},
		Rules: rules,
	}
}

func saying(text string) types.Action {
	return types.Action{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{
		StatusCode: aws.String("200"), ContentType: aws.String("text/plain"), MessageBody: aws.String(text),
	}}
}

// target is a real server on loopback. Its checks are answered by it too, at /health.
type target struct {
	ip   string
	port int
}

func serve(t *testing.T, handler http.HandlerFunc) target {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return targetOf(t, server.URL)
}

func targetOf(t *testing.T, address string) target {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	return target{at.Hostname(), port}
}

// naming answers with a name.
func naming(t *testing.T, name string) target {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
}

func register(t *testing.T, b *balancer.Balancer, targets ...target) {
	t.Helper()
	for _, target := range targets {
		if err := b.Register(group, target.ip, target.port); err != nil {
			t.Fatal(err)
		}
	}
}

func healthOf(b *balancer.Balancer, to target) types.TargetHealth {
	for _, one := range b.Health(group) {
		if aws.ToString(one.Target.Id) == to.ip && int(aws.ToInt32(one.Target.Port)) == to.port {
			return *one.TargetHealth
		}
	}
	return types.TargetHealth{}
}

// await waits until a target has a state, by what Changed tells only.
func await(t *testing.T, b *balancer.Balancer, to target, state types.TargetHealthStateEnum) types.TargetHealth {
	t.Helper()
	late := time.After(soon)
	for {
		if now := healthOf(b, to); now.State == state {
			return now
		}
		select {
		case <-b.Changed():
		case <-late:
			t.Fatalf("target %v is %+v, not %s", to, healthOf(b, to), state)
		}
	}
}

type reply struct {
	code   int
	body   string
	header http.Header
}

// client has connections of its own, and follows no redirects.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: soon,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newRequest(t *testing.T, b *balancer.Balancer, method, path, body string) *http.Request {
	t.Helper()
	url := "http://" + b.Host(name) + path
	request, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func send(t *testing.T, from *http.Client, request *http.Request) reply {
	t.Helper()
	response, err := from.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, string(body), response.Header}
}

func get(t *testing.T, b *balancer.Balancer, path string) reply {
	t.Helper()
	return send(t, client(t), newRequest(t, b, http.MethodGet, path, ""))
}

// socket is where a listener is dialed.
func socket(t *testing.T, b *balancer.Balancer) string {
	t.Helper()
	at, err := url.Parse("http://" + b.Host(name))
	if err != nil {
		t.Fatal(err)
	}
	if at.Port() == "" {
		return net.JoinHostPort(at.Hostname(), "80")
	}
	return at.Host
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, soon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(soon))
	return conn
}
