package schedules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is an expression of six fields: minutes hours day-of-month month day-of-week year.
type cron struct {
	minutes, hours, months, years []int // sorted
	day                           func(day time.Time) bool
	zone                          *time.Location
}

const lastYear = 2199

var (
	monthNames = strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
	dayNames   = strings.Fields("SUN MON TUE WED THU FRI SAT")
)

func parseCron(text string, zone *time.Location) (cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return cron{}, fmt.Errorf("%d fields are not six", len(fields))
	}
	c := cron{zone: zone}
	var err error
	read := func(into *[]int, text string, low, high int, names []string) {
		if err == nil {
			*into, err = values(text, low, high, names)
		}
	}
	read(&c.minutes, fields[0], 0, 59, nil)
	read(&c.hours, fields[1], 0, 23, nil)
	read(&c.months, fields[3], 1, 12, monthNames)
	read(&c.years, fields[5], 1970, lastYear, nil)
	if err != nil {
		return cron{}, err
	}
	switch {
	case (fields[2] == "?") == (fields[4] == "?"):
		return cron{}, fmt.Errorf("exactly one of %q and %q must be ?", fields[2], fields[4])
	case fields[2] == "?":
		c.day, err = daysOfWeek(fields[4])
	default:
		c.day, err = daysOfMonth(fields[2])
	}
	return c, err
}

// values lists what a field stands for: *, numbers or names, ranges, and steps of these.
func values(text string, low, high int, names []string) ([]int, error) {
	number := func(text string) (int, error) {
		if i := slices.Index(names, strings.ToUpper(text)); i >= 0 {
			return low + i, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high {
			return 0, fmt.Errorf("%q is not from %d to %d", text, low, high)
		}
		return n, nil
	}
	var all []int
	for _, part := range strings.Split(text, ",") {
		base, stepText, stepped := strings.Cut(part, "/")
		from, to, step := low, high, 1
		var err error
		if base != "*" {
			first, last, isRange := strings.Cut(base, "-")
			if from, err = number(first); err != nil {
				return nil, err
			}
			if isRange {
				to, err = number(last)
			} else if !stepped {
				to = from
			}
		}
		if stepped && err == nil {
			step, err = strconv.Atoi(stepText)
		}
		if err != nil || step < 1 || to < from {
			return nil, fmt.Errorf("%q is no list, range or step", part)
		}
		for n := from; n <= to; n += step {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// lastDay is the last one of a day's month.
func lastDay(day time.Time) int {
	return time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func isWorkday(day time.Time) bool {
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
}

// daysOfMonth knows, beside numbers, L for the last day, nW for the workday nearest to a day, and LW for the last workday.
func daysOfMonth(text string) (func(time.Time) bool, error) {
	switch nearest, isNearest := strings.CutSuffix(text, "W"); {
	case text == "L":
		return func(day time.Time) bool { return day.Day() == lastDay(day) }, nil
	case text == "LW":
		return func(day time.Time) bool {
			last := day.AddDate(0, 0, lastDay(day)-day.Day())
			for !isWorkday(last) {
				last = last.AddDate(0, 0, -1)
			}
			return day.Day() == last.Day()
		}, nil
	case isNearest:
		n, err := values(nearest, 1, 31, nil)
		if err != nil {
			return nil, err
		}
		return func(day time.Time) bool { return nearestWorkday(day, n[0]) == day.Day() }, nil
	}
	days, err := values(text, 1, 31, nil)
	return func(day time.Time) bool { return slices.Contains(days, day.Day()) }, err
}

// nearestWorkday is that of the n-th of a day's month, which it does not leave; 0 where the month has no such day.
func nearestWorkday(day time.Time, n int) int {
	if n > lastDay(day) {
		return 0
	}
	for _, by := range []int{0, -1, 1, -2, 2} {
		near := day.AddDate(0, 0, n-day.Day()+by)
		if near.Month() == day.Month() && isWorkday(near) {
			return near.Day()
		}
	}
	return 0
}

// daysOfWeek counts from 1, Sunday. It knows, beside these, L for the last day of the week, nL for the last n of the month, and n#k
// for its k-th.
func daysOfWeek(text string) (func(time.Time) bool, error) {
	one := func(text string) (time.Weekday, error) {
		found, err := values(text, 1, 7, dayNames)
		if err != nil || len(found) != 1 {
			return 0, fmt.Errorf("%q is no day of the week", text)
		}
		return time.Weekday(found[0] - 1), nil
	}
	if text == "L" {
		text = "SAT"
	}
	if name, is := strings.CutSuffix(text, "L"); is {
		wanted, err := one(name)
		return func(day time.Time) bool { return day.Weekday() == wanted && day.Day() > lastDay(day)-7 }, err
	}
	if name, count, is := strings.Cut(text, "#"); is {
		wanted, err := one(name)
		if err != nil {
			return nil, err
		}
		k, err := values(count, 1, 5, nil)
		if err != nil {
			return nil, err
		}
		return func(day time.Time) bool { return day.Weekday() == wanted && (day.Day()-1)/7+1 == k[0] }, nil
	}
	days, err := values(text, 1, 7, dayNames)
	return func(day time.Time) bool { return slices.Contains(days, int(day.Weekday())+1) }, err
}

// Next implements Expression. A time that the clock leaves out in spring does not come; one that it shows twice in autumn comes
// once.
func (c cron) Next(after, _ time.Time) (time.Time, bool) {
	after = after.In(c.zone)
	for day := time.Date(after.Year(), after.Month(), after.Day(), 0, 0, 0, 0, time.UTC); day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		if !slices.Contains(c.years, day.Year()) || !slices.Contains(c.months, int(day.Month())) || !c.day(day) {
			continue
		}
		for _, hour := range c.hours {
			for _, minute := range c.minutes {
				next := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, c.zone)
				if next.After(after) && next.Hour() == hour && next.Minute() == minute {
					return next, true
				}
			}
		}
	}
	return time.Time{}, false
}
