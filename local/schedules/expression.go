// Package schedules is the data plane of EventBridge Scheduler: it starts what is registered when its time has come.
//
// Source: EventBridge Scheduler User Guide, "Schedule types on EventBridge Scheduler".
package schedules

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Expression tells when a schedule's time comes.
type Expression interface {
	// Next is the first time after another; ok is false where there is none any more. since is when the schedule was last changed.
	Next(after, since time.Time) (next time.Time, ok bool)
}

var (
	rateForm = regexp.MustCompile(`^rate\(([1-9][0-9]*) (minute|hour|day)s?\)$`)
	atForm   = regexp.MustCompile(`^at\((.*)\)$`)
	cronForm = regexp.MustCompile(`^cron\((.*)\)$`)
)

// Parse reads an expression: rate(...), cron(...) or at(...), the latter two in a time zone of the IANA.
func Parse(text, zone string) (Expression, error) {
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("understand the time zone of %s: %w", text, err)
	}
	if parts := rateForm.FindStringSubmatch(text); parts != nil {
		units := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}
		n, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, fmt.Errorf("understand %s: %w", text, err)
		}
		return rate(time.Duration(n) * units[parts[2]]), nil
	}
	if parts := atForm.FindStringSubmatch(text); parts != nil {
		when, err := time.ParseInLocation("2006-01-02T15:04:05", parts[1], location)
		if err != nil {
			return nil, fmt.Errorf("understand %s: %w", text, err)
		}
		return at(when), nil
	}
	if parts := cronForm.FindStringSubmatch(text); parts != nil {
		parsed, err := parseCron(parts[1], location)
		if err != nil {
			return nil, fmt.Errorf("understand %s: %w", text, err)
		}
		return parsed, nil
	}
	return nil, fmt.Errorf("understand %s: it is no rate, cron or at expression", text)
}

// rate comes at once, and then again and again after the same time.
type rate time.Duration

// Next implements Expression.
func (r rate) Next(after, since time.Time) (time.Time, bool) {
	if after.Before(since) {
		return since, true
	}
	period := time.Duration(r)
	return since.Add(after.Sub(since).Truncate(period) + period), true
}

// at comes once.
type at time.Time

// Next implements Expression.
func (a at) Next(after, _ time.Time) (time.Time, bool) {
	return time.Time(a), time.Time(a).After(after)
}
