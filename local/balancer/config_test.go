package balancer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/awsapi"
	"slipway/local/balancer"
	"slipway/local/mototest"
)

// network finds the default VPC and two of its subnets.
func network(t *testing.T, endpoint string) (vpc string, subnets []string) {
	t.Helper()
	form := strings.NewReader("Action=DescribeSubnets&Version=2016-11-15")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, form)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request, "+
		"SignedHeaders=host, Signature=none")
	answer := send(t, client(t), request).body
	for _, match := range regexp.MustCompile(`<(subnetId|vpcId)>([^<]+)`).FindAllStringSubmatch(answer, 4) {
		if match[1] == "vpcId" {
			vpc = match[2]
		} else {
			subnets = append(subnets, match[2])
		}
	}
	return vpc, subnets
}

// TestRead holds that all that is registered in the emulator is read, over several pages, and can be applied; and that
// groups need no load balancer.
func TestRead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	endpoint := mototest.Start(t)
	api := elb.NewFromConfig(awsapi.Config(endpoint))
	vpc, subnets := network(t, endpoint)
	made := func(name string) *string {
		group, err := api.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
			Name: aws.String(name), Protocol: types.ProtocolEnumHttp, Port: aws.Int32(80), TargetType: types.TargetTypeEnumIp,
			VpcId: aws.String(vpc), HealthCheckPath: aws.String("/health"), HealthCheckIntervalSeconds: aws.Int32(5),
			HealthCheckTimeoutSeconds: aws.Int32(2), HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(3),
			Matcher: &types.Matcher{HttpCode: aws.String("200-299")}, HealthCheckProtocol: types.ProtocolEnumHttp,
		})
		if err != nil {
			t.Fatal(err)
		}
		return group.TargetGroups[0].TargetGroupArn
	}
	lone := made("lone")
	if cfg, err := balancer.Read(ctx, api, nil); err != nil || len(cfg.Groups) != 1 || len(cfg.Balancers) != 0 {
		t.Fatalf("a lone group is read as %+v, %v", cfg, err)
	}
	created, err := api.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("app"), Subnets: subnets})
	if err != nil {
		t.Fatal(err)
	}
	app := created.LoadBalancers[0]
	used := made("used")
	if _, err := api.ModifyLoadBalancerAttributes(ctx, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: app.LoadBalancerArn, Attributes: []types.LoadBalancerAttribute{
			{Key: aws.String("idle_timeout.timeout_seconds"), Value: aws.String("7")},
		},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: used, Attributes: []types.TargetGroupAttribute{
			{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("5")},
		},
	}); err != nil {
		t.Fatal(err)
	}
	listening, err := api.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: app.LoadBalancerArn, Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp,
		DefaultActions: []types.Action{saying("default")},
	})
	if err != nil {
		t.Fatal(err)
	}
	const rules = 55 // moto's pages have 50
	for i := range rules {
		if _, err := api.CreateRule(ctx, &elb.CreateRuleInput{
			ListenerArn: listening.Listeners[0].ListenerArn, Priority: aws.Int32(int32(rules - i)),
			Conditions: []types.RuleCondition{path("/" + strconv.Itoa(i) + "/*")},
			Actions:    []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: used}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := balancer.Read(ctx, api, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Balancers) != 1 || len(cfg.Balancers[0].Listeners) != 1 || len(cfg.Groups) != 2 {
		t.Fatalf("read %+v", cfg)
	}
	if n := len(cfg.Balancers[0].Listeners[0].Rules); n != rules+1 {
		t.Errorf("%d rules are read", n)
	}
	if idle := cfg.Balancers[0].Attributes["idle_timeout.timeout_seconds"]; idle != "7" {
		t.Errorf("its idle timeout is read as %q", idle)
	}
	b := start(t)
	apply(t, b, cfg)
	to := naming(t, "target")
	for _, arn := range []*string{used, lone} {
		if err := b.Register(*arn, to.ip, to.port); err != nil {
			t.Error(err)
		}
	}
	host := "http://" + b.Host(aws.ToString(app.DNSName))
	for path, want := range map[string]string{"/54/x": "target", "/0/x": "target", "/55/x": "default"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := send(t, client(t), request); got.body != want {
			t.Errorf("%s is answered with %+v", path, got)
		}
	}
	if all := b.Health(*lone); all[0].TargetHealth.State != types.TargetHealthStateEnumUnused {
		t.Errorf("the target of the lone group is %+v", all[0].TargetHealth)
	}
}

// TestReadWhileRemoved holds that a group which goes between two calls of a reading is left out, and that the reading does not
// fail: `down` removes groups beside each other, and each removal reads.
func TestReadWhileRemoved(t *testing.T) {
	t.Parallel()
	var lists atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const group = `<member><TargetGroupArn>%[1]s</TargetGroupArn><TargetGroupName>%[1]s</TargetGroupName></member>`
		_ = r.ParseForm()
		switch {
		case r.Form.Get("Action") == "DescribeTargetGroups":
			groups := fmt.Sprintf(group, "stays")
			if lists.Add(1) == 1 {
				groups += fmt.Sprintf(group, "goes")
			}
			_, _ = fmt.Fprintf(w, "<R><DescribeTargetGroupsResult><TargetGroups>%s</TargetGroups></DescribeTargetGroupsResult></R>", groups)
		case r.Form.Get("TargetGroupArn") == "goes":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, "<ErrorResponse><Error><Code>TargetGroupNotFound</Code><Message>gone</Message></Error></ErrorResponse>")
		default:
			_, _ = fmt.Fprintf(w, "<R><%[1]sResult></%[1]sResult></R>", r.Form.Get("Action"))
		}
	}))
	t.Cleanup(server.Close)
	config, err := balancer.Read(t.Context(), elb.NewFromConfig(awsapi.Config(server.URL)), nil)
	if err != nil || len(config.Groups) != 1 || aws.ToString(config.Groups[0].TargetGroupName) != "stays" {
		t.Errorf("read %+v, %v; want the group that stays", config, err)
	}
}
