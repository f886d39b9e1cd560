package cost

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
)

// unverified marks prices that have no source but memory.
const unverified = " *"

const footnote = "* the price has no source that could be read; check it on AWS's page (ops/cost/prices.json names it)\n"

// Text is the estimate as a table for a terminal.
func (e *Estimate) Text() string {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "USD a month in %s: on demand, %d hours, before traffic and taxes, without free tiers.\nPrices of %s.\n\n",
		printable(e.Region), HoursPerMonth, e.Date)
	marked := false
	table(&out, func(row func(...string)) {
		for _, item := range e.Items {
			row(item.Monthly.String()+mark(item.Verified, &marked), printable(item.Resource), printable(item.What))
		}
		row(e.Total().String(), "", "in all")
	})
	writeGaps(&out, "\nNot included, since the price is not known here:\n", e.Gaps)
	writeUsage(&out, "\nNot included, since traffic decides it:\n", e.Usage)
	if marked {
		out.WriteString("\n" + footnote)
	}
	return out.String()
}

// Text is the difference as a table for a terminal.
func (d *Differences) Text() string {
	var out strings.Builder
	marked := false
	if len(d.Changes) == 0 {
		out.WriteString("The monthly cost does not change, as far as it is known before traffic.\n")
	} else {
		table(&out, func(row func(...string)) {
			row("change", "before", "after", "", "")
			for _, c := range d.Changes {
				row(c.By().Signed()+mark(c.Item.Verified, &marked), c.Before.String(), c.After.String(), printable(c.Item.Resource), printable(c.Item.What))
			}
			row(d.Total().Signed(), "", "", "", "in all, USD a month")
		})
	}
	writeGaps(&out, "\nThe price is not known here of:\n", d.Gaps)
	writeUsage(&out, "\nNew, and decided by traffic:\n", d.Usage)
	if marked {
		out.WriteString("\n" + footnote)
	}
	return out.String()
}

func writeGaps(out *strings.Builder, heading string, all []Gap) {
	if len(all) == 0 {
		return
	}
	out.WriteString(heading)
	table(out, func(row func(...string)) {
		for _, gap := range all {
			row("  "+printable(gap.Resource), printable(gap.Type), printable(gap.Why))
		}
	})
}

func writeUsage(out *strings.Builder, heading string, all []Usage) {
	if len(all) == 0 {
		return
	}
	out.WriteString(heading)
	table(out, func(row func(...string)) {
		for _, usage := range all {
			row("  "+usage.What, usage.Price)
		}
	})
}

func mark(verified bool, marked *bool) string {
	if verified {
		return ""
	}
	*marked = true
	return unverified
}

// table writes rows with aligned columns. The writer is a builder, which takes everything.
func table(out *strings.Builder, fill func(row func(...string))) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var lines strings.Builder
	fill(func(cells ...string) { lines.WriteString(strings.Join(cells, "\t") + "\n") })
	_, _ = w.Write([]byte(lines.String()))
	_ = w.Flush()
}

// printable drops what could steer a terminal or break a table: names come from whoever wrote the program.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}
