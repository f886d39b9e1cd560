package cloud

import (
	"testing"
	"time"
)

// TestStillShown holds that tasks that run are always shown, and stopped ones for an hour, the newest thousand at most.
func TestStillShown(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) *time.Time { return new(now.Add(-d)) }
	var many []*time.Time
	for n := range mostStopped + 5 {
		many = append(many, nil, ago(time.Hour-time.Duration(n)*time.Second))
	}
	for name, test := range map[string]struct {
		all              []*time.Time // by task, the oldest first: nil runs
		running, stopped int
		oldest           time.Duration // since when the first stopped one has been
	}{
		"an hour": {[]*time.Time{ago(61 * time.Minute), nil, ago(time.Hour), ago(time.Minute)}, 1, 2, time.Hour},
		"many":    {many, mostStopped + 5, mostStopped, time.Hour - 5*time.Second},
	} {
		running, oldest := 0, time.Duration(0)
		shown := stillShown(test.all, func(at *time.Time) *time.Time { return at }, now)
		for _, at := range shown {
			if at == nil {
				running++
			} else {
				oldest = max(oldest, now.Sub(*at))
			}
		}
		if stopped := len(shown) - running; running != test.running || stopped != test.stopped || oldest != test.oldest {
			t.Errorf("%s: %d running and %d stopped tasks are shown, the oldest of %s; want %d, %d and %s",
				name, running, stopped, oldest, test.running, test.stopped, test.oldest)
		}
	}
}
