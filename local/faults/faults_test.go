package faults_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"slipway/local/awsapi"
	"slipway/local/faults"
)

func TestParse(t *testing.T) {
	for _, text := range []string{
		"throttle", "error service=ecs", "slow service=ec2 operation=CreateVpc delay=2s", "lost operation=UpdateService times=3",
		"registry", "disk-full", "tasks-lost times=1", "database-down", "database-slow", "database-full",
	} {
		fault, err := faults.Parse(strings.Fields(text))
		if err != nil || fault.String() != text {
			t.Errorf("%q is read as %q, %v", text, fault, err)
		}
	}
	for text, want := range map[string]string{
		"":                       "no fault is named",
		"fire":                   `no fault "fire"`,
		"throttle color=red":     "color=red: there is no such option",
		"throttle times=many":    "times=many",
		"throttle times=-1":      "negative",
		"throttle delay=1s":      "throttle has no delay",
		"slow delay=2h":          "between 0 and 1m",
		"registry service=ecs":   "no fault of calls",
		"slow delay=1":           "delay=1",
		"database-down delay=1s": "no fault of calls",
	} {
		if _, err := faults.Parse(strings.Fields(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestMeet holds that a fault meets the calls it is for, as often as it should.
func TestMeet(t *testing.T) {
	var set faults.Set
	set.Add(faults.Fault{Kind: faults.Throttle, Service: "ecs", Operation: "UpdateService", Times: 2})
	set.Add(faults.Fault{Kind: faults.Registry})
	met := 0
	for _, call := range []struct{ service, operation string }{
		{"ec2", "UpdateService"}, {"ecs", "DescribeServices"}, {"ecs", "UpdateService"}, {"ecs", "UpdateService"}, {"ecs", "UpdateService"},
	} {
		if _, ok := set.Meet(call.service, call.operation); ok {
			met++
		}
	}
	if met != 2 || !set.Has(faults.Registry) || len(set.List()) != 1 {
		t.Errorf("%d calls met the fault, want 2; left: %v", met, set.List())
	}
	set.Clear()
	if set.Has(faults.Registry) {
		t.Error("a cleared fault is in force")
	}
}

// TestServe holds that the real SDK takes the answers for what they should be, in each protocol: it tries again, and succeeds.
func TestServe(t *testing.T) {
	for _, kind := range []faults.Kind{faults.Throttle, faults.Error, faults.Slow, faults.Lost} {
		for _, one := range []struct {
			service, answer string
			call            func(context.Context, aws.Config) error
		}{
			{"ecs", `{"clusterArns":[]}`, func(ctx context.Context, config aws.Config) error {
				_, err := ecs.NewFromConfig(config).ListClusters(ctx, &ecs.ListClustersInput{})
				return err
			}},
			{
				"elasticloadbalancing", `<DescribeLoadBalancersResponse><DescribeLoadBalancersResult/></DescribeLoadBalancersResponse>`,
				func(ctx context.Context, config aws.Config) error {
					client := elasticloadbalancingv2.NewFromConfig(config)
					_, err := client.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
					return err
				},
			},
			{"route53", `<ListHostedZonesResponse/>`, func(ctx context.Context, config aws.Config) error {
				_, err := route53.NewFromConfig(config).ListHostedZones(ctx, &route53.ListHostedZonesInput{})
				return err
			}},
			{"s3", `<ListAllMyBucketsResult/>`, func(ctx context.Context, config aws.Config) error {
				_, err := s3.NewFromConfig(config).ListBuckets(ctx, &s3.ListBucketsInput{})
				return err
			}},
		} {
			t.Run(string(kind)+"/"+one.service, func(t *testing.T) {
				var set faults.Set
				var carriedOut, calls atomic.Int32
				set.Add(faults.Fault{Kind: kind, Times: 1, Delay: time.Millisecond})
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					next := func(w http.ResponseWriter, _ *http.Request) {
						carriedOut.Add(1)
						_, _ = io.WriteString(w, one.answer)
					}
					if fault, ok := set.Meet(one.service, ""); ok {
						fault.Serve(w, r, one.service, next)
						return
					}
					next(w, r)
				}))
				defer server.Close()
				if err := one.call(t.Context(), awsapi.Config(server.URL)); err != nil {
					t.Error(err)
				}
				wantCalls, wantDone := int32(2), int32(1)
				switch kind {
				case faults.Lost:
					wantDone = 2 // what a client that tries again does not know
				case faults.Slow:
					wantCalls = 1
				}
				if calls.Load() != wantCalls || carriedOut.Load() != wantDone {
					t.Errorf("%d calls of which %d were carried out, want %d and %d", calls.Load(), carriedOut.Load(), wantCalls, wantDone)
				}
			})
		}
	}
}
