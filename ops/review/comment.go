package review

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/ops/cost"
	"slipway/ops/enginejson"
)

// GitHub refuses a comment of more characters. Ours stays below it, in bytes, with room for what a workflow may add.
const (
	githubLimit = 65536
	limit       = githubLimit - 5000
)

// Bytes that the rows of a section may take; the list of everything takes what is left.
const (
	lossShare      = 20000
	weakShare      = 5000
	interruptShare = 12000
	costShare      = 8000
	gapShare       = 4000
)

// Options say what a comment is about.
type Options struct {
	Stack  string      // its name, which also tells its comment from another stack's
	Region string      // empty to take it from the preview
	Prices *cost.Table // nil for no cost
}

var stackName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Marker is the first line of a stack's comment, which GitHub does not show: by it a later run finds the comment again, and
// writes over it.
func Marker(stack string) string { return "<!-- slipway review of " + stack + " -->" }

// Comment is the Markdown of a pull request's comment.
func Comment(p *enginejson.Preview, o Options) (string, error) {
	// The name stands in a comment of HTML, which it must not end. Two hyphens could.
	if !stackName.MatchString(o.Stack) || strings.Contains(o.Stack, "--") {
		return "", fmt.Errorf("write a review: %q is not a stack's name: letters, digits, dots, underscores and single hyphens", o.Stack)
	}
	f := Read(p)
	c, err := priced(p, f, o)
	if err != nil {
		return "", fmt.Errorf("write a review: %w", err)
	}
	d := &document{}
	d.line(Marker(o.Stack))
	d.line("## Preview of " + code(o.Stack))
	d.line("")
	d.line(headline(f, c))
	d.losses(f)
	d.weakened(f)
	d.interruptions(f)
	d.cost(c)
	d.everything(f)
	return d.String(), nil
}

// costs is what a comment says about money.
type costs struct {
	difference *cost.Differences // nil where it is not known
	gaps       []cost.Gap        // of resources that change
	why        string            // no difference is known
	region     string
	date       string
}

func priced(p *enginejson.Preview, f *Findings, o Options) (costs, error) {
	if o.Prices == nil {
		return costs{}, nil
	}
	before, after := p.Before(), p.After()
	region := o.Region
	for _, source := range []string{p.Config["aws:region"], cost.RegionOf(after), cost.RegionOf(before)} {
		if region == "" {
			region = source
		}
	}
	old, err := o.Prices.Estimate(region, before)
	var unknown *cost.RegionError
	if errors.As(err, &unknown) {
		if region == "" {
			return costs{why: "The preview does not tell the region"}, nil
		}
		return costs{why: "The price table has no prices of the region " + code(region)}, nil
	}
	if err != nil {
		return costs{}, err
	}
	now, err := o.Prices.Estimate(region, after)
	if err != nil {
		return costs{}, err
	}
	c := costs{difference: cost.Difference(old, now), region: region, date: o.Prices.Date}
	for _, gap := range now.Gaps {
		if slices.ContainsFunc(f.Changes, func(c Change) bool { return c.Type == gap.Type && c.Name == gap.Resource }) {
			c.gaps = append(c.gaps, gap)
		}
	}
	return c, nil
}

// headline is the one sentence for who reads no further.
func headline(f *Findings, c costs) string {
	var parts []string
	if n := len(f.Losses); n > 0 {
		parts = append(parts, fmt.Sprintf("**%s with state %s replaced or deleted**", count(n, "resource"), is(n)))
	}
	if n := len(f.Weakened); n > 0 {
		parts = append(parts, fmt.Sprintf("**%s %s taken off or shortened**", count(n, "protection"), is(n)))
	}
	if n := len(f.Interruptions); n > 0 {
		parts = append(parts, fmt.Sprintf("**service may be interrupted by %s**", count(n, "change")))
	}
	if len(parts) == 0 {
		parts = append(parts, "Nothing with state is replaced or deleted, and nothing interrupts service")
	}
	sentence := strings.Join(parts, ", ") + money(c) + "."
	if f.Errors > 0 {
		return fmt.Sprintf("**The preview failed with %s, so this is not all; the log of the job has them.** %s", count(f.Errors, "error"), sentence)
	}
	return sentence
}

func money(c costs) string {
	if c.difference == nil {
		return ""
	}
	known := ", as far as it is known"
	if len(c.gaps) == 0 {
		known = ""
	}
	if len(c.difference.Changes) == 0 {
		return "; the monthly cost before traffic stays the same" + known
	}
	return fmt.Sprintf("; **%s USD a month** before traffic%s", c.difference.Total().Signed(), known)
}

func (d *document) losses(f *Findings) {
	d.findings("State at stake", f.Losses, lossShare)
}

func (d *document) weakened(f *Findings) {
	d.findings("Protection taken off or shortened", f.Weakened, weakShare)
}

func (d *document) interruptions(f *Findings) {
	d.findings("Service interrupted", f.Interruptions, interruptShare)
	if len(f.Released) == 0 {
		return
	}
	var names []string
	for _, name := range f.Released[:min(len(f.Released), 20)] {
		names = append(names, code(name))
	}
	if more := len(f.Released) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	d.line("\nReleased anew, task by task, without interruption: " + strings.Join(names, ", ") + ".")
}

func (d *document) findings(title string, all []Finding, share int) {
	if len(all) == 0 {
		return
	}
	var rows [][]string
	for _, f := range all {
		what := string(f.Kind)
		if f.Protected && (f.Kind == Replaced || f.Kind == Deleted) {
			what += "; it is protected, so the update will be refused"
		}
		rows = append(rows, []string{code(f.Name), code(f.Type), what, because(f.Causes), f.Why})
	}
	d.line("\n### " + title)
	d.table([]string{"resource", "type", "operation", "because of", "what it means"}, rows, share)
}

func (d *document) cost(c costs) {
	if c.difference == nil && c.why == "" || c.difference != nil && len(c.difference.Changes)+len(c.gaps)+len(c.difference.Usage) == 0 {
		return // there is nothing to say, or the headline says it
	}
	d.line("\n### Cost")
	if c.difference == nil {
		d.line(c.why + ": what the change costs is not known.")
		return
	}
	star := false
	var rows [][]string
	for _, change := range c.difference.Changes {
		by := change.By().Signed()
		if !change.Item.Verified {
			by, star = by+` \*`, true
		}
		rows = append(rows, []string{by, change.Before.String(), change.After.String(), code(change.Item.Resource), words(change.Item.What)})
	}
	if len(rows) == 0 {
		d.line("The monthly cost before traffic stays the same.")
	} else {
		rows = append(rows, []string{"**" + c.difference.Total().Signed() + "**", "", "", "", "in all, USD a month"})
		d.table([]string{"change", "before", "after", "resource", "what"}, rows, costShare)
	}
	if len(c.gaps) > 0 {
		var gaps [][]string
		for _, gap := range c.gaps {
			gaps = append(gaps, []string{code(gap.Resource), words(gap.Why)})
		}
		d.line("\nNot known:")
		d.table([]string{"resource", "why"}, gaps, gapShare)
	}
	for _, usage := range c.difference.Usage {
		d.line(fmt.Sprintf("- New, and decided by traffic: %s%s", usage.What, price(usage)))
	}
	note := fmt.Sprintf("\n<sub>On demand in %s, by the price table of %s, %d hours a month, without free tiers and taxes.", code(c.region), c.date, cost.HoursPerMonth)
	if star {
		note += ` \* This price has no source that could be read.`
	}
	d.line(note + "</sub>")
}

func price(u cost.Usage) string {
	if u.Price == "" {
		return ""
	}
	return ", " + u.Price
}

func (d *document) everything(f *Findings) {
	counts := map[Kind]int{}
	var rows [][]string
	for _, c := range f.Changes {
		counts[c.Kind]++
		rows = append(rows, []string{string(c.Kind), code(c.Type), code(c.Name), because(c.Causes)})
	}
	var parts []string
	for _, kind := range []Kind{Created, Imported, Updated, Replaced, Deleted, Forgotten} {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n, kind))
		}
	}
	if f.Unchanged > 0 {
		parts = append(parts, fmt.Sprintf("%d unchanged", f.Unchanged))
	}
	if len(parts) == 0 {
		parts = append(parts, "no resource changes")
	}
	d.line("\n### Everything")
	d.line(strings.Join(parts, ", ") + ".")
	if len(rows) == 0 {
		return
	}
	d.line("\n<details><summary>" + count(len(rows), "change") + "</summary>\n")
	d.table([]string{"operation", "type", "resource", "because of"}, rows, limit-d.Len()-len(detailsEnd))
	d.line(detailsEnd)
}

const detailsEnd = "\n</details>"

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
