package config

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a row is, which follows from its keys.
type Kind string

// The kinds of rows.
const (
	Public    Kind = "public"    // path or default: the load balancer sends it requests
	Internal  Kind = "internal"  // internal: other services call it by Service Connect
	Worker    Kind = "worker"    // no port: nobody calls it
	Scheduled Kind = "scheduled" // schedule: a task that starts at its times and ends by itself
)

// Kind tells what the row is. One that says several things is what the first of them says, and is refused.
func (s Service) Kind() Kind {
	switch {
	case s.Schedule != "":
		return Scheduled
	case s.Internal:
		return Internal
	case s.Port == 0 && !s.Default && len(s.Paths) == 0:
		return Worker
	}
	return Public
}

// ByConnect says whether the row's tasks are part of Service Connect: they are called by it, or call.
func (s Service) ByConnect() bool { return s.Internal || len(s.Calls) > 0 }

// AddressVariable is the environment variable in which a service finds the address of an internal one that it calls.
func AddressVariable(service string) string {
	return strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_URL"
}

// lowestPort is the first that a process may listen on that is not root.
const lowestPort = 1024

func (s Service) validateKind(path string, p *Problems) {
	kind := s.Kind()
	switch kind {
	case Public:
		s.validatePaths(path, p)
	case Internal, Worker, Scheduled:
		if s.Default || len(s.Paths) > 0 {
			p.add(path+".path", "%s has no path and no default: the load balancer does not know it; say one or the other", kind.article())
		}
	}
	s.validatePort(kind, path, p)
	s.validateHealth(kind, path, p)
	if kind == Scheduled {
		s.validateScheduled(path, p)
	} else if s.ScheduleTimeZone != "UTC" {
		p.add(path+".scheduleTimeZone", "goes with schedule, and there is none")
	}
}

// article names a kind in a sentence about one row.
func (k Kind) article() string {
	switch k {
	case Internal:
		return "an internal service"
	case Scheduled:
		return "a scheduled task"
	case Worker:
		return "a worker"
	}
	return "a public service"
}

func (s Service) validatePort(kind Kind, path string, p *Problems) {
	listens := kind == Public || kind == Internal
	switch {
	case listens && s.Port == 0:
		p.add(path+".port", "is required: the port that the container listens on, from %d to 65535", lowestPort)
	case !listens && s.Port != 0:
		p.add(path+".port", "%s has no port: nobody could reach it", kind.article())
	case s.Port != 0 && s.Port < lowestPort:
		p.add(path+".port", "%d is not from %d to 65535: only root listens below", s.Port, lowestPort)
	}
}

func (s Service) validateHealth(kind Kind, path string, p *Problems) {
	switch {
	case kind == Public && s.HealthPath != "":
		matches(p, path+".healthPath", s.HealthPath, healthPath, "a path that begins with / and has no blanks")
	case s.HealthPath != "":
		p.add(path+".healthPath", "is what the load balancer asks, which does not know %s; use healthCommand", kind.article())
	}
	const command = "the command inside the container that tells its health, such as [\"node\", \"healthcheck.mjs\"]"
	switch {
	case kind == Scheduled && len(s.HealthCommand) > 0:
		p.add(path+".healthCommand", "says nothing of a scheduled task, which ends by itself: its exit code tells")
	case (kind == Public || kind == Internal) && len(s.HealthCommand) == 0:
		p.add(path+".healthCommand", "is required: %s", command)
	}
}

func (s Service) validateScheduled(path string, p *Problems) {
	if s.Internal {
		p.add(path+".internal", "a scheduled task cannot be called: it is not always there")
	}
	if len(s.Calls) > 0 {
		p.add(path+".calls", "Service Connect is for services alone, and a scheduled task is none; let it do what it is for by the database, or make it a worker")
	}
	if s.Count > 1 {
		p.add(path+".count", "%d is not 1, or 0 to suspend the schedule: each time starts one task", s.Count)
	}
	if s.Scales() {
		p.add(path+".maxCount", "a scheduled task does not scale: each time starts one task")
	}
	if s.SpotPercent > 0 {
		p.add(path+".spotPercent", "a scheduled task runs on demand: one that AWS takes back would not begin again before its next time")
	}
	if s.Exec {
		p.add(path+".exec", "a scheduled task takes no shell; start one of its image in a worker instead")
	}
	if err := checkSchedule(s.Schedule); err != nil {
		p.add(path+".schedule", "%q is no schedule: %v", s.Schedule, err)
	}
	if err := checkTimeZone(s.ScheduleTimeZone); err != nil {
		p.add(path+".scheduleTimeZone", "%q is no time zone that the IANA has, such as UTC or Europe/Berlin", s.ScheduleTimeZone)
	}
}

// validateCalls finds services that call what cannot be called. What is not there is found by validateOrder.
func validateCalls(services []Service, p *Problems) {
	internal := map[string]bool{}
	for _, s := range services {
		internal[s.Name] = s.Kind() == Internal
	}
	for _, s := range services {
		for i, name := range s.Calls {
			at := fmt.Sprintf("%s.%s.calls[%d]", servicesKey, s.Name, i)
			known, found := internal[name]
			switch {
			case slices.Contains(s.Calls[:i], name):
				p.add(at, "%s stands there twice", name)
			case found && !known:
				p.add(at, "%s says no internal: true, so Service Connect does not know it", name)
			}
		}
	}
}
