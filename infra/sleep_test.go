package infra

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

const scheduledAction = "aws:appautoscaling/scheduledAction:ScheduledAction"

// TestSleep holds that every service stops and starts by the clock, one that scales within its bounds, and that what has no task has
// no clock either.
func TestSleep(t *testing.T) {
	change := rows(`{"backend": {"count": 2, "maxCount": 6}}`)
	change["clusterSleepSchedule"], change["clusterWakeSchedule"] = "cron(0 20 ? * MON-FRI *)", "cron(0 6 ? * MON-FRI *)"
	change["clusterTimeZone"] = "Europe/Berlin"
	resources, err := declare(t, "staging", change)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, action := range of(t, resources, scheduledAction) {
		to := input(action, "scalableTargetAction").ObjectValue()
		actions = append(actions, fmt.Sprintf("%s %s %s %v-%v", strings.TrimPrefix(input(action, "resourceId").StringValue(), "service/myapp-staging/"),
			input(action, "name").StringValue(), input(action, "schedule").StringValue(), to["minCapacity"].NumberValue(), to["maxCapacity"].NumberValue()))
		if got := input(action, "timezone").StringValue(); got != "Europe/Berlin" {
			t.Errorf("%s is in the time of %s", action.Name, got)
		}
	}
	want := []string{
		"backend sleep cron(0 20 ? * MON-FRI *) 0-0", "backend wake cron(0 6 ? * MON-FRI *) 2-6",
		"frontend sleep cron(0 20 ? * MON-FRI *) 0-0", "frontend wake cron(0 6 ? * MON-FRI *) 1-1",
	}
	if !slices.Equal(actions, want) {
		t.Errorf("they are\n%s, want\n%s", strings.Join(actions, "\n"), strings.Join(want, "\n"))
	}
	for _, target := range of(t, resources, scalableTarget) {
		if want := []string{"minCapacity", "maxCapacity"}; !slices.Equal(target.IgnoreChanges, want) {
			t.Errorf("a look at night would find %s changed: changes of %v are ignored", target.Name, target.IgnoreChanges)
		}
	}
	for _, service := range of(t, resources, "aws:ecs/service:Service") {
		if !slices.Equal(service.IgnoreChanges, []string{"desiredCount"}) {
			t.Errorf("an update at night would wake %s by itself: changes of %v are ignored", service.Name, service.IgnoreChanges)
		}
	}
	change["serviceOverrides"] = `{"backend": {"count": 0}}`
	if resources, err = declare(t, "staging", change); err != nil {
		t.Fatal(err)
	}
	for _, action := range of(t, resources, scheduledAction) {
		if strings.HasPrefix(action.Name, "backend") {
			t.Errorf("%s is declared for a service with no task", action.Name)
		}
	}
}

// TestNeverSleeps holds that nothing of it is there where no schedule is set.
func TestNeverSleeps(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		if found := only(resources, scheduledAction); len(found) > 0 {
			t.Errorf("there is a %s", found[0].Key())
		}
	})
}
