package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are known on every machine
)

// The expressions of EventBridge Scheduler (its user guide, "Schedule types on EventBridge Scheduler"). What they match on which
// day is AWS's to work out: here is found what it would refuse.
var (
	expression = regexp.MustCompile(`^(rate|cron|at)\((.*)\)$`)
	rate       = regexp.MustCompile(`^([1-9][0-9]{0,8}) (minute|hour|day)(s?)$`)
)

const expressions = "rate(15 minutes), cron(15 3 * * ? *) or at(2027-01-31T03:15:00)"

func checkSchedule(text string) error {
	parts := expression.FindStringSubmatch(text)
	if parts == nil {
		return errors.New("it is none of " + expressions)
	}
	switch kind, inner := parts[1], parts[2]; kind {
	case "rate":
		found := rate.FindStringSubmatch(inner)
		if found == nil || (found[1] == "1") != (found[3] == "") {
			return errors.New("a rate is a number and minute, hour or day, with an s but after 1: rate(1 hour), rate(15 minutes)")
		}
		return nil
	case "at":
		if _, err := time.Parse("2006-01-02T15:04:05", inner); err != nil {
			return errors.New("a time is written as at(2027-01-31T03:15:00), in the time zone of scheduleTimeZone")
		}
		return nil
	default:
		return checkCron(inner)
	}
}

// cronField is one of the six fields of a cron expression.
type cronField struct {
	name     string
	min, max int
	names    []string       // that stand for numbers from min on
	special  *regexp.Regexp // further forms
}

var cronFields = []cronField{
	{name: "minutes", max: 59},
	{name: "hours", max: 23},
	{name: "day of the month", min: 1, max: 31, special: regexp.MustCompile(`^(L|LW|(0?[1-9]|[12][0-9]|3[01])W)$`)},
	{name: "month", min: 1, max: 12, names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")},
	{name: "day of the week", min: 1, max: 7, names: strings.Fields("SUN MON TUE WED THU FRI SAT"), special: regexp.MustCompile(`^(L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5]))$`)},
	{name: "year", min: 1970, max: 2199},
}

const dayOfMonth, dayOfWeek = 2, 4

func checkCron(text string) error {
	values := strings.Fields(text)
	if len(values) != len(cronFields) {
		return fmt.Errorf("a cron expression has six fields, minutes hours day-of-month month day-of-week year, and this has %d", len(values))
	}
	if (values[dayOfMonth] == "?") == (values[dayOfWeek] == "?") {
		return errors.New("exactly one of the day of the month and the day of the week is ?")
	}
	for i, f := range cronFields {
		if value := values[i]; value == "?" && (i == dayOfMonth || i == dayOfWeek) {
			continue
		}
		for _, part := range strings.Split(values[i], ",") {
			if !f.takes(part) {
				return fmt.Errorf("its %s, %q, is not from %d to %d, with * , - and /", f.name, part, f.min, f.max)
			}
		}
	}
	return nil
}

// takes says whether one of a field's parts is a value, a range or an increment of it.
func (f cronField) takes(part string) bool {
	if f.special != nil && f.special.MatchString(part) {
		return true
	}
	base, step, stepped := strings.Cut(part, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.max) {
		return false
	}
	if base == "*" {
		return true
	}
	from, to, isRange := strings.Cut(base, "-")
	low, okLow := f.number(from)
	high, okHigh := f.number(to)
	return okLow && (!isRange || okHigh && low <= high)
}

// number reads a value of the field, which may be a name.
func (f cronField) number(text string) (int, bool) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.min + i, true
		}
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.min && n <= f.max
}

func checkTimeZone(name string) error {
	if name == "" || name == "Local" { // which mean something to Go alone
		return errors.New("no name")
	}
	_, err := time.LoadLocation(name)
	return err
}
