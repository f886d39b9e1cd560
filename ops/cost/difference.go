package cost

import (
	"cmp"
	"slices"
	"strings"
)

// Change is an item that costs more or less than before.
type Change struct {
	Item   Item   // as it will be, or as it was where it goes
	Before Micros // 0 where it is new
	After  Micros // 0 where it goes
}

// By is what the change adds, negative where it saves.
func (c Change) By() Micros { return c.After - c.Before }

// Differences is what a change of a stack does to its cost.
type Differences struct {
	Changes []Change // the largest first
	Gaps    []Gap    // of the estimate after, those that were there before as well left out
	Usage   []Usage  // that was not there before
}

// Total is what the changes add, negative where they save.
func (d *Differences) Total() Micros {
	var sum Micros
	for _, c := range d.Changes {
		sum += c.By()
	}
	return sum
}

// Difference compares two estimates. An item is the same in both when type, name and part of the resource are. Something that
// had a price and has none now is a gap, and not a saving.
func Difference(before, after *Estimate) *Differences {
	d := &Differences{}
	old := map[string]Item{}
	for _, item := range before.Items {
		old[item.Key] = item
	}
	oldGaps, newGaps := gapKeys(before), gapKeys(after)
	for _, item := range after.Items {
		was, had := old[item.Key]
		delete(old, item.Key)
		if oldGaps[item.Key] {
			continue // what it cost is not known, so neither is what it adds
		}
		if !had || was.Monthly != item.Monthly {
			item.Verified = item.Verified && (!had || was.Verified)
			d.Changes = append(d.Changes, Change{Item: item, Before: was.Monthly, After: item.Monthly})
		}
	}
	for _, item := range old {
		if !newGaps[item.Key] {
			d.Changes = append(d.Changes, Change{Item: item, Before: item.Monthly})
		}
	}
	for _, gap := range after.Gaps {
		if !oldGaps[gap.Key] {
			d.Gaps = append(d.Gaps, gap)
		}
	}
	for _, usage := range after.Usage {
		if !slices.Contains(before.Usage, usage) {
			d.Usage = append(d.Usage, usage)
		}
	}
	slices.SortFunc(d.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(abs(b.By()), abs(a.By())), strings.Compare(a.Item.Key, b.Item.Key))
	})
	return d
}

func gapKeys(e *Estimate) map[string]bool {
	keys := map[string]bool{}
	for _, gap := range e.Gaps {
		keys[gap.Key] = true
	}
	return keys
}

func abs(m Micros) Micros { return max(m, -m) }
