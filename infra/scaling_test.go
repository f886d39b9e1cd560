package infra

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

const (
	scalableTarget = "aws:appautoscaling/target:Target"
	scalingPolicy  = "aws:appautoscaling/policy:Policy"
)

// only returns the resources of a type, of which there may be none.
func only(resources []infratest.Resource, kind string) []infratest.Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r infratest.Resource) bool { return r.Type != kind })
}

// named returns the resource of a type and a name.
func named(t *testing.T, resources []infratest.Resource, kind, name string) infratest.Resource {
	t.Helper()
	for _, r := range of(t, resources, kind) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("the graph has no %s %s", kind, name)
	return infratest.Resource{}
}

// TestScaling holds what a service that follows its load is declared with, and that its number of tasks is then nobody's but
// Application Auto Scaling's.
func TestScaling(t *testing.T) {
	resources, err := declare(t, "staging", rows(`{"backend": {"count": 2, "maxCount": 6, "scaleMemoryPercent": 75, "scaleRequests": 600}}`))
	if err != nil {
		t.Fatal(err)
	}
	targets := only(resources, scalableTarget)
	if len(targets) != 1 {
		t.Fatalf("%d services scale, want the backend alone", len(targets))
	}
	target := targets[0]
	if low, high := input(target, "minCapacity").NumberValue(), input(target, "maxCapacity").NumberValue(); low != 2 || high != 6 {
		t.Errorf("it scales from %v to %v", low, high)
	}
	const id = "service/myapp-staging/backend"
	if got := input(target, "resourceId").StringValue(); got != id {
		t.Errorf("it scales %q", got)
	}
	var followed []string
	for _, policy := range only(resources, scalingPolicy) {
		if got := input(policy, "resourceId").StringValue(); got != id {
			t.Errorf("%s is of %q", policy.Name, got)
		}
		tracking := input(policy, "targetTrackingScalingPolicyConfiguration").ObjectValue()
		metric := tracking["predefinedMetricSpecification"].ObjectValue()
		line := fmt.Sprintf("%s %s %v", input(policy, "name").StringValue(), metric["predefinedMetricType"].StringValue(), tracking["targetValue"].NumberValue())
		if label := metric["resourceLabel"]; label.IsString() {
			line += " " + label.StringValue()
		}
		followed = append(followed, line)
	}
	want := []string{
		"cpu ECSServiceAverageCPUUtilization 60", "memory ECSServiceAverageMemoryUtilization 75",
		"requests ALBRequestCountPerTarget 600 app/myapp-staging/1/targetgroup/myapp-staging-backend-8000/1",
	}
	if !slices.Equal(followed, want) {
		t.Errorf("it follows\n%s, want\n%s", strings.Join(followed, "\n"), strings.Join(want, "\n"))
	}
	for name, want := range map[string][]string{"backend": {"desiredCount"}, "frontend": nil} {
		service := named(t, resources, "aws:ecs/service:Service", name)
		if !slices.Equal(service.IgnoreChanges, want) {
			t.Errorf("changes of %v are ignored in %s, want %v", service.IgnoreChanges, name, want)
		}
	}
	if got := input(named(t, resources, "aws:ecs/service:Service", "backend"), "desiredCount").NumberValue(); got != 2 {
		t.Errorf("it begins with %v tasks", got)
	}
}

// TestNotScaling holds that nothing of it is there where no row asks for it.
func TestNotScaling(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		for _, kind := range []string{scalableTarget, scalingPolicy} {
			if found := only(resources, kind); len(found) > 0 {
				t.Errorf("there is a %s", found[0].Key())
			}
		}
	})
}

// TestJudgedWithin holds that a service is judged by the tasks that ECS gives it, within what its row allows.
func TestJudgedWithin(t *testing.T) {
	b := &bench{}
	if _, err := releaseOf(t, b, rows(`{"backend": {"count": 2, "maxCount": 6}, "frontend": {"count": 3}}`), &infratest.Recorder{}); err != nil {
		t.Fatal(err)
	}
	for _, judged := range b.judged {
		want := map[string][2]int{"backend": {2, 6}, "frontend": {3, 3}}[judged.Name]
		if got := [2]int{judged.Least, judged.Most}; got != want {
			t.Errorf("%s may have %v tasks, want %v", judged.Name, got, want)
		}
	}
}
