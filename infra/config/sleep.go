package config

import "strings"

// Sleeps says whether the stack's services stop at some hours.
func (c Cluster) Sleeps() bool { return c.SleepSchedule != "" }

// validateSleep applies the rules about when services stop and start again.
func (c Cluster) validateSleep(p *Problems) {
	if (c.SleepSchedule == "") != (c.WakeSchedule == "") {
		p.add("clusterWakeSchedule", "goes with clusterSleepSchedule: set both, or neither for a stack that never sleeps")
	}
	for _, schedule := range []struct{ key, value string }{
		{"clusterSleepSchedule", c.SleepSchedule}, {"clusterWakeSchedule", c.WakeSchedule},
	} {
		if schedule.value == "" {
			continue
		}
		fields, begins := strings.CutPrefix(schedule.value, "cron(")
		fields, ends := strings.CutSuffix(fields, ")")
		if !begins || !ends {
			p.add(schedule.key, "%q is not a schedule: write cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR), such as cron(0 20 ? * MON-FRI *)", schedule.value)
		} else if err := checkCron(fields); err != nil {
			p.add(schedule.key, "%q is not a schedule: %v", schedule.value, err)
		}
	}
	if c.SleepSchedule != "" && c.SleepSchedule == c.WakeSchedule {
		p.add("clusterWakeSchedule", "is clusterSleepSchedule as well, and nobody knows which of the two would come last")
	}
	if err := checkTimeZone(c.TimeZone); err != nil {
		p.add("clusterTimeZone", "%q is not a time zone of the IANA, such as Europe/Berlin: %v", c.TimeZone, err)
	}
}
