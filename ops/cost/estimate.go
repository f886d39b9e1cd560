package cost

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"slipway/ops/enginejson"
)

// Item is something that costs the same every month.
type Item struct {
	Key      string // same for the same thing of two estimates
	Type     string // token of the resource
	Resource string // its name in the program; escape it where it is shown
	What     string // what is paid for, with sizes and counts
	Monthly  Micros
	Verified bool // false where a price in it has no source but memory
}

// Gap is something that costs, and whose price is not known here.
type Gap struct {
	Key      string
	Type     string
	Resource string
	Why      string
}

// Usage is something whose cost depends on traffic.
type Usage struct {
	What  string
	Price string // per unit, or empty where the table does not have it
}

// Estimate is what a stack costs in a month.
type Estimate struct {
	Region string
	Date   string // of the price table
	Items  []Item // the dearest first
	Gaps   []Gap
	Usage  []Usage
}

// Total is the sum of the items.
func (e *Estimate) Total() Micros {
	var sum Micros
	for _, item := range e.Items {
		sum += item.Monthly
	}
	return sum
}

// Estimate prices resources that stand in one region. Its error is a RegionError. What has no price is a Gap, and never left
// out in silence.
func (t *Table) Estimate(region string, resources []enginejson.Resource) (*Estimate, error) {
	prices, ok := t.regions[region]
	if !ok {
		return nil, &RegionError{Region: region, Known: t.Regions()}
	}
	p := &pricing{
		estimate: &Estimate{Region: region, Date: t.Date}, prices: prices, all: resources, usage: map[string]bool{},
	}
	for _, r := range resources {
		if r.Delete || r.External || free(r.Type) {
			continue
		}
		rule, known := rules[r.Type]
		if !known {
			p.gap(r, "the price table does not know this type")
			continue
		}
		rule(p, r)
	}
	if len(p.estimate.Items) > 0 {
		p.depends("data that leaves AWS", "transfer.out", "GB")
		p.depends("data between zones, in each direction", "transfer.betweenZones", "GB")
	}
	slices.SortStableFunc(p.estimate.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(b.Monthly, a.Monthly), strings.Compare(a.Key, b.Key))
	})
	slices.SortStableFunc(p.estimate.Gaps, func(a, b Gap) int { return strings.Compare(a.Key, b.Key) })
	slices.SortStableFunc(p.estimate.Usage, func(a, b Usage) int { return strings.Compare(a.What, b.What) })
	return p.estimate, nil
}

// RegionOf finds the region of a stack's resources: the AWS provider's, or else the one that its ARNs name. It is empty where
// nothing tells.
func RegionOf(resources []enginejson.Resource) string {
	arns := ""
	for _, r := range resources {
		if r.Type == "pulumi:providers:aws" {
			if region, ok := r.Known("region"); ok {
				return fmt.Sprint(region)
			}
		}
		// IAM's ARNs have an empty region.
		if arn, ok := r.Outputs["arn"].(string); ok && arns == "" && strings.HasPrefix(r.Type, "aws:") {
			if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[0] == "arn" {
				arns = parts[3]
			}
		}
	}
	return arns
}

// pricing is an estimate under way.
type pricing struct {
	estimate *Estimate
	prices   map[string]Price
	all      []enginejson.Resource
	usage    map[string]bool // what is in estimate.Usage
}

// part is one price of an item, with how much of it.
type part struct {
	key                    string // of the table
	numerator, denominator int64  // how many of its units a month
}

// hours is a part that costs by the hour.
func hours(key string, count int64) part {
	return part{key: key, numerator: count * HoursPerMonth, denominator: 1}
}

// monthly is a part that costs by the month.
func monthly(key string, count int64) part { return part{key: key, numerator: count, denominator: 1} }

// item adds an item of one resource, priced by its parts. A part that the table does not have makes it a gap: half a sum would
// look like a whole one.
func (p *pricing) item(r enginejson.Resource, suffix, what string, parts ...part) {
	item := Item{
		Key: r.Type + "|" + r.Name() + "|" + suffix, Type: r.Type, Resource: r.Name(), What: what, Verified: true,
	}
	for _, part := range parts {
		price, ok := p.prices[part.key]
		if !ok {
			p.gapOf(r, suffix, fmt.Sprintf("%s: the price table has no row %s for %s", what, part.key, p.estimate.Region))
			return
		}
		item.Monthly += price.amount.times(part.numerator, part.denominator)
		item.Verified = item.Verified && price.verified
	}
	p.estimate.Items = append(p.estimate.Items, item)
}

func (p *pricing) gap(r enginejson.Resource, why string) { p.gapOf(r, "", why) }

func (p *pricing) gapOf(r enginejson.Resource, suffix, why string) {
	p.estimate.Gaps = append(p.estimate.Gaps, Gap{
		Key: r.Type + "|" + r.Name() + "|" + suffix, Type: r.Type, Resource: r.Name(), Why: why,
	})
}

// depends names something that traffic decides, once. key is its row, or empty where there cannot be one.
func (p *pricing) depends(what, key, unit string) {
	if p.usage[what] {
		return
	}
	p.usage[what] = true
	usage := Usage{What: what}
	if price, ok := p.prices[key]; ok {
		usage.Price = price.amount.exact() + " USD per " + unit
	}
	p.estimate.Usage = append(p.estimate.Usage, usage)
}

// whole returns an input that is a whole number, which providers also take as text. absent is taken where it is not set; ok is
// false where it is set and not known.
func whole(r enginejson.Resource, input string, absent int64) (n int64, ok bool) {
	value, set := r.Inputs[input]
	if !set || value == nil {
		return absent, true
	}
	if !enginejson.IsKnown(value) {
		return 0, false
	}
	return wholeOf(value)
}

func wholeOf(value any) (int64, bool) {
	switch v := value.(type) {
	case float64:
		return int64(v), v == float64(int64(v)) && v >= 0
	case string:
		var n int64
		_, err := fmt.Sscanf(v, "%d", &n)
		return n, err == nil && fmt.Sprint(n) == v && n >= 0
	}
	return 0, false
}

// yes returns an input that is a boolean, which is false where it is not set or not known.
func yes(r enginejson.Resource, input string) bool {
	value, _ := r.Known(input)
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

// text returns an input that is a string, or absent where it is not set or not known.
func text(r enginejson.Resource, input, absent string) string {
	if value, ok := r.Known(input); ok {
		if s, ok := value.(string); ok && s != "" {
			return s
		}
	}
	return absent
}

// list returns an input that is a list. Its elements may be unknown; ok is false where even their number is.
func list(r enginejson.Resource, input string) (elements []any, ok bool) {
	value, set := r.Inputs[input]
	if !set || value == nil {
		return nil, true
	}
	elements, ok = value.([]any)
	return elements, ok
}

// object returns an input that is an object, or nil.
func object(r enginejson.Resource, input string) map[string]any {
	o, _ := r.Inputs[input].(map[string]any)
	return o
}

// plural is a count with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
