package chaos

import (
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
	for _, kind := range kinds {
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

// TestSummary holds that what the tool says is recognised, and that a broken promise shows.
func TestSummary(t *testing.T) {
	for words, want := range map[string]bool{
		"engine: the last run was killed while it created [a]; starting over with an empty cloud":  true,
		"engine: the cloud of the last run is gone, with all that it held; this one begins empty":  true,
		"engine: removing the lock of process 1, which is gone":                                    false,
		"a resource says: starting over with an empty cloud":                                       false,
		"engine: the API shows nothing that was not there at birth; the embedded cloud is stopped": false,
	} {
		if isStartingOver(words) != want {
			t.Errorf("%q: want %v", words, want)
		}
	}
	report := Report{Outcomes: []Outcome{{Run: 1}, {Run: 2, Violations: []string{"a", "b"}}}}
	if got := report.violations(); got != 1 {
		t.Errorf("%d runs broke a promise, want 1", got)
	}
	if _, err := Soak(t.Context(), Options{}); err == nil {
		t.Error("no runs are taken for a soak")
	}
}
