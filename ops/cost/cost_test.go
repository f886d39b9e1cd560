package cost_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/infra/goldentest"
	"slipway/ops/cost"
	"slipway/ops/enginejson"
	"slipway/ops/enginejson/enginetest"
)

// top is the repository. It is absolute, since tests move into checkouts of their own.
var top, _ = filepath.Abs("../..")

func prices(t *testing.T) *cost.Table {
	t.Helper()
	table, err := cost.Prices()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func estimate(t *testing.T, resources ...enginejson.Resource) *cost.Estimate {
	t.Helper()
	e, err := prices(t).Estimate("us-east-1", resources)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestStacks holds whole estimates, as they are printed. Read them before you update them.
func TestStacks(t *testing.T) {
	stacks := map[string][]enginejson.Resource{}
	for _, name := range []string{"staging", "production"} {
		resources := enginetest.Resources(t, top, name, nil)
		stacks[name] = resources
		if region := cost.RegionOf(resources); region != "us-east-1" {
			t.Errorf("%s stands in %q", name, region)
		}
		goldentest.Expect(t, filepath.Join(top, "ops", "cost", "testdata", name+".txt"), estimate(t, resources...).Text())
	}
	staging, production := estimate(t, stacks["staging"]...), estimate(t, stacks["production"]...)
	// By hand, in thousandths of a dollar: 730 hours of a load balancer (22.5), a NAT gateway (45), three addresses (5), two
	// tasks of a quarter of an ARM CPU (8.095) and half a GiB (1.78) and the database (16), 20 GiB (115), two secrets (400).
	if got, want := staging.Total(), cost.Micros(730*(22_500+45_000+3*5_000+2*(8_095+1_780)+16_000)+20*115_000+2*400_000); got != want {
		t.Errorf("staging costs %s, by hand %s", got, want)
	}
	d := cost.Difference(staging, production)
	if got, want := d.Total(), production.Total()-staging.Total(); got != want {
		t.Errorf("the difference adds up to %s, the totals differ by %s", got, want)
	}
	goldentest.Expect(t, filepath.Join(top, "ops", "cost", "testdata", "difference.txt"), d.Text())
	if d := cost.Difference(staging, staging); len(d.Changes)+len(d.Gaps)+len(d.Usage) != 0 || !strings.Contains(d.Text(), "does not change") {
		t.Errorf("nothing differs, and yet:\n%s", d.Text())
	}
}

// TestGraphs holds that every type that the program registers today is priced, or known to cost nothing.
func TestGraphs(t *testing.T) {
	types := map[string]bool{}
	line := regexp.MustCompile(`(?m)^(aws:[^ ]+) `)
	for _, name := range []string{"staging", "production", "kinds", "edge", "watched", "options"} {
		graph, err := os.ReadFile(filepath.Join(top, "infra", "testdata", name+".golden"))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range line.FindAllStringSubmatch(string(graph), -1) {
			types[match[1]] = true
		}
	}
	if len(types) < 20 {
		t.Fatalf("the graphs have only %d types: has their form changed?", len(types))
	}
	for _, token := range slices.Sorted(maps.Keys(types)) {
		e := estimate(t, enginejson.Resource{Type: token, URN: "urn:pulumi:s::p::" + token + "::r", Inputs: map[string]any{}})
		for _, gap := range e.Gaps {
			if strings.Contains(gap.Why, "does not know this type") {
				t.Errorf("%s: add a rule, or say in freeTypes that it costs nothing (ops/cost/free.go)", token)
			}
		}
	}
}

type inputs = map[string]any

func resource(token, name string, in inputs) enginejson.Resource {
	return enginejson.Resource{Type: token, URN: "urn:pulumi:s::p::" + token + "::" + name, Inputs: in}
}

func definition(in inputs) enginejson.Resource {
	r := resource("aws:ecs/taskDefinition:TaskDefinition", "web", in)
	r.Outputs = inputs{"arn": "arn:aws:ecs:us-east-1:1:task-definition/web:1"}
	return r
}

func service(in inputs) enginejson.Resource {
	r := resource("aws:ecs/service:Service", "web", inputs{
		"name": "web", "launchType": "FARGATE", "taskDefinition": "arn:aws:ecs:us-east-1:1:task-definition/web:1",
	})
	maps.Copy(r.Inputs, in)
	return r
}

// later stands for a value that only the update knows.
const later = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// TestResources prices one thing at a time. Sums are in millionths of a dollar, worked out by hand.
func TestResources(t *testing.T) {
	small := definition(inputs{"cpu": "256", "memory": "512"})
	for name, test := range map[string]struct {
		resources []enginejson.Resource
		want      cost.Micros
		gap       string // begins the reason, if there is to be one
		what      string // stands in an item
	}{
		"a load balancer on the internet has an address a zone": {
			resources: []enginejson.Resource{resource("aws:lb/loadBalancer:LoadBalancer", "edge", inputs{"subnets": []any{later, later, later}})},
			want:      730 * (22_500 + 3*5_000),
		},
		"an internal one has none": {
			resources: []enginejson.Resource{resource("aws:lb/loadBalancer:LoadBalancer", "edge", inputs{"internal": true, "subnets": []any{"a"}})},
			want:      730 * 22_500,
		},
		"subnets that are not known are a gap": {
			resources: []enginejson.Resource{resource("aws:lb/loadBalancer:LoadBalancer", "edge", inputs{"subnets": later})},
			want:      730 * 22_500, gap: "public addresses",
		},
		"a gateway load balancer is a gap": {
			resources: []enginejson.Resource{resource("aws:lb/loadBalancer:LoadBalancer", "edge", inputs{"loadBalancerType": "gateway"})},
			gap:       "the price table does not know this kind",
		},
		"a gateway endpoint costs nothing": {
			resources: []enginejson.Resource{resource("aws:ec2/vpcEndpoint:VpcEndpoint", "s3", inputs{"vpcEndpointType": "Gateway"})},
		},
		"an interface endpoint costs in every zone": {
			resources: []enginejson.Resource{resource("aws:ec2/vpcEndpoint:VpcEndpoint", "logs", inputs{"vpcEndpointType": "Interface", "subnetIds": []any{"a", "b"}})},
			want:      2 * 730 * 10_000,
		},
		"tasks on x86": {
			resources: []enginejson.Resource{small, service(inputs{"desiredCount": 3.0})},
			want:      730*3*40_480/4 + 730*3*4_445/2, what: "3 tasks of 0.25 vCPU and 0.5 GiB, x86",
		},
		"tasks on ARM": {
			resources: []enginejson.Resource{definition(inputs{"cpu": "1024", "memory": "2048", "runtimePlatform": inputs{"cpuArchitecture": "ARM64"}}), service(nil)},
			want:      730 * (32_380 + 2*3_560), what: "1 task of 1 vCPU and 2 GiB, ARM",
		},
		"tasks with more disk and public addresses": {
			resources: []enginejson.Resource{
				definition(inputs{"cpu": "1024", "memory": "2048", "ephemeralStorage": inputs{"sizeInGib": 50.0}}),
				service(inputs{"networkConfiguration": inputs{"assignPublicIp": true}}),
			},
			want: 730 * (40_480 + 2*4_445 + 30*111 + 5_000), what: "50 GiB of disk",
		},
		"no tasks cost nothing": {
			resources: []enginejson.Resource{small, service(inputs{"desiredCount": 0.0})}, what: "0 tasks",
		},
		"scaling is priced at its fewest tasks": {
			resources: []enginejson.Resource{
				definition(inputs{"cpu": "1024", "memory": "2048"}), service(inputs{"desiredCount": 1.0}),
				resource("aws:appautoscaling/target:Target", "web", inputs{"resourceId": "service/stack/web", "minCapacity": 2.0, "maxCapacity": 6.0}),
				resource("aws:appautoscaling/target:Target", "other", inputs{"resourceId": "service/stack/other-web", "minCapacity": 9.0}),
			},
			want: 2 * 730 * (40_480 + 2*4_445), what: "2 tasks (scaling: 2 to 6)",
		},
		"a new definition is found by the dependency": {
			resources: []enginejson.Resource{
				resource("aws:ecs/taskDefinition:TaskDefinition", "web", inputs{"cpu": "1024", "memory": "2048"}),
				func() enginejson.Resource {
					s := service(inputs{"taskDefinition": later})
					s.PropertyDependencies = map[string][]string{"taskDefinition": {"urn:pulumi:s::p::aws:ecs/taskDefinition:TaskDefinition::web"}}
					return s
				}(),
			},
			want: 730 * (40_480 + 2*4_445),
		},
		"a service without its definition is a gap": {
			resources: []enginejson.Resource{service(nil)}, gap: "its task definition is not among the resources",
		},
		"a count that is not known is a gap": {
			resources: []enginejson.Resource{small, service(inputs{"desiredCount": later})}, gap: "its size or its number",
		},
		"tasks on machines of one's own are a gap": {
			resources: []enginejson.Resource{small, service(inputs{"launchType": "EC2"})}, gap: "the price table has tasks on Fargate alone",
		},
		"Spot is priced in full": {
			resources: []enginejson.Resource{
				definition(inputs{"cpu": "1024", "memory": "2048"}),
				service(inputs{"launchType": nil, "capacityProviderStrategies": []any{
					inputs{"capacityProvider": "FARGATE", "base": 1.0}, inputs{"capacityProvider": "FARGATE_SPOT", "weight": 1.0},
				}}),
			},
			want: 730 * (40_480 + 2*4_445), what: "at the full price although it may run on Spot",
		},
		"a database in one zone": {
			resources: []enginejson.Resource{resource("aws:rds/instance:Instance", "db", inputs{
				"engine": "postgres", "instanceClass": "db.t4g.small", "allocatedStorage": 100.0, "storageType": "gp3", "manageMasterUserPassword": true,
			})},
			want: 730*32_000 + 100*115_000 + 400_000,
		},
		"a database in two zones has its own price": {
			resources: []enginejson.Resource{resource("aws:rds/instance:Instance", "db", inputs{
				"engine": "postgres", "instanceClass": "db.t4g.small", "allocatedStorage": 100.0, "storageType": "gp3", "multiAz": true, "maxAllocatedStorage": 200.0,
			})},
			want: 730*65_000 + 100*230_000, what: "100 GiB of gp3 storage, which may grow to 200",
		},
		"a class that the table lacks is a gap, and its storage is not": {
			resources: []enginejson.Resource{resource("aws:rds/instance:Instance", "db", inputs{
				"engine": "postgres", "instanceClass": "db.x9.huge", "allocatedStorage": 20.0, "storageType": "gp3",
			})},
			want: 20 * 115_000, gap: "db.x9.huge in one zone: the price table has no row rds.postgres.db.x9.huge.single for us-east-1",
		},
		"another engine is a gap": {
			resources: []enginejson.Resource{resource("aws:rds/instance:Instance", "db", inputs{"engine": "mysql"})}, gap: "the price table has PostgreSQL alone",
		},
		"an alarm over three metrics": {
			resources: []enginejson.Resource{resource("aws:cloudwatch/metricAlarm:MetricAlarm", "rate", inputs{"metricQueries": []any{
				inputs{"id": "a", "metric": inputs{}}, inputs{"id": "b", "metric": inputs{}}, inputs{"id": "e", "expression": "a/b"}, inputs{"id": "c", "metric": inputs{}},
			}})},
			want: 3 * 100_000,
		},
		"a fast alarm": {
			resources: []enginejson.Resource{resource("aws:cloudwatch/metricAlarm:MetricAlarm", "rate", inputs{"period": 10.0})}, want: 300_000,
		},
		"odds and ends": {
			resources: []enginejson.Resource{
				resource("aws:kms/key:Key", "k", nil), resource("aws:secretsmanager/secret:Secret", "s", nil),
				resource("aws:cloudwatch/dashboard:Dashboard", "d", nil), resource("aws:route53/zone:Zone", "z", nil),
				resource("aws:cloudwatch/compositeAlarm:CompositeAlarm", "c", nil), resource("aws:ec2/eip:Eip", "nat", nil),
				resource("aws:ec2/natGateway:NatGateway", "nat", nil),
			},
			want: 1_000_000 + 400_000 + 3_000_000 + 500_000 + 500_000 + 730*50_000,
		},
		"what is deleted or only read costs nothing": {
			resources: []enginejson.Resource{
				{Type: "aws:kms/key:Key", URN: "a", Delete: true}, {Type: "aws:kms/key:Key", URN: "b", External: true},
			},
		},
		"an unknown type is a gap": {
			resources: []enginejson.Resource{resource("aws:elasticache/cluster:Cluster", "c", nil)}, gap: "the price table does not know this type",
		},
		"components and images cost nothing": {
			resources: []enginejson.Resource{resource("slipway:edge:Edge", "e", nil), resource("docker:index/image:Image", "i", nil)},
		},
	} {
		e := estimate(t, test.resources...)
		if got := e.Total(); got != test.want {
			t.Errorf("%s: %d, by hand %d\n%s", name, got, test.want, e.Text())
		}
		if test.gap == "" && len(e.Gaps) > 0 || test.gap != "" && (len(e.Gaps) != 1 || !strings.HasPrefix(e.Gaps[0].Why, test.gap)) {
			t.Errorf("%s: gaps are %+v, not %q", name, e.Gaps, test.gap)
		}
		if !strings.Contains(e.Text(), test.what) {
			t.Errorf("%s: the table does not say %q:\n%s", name, test.what, e.Text())
		}
	}
}

// TestRegions holds that prices of one region are never taken for another's.
func TestRegions(t *testing.T) {
	table := prices(t)
	_, err := table.Estimate("eu-west-1", nil)
	var region *cost.RegionError
	if !errors.As(err, &region) || region.Region != "eu-west-1" || !strings.Contains(err.Error(), "ap-southeast-1 and us-east-1") {
		t.Errorf("a region that the table lacks: %v", err)
	}
	// Singapore's row for x86 could not be sourced: the service is a gap, and not priced by half.
	e, err := table.Estimate("ap-southeast-1", []enginejson.Resource{definition(inputs{"cpu": "256", "memory": "512"}), service(nil)})
	if err != nil || e.Total() != 0 || len(e.Gaps) != 1 || !strings.Contains(e.Gaps[0].Why, "no row fargate.x86.vcpu for ap-southeast-1") {
		t.Errorf("a row that the region lacks: %v, %+v", err, e)
	}
	arn := enginejson.Resource{Type: "aws:lb/loadBalancer:LoadBalancer", Outputs: inputs{"arn": "arn:aws:elasticloadbalancing:eu-west-3:1:x"}}
	role := enginejson.Resource{Type: "aws:iam/role:Role", Outputs: inputs{"arn": "arn:aws:iam::1:role/x"}}
	if got := cost.RegionOf([]enginejson.Resource{role, arn}); got != "eu-west-3" {
		t.Errorf("the ARNs name %q", got)
	}
	if got := cost.RegionOf(nil); got != "" {
		t.Errorf("nothing names %q", got)
	}
}

// TestDifference holds what counts as a change, and that what becomes unknown is no saving.
func TestDifference(t *testing.T) {
	database := func(class string) enginejson.Resource {
		return resource("aws:rds/instance:Instance", "db", inputs{"instanceClass": class, "allocatedStorage": 20.0, "storageType": "gp3"})
	}
	nat := resource("aws:ec2/natGateway:NatGateway", "nat", nil)
	d := cost.Difference(estimate(t, database("db.t4g.micro"), nat), estimate(t, database("db.t4g.small")))
	if len(d.Changes) != 2 || d.Changes[0].By() != -730*45_000 || d.Changes[1].By() != 730*16_000 || d.Total() != 730*(16_000-45_000) {
		t.Errorf("the largest change comes first: %+v", d.Changes)
	}
	for _, d := range []*cost.Differences{
		cost.Difference(estimate(t, database("db.t4g.micro")), estimate(t, database("db.x9.huge"))),
		cost.Difference(estimate(t, database("db.x9.huge")), estimate(t, database("db.t4g.micro"))),
	} {
		if len(d.Changes) != 0 {
			t.Errorf("one of the prices is not known, so there is no difference: %+v", d.Changes)
		}
	}
	if d := cost.Difference(estimate(t, database("db.t4g.micro")), estimate(t, database("db.x9.huge"))); len(d.Gaps) != 1 {
		t.Errorf("gaps: %+v", d.Gaps)
	}
}

// TestMoney holds rounding and form.
func TestMoney(t *testing.T) {
	for amount, want := range map[cost.Micros][2]string{
		0: {"0.00", "0.00"}, 4_999: {"0.00", "0.00"}, 5_000: {"0.01", "+0.01"}, -4_999: {"0.00", "0.00"}, -5_000: {"-0.01", "-0.01"},
		16_425_000: {"16.43", "+16.43"}, -1_234_560_000: {"-1234.56", "-1234.56"},
	} {
		if got := [2]string{amount.String(), amount.Signed()}; got != want {
			t.Errorf("%d is written %v, not %v", int64(amount), got, want)
		}
	}
}

// TestTable holds the committed table to its own rules, and that each breach of them is refused.
func TestTable(t *testing.T) {
	table := prices(t)
	for _, region := range table.Regions() {
		rows, sources := table.Rows(region)
		for _, row := range rows {
			source := sources[row.Source]
			if strings.HasPrefix(row.Source, "list-") && row.Offer == "" {
				t.Errorf("%s %s: a row of the price list names its offer", region, row.Key)
			}
			if strings.Contains(source.What, "memory") && source.Verified {
				t.Errorf("%s: what comes from memory is not verified", row.Source)
			}
		}
	}
	whole := func(row string) string {
		return `{"about": "", "date": "2026-11-24", "sources": {"s": {"what": "w", "date": "2026-11-24", "verified": true}}, "regions": {"r": [` + row + `]}}`
	}
	good := `{"key": "k", "usd": "0.0225", "unit": "hour", "source": "s", "page": "https://aws.amazon.com/x/"}`
	if _, err := cost.ReadTable([]byte(whole(good))); err != nil {
		t.Fatal(err)
	}
	for broken, want := range map[string]string{
		good + "," + good:                                    "stands twice",
		strings.Replace(good, `"s"`, `"t"`, 1):               "not declared",
		strings.Replace(good, `"hour"`, `"fortnight"`, 1):    "is none of",
		strings.Replace(good, "aws.amazon.com", "a.test", 1): "not one of AWS's",
		strings.Replace(good, `"0.0225"`, `"0.00000001"`, 1): "not an amount",
		strings.Replace(good, `"0.0225"`, `"1e3"`, 1):        "not an amount",
		strings.Replace(good, `"key": "k"`, `"kye": "k"`, 1): "unknown field",
		strings.Replace(good, `"0.0225"`, `0.0225`, 1):       "cannot unmarshal",
	} {
		if _, err := cost.ReadTable([]byte(whole(broken))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", broken, err, want)
		}
	}
}

// TestUnverified holds that a price without a source shows it.
func TestUnverified(t *testing.T) {
	text := estimate(t, resource("aws:rds/instance:Instance", "db", inputs{
		"instanceClass": "db.t4g.micro", "multiAz": true, "allocatedStorage": 20.0, "storageType": "gp3",
	})).Text()
	if !strings.Contains(text, "23.36 *") || strings.Contains(text, "4.60 *") || !strings.Contains(text, "* the price has no source") {
		t.Errorf("one of two prices is marked:\n%s", text)
	}
}

// TestTerminal holds that a name cannot steer a terminal, nor break a table.
func TestTerminal(t *testing.T) {
	text := estimate(t, resource("aws:kms/key:Key", "k\x1b[31m\n\tred\u202e", nil), resource("aws:x/y:Z", "\x1b]0;title\a", nil)).Text()
	if strings.ContainsAny(text, "\x1b\a\u202e") || !strings.Contains(text, "k[31mred") {
		t.Errorf("%q", text)
	}
}
