package coldstart

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/infra/goldentest"
	"slipway/infra/infratest"
)

const document = "docs/performance.md"

// atTop moves a test to the top of the checkout, with a docker command that answers.
func atTop(t *testing.T) {
	t.Helper()
	infratest.DockerOf(t, "linux/amd64") // not the stack's platform, and with no emulator of it
	t.Chdir("../..")
}

func read(t *testing.T, stack string, change map[string]string) Graph {
	t.Helper()
	g, err := Read(stack, change)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func simulate(t *testing.T, g Graph, level Level, parallel int) Schedule {
	t.Helper()
	schedule, err := Simulate(g, level, parallel)
	if err != nil {
		t.Fatal(err)
	}
	return schedule
}

func find(t *testing.T, g Graph, key string) Resource {
	t.Helper()
	i := slices.IndexFunc(g, func(r Resource) bool { return r.Key() == key })
	if i < 0 {
		t.Fatalf("the graph has no %s", key)
	}
	return g[i]
}

// reaches says whether a resource waits for another, directly or not.
func reaches(t *testing.T, g Graph, from, to string) bool {
	t.Helper()
	return from == to || slices.ContainsFunc(find(t, g, from).After, func(key string) bool { return reaches(t, g, key, to) })
}

// TestReadIsTheProgram holds that the graph has the resources that a person has read in the golden file of the stack,
// and that they wait for what the program means them to wait for.
func TestReadIsTheProgram(t *testing.T) {
	atTop(t)
	// Production builds none: it runs those of staging.
	for stack, built := range map[string]int{"staging": 2, "production": 0} {
		g := read(t, stack, nil)
		golden, err := os.ReadFile("infra/testdata/" + stack + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, line := range strings.Split(string(golden), "\n") {
			// Images are named by the commit.
			if line != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "docker:") {
				want = append(want, line)
			}
		}
		images := 0
		for _, r := range g {
			kind, _, _ := strings.Cut(r.Kind, " ")
			if strings.HasPrefix(kind, "docker:") {
				images++
				continue
			}
			got = append(got, kind+" "+r.Name)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || images != built {
			t.Errorf("%s: the graph has %d resources and %d images, the golden file %d", stack, len(got), images, len(want))
		}
	}
	g := read(t, "staging", nil)
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"aws:ecs/service:Service backend", "aws:rds/instance:Instance database", true},
		{"aws:ecs/service:Service backend", "aws:ec2/natGateway:NatGateway network-nat-1", true},
		{"aws:lb/loadBalancer:LoadBalancer edge", "aws:rds/instance:Instance database", false},
		{"aws:rds/instance:Instance database", "aws:ec2/vpc:Vpc network", true},
		{"aws:lb/loadBalancer:LoadBalancer edge", "aws:ec2/natGateway:NatGateway network-nat-1", false},
		{"aws:ecs/cluster:Cluster cluster", "aws:ec2/vpc:Vpc network", false},
	} {
		if got := reaches(t, g, c.from, c.to); got != c.want {
			t.Errorf("%s waits for %s: %t, want %t", c.from, c.to, got, c.want)
		}
	}
}

// TestChanges holds that a changed key changes the graph: the program is run, and no file read.
func TestChanges(t *testing.T) {
	atTop(t)
	count := func(change map[string]string, kind string) (n int) {
		for _, r := range read(t, "staging", change) {
			if r.Kind == kind {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		key, value, kind string
		want             int
	}{
		{"networkNat", "none", "aws:ec2/vpcEndpoint:VpcEndpoint Interface", 4},
		{"networkNat", "perZone", "aws:ec2/natGateway:NatGateway", 2},
		{"revision", strings.Repeat("a", 40), "docker:index/image:Image", 0},
	} {
		if got := count(map[string]string{c.key: c.value}, c.kind); got != c.want {
			t.Errorf("%s: %s: %d %s, want %d", c.key, c.value, got, c.kind, c.want)
		}
	}
	if _, err := Read("staging", map[string]string{"networkNat": "several"}); err == nil || !strings.Contains(err.Error(), "networkNat") {
		t.Errorf("a value that the program refuses: %v", err)
	}
	if _, err := Read("nowhere", nil); err == nil || !strings.Contains(err.Error(), "top of the checkout") {
		t.Errorf("a stack that is not there: %v", err)
	}
}

// TestSimulate holds, for the real graphs, at all levels and several widths, that nothing begins before what it waits
// for has ended, that no more are created at a time than allowed, that the critical path is a chain of real
// dependencies whose lengths sum up to the total where the width is unlimited, and that a limit makes nothing faster.
func TestSimulate(t *testing.T) {
	atTop(t)
	for _, stack := range []string{"staging", "production"} {
		g := read(t, stack, nil)
		for _, level := range []Level{Low, Median, High} {
			free := simulate(t, g, level, Unlimited)
			for _, width := range []int{Unlimited, 1, 2, 8, 16, 1000} {
				t.Run(fmt.Sprint(stack, " ", level, " ", width), func(t *testing.T) {
					schedule := simulate(t, g, level, width)
					checkOrder(t, g, schedule, width)
					checkCritical(t, schedule, width == Unlimited)
					if schedule.Total < free.Total {
						t.Errorf("%s in all, and without a limit %s", schedule.Total, free.Total)
					}
				})
			}
			one := simulate(t, g, level, 1)
			var sum time.Duration
			for _, step := range one.Steps {
				sum += step.End - step.Start
			}
			if one.Total != sum {
				t.Errorf("one at a time takes %s, and all lengths sum up to %s", one.Total, sum)
			}
		}
	}
}

func checkOrder(t *testing.T, g Graph, schedule Schedule, width int) {
	t.Helper()
	if len(schedule.Steps) != len(g) {
		t.Fatalf("%d steps for %d resources", len(schedule.Steps), len(g))
	}
	ends := map[string]time.Duration{}
	for _, step := range schedule.Steps {
		ends[step.Resource.Key()] = step.End
	}
	for _, step := range schedule.Steps {
		for _, key := range step.Resource.After {
			if end, ok := ends[key]; !ok || end > step.Start {
				t.Errorf("%s begins at %s, and what it waits for, %s, ends at %s", step.Resource.Key(), step.Start, key, end)
			}
		}
		at := 0
		for _, other := range schedule.Steps {
			if other.Start <= step.Start && step.Start < other.End {
				at++
			}
		}
		if width != Unlimited && at > width {
			t.Errorf("%d at a time at %s, want at most %d", at, step.Start, width)
		}
	}
}

func checkCritical(t *testing.T, schedule Schedule, gapless bool) {
	t.Helper()
	var sum time.Duration
	for i, step := range schedule.Critical {
		sum += step.End - step.Start
		if i == 0 {
			if len(step.Resource.After) > 0 {
				t.Errorf("the path begins with %s, which waits for %v", step.Resource.Key(), step.Resource.After)
			}
			continue
		}
		before := schedule.Critical[i-1]
		if !slices.Contains(step.Resource.After, before.Resource.Key()) {
			t.Errorf("%s does not wait for %s", step.Resource.Key(), before.Resource.Key())
		}
		if gapless && step.Start != before.End {
			t.Errorf("%s begins at %s, and %s ends at %s", step.Resource.Key(), step.Start, before.Resource.Key(), before.End)
		}
	}
	if sum > schedule.Total || gapless && sum != schedule.Total {
		t.Errorf("the path's lengths sum up to %s, and the total is %s", sum, schedule.Total)
	}
}

// TestSimulateSmall holds a graph that can be worked out by hand: a VPC (12 s), then a NAT gateway (104) beside a
// database (390.5), then a service (129).
func TestSimulateSmall(t *testing.T) {
	vpc := Resource{Kind: "aws:ec2/vpc:Vpc", Name: "v"}
	nat := Resource{Kind: "aws:ec2/natGateway:NatGateway", Name: "n", After: []string{vpc.Key()}}
	db := Resource{Kind: "aws:rds/instance:Instance", Name: "d", After: []string{vpc.Key()}}
	service := Resource{Kind: "aws:ecs/service:Service", Name: "s", After: []string{db.Key(), nat.Key()}}
	g := Graph{nat, db, service, vpc}
	for width, want := range map[int]float64{Unlimited: 12 + 390.5 + 129, 1: 12 + 104 + 390.5 + 129, 2: 12 + 390.5 + 129} {
		if got := simulate(t, g, Median, width).Total.Seconds(); got != want {
			t.Errorf("%d at a time: %g s, want %g", width, got, want)
		}
	}
	if got := simulate(t, g.Without("aws:rds/"), Median, Unlimited).Total.Seconds(); got != 12+104+129 {
		t.Errorf("without the database: %g s", got)
	}
	if len(g[2].After) != 2 {
		t.Error("Without changed the graph that it was given")
	}
}

// TestSimulateRefuses holds that a circle and a type without a duration are errors that name them.
func TestSimulateRefuses(t *testing.T) {
	vpc := Resource{Kind: "aws:ec2/vpc:Vpc", Name: "a", After: []string{"aws:ec2/vpc:Vpc b"}}
	other := Resource{Kind: "aws:ec2/vpc:Vpc", Name: "b", After: []string{"aws:ec2/vpc:Vpc a"}}
	if _, err := Simulate(Graph{vpc, other}, Median, 1); err == nil || !strings.Contains(err.Error(), "aws:ec2/vpc:Vpc a, aws:ec2/vpc:Vpc b") {
		t.Errorf("a circle: %v", err)
	}
	if _, err := Simulate(Graph{{Kind: "aws:zoo/animal:Animal"}}, Median, 1); err == nil || !strings.Contains(err.Error(), "aws:zoo/animal:Animal") {
		t.Errorf("an unknown type: %v", err)
	}
}

// TestDurations holds that every duration has its sources, or says that and why it is assumed, and that its levels
// rise.
func TestDurations(t *testing.T) {
	used := map[int]bool{}
	for kind, d := range durations {
		if (len(d.from) == 0) == (d.assumed == "") {
			t.Errorf("%s has %d sources, and the reason for a default %q; want one of them", kind, len(d.from), d.assumed)
		}
		for _, source := range d.from {
			used[source] = true
		}
		if d.at[Low] > d.at[Median] || d.at[Median] > d.at[High] {
			t.Errorf("%s: %v does not rise", kind, d.at)
		}
	}
	for i, source := range sources {
		if !used[i] || source == "" {
			t.Errorf("source %d, %q, is of no duration", i+1, source)
		}
	}
}

// TestDocument holds that docs/performance.md has what Report prints.
func TestDocument(t *testing.T) {
	atTop(t)
	var report bytes.Buffer
	if err := Report(&report); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- begin: written by coldstart's test -->\n", "<!-- end -->\n"
	before, rest, _ := strings.Cut(string(content), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no %q followed by %q", document, begin, end)
	}
	goldentest.Expect(t, document, before+begin+"\n"+report.String()+"\n"+end+after)
}
