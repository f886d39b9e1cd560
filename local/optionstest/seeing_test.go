package optionstest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/identity"
	"slipway/infra/observe"

	"slipway/local/awsapi"
	"slipway/local/calls"
	"slipway/local/mototest"
	"slipway/local/policies"
	"slipway/local/rpcv2"
)

// watching declares all that looks on at a stack, but Slack, which the emulator does not know; or nothing.
func watching(on bool) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		o, err := observe.New(ctx, "observe", observe.Args{
			Stack: "test", Prefix: "app-test", Partition: "aws", Account: awsapi.Account, Region: awsapi.Region,
			Alarms: on, Rollback: true, Dashboard: on, Tell: observe.Tell{Email: []string{"ops@example.com"}},
			Thresholds: observe.Thresholds{ErrorPercent: 5, LeastRequests: 20, LatencyMs: 1000, CPUPercent: 90, MemoryPercent: 90, Connections: 67},
			Database:   observe.DatabaseArgs{Identifier: "app-test", StorageGiB: 20, Burstable: true},
			Cluster: observe.ClusterArgs{
				Name: "app-test", ARN: pulumi.String("arn:aws:ecs:" + awsapi.Region + ":" + awsapi.Account + ":cluster/app-test"),
			},
			ScheduleGroup: "app-test", LoadBalancer: pulumi.String("app/app-test/1"), BoundaryARN: pulumi.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		})
		if err != nil || !on {
			return err
		}
		if _, err := o.Watch(observe.Service{Name: "web", LogGroup: "/app-test/web", Serves: true})(pulumi.String("targetgroup/web/1")); err != nil {
			return err
		}
		if err := o.WatchTask(observe.Task{Name: "report", Family: "app-test-report", LogGroup: "/app-test/report"}); err != nil {
			return err
		}
		return o.Done()
	}
}

// TestSeeing switches all that looks on on and off again: another run and a refresh change nothing, nothing stays, and what it asks of
// AWS is within the deploy role's permissions.
func TestSeeing(t *testing.T) {
	stack := mototest.Stack(t, "test", watching(true), nil)
	emulator, err := url.Parse(stack.Workspace().GetEnvVars()["AWS_ENDPOINT_URL"])
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var record []calls.Call
	moto := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(emulator)
		r.Out.Header.Del("Accept-Encoding")
	}}
	front := httptest.NewServer(rpcv2.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made, _, err := calls.Identify(r, time.Now())
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		record = append(record, made)
		mu.Unlock()
		moto.ServeHTTP(w, r)
	})))
	t.Cleanup(front.Close)
	stack.Workspace().SetEnvVar("AWS_ENDPOINT_URL", front.URL)

	run := func(on bool) map[string]int {
		t.Helper()
		stack.Workspace().SetProgram(watching(on))
		result, err := stack.Up(t.Context(), optup.SuppressProgress())
		if err != nil {
			t.Fatalf("%v\n%s", err, result.StdOut)
		}
		return *result.Summary.ResourceChanges
	}
	created := run(true)["create"]
	if created < 22 { // 14 alarms, two topics with their policies, a subscription, two rules and their targets, a dashboard
		t.Errorf("only %d resources are made", created)
	}
	if again := run(true); again["same"] != created || len(again) != 1 {
		t.Errorf("another run changes %v", again)
	}
	refreshed, err := stack.Refresh(t.Context())
	if err != nil || (*refreshed.Summary.ResourceChanges)["same"] != created {
		t.Errorf("a refresh finds %v changed, %v", refreshed.Summary.ResourceChanges, err)
	}
	if off := run(false); off["delete"] != created-1 { // the stack itself stays
		t.Errorf("switched off, %v", off)
	}

	parts, err := identity.OptionPolicies(identity.Args{Prefix: "app-test", Partition: "aws", Account: awsapi.Account, Region: awsapi.Region})
	if err != nil {
		t.Fatal(err)
	}
	needs, err := policies.Needs(record)
	if err != nil {
		t.Fatal(err)
	}
	missing, _, err := policies.Missing(parts["deploy-watching"], needs, nil)
	if err != nil || len(missing) > 0 || len(needs) < 20 {
		t.Errorf("of %d permissions the deploy role lacks\n%s\n%v", len(needs), strings.Join(missing, "\n"), err)
	}
}
