// Package cost estimates what a stack costs in a month, from the resources that the engine knows and a dated price table.
// It counts what runs whether anybody comes or not. What depends on traffic is named with its price, and not counted.
package cost

import (
	"bytes"
	_ "embed" // the price table
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// HoursPerMonth is what AWS's own calculator takes for a month.
const HoursPerMonth = 730

//go:embed prices.json
var embedded []byte

// Source says where prices were read.
type Source struct {
	What     string `json:"what"`
	Date     string `json:"date"`     // YYYY-MM-DD: of the figures, or the day on which they were read
	Verified bool   `json:"verified"` // whether it is AWS's price list, or something that agrees with it
}

// Price is one row of the table.
type Price struct {
	Key    string `json:"key"`
	USD    string `json:"usd"`    // decimal
	Unit   string `json:"unit"`   // what one of costs that much: hour, month, GB, GB-month, unit-hour
	Source string `json:"source"` // key of a Source
	Page   string `json:"page"`   // AWS's page with the current price
	Offer  string `json:"offer"`  // of the price list, with its publication date
	SKU    string `json:"sku"`    // in the price list

	amount   Micros
	verified bool
}

// Table is a price table.
type Table struct {
	Date    string // YYYY-MM-DD, of its last revision
	sources map[string]Source
	regions map[string]map[string]Price
}

// Prices is the table in the repository.
func Prices() (*Table, error) { return ReadTable(embedded) }

// ReadTable reads a price table, strictly: a row without a source, a price that is no decimal and a key that stands twice
// are errors.
func ReadTable(text []byte) (*Table, error) {
	var file struct {
		About   string             `json:"about"`
		Date    string             `json:"date"`
		Sources map[string]Source  `json:"sources"`
		Regions map[string][]Price `json:"regions"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("read the price table: %w", err)
	}
	if _, err := time.Parse(time.DateOnly, file.Date); err != nil {
		return nil, fmt.Errorf("read the price table: date: %w", err)
	}
	table := &Table{Date: file.Date, sources: file.Sources, regions: map[string]map[string]Price{}}
	for name, source := range file.Sources {
		if _, err := time.Parse(time.DateOnly, source.Date); err != nil || source.What == "" {
			return nil, fmt.Errorf("read the price table: source %s needs words and a date: %w", name, err)
		}
	}
	for region, rows := range file.Regions {
		table.regions[region] = map[string]Price{}
		for _, row := range rows {
			if err := table.add(region, row); err != nil {
				return nil, fmt.Errorf("read the price table: %s: %s: %w", region, row.Key, err)
			}
		}
	}
	return table, nil
}

var units = []string{"hour", "month", "GB", "GB-month", "unit-hour"}

func (t *Table) add(region string, row Price) error {
	source, ok := t.sources[row.Source]
	_, twice := t.regions[region][row.Key]
	switch {
	case twice:
		return fmt.Errorf("stands twice")
	case !ok:
		return fmt.Errorf("the source %q is not declared", row.Source)
	case !slices.Contains(units, row.Unit):
		return fmt.Errorf("unit %q is none of %s", row.Unit, strings.Join(units, ", "))
	case !strings.HasPrefix(row.Page, "https://aws.amazon.com/"):
		return fmt.Errorf("page %q is not one of AWS's", row.Page)
	}
	amount, err := parseMicros(row.USD)
	if err != nil {
		return err
	}
	row.amount, row.verified = amount, source.Verified
	t.regions[region][row.Key] = row
	return nil
}

// Regions lists the regions of the table, sorted.
func (t *Table) Regions() []string { return slices.Sorted(maps.Keys(t.regions)) }

// Rows lists the rows of a region, sorted by key, and their sources by key.
func (t *Table) Rows(region string) ([]Price, map[string]Source) {
	rows := slices.Collect(maps.Values(t.regions[region]))
	slices.SortFunc(rows, func(a, b Price) int { return strings.Compare(a.Key, b.Key) })
	return rows, t.sources
}

// RegionError says that the table has no prices of a region. None are guessed from those of another.
type RegionError struct {
	Region string
	Known  []string
}

func (e *RegionError) Error() string {
	return fmt.Sprintf("the price table has no prices of region %q; it has %s; add rows to ops/cost/prices.json",
		e.Region, strings.Join(e.Known, " and "))
}
