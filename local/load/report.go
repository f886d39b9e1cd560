package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// keptFailures is how many failures of a phase are kept whole.
const keptFailures = 5

// Report is what became of a run.
type Report struct {
	Overall Phase
	Phases  []Phase // one for each Mark, in their order
}

// Phase is what became of the requests that were due in one span of time.
type Phase struct {
	Name    string
	Length  time.Duration
	Sent    int // on some connection
	Unsent  int // since too many were under way
	OK      int // answered in time, and as Check wants it
	Failed  int // all others, those not sent included
	Reused  int // of those sent: on a connection that was used before
	Retried int // of those sent: sent again by net/http, since their kept connection closed under them
	// Failures are the first few.
	Failures []Failure
	// Quantiles of the time from when a request was due to its answer or failure, over all that were sent.
	P50, P95, P99, Max time.Duration
	// The lowest numbers of requests in any whole second of the phase: of those that went out, and of those that ended
	// well, whenever they were due. -1 in a phase shorter than a second.
	LowestSent, LowestOK int
}

// Failure is one request that failed.
type Failure struct {
	Due  time.Time
	URL  string
	What error
}

// report sums up the run, which has ended.
func (r *Run) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := Report{Overall: r.phase("overall", r.start, r.stopped)}
	for i, mark := range r.marks {
		end := r.stopped
		if i+1 < len(r.marks) {
			end = r.marks[i+1].at
		}
		report.Phases = append(report.Phases, r.phase(mark.name, mark.at, end))
	}
	return report
}

func (r *Run) phase(name string, from, to time.Time) Phase {
	p := Phase{Name: name, Length: to.Sub(from)}
	var latencies []time.Duration
	var sent, ok []time.Time
	for _, one := range r.results {
		sent = append(sent, one.sent)
		if one.err == nil {
			ok = append(ok, one.done)
		}
		if one.due.Before(from) || !one.due.Before(to) {
			continue
		}
		if one.sent.IsZero() {
			p.Unsent++
		} else {
			p.Sent++
			latencies = append(latencies, one.done.Sub(one.due))
		}
		if one.err == nil {
			p.OK++
		} else {
			p.Failed++
			p.Failures = append(p.Failures, Failure{Due: one.due, URL: one.url, What: one.err})
		}
		if one.reused {
			p.Reused++
		}
		if one.retried {
			p.Retried++
		}
	}
	slices.SortFunc(p.Failures, func(a, b Failure) int { return a.Due.Compare(b.Due) }) // results come as they end
	p.Failures = p.Failures[:min(len(p.Failures), keptFailures)]
	slices.Sort(latencies)
	p.P50, p.P95, p.P99, p.Max = quantile(latencies, 50), quantile(latencies, 95), quantile(latencies, 99), quantile(latencies, 100)
	p.LowestSent, p.LowestOK = lowest(sent, from, to), lowest(ok, from, to)
	return p
}

// quantile is the smallest of sorted values that percent of them do not exceed; 0 where there are none.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// lowest counts times in each whole second between two moments, and returns the lowest count; -1 where there is no
// second.
func lowest(times []time.Time, from, to time.Time) int {
	seconds := make([]int, max(0, to.Sub(from)/time.Second))
	if len(seconds) == 0 {
		return -1
	}
	for _, at := range times {
		if second := at.Sub(from) / time.Second; !at.Before(from) && int(second) < len(seconds) {
			seconds[second]++
		}
	}
	return slices.Min(seconds)
}

// count is a number as a table shows it.
func count(n int) string {
	if n < 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// String is a table with a row for each phase and one for the whole, and the first failures of the run below it.
func (r Report) String() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "phase\tseconds\tsent\tok\tfailed\treused\tretried\tp50 ms\tp95 ms\tp99 ms\tmax ms\tleast sent/s\tleast ok/s\t")
	for _, p := range append(slices.Clone(r.Phases), r.Overall) {
		_, _ = fmt.Fprintf(table, "%s\t%.1f\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t\n",
			p.Name, p.Length.Seconds(), p.Sent, p.OK, p.Failed, p.Reused, p.Retried,
			p.P50.Milliseconds(), p.P95.Milliseconds(), p.P99.Milliseconds(), p.Max.Milliseconds(),
			count(p.LowestSent), count(p.LowestOK))
	}
	_ = table.Flush()
	for _, f := range r.Overall.Failures {
		fmt.Fprintf(&b, "%s %s: %v\n", f.Due.Format("15:04:05.000"), f.URL, f.What)
	}
	if more := r.Overall.Failed - len(r.Overall.Failures); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}
