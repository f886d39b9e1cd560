package coldstart

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// reported is the stack of the report: it owns all that an account has once, so it has the most to create.
const reported = "staging"

// parallel is Pulumi's default on two cores: four operations a core at a time (defaultParallel in
// pkg/cmd/pulumi/operations/up.go of github.com/pulumi/pulumi, v3.259.0).
const parallel = 8

// report collects tables, and the first error.
type report struct {
	out io.Writer
	err error
}

func (r *report) print(format string, args ...any) {
	if r.err == nil {
		_, r.err = fmt.Fprintf(r.out, format, args...)
	}
}

// Report prints the simulation of a first deployment of staging, as Markdown: the totals, with what other choices would
// change; the critical paths; the durations; and their sources. It must run at the top of a checkout, as Read.
func Report(w io.Writer) error {
	staging, err := Read(reported, nil)
	if err != nil {
		return err
	}
	r := &report{out: w}
	if err := r.totals(staging); err != nil {
		return err
	}
	for _, level := range []Level{Low, Median, High} {
		if err := r.path(staging, level); err != nil {
			return err
		}
	}
	r.durations(staging)
	return r.err
}

// totals prints what the choices that cost most time come to.
func (r *report) totals(staging Graph) error {
	rows := []struct {
		what     string
		change   map[string]string
		without  string
		parallel int
	}{
		{"staging as committed", nil, "", parallel},
		{"the same, no limit to `--parallel`", nil, "", Unlimited},
		{"the same, `--parallel 1`", nil, "", 1},
		{"images already built (`revision` names a release)", map[string]string{"revision": strings.Repeat("a", 40)}, "", parallel},
		{"`networkNat: none`, endpoints instead", map[string]string{"networkNat": "none"}, "", parallel},
		{"`networkNat: perZone`", map[string]string{"networkNat": "perZone"}, "", parallel},
		{"without the database", nil, "aws:rds/", parallel},
		{"without the database, images already built", map[string]string{"revision": strings.Repeat("a", 40)}, "aws:rds/", parallel},
	}
	r.print("| first `pulumi up`, minutes | resources | low | median | high |\n|---|--:|--:|--:|--:|\n")
	for _, row := range rows {
		graph := staging
		if row.change != nil {
			var err error
			if graph, err = Read(reported, row.change); err != nil {
				return err
			}
		}
		if row.without != "" {
			graph = graph.Without(row.without)
		}
		var totals [3]string
		for level := range totals {
			schedule, err := Simulate(graph, Level(level), row.parallel)
			if err != nil {
				return err
			}
			totals[level] = minutes(schedule.Total)
		}
		r.print("| %s | %d | %s |\n", row.what, len(graph.Without(infraPrefix)), strings.Join(totals[:], " | "))
	}
	return nil
}

// path prints the steps of a critical path that take time.
func (r *report) path(g Graph, level Level) error {
	schedule, err := Simulate(g, level, Unlimited)
	if err != nil {
		return err
	}
	r.print("\n| critical path, %s, no limit | type | from | to |\n|---|---|--:|--:|\n", level)
	for _, step := range schedule.Critical {
		if step.End > step.Start {
			r.print("| %s | %s | %s | %s |\n", step.Resource.Name, shortKind(step.Resource.Kind), minutes(step.Start), minutes(step.End))
		}
	}
	return nil
}

func (r *report) durations(g Graph) {
	count := map[string]int{}
	for _, one := range g {
		count[one.Kind]++
	}
	kinds := slices.SortedFunc(maps.Keys(durations), func(a, b string) int {
		return cmp.Or(-cmp.Compare(durations[a].at[Median], durations[b].at[Median]), cmp.Compare(a, b))
	})
	r.print("\n| type | in staging | low, s | median, s | high, s | sources |\n|---|--:|--:|--:|--:|---|\n")
	for _, kind := range kinds {
		d := durations[kind]
		r.print("| %s | %d | %g | %g | %g | %s |\n", shortKind(kind), count[kind],
			d.at[Low].Seconds(), d.at[Median].Seconds(), d.at[High].Seconds(), d.cited())
	}
	r.print("\n")
	for i, source := range sources {
		r.print("%d. %s\n", i+1, source)
	}
}

// cited names the sources of a duration by their numbers, or says that it is a default, and why.
func (d duration) cited() string {
	if d.assumed != "" {
		return "**none: assumed**; " + d.assumed
	}
	var numbers []string
	for _, source := range d.from {
		numbers = append(numbers, fmt.Sprint(source+1))
	}
	return strings.TrimSuffix(strings.Join(numbers, ", ")+"; "+d.note, "; ")
}

// shortKind is a type as Pulumi's own tables spell it: aws:ec2:Vpc.
func shortKind(kind string) string {
	module, rest, ok := strings.Cut(kind, "/")
	if !ok {
		return kind
	}
	_, name, _ := strings.Cut(rest, ":")
	return module + ":" + name
}

// minutes is a time as minutes and seconds.
func minutes(d time.Duration) string {
	seconds := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
