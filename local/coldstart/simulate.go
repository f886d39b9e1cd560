package coldstart

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Unlimited is a number of resources at a time that nothing reaches.
const Unlimited = 0

// Step is the creation of one resource, in time since the first began.
type Step struct {
	Resource   Resource
	Start, End time.Duration
}

// Schedule is a simulated run.
type Schedule struct {
	Total time.Duration
	Steps []Step // in the order in which they begin
	// Critical is the chain that ends last: each step waits for the one before it. Where nothing waits for a free
	// place, their lengths sum up to Total.
	Critical []Step
}

// Simulate creates the resources of a graph as Pulumi's engine does: each as soon as all that it waits for is there,
// and at most parallel at a time (`pulumi up --parallel`; Unlimited for all). Those that wait for a free place take it
// in the order in which they came. It fails where a type has no duration, and where resources wait for each other.
func Simulate(g Graph, level Level, parallel int) (Schedule, error) {
	var schedule Schedule
	ends := map[string]time.Duration{} // of what is done
	var waiting, ready, running []int  // indexes in g
	steps := make([]Step, len(g))      // in the order of g
	finished := func(key string) bool { _, ok := ends[key]; return ok }
	for i := range g {
		waiting = append(waiting, i)
	}
	for now := time.Duration(0); len(ends) < len(g); {
		for _, i := range waiting {
			if !slices.ContainsFunc(g[i].After, func(key string) bool { return !finished(key) }) {
				ready = append(ready, i)
			}
		}
		waiting = slices.DeleteFunc(waiting, func(i int) bool { return slices.Contains(ready, i) })
		for len(ready) > 0 && (parallel == Unlimited || len(running) < parallel) {
			one := g[ready[0]]
			takes, err := lengthOf(one.Kind, level)
			if err != nil {
				return Schedule{}, err
			}
			steps[ready[0]] = Step{Resource: one, Start: now, End: now + takes}
			schedule.Steps = append(schedule.Steps, steps[ready[0]])
			running, ready = append(running, ready[0]), ready[1:]
		}
		if len(running) == 0 {
			return Schedule{}, fmt.Errorf("these wait for each other, or for what is not there: %s", keys(g, waiting))
		}
		next := slices.MinFunc(running, func(a, b int) int { return int(steps[a].End - steps[b].End) })
		now = steps[next].End
		for _, i := range running {
			if steps[i].End == now {
				ends[g[i].Key()] = now
			}
		}
		running = slices.DeleteFunc(running, func(i int) bool { return steps[i].End == now })
		schedule.Total = now
	}
	schedule.Critical = critical(schedule.Steps)
	return schedule, nil
}

// critical walks from the step that ends last to the one, of those that it waited for, that ended last, and so on.
func critical(steps []Step) []Step {
	byKey := map[string]Step{}
	for _, step := range steps {
		byKey[step.Resource.Key()] = step
	}
	last := func(of []Step) Step {
		return slices.MaxFunc(of, func(a, b Step) int { return int(a.End - b.End) })
	}
	if len(steps) == 0 {
		return nil
	}
	chain := []Step{last(steps)}
	for len(chain[0].Resource.After) > 0 {
		var before []Step
		for _, key := range chain[0].Resource.After {
			before = append(before, byKey[key])
		}
		chain = slices.Insert(chain, 0, last(before))
	}
	return chain
}

func keys(g Graph, indexes []int) string {
	var all []string
	for _, i := range indexes {
		all = append(all, g[i].Key())
	}
	return strings.Join(all, ", ")
}

// lengthOf is how long a resource takes; nothing for a component, which exists in Pulumi's state alone.
func lengthOf(kind string, level Level) (time.Duration, error) {
	if strings.HasPrefix(kind, infraPrefix) {
		return 0, nil
	}
	duration, ok := durations[kind]
	if !ok {
		return 0, fmt.Errorf("there is no duration for %s; find a published one and add it to the table of package coldstart", kind)
	}
	return duration.at[level], nil
}
