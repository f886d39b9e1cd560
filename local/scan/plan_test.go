package scan

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"slipway/ops/enginejson"
)

// top is the repository. It is absolute, since tests move into checkouts of their own.
var top, _ = filepath.Abs("../..")

func types(t *testing.T) map[string]string {
	t.Helper()
	all, err := Types(filepath.Join(top, "local", "awsplugin", "tokens.go"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPlan holds names, blocks, references and what is left out, on inputs as the engine has them.
func TestPlan(t *testing.T) {
	const vpc, group = "urn:pulumi:s::p::aws:ec2/vpc:Vpc::net", "urn:pulumi:s::p::aws:lb/targetGroup:TargetGroup::web"
	text, err := Plan([]enginejson.Resource{
		{URN: vpc, Type: "aws:ec2/vpc:Vpc", ID: "vpc-1", Inputs: object{"cidrBlock": "10.0.0.0/16", "tags": object{"someKey": "x"}}},
		{URN: group, Type: "aws:lb/targetGroup:TargetGroup", ID: "tg", Outputs: object{"arn": "arn:tg"}, Inputs: object{
			"vpcId": "vpc-1", "healthCheck": object{"path": "/", "healthyThreshold": 2.0},
		}, PropertyDependencies: map[string][]string{"vpcId": {vpc}}},
		{URN: "urn:pulumi:s::p::aws:ecs/service:Service::a/b", Type: "aws:ecs/service:Service", Inputs: object{
			"loadBalancers":              []any{object{"targetGroupArn": "arn:tg", "containerPort": 80.0}},
			"capacityProviderStrategies": []any{object{"weight": 1.0}},
			"forceNewDeployment":         true,
			"name":                       "vpc-1", // as text, since the engine knows of no dependency
		}, PropertyDependencies: map[string][]string{"loadBalancers": {group}}},
		{URN: "urn:pulumi:s::p::slipway:edge:Edge::edge", Type: "slipway:edge:Edge"},
	}, types(t))
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Planned struct {
			Root struct {
				Resources []struct {
					Address string
					Values  object
				}
			} `json:"root_module"`
		} `json:"planned_values"`
		Configuration struct {
			Root struct {
				Resources []struct{ Expressions object }
			} `json:"root_module"`
		}
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	type block struct{ Values, Expressions object }
	got := map[string]block{}
	for i, r := range plan.Planned.Root.Resources {
		got[r.Address] = block{r.Values, plan.Configuration.Root.Resources[i].Expressions}
	}
	want := map[string]block{
		"aws_vpc.net": {object{"cidr_block": "10.0.0.0/16", "tags": object{"someKey": "x"}}, object{}},
		"aws_lb_target_group.web": {
			object{"health_check": []any{object{"path": "/", "healthy_threshold": 2.0}}},
			object{"vpc_id": object{"references": []any{"aws_vpc.net.id", "aws_vpc.net"}}, "health_check": []any{object{}}},
		},
		"aws_ecs_service.a_b": {
			object{
				"load_balancer":              []any{object{"container_port": 80.0}},
				"capacity_provider_strategy": []any{object{"weight": 1.0}}, "force_new_deployment": true, "name": "vpc-1",
			},
			object{
				"load_balancer":              []any{object{"target_group_arn": object{"references": []any{"aws_lb_target_group.web.arn", "aws_lb_target_group.web"}}}},
				"capacity_provider_strategy": []any{object{}},
			},
		},
	}
	if g, w := render(t, got), render(t, want); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if _, err := Plan([]enginejson.Resource{{URN: "u", Type: "aws:x/y:Z"}}, types(t)); err == nil {
		t.Error("a type that the table lacks is left out in silence")
	}
}

func render(t *testing.T, value any) string {
	t.Helper()
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
