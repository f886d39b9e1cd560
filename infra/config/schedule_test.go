package config

import (
	"strings"
	"testing"
)

// TestSchedules holds which expressions are taken, by the examples of EventBridge Scheduler's guide, and what is said of others.
func TestSchedules(t *testing.T) {
	for expression, want := range map[string]string{
		"rate(1 minute)":               "",
		"rate(15 minutes)":             "",
		"rate(1 hour)":                 "",
		"rate(5 days)":                 "",
		"at(2027-01-31T03:15:00)":      "",
		"cron(0 18 ? * MON-FRI *)":     "",
		"cron(0/15 * * * ? *)":         "",
		"cron(15 10 ? * 6L 2022-2023)": "",
		"cron(15 12 L * ? *)":          "",
		"cron(0 9 3W * ? *)":           "",
		"cron(5,35 14 * jan,JUL ? *)":  "",
		"cron(0 2 ? * TUE#1 *)":        "",

		"":                        "none of rate",
		"hourly":                  "none of rate",
		"0 3 * * *":               "none of rate",
		"rate(0 minutes)":         "a number and minute",
		"rate(1 minutes)":         "with an s but after 1",
		"rate(2 hour)":            "with an s but after 1",
		"rate(30 seconds)":        "a number and minute",
		"rate(1.5 hours)":         "a number and minute",
		"at(2027-02-30T03:15:00)": "a time is written as",
		"at(2027-01-31)":          "a time is written as",
		"cron(0 3 * * *)":         "this has 5",
		"cron(0 3 * * * *)":       "exactly one of",
		"cron(0 3 ? * ? *)":       "exactly one of",
		"cron(60 3 * * ? *)":      `its minutes, "60", is not from 0 to 59`,
		"cron(0 24 * * ? *)":      "its hours",
		"cron(0 3 32 * ? *)":      "its day of the month",
		"cron(0 3 * FOO ? *)":     "its month",
		"cron(0 3 ? * 0 *)":       "its day of the week",
		"cron(0 3 ? * FRI-MON *)": "its day of the week",
		"cron(0 3 ? * MON#6 *)":   "its day of the week",
		"cron(0 3 * * ? 1969)":    "its year",
		"cron(*/0 3 * * ? *)":     "its minutes",
		"cron(? 3 * * ? *)":       "its minutes",
		"cron(1, 3 * * ? *)":      "its minutes",
	} {
		err := checkSchedule(expression)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", expression, err, want)
		}
	}
}

func TestTimeZones(t *testing.T) {
	for name, known := range map[string]bool{"UTC": true, "Europe/Berlin": true, "": false, "Local": false, "Berlin": false, "../etc/passwd": false} {
		if err := checkTimeZone(name); (err == nil) != known {
			t.Errorf("%q: %v", name, err)
		}
	}
}
