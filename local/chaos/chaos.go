// Package chaos is a soak: again and again a stack is brought up, released, returned and taken down in an embedded cloud of
// its own, each time with a fault in one step and a kill in one step, drawn from a seed. After each disturbance the next `up`
// must bring everything in order.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/local/faults"
)

// Options say how long and where.
type Options struct {
	Bin     string        // the tool behind the make targets
	Source  string        // a checkout, whose HEAD is cloned
	First   int           // number of the first run, 1 if 0: a single run is repeated by its number
	Runs    int           // at least 1
	Seed    uint64        // the same seed draws the same faults and kills; at which call they hit still depends on the machine
	Workers int           // runs at a time, each in a clone of its own; 1 if 0
	Limit   time.Duration // of all runs; none is begun after it. An hour a worker if 0
	Out     io.Writer     // a line for each run
	Logs    string        // folder for what the tool printed in runs that broke a promise
}

// step is one command of a run.
type step string

// The steps of a run, in their order.
const (
	up      step = "up"       // from nothing to the first revision
	release step = "release"  // to a second one, which is built
	back    step = "rollback" // to the first one, with no build
	down    step = "down"
)

var steps = []step{up, release, back, down}

// victim is what a kill hits.
type victim string

const (
	tool    victim = "tool"    // `make up` alone, as ^C^C or a closed terminal would
	toolCLI victim = "engine"  // and the Pulumi CLI with it
	machine victim = "machine" // and the cloud's servers: the power fails
)

// plan is what happens in one run.
type plan struct {
	faultStep, killStep step
	fault               faults.Fault
	victim              victim
	killAfter           time.Duration
}

func (p plan) String() string {
	return fmt.Sprintf("%s in %s; %s killed %.1f s into %s", p.fault, p.faultStep, p.victim, p.killAfter.Seconds(), p.killStep)
}

// call is one that a fault may be for; an empty operation means all of the service, an empty service all.
type call struct {
	service, operation string
	in                 []step // that make it
}

// calls are chosen from what the record of calls of an undisturbed run has. Nothing is drawn that a step cannot meet.
var calls = []call{
	{"ec2", "", steps},
	{"ec2", "CreateVpc", []step{up}},
	{"ec2", "CreateSubnet", []step{up}},
	{"ec2", "AllocateAddress", []step{up}},
	{"ec2", "AuthorizeSecurityGroupIngress", []step{up}},
	{"ec2", "DescribeSubnets", []step{up}},
	{"iam", "", []step{up, down}},
	{"iam", "CreateRole", []step{up}},
	{"iam", "PutRolePolicy", []step{up}},
	{"ecr", "", steps},
	{"ecr", "CreateRepository", []step{up}},
	{"ecr", "GetAuthorizationToken", []step{up, release}},
	{"logs", "", []step{up, down}},
	{"logs", "CreateLogGroup", []step{up}},
	{"rds", "", []step{up, down}},
	{"rds", "CreateDBInstance", []step{up}},
	{"rds", "DescribeDBInstances", []step{up, down}},
	{"rds", "DeleteDBInstance", []step{down}},
	{"elasticloadbalancing", "", steps},
	{"elasticloadbalancing", "CreateTargetGroup", []step{up}},
	{"elasticloadbalancing", "CreateRule", []step{up}},
	{"elasticloadbalancing", "DescribeTargetHealth", []step{up, release, back}},
	{"ecs", "", steps},
	{"ecs", "RegisterTaskDefinition", []step{up, release, back}},
	{"ecs", "CreateService", []step{up}},
	{"ecs", "UpdateService", []step{release, back, down}},
	{"ecs", "DescribeServices", steps},
	{"ecs", "DeregisterTaskDefinition", []step{release, back, down}},
	{"secretsmanager", "", []step{up, down}},
	{"", "", steps},
}

// kinds are those that a step can meet. The last of those of calls, a lost answer, is the nastiest, and comes twice as often.
func kinds(s step) []faults.Kind {
	all := []faults.Kind{
		faults.Throttle, faults.Error, faults.Slow, faults.Lost, faults.Lost, faults.DatabaseDown, faults.DatabaseSlow, faults.DatabaseFull,
	}
	if s != up { // which begins with no task
		all = append(all, faults.TasksLost)
	}
	if s != down { // which starts none
		all = append(all, faults.Registry, faults.DiskFull)
	}
	return all
}

// draw makes the plan of a run. Kills come at any moment of the time that a step takes undisturbed.
func draw(seed uint64, run int) plan {
	random := rand.New(rand.NewPCG(seed, uint64(run))) //nolint:gosec // chaos that can be repeated, no secret
	p := plan{
		faultStep: steps[random.IntN(len(steps))], killStep: steps[random.IntN(len(steps))],
		victim: []victim{tool, tool, tool, toolCLI, toolCLI, machine}[random.IntN(6)],
	}
	possible := kinds(p.faultStep)
	p.fault.Kind = possible[random.IntN(len(possible))]
	if p.fault.OfCall() {
		made := slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !slices.Contains(c.in, p.faultStep) })
		call := made[random.IntN(len(made))]
		p.fault.Service, p.fault.Operation, p.fault.Times = call.service, call.operation, 1+random.IntN(4)
	}
	if p.fault.Kind == faults.Slow {
		p.fault.Delay = time.Duration(1+random.IntN(5)) * time.Second
	}
	longest := map[step]time.Duration{up: 20 * time.Second, release: 12 * time.Second, back: 10 * time.Second, down: 10 * time.Second}
	p.killAfter = time.Duration(random.Int64N(int64(longest[p.killStep])))
	return p
}

// Outcome is what became of one run.
type Outcome struct {
	Run        int
	Plan       string
	Took       time.Duration
	Commands   []string // undisturbed ones, with how long they took
	Disturbed  []string // what the disturbed steps did: failed, killed, impatient, unharmed
	Met        bool     // whether the fault came about: a call met it, or, of one that is for no call, the cloud had it in force
	Explained  []string // the tool's words about starting over, or about locks
	Violations []string
}

// Report is what became of all.
type Report struct {
	Outcomes []Outcome
	Took     time.Duration
}

// Soak runs. It returns an error where something was violated, or where it could not go on; the report is good in any case.
func Soak(ctx context.Context, options Options) (Report, error) {
	if options.Runs < 1 {
		return Report{}, fmt.Errorf("%d runs are none; ask for 1 or more", options.Runs)
	}
	options.Workers, options.First = max(1, options.Workers), max(1, options.First)
	if options.Limit == 0 {
		options.Limit = time.Hour
	}
	temp, err := os.MkdirTemp("", "slipway-chaos-")
	if err != nil {
		return Report{}, fmt.Errorf("make a folder for clones: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	start := time.Now()
	var (
		mu     sync.Mutex
		report Report
		next   int
		failed []error
		group  sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= options.Runs || time.Since(start) > options.Limit || ctx.Err() != nil {
			return 0, false
		}
		next++
		return options.First + next - 1, true
	}
	for n := range options.Workers {
		group.Go(func() {
			w, err := newWorker(ctx, options, filepath.Join(temp, fmt.Sprintf("worker-%d", n)))
			if err == nil {
				defer w.close()
				err = w.learn(ctx)
			}
			for err == nil {
				run, ok := take()
				if !ok {
					return
				}
				outcome := w.run(ctx, run, draw(options.Seed, run))
				if ctx.Err() != nil { // cut off, it says nothing
					return
				}
				mu.Lock()
				report.Outcomes = append(report.Outcomes, outcome)
				_, _ = fmt.Fprintln(options.Out, outcome)
				mu.Unlock()
				if len(outcome.Violations) > 0 { // the next run begins with nothing that this one left
					err = errors.Join(w.keepLog(outcome.Run), w.command(ctx, "stop").err)
				}
			}
			mu.Lock()
			failed = append(failed, err)
			mu.Unlock()
		})
	}
	group.Wait()
	report.Took = time.Since(start)
	slices.SortFunc(report.Outcomes, func(a, b Outcome) int { return a.Run - b.Run })
	if violations := report.violations(); violations > 0 {
		failed = append(failed, fmt.Errorf("%d of %d runs broke a promise", violations, len(report.Outcomes)))
	}
	if met := report.met(); 2*met < len(report.Outcomes) {
		failed = append(failed, fmt.Errorf("the fault came about in %d of %d runs alone, which shows little", met, len(report.Outcomes)))
	}
	if len(report.Outcomes) < options.Runs {
		failed = append(failed, fmt.Errorf("%d of %d runs were made within %s", len(report.Outcomes), options.Runs, options.Limit))
	}
	return report, errors.Join(append(failed, ctx.Err())...)
}

func (r Report) violations() int {
	return r.count(func(o Outcome) bool { return len(o.Violations) > 0 })
}

func (r Report) met() int { return r.count(func(o Outcome) bool { return o.Met }) }

func (r Report) count(is func(Outcome) bool) int {
	count := 0
	for _, outcome := range r.Outcomes {
		if is(outcome) {
			count++
		}
	}
	return count
}

// String is one line, and one more for each violation.
func (o Outcome) String() string {
	fault := "fault not met"
	if o.Met {
		fault = "fault met"
	}
	line := fmt.Sprintf("run %3d: %5.1f s  %s  [%s; %s]  %s",
		o.Run, o.Took.Seconds(), o.Plan, strings.Join(o.Disturbed, ", "), fault, strings.Join(o.Commands, ", "))
	for _, words := range o.Explained {
		line += "\n         explained: " + words
	}
	for _, violation := range o.Violations {
		line += "\n         VIOLATION: " + violation
	}
	return line
}

// String is a summary.
func (r Report) String() string {
	var times []time.Duration
	disturbed := map[string]int{}
	for _, outcome := range r.Outcomes {
		times = append(times, outcome.Took)
		for _, what := range outcome.Disturbed {
			_, what, _ = strings.Cut(what, " ")
			disturbed[what]++
		}
	}
	slices.Sort(times)
	median := time.Duration(0)
	if len(times) > 0 {
		median = times[(len(times)-1)/2]
	}
	with := func(pattern *regexp.Regexp) int {
		return r.count(func(o Outcome) bool { return slices.ContainsFunc(o.Explained, pattern.MatchString) })
	}
	return fmt.Sprintf("%d runs in %s, median %.1f s; %d faults came about; disturbed steps: %v; as the tool said, in %d runs the cloud had gone, "+
		"in %d it began over, in %d it freed a lock, in %d it deregistered a task definition; %d runs broke a promise",
		len(r.Outcomes), r.Took.Round(time.Second), median.Seconds(), r.met(), disturbed,
		with(gone), with(startingOver), with(freedLock), with(deregistered), r.violations())
}
