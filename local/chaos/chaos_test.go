package chaos

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

// TestDraw holds that a seed draws the same runs again, another seed others, and 200 runs every kind of fault, kill and step.
func TestDraw(t *testing.T) {
	seen, differs := map[string]bool{}, false
	for run := 1; run <= 200; run++ {
		p := draw(1, run)
		if again := draw(1, run); again != p {
			t.Fatalf("run %d is drawn as %v, then as %v", run, p, again)
		}
		differs = differs || draw(2, run) != p
		if err := p.fault.Validate(); err != nil {
			t.Errorf("run %d: %v", run, err)
		}
		if p.killAfter < 0 || p.killAfter > time.Minute {
			t.Errorf("run %d kills after %s", run, p.killAfter)
		}
		for _, what := range []string{string(p.fault.Kind), "fault in " + string(p.faultStep), "kill in " + string(p.killStep), string(p.victim)} {
			seen[what] = true
		}
	}
	if !differs {
		t.Error("another seed draws the same")
	}
	for _, kind := range slices.Concat(kinds(up), kinds(down)) {
		if !seen[string(kind)] {
			t.Errorf("200 runs have no %s", kind)
		}
	}
	for _, s := range steps {
		if !seen["fault in "+string(s)] || !seen["kill in "+string(s)] {
			t.Errorf("200 runs disturb %s too little", s)
		}
	}
	for _, v := range []victim{tool, toolCLI, machine} {
		if !seen[string(v)] {
			t.Errorf("200 runs never kill the %s", v)
		}
	}
}

// TestMeetable holds that no run has a fault that its step cannot meet: of a call that it does not make, or of a task that it does not have.
func TestMeetable(t *testing.T) {
	for run := 1; run <= 1000; run++ {
		p := draw(7, run)
		made := slices.ContainsFunc(calls, func(c call) bool {
			return c.service == p.fault.Service && c.operation == p.fault.Operation && slices.Contains(c.in, p.faultStep)
		})
		if p.fault.OfCall() && !made || !slices.Contains(kinds(p.faultStep), p.fault.Kind) {
			t.Errorf("run %d has %s in %s", run, p.fault, p.faultStep)
		}
	}
}

// TestSummary holds that what the tool says is recognised, and that a broken promise and faults that never came about show.
func TestSummary(t *testing.T) {
	all := map[string]*regexp.Regexp{"gone": gone, "over": startingOver, "lock": freedLock, "definition": deregistered}
	for words, want := range map[string]string{
		"engine: the last run was killed while it created [a]; starting over with an empty cloud":           "over",
		"engine: the cloud of the last run is gone, with all that it held; this one begins empty":           "gone",
		"engine: removing the lock of process 1, which is gone":                                             "lock",
		"engine: deregistering arn:aws:ecs:x:task-definition/a:2, which no state knows":                     "definition",
		"engine: the cloud holds what no state knows (vpc-1); the next run starts over with an empty cloud": "",
		"a resource says: starting over with an empty cloud":                                                "",
		"engine: the API shows nothing that was not there at birth; the embedded cloud is stopped":          "",
	} {
		for name, pattern := range all {
			if pattern.MatchString(words) != (name == want) {
				t.Errorf("%q is taken for %s: want %q", words, name, want)
			}
		}
	}
	report := Report{Outcomes: []Outcome{{Run: 1, Met: true}, {Run: 2, Violations: []string{"a", "b"}}}}
	if broke, met := report.violations(), report.met(); broke != 1 || met != 1 {
		t.Errorf("%d runs broke a promise and %d met their fault, want 1 and 1", broke, met)
	}
	if _, err := Soak(t.Context(), Options{}); err == nil {
		t.Error("no runs are taken for a soak")
	}
}
