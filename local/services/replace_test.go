package services_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/local/services"
)

// of returns the tasks of a task definition that were ever started.
func (w *world) of(definition string) []*fakeTask {
	var found []*fakeTask
	for _, task := range w.all() {
		if aws.ToString(task.launch.Definition.TaskDefinitionArn) == definition {
			found = append(found, task)
		}
	}
	return found
}

// sicken has every check fail, or none, of the tasks that run and of those that come.
func (w *world) sicken(s *services.Scheduler, sick bool) {
	w.mu.Lock()
	w.sick = sick
	w.mu.Unlock()
	for _, task := range running(w.all()) {
		w.judge(task.ip, true)
	}
	s.Wake()
}

// running are the tasks among some that run and are not asked to stop.
func running(tasks []*fakeTask) []*fakeTask {
	var found []*fakeTask
	for _, task := range tasks {
		if status := task.Status(); aws.ToString(status.LastStatus) == "RUNNING" && aws.ToString(status.DesiredStatus) == "RUNNING" {
			found = append(found, task)
		}
	}
	return found
}

// each looks once a second for as long as it is told, or until something is wrong.
func each(d time.Duration, isRight func(after time.Duration) bool) {
	for begin := time.Now(); time.Since(begin) < d; {
		time.Sleep(time.Second)
		synctest.Wait()
		if !isRight(time.Since(begin)) {
			return
		}
	}
}

// TestReleaseWhileSick holds that a release that meets nothing but sick tasks, as when the database is away, stops none of them
// before others are well: they are what answers once it is back.
func TestReleaseWhileSick(t *testing.T) {
	for name, earlier := range map[string]time.Duration{"at once": 0, "while they are replaced": startTime + 3*time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				s.Put(config("good:1", 2), false)
				settle(t, s)
				old := running(w.all())
				w.sicken(s, true)
				time.Sleep(earlier)
				s.Put(config("good:2", 2), false)
				each(2*time.Minute, func(after time.Duration) bool {
					if got := len(running(old)); got != 2 {
						t.Errorf("after %s %d of the sick tasks run, want both", after, got)
						return false
					}
					return true
				})
				if len(w.of("good:2")) < 3 {
					t.Errorf("%d tasks of the release were tried", len(w.of("good:2")))
				}
				w.sicken(s, false)
				settle(t, s)
				if view, _ := s.View(arn); inForce(view) != "good:1" || view.Running != 2 {
					t.Errorf("after all is well again: %+v", view)
				}
			})
		})
	}
}

// TestLostWhileReleased holds that a task of the release before is replaced from its own revision while a bad one goes out, so that
// the service has what it must have, and that nothing is left of it after a good one.
func TestLostWhileReleased(t *testing.T) {
	for next, want := range map[string]string{"unhealthy:2": "good:1", "good:2": "good:2"} {
		t.Run(next, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				s.Put(config("good:1", 1), false)
				settle(t, s)
				s.Put(config(next, 1), false)
				time.Sleep(time.Second)
				w.all()[0].Stop("", "lost")
				each(30*time.Second, func(after time.Duration) bool {
					if view, _ := s.View(arn); after > 12*time.Second && len(running(w.of(want))) == 0 {
						t.Errorf("after %s no task of %s runs: %+v", after, want, view)
						return false
					}
					return true
				})
				settle(t, s)
				if view, _ := s.View(arn); inForce(view) != want || view.Running != 1 || len(view.Deployments) != 1 || len(w.of("good:1")) > 2 {
					t.Errorf("after the release, and %d tasks of the one before: %+v", len(w.of("good:1")), view)
				}
			})
		})
	}
}

// TestNothingTwice holds that a release whose tasks are all well starts as many as are asked for, and none of the release before,
// whatever the bounds.
func TestNothingTwice(t *testing.T) {
	for _, c := range []struct{ desired, least, most int }{{4, 100, 200}, {4, 50, 100}, {4, 0, 200}, {4, 50, 200}, {3, 100, 150}, {1, 100, 200}} {
		t.Run(fmt.Sprintf("%d tasks, %d to %d percent", c.desired, c.least, c.most), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				asked := config("good:1", c.desired)
				asked.MinimumPercent, asked.MaximumPercent = c.least, c.most
				s.Put(asked, false)
				settle(t, s)
				asked.Definition.TaskDefinitionArn = aws.String("good:2")
				s.Put(asked, false)
				settle(t, s)
				if before, after := len(w.of("good:1")), len(w.of("good:2")); before != c.desired || after != c.desired {
					t.Errorf("%d and %d tasks were started", before, after)
				}
			})
		})
	}
}

// TestSickWithoutRoom holds that where the maximum percent leaves no room for replacements, sick tasks make it one after the other, as
// far as the minimum percent allows.
func TestSickWithoutRoom(t *testing.T) {
	for least, want := range map[int]int{50: 2, 100: 4} {
		t.Run(fmt.Sprintf("at least %d percent", least), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world, s *services.Scheduler) {
				asked := config("good:1", 4)
				asked.MinimumPercent, asked.MaximumPercent = least, 100
				s.Put(asked, false)
				settle(t, s)
				w.sicken(s, true)
				before, fewest := 4, 4
				each(2*time.Minute, func(after time.Duration) bool {
					sick := len(running(w.all()[:4]))
					if before-sick > 1 {
						t.Errorf("after %s %d of %d sick tasks were stopped at once", after, before-sick, before)
						return false
					}
					before, fewest = sick, min(fewest, len(running(w.all())))
					return true
				})
				if fewest < want && least == 100 || before > want {
					t.Errorf("%d of the sick tasks were left, and %d tasks ran at the least, want %d", before, fewest, want)
				}
			})
		})
	}
}
