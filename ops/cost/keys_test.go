package cost_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/infra/config"
	"slipway/infra/goldentest"
	"slipway/infra/infratest"
	"slipway/ops/cost"
	"slipway/ops/enginejson/enginetest"
)

// priced are keys with values to price them by: staging is run with that one value changed. A key whose cost follows from use alone
// has no value but a use, as the estimate names it. Keys of a service's row are changed by serviceOverrides. Of a key that costs
// something and is not here, the file says what its tag does.
var priced = []struct{ key, value, use string }{
	{key: "networkNat", value: "perZone"},
	{key: "networkNat", value: "none"},
	{key: "networkZoneCount", value: "3"},
	{key: "databaseInstanceClass", value: "db.t4g.small"},
	{key: "databaseInstanceClass", value: "db.m7g.large"},
	{key: "databaseMultiAz", value: "true"},
	{key: "databaseStorageGb", value: "100"},
	{key: "databaseMaxStorageGb", value: "100"},
	{key: "databaseAppUser", value: "client"},
	{key: "databaseLogs", value: "true"},
	{key: "databaseBackupDays", use: "backups beyond the size of the database"},
	{key: "databaseFinalSnapshot", use: "backups beyond the size of the database"},
	{key: "imagesPlatform", value: "linux/amd64"},
	{key: "serviceOverrides", value: `{"backend": {"count": 2}}`},
	{key: "serviceOverrides", value: `{"backend": {"memory": 1024}}`},
	{key: "serviceOverrides", value: `{"backend": {"cpu": 512, "memory": 1024}}`},
	{key: "serviceOverrides", value: `{"backend": {"maxCount": 4, "scaleCpuPercent": 60}}`},
	{key: "serviceOverrides", value: `{"backend": {"spotPercent": 50}}`},
	{key: "serviceOverrides", value: `{"backend": {"secrets": {"API_KEY": "api"}}}`},
	{key: "clusterContainerInsights", value: "enabled"},
	{key: "alarms", value: "true"},
	{key: "dashboard", value: "true"},
	{key: "logRetentionDays", use: "logs kept"},
	{key: "registryKeepReleases", use: "images kept"},
	{key: "registryKeepTagged", use: "images kept"},
	{key: "registryUntaggedDays", use: "images kept"},
}

const keysHead = `# What a key costs

For every key of [configuration.md](configuration.md) that AWS charges for: staging as committed, which comes to %s USD a month, with that one
key changed. The program was run with each value and its resources priced, as ` + "`make cost`" + ` does it: on demand in us-east-1, %d hours
a month, prices of %s, before traffic, without free tiers and taxes. This file is written by ` + "`go test ./ops/cost -update`" + `, and a test
holds it against the program and the prices.

| key | in staging | changed to | USD a month | and by use |
|---|---|---|--:|---|
`

const keysFoot = `
\* A price in it has no source that could be read; check it on AWS's page, which [prices.json](../ops/cost/prices.json) names.
`

// TestKeys writes down what each key costs.
func TestKeys(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	base := estimate(t, enginetest.Resources(t, top, "staging", nil)...)
	table := prices(t)
	var text strings.Builder
	fmt.Fprintf(&text, keysHead, base.Total(), cost.HoursPerMonth, table.Date)
	shown := map[string]bool{}
	for _, row := range priced {
		keys := names(t, row.key, row.value)
		for _, key := range keys {
			shown[key] = true
		}
		if row.value == "" {
			fmt.Fprintf(&text, "| `%s` | %s | | | %s |\n", row.key, current(settings, keys), use(t, base, row.use))
			continue
		}
		change := map[string]string{row.key: row.value}
		d := cost.Difference(base, estimate(t, enginetest.Resources(t, top, "staging", change)...))
		if len(d.Gaps) > 0 {
			t.Errorf("%s=%s: the table lacks a price: %+v", row.key, row.value, d.Gaps)
		}
		byUse := uses(d.Usage)
		if len(d.Changes) == 0 && byUse == "" {
			byUse = words(keys)
		}
		fmt.Fprintf(&text, "| `%s` | %s | `%s` | %s | %s |\n", row.key, current(settings, keys), row.value, amount(d), byUse)
	}
	for _, key := range append(config.Declared(), config.DeclaredOfService()...) {
		if key.Cost != "" && !shown[key.Key] {
			fmt.Fprintf(&text, "| `%s` | %s | | | %s |\n", key.Key, current(settings, []string{key.Key}), key.Cost)
		}
	}
	text.WriteString(keysFoot)
	goldentest.Expect(t, filepath.Join(top, "docs", "cost.md"), text.String())
}

// names are the keys that a row is about: its own, or those of the services' rows that it changes.
func names(t *testing.T, key, value string) []string {
	t.Helper()
	if key != "serviceOverrides" {
		return []string{key}
	}
	var rows map[string]map[string]any
	if err := json.Unmarshal([]byte(value), &rows); err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	var all []string
	for _, row := range rows {
		all = append(all, slices.Sorted(maps.Keys(row))...)
	}
	return all
}

// current is what staging has of keys, by its files or by default.
func current(settings map[string]string, keys []string) string {
	var values []string
	for _, d := range append(config.Declared(), config.DeclaredOfService()...) {
		if !slices.Contains(keys, d.Key) {
			continue
		}
		value, has := settings[infratest.Project+":"+d.Key]
		if !has && d.Default != nil {
			value = *d.Default
		}
		if value == "" {
			values = append(values, "empty")
			continue
		}
		values = append(values, "`"+value+"`")
	}
	return strings.Join(values, ", ")
}

// words are what the tags of keys say of their cost.
func words(keys []string) string {
	var all []string
	for _, d := range append(config.Declared(), config.DeclaredOfService()...) {
		if slices.Contains(keys, d.Key) && d.Cost != "" {
			all = append(all, d.Cost)
		}
	}
	return strings.Join(all, "; ")
}

func amount(d *cost.Differences) string {
	mark := ""
	for _, c := range d.Changes {
		if !c.Item.Verified {
			mark = " \\*"
		}
	}
	return d.Total().Signed() + mark
}

func uses(all []cost.Usage) string {
	var words []string
	for _, u := range all {
		words = append(words, priceOf(u))
	}
	return strings.Join(words, "; ")
}

func priceOf(u cost.Usage) string {
	if u.Price == "" {
		return u.What
	}
	return u.What + ": " + u.Price
}

// use finds one of the estimate's uses.
func use(t *testing.T, e *cost.Estimate, what string) string {
	t.Helper()
	for _, u := range e.Usage {
		if u.What == what {
			return priceOf(u)
		}
	}
	t.Errorf("the estimate names no use %q", what)
	return what
}
