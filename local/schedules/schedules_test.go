package schedules

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// TestTimes holds when expressions come, by the examples of the guide and the calendar.
func TestTimes(t *testing.T) {
	for _, c := range []struct{ expression, zone, after, want string }{
		{"cron(15 3 * * ? *)", "UTC", "2026-03-01T03:15:00Z", "2026-03-02T03:15:00Z 2026-03-03T03:15:00Z"},
		{"cron(0/20 8-9 ? * MON-FRI *)", "UTC", "2026-03-06T09:39:00Z", "2026-03-06T09:40:00Z 2026-03-09T08:00:00Z 2026-03-09T08:20:00Z"},
		{"cron(0 0 L * ? *)", "UTC", "2028-02-01T00:00:00Z", "2028-02-29T00:00:00Z 2028-03-31T00:00:00Z"},
		{"cron(0 0 LW * ? *)", "UTC", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z 2026-02-27T00:00:00Z"},
		{"cron(0 0 1W * ? *)", "UTC", "2026-07-31T00:00:00Z", "2026-08-03T00:00:00Z 2026-09-01T00:00:00Z"}, // the 1st is a Saturday
		{"cron(0 0 15W 8 ? *)", "UTC", "2026-01-01T00:00:00Z", "2026-08-14T00:00:00Z"},
		{"cron(15 10 ? * 6L 2026-2027)", "UTC", "2026-11-01T00:00:00Z", "2026-11-27T10:15:00Z 2026-12-25T10:15:00Z"}, // the last Friday
		{"cron(0 2 ? * tue#2 *)", "UTC", "2026-03-01T00:00:00Z", "2026-03-10T02:00:00Z 2026-04-14T02:00:00Z"},
		{"cron(0 0 ? * L *)", "UTC", "2026-03-01T00:00:00Z", "2026-03-07T00:00:00Z"},
		{"cron(0 0 29 FEB ? *)", "UTC", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
		{"cron(0 0 1 1 ? 2026)", "UTC", "2026-01-01T00:00:00Z", "none"},
		{"cron(0 0 30 2 ? *)", "UTC", "2026-01-01T00:00:00Z", "none"},
		// Berlin puts its clock forward on 29 March, from 02:00 to 03:00, and back on 25 October.
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z 2026-03-30T00:30:00Z"},
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-23T12:00:00Z", "2026-10-24T00:30:00Z 2026-10-25T0?:30:00Z 2026-10-26T01:30:00Z"},
		{"at(2027-01-31T03:15:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", "2027-01-31T02:15:00Z none"},
		{"at(2025-01-31T03:15:00)", "UTC", "2026-01-01T00:00:00Z", "none"},
		{"rate(5 minutes)", "UTC", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z 2026-01-01T00:05:00Z 2026-01-01T00:10:00Z"},
		{"rate(1 day)", "UTC", "2026-01-03T00:00:01Z", "2026-01-04T00:00:00Z 2026-01-05T00:00:00Z"},
	} {
		expression, err := Parse(c.expression, c.zone)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range strings.Fields(c.want) {
			next, ok := expression.Next(after, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			got := next.UTC().Format(time.RFC3339)
			if !ok {
				got = "none"
			}
			before, behind, either := strings.Cut(want, "?") // AWS does not say which of the two it is
			fits := either && strings.HasPrefix(got, before) && strings.HasSuffix(got, behind)
			if got != want && !fits {
				t.Errorf("%s after %s: got %s, want %s", c.expression, after, got, want)
			}
			after = next
		}
	}
}

func TestNoTimes(t *testing.T) {
	for expression, zone := range map[string]string{
		"hourly": "UTC", "rate(0 minutes)": "UTC", "rate(1 second)": "UTC", "rate(99999999999999999999 days)": "UTC", "at(tomorrow)": "UTC", "cron(0 3 * * *)": "UTC",
		"cron(0 3 * * * *)": "UTC", "cron(60 3 * * ? *)": "UTC", "cron(0 3 ? * FOO *)": "UTC", "cron(0 3 ? * 2#6 *)": "UTC", "cron(0 3 ? * FOO#1 *)": "UTC",
		"cron(0 3 40W * ? *)": "UTC", "cron(5-1 3 * * ? *)": "UTC", "cron(*/x 3 * * ? *)": "UTC", "cron(0 3 ? * xL *)": "UTC", "rate(1 hour)": "Nowhere/Here",
	} {
		if parsed, err := Parse(expression, zone); err == nil {
			t.Errorf("%s in %s is taken for %v", expression, zone, parsed)
		}
	}
}

// TestClock holds that targets are started in time, that a change begins anew and an unchanged one goes on, and what never comes.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		started := map[string][]time.Duration{}
		clock := New(func(_ context.Context, target types.Target) error {
			mu.Lock()
			defer mu.Unlock()
			name := aws.ToString(target.Arn)
			started[name] = append(started[name], time.Since(began).Round(time.Second))
			return errors.New("told in the log, and no more")
		})
		minute := func(name string, enabled bool) Schedule {
			return Schedule{Expression: "rate(1 minute)", Zone: "UTC", Enabled: enabled, Target: types.Target{Arn: aws.String(name)}}
		}
		all := map[string]Schedule{
			"a": minute("a", true), "off": minute("off", false), "never": {Expression: "never", Zone: "UTC", Enabled: true},
			"once": {Expression: "at(" + began.UTC().Add(90*time.Second).Format("2006-01-02T15:04:05") + ")", Zone: "UTC", Enabled: true, Target: types.Target{Arn: aws.String("once")}},
		}
		clock.Apply(all)
		time.Sleep(2*time.Minute + 30*time.Second)
		clock.Apply(all) // nothing changes
		all["a"] = minute("b", true)
		delete(all, "once")
		clock.Apply(all)
		time.Sleep(time.Minute + time.Second)
		clock.Apply(nil)
		time.Sleep(time.Hour)
		clock.Close()
		clock.Apply(all)
		synctest.Wait()
		want := map[string][]time.Duration{
			"a": {0, time.Minute, 2 * time.Minute}, "b": {150 * time.Second, 210 * time.Second}, "once": {90 * time.Second},
		}
		for name, times := range want {
			if got := started[name]; len(got) != len(times) {
				t.Errorf("%s was started after %v, want %v", name, got, times)
				continue
			}
			for i := range times {
				if got := started[name][i]; got < times[i] || got > times[i]+time.Second {
					t.Errorf("%s was started after %v, want %v", name, started[name], times)
				}
			}
		}
		if len(started) != len(want) {
			t.Errorf("started %v", started)
		}
	})
}
