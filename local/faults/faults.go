// Package faults makes the embedded cloud fail on demand: calls of its API that are throttled, answered with an error, slowly
// or not at all, and parts of its data plane that are away, slow or full.
package faults

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds of faults. The first four are of calls of the API, the others of the data plane.
const (
	Throttle Kind = "throttle" // the call is refused as too fast; nothing is done
	Error    Kind = "error"    // the answer is an internal error; nothing is done
	Slow     Kind = "slow"     // the call is carried out after Delay
	Lost     Kind = "lost"     // the call is carried out, and its answer never comes

	Registry     Kind = "registry"      // every push and pull is refused
	DiskFull     Kind = "disk-full"     // the node has no room for another image
	TasksLost    Kind = "tasks-lost"    // a node dies, and with it Times tasks, all by default; happens once
	DatabaseDown Kind = "database-down" // the servers refuse connections
	DatabaseSlow Kind = "database-slow" // the servers get a tenth of the time
	DatabaseFull Kind = "database-full" // the servers' disks are full
)

var (
	ofCalls = []Kind{Throttle, Error, Slow, Lost}
	ofPlane = []Kind{Registry, DiskFull, TasksLost, DatabaseDown, DatabaseSlow, DatabaseFull}
)

// Fault is one fault on demand.
type Fault struct {
	Kind      Kind          `json:"kind"`
	Service   string        `json:"service,omitempty"`   // as in a signature's scope: ecs, ec2, elasticloadbalancing; empty for all
	Operation string        `json:"operation,omitempty"` // such as UpdateService; empty for all
	Times     int           `json:"times,omitempty"`     // how many calls meet it; 0 for all until it is cleared
	Delay     time.Duration `json:"delay,omitempty"`     // of Slow, nanoseconds; a second unless given, at most a minute
}

// OfCall says whether the fault is one of calls of the API.
func (f Fault) OfCall() bool { return slices.Contains(ofCalls, f.Kind) }

// String writes a fault as Parse reads it.
func (f Fault) String() string {
	words := []string{string(f.Kind)}
	for _, option := range []struct{ name, value string }{{"service", f.Service}, {"operation", f.Operation}} {
		if option.value != "" {
			words = append(words, option.name+"="+option.value)
		}
	}
	if f.Times > 0 {
		words = append(words, "times="+strconv.Itoa(f.Times))
	}
	if f.Delay > 0 {
		words = append(words, "delay="+f.Delay.String())
	}
	return strings.Join(words, " ")
}

// Usage says what Parse takes.
const Usage = `KIND [service=NAME] [operation=NAME] [times=N] [delay=DURATION]
  of calls of the API: throttle, error, slow, lost; service as in ecs, ec2, rds, elasticloadbalancing, and operation as in
    UpdateService choose among them, times says how many meet it (default: all), delay is of slow (default: 1s)
  of the data plane: registry, disk-full, tasks-lost (times: how many), database-down, database-slow, database-full`

// Parse reads a fault: KIND and NAME=VALUE words.
func Parse(words []string) (Fault, error) {
	if len(words) == 0 {
		return Fault{}, errors.New("no fault is named; give one such as `throttle service=ecs times=3`")
	}
	fault := Fault{Kind: Kind(words[0])}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "service":
			fault.Service = value
		case "operation":
			fault.Operation = value
		case "times":
			fault.Times, err = strconv.Atoi(value)
		case "delay":
			fault.Delay, err = time.ParseDuration(value)
		default:
			err = errors.New("there is no such option")
		}
		if err != nil {
			return Fault{}, fmt.Errorf("%s: %w; a fault is\n%s", word, err, Usage)
		}
	}
	return fault, fault.Validate()
}

// Validate says what is wrong with a fault.
func (f Fault) Validate() error {
	switch {
	case !f.OfCall() && !slices.Contains(ofPlane, f.Kind):
		return fmt.Errorf("there is no fault %q; a fault is\n%s", f.Kind, Usage)
	case !f.OfCall() && (f.Service != "" || f.Operation != "" || f.Delay != 0):
		return fmt.Errorf("%s is no fault of calls, and has no service, operation or delay", f.Kind)
	case f.Kind != Slow && f.Delay != 0:
		return fmt.Errorf("%s has no delay; slow has", f.Kind)
	case f.Times < 0 || f.Delay < 0 || f.Delay > time.Minute:
		return fmt.Errorf("times must not be negative, and delay must lie between 0 and 1m: %s", f)
	}
	return nil
}

// Set holds the faults in force. Its zero value is empty, and its methods may be called from any goroutine.
type Set struct {
	mu     sync.Mutex
	faults []*Fault
}

// Add puts a fault in force.
func (s *Set) Add(fault Fault) {
	if fault.Kind == Slow && fault.Delay == 0 {
		fault.Delay = time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
}

// Clear ends all faults.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// List returns the faults in force, the oldest first.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Fault, len(s.faults))
	for i, fault := range s.faults {
		all[i] = *fault
	}
	return all
}

// Has says whether a fault of the data plane is in force.
func (s *Set) Has(kind Kind) bool {
	return slices.ContainsFunc(s.List(), func(f Fault) bool { return f.Kind == kind })
}

// Meet returns the fault that a call meets, the oldest that fits, and counts it. One that was met as often as it should be is
// over.
func (s *Set) Meet(service, operation string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, fault := range s.faults {
		if !fault.OfCall() || fault.Service != "" && fault.Service != service || fault.Operation != "" && fault.Operation != operation {
			continue
		}
		met := *fault
		if fault.Times == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if fault.Times > 1 {
			fault.Times--
		}
		return met, true
	}
	return Fault{}, false
}
