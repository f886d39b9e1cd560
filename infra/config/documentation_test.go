package config_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"slipway/infra/config"
	"slipway/infra/goldentest"
)

const documentationHead = `# Configuration

Every key of a stack, as ` + "`Pulumi.<stack>.yaml`" + ` spells it, after ` + "`slipway:`" + `. This file is written from the Go types by
` + "`go test ./infra/config -update`" + `, and a test holds it against them. All values are checked before anything is registered, and
all problems are told at once. A list may be written as YAML. What a key costs is said where it costs something; [cost.md](cost.md) has the
amounts, by a dated price table, and ` + "`make cost`" + ` prints those of a stack.

`

const documentationServices = `
## Services

` + "`slipway:services`" + ` is an object of rows by name. Its default, in Pulumi.yaml, is the sample app's; a stack that sets it replaces
all rows. ` + "`slipway:serviceOverrides`" + ` lays single keys over the rows of ` + "`services`" + `, and is what a stack usually sets:
` + "`{backend: {count: 2}}`" + `. One service says ` + "`default: true`" + `.

What a row is follows from its keys: with ` + "`path`" + ` or ` + "`default`" + ` a public service, with ` + "`internal`" + ` one that others call, with no
` + "`port`" + ` a worker, with ` + "`schedule`" + ` a scheduled task. Keys that do not go together are refused. The keys of a row:

`

// TestDocumentation holds docs/configuration.md against the Go types.
func TestDocumentation(t *testing.T) {
	want := documentationHead + table(config.Declared()) + documentationServices + table(config.DeclaredOfService())
	goldentest.Expect(t, filepath.Join(top, "docs", "configuration.md"), want)
}

// kinds names what YAML must hold, by the kind of the Go value. IPv4 ranges are text in a struct.
var kinds = map[reflect.Kind]string{
	reflect.String: "string", reflect.Struct: "IPv4 range", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Slice: "list",
	reflect.Map: "object of strings",
}

func table(keys []config.Declaration) string {
	var b strings.Builder
	b.WriteString("| key | type | default | limits | meaning | costs |\n|---|---|---|---|---|---|\n")
	for _, key := range keys {
		value := "required"
		if key.Default != nil {
			value = "`" + *key.Default + "`"
			if *key.Default == "" {
				value = "empty"
			}
		}
		kind := kinds[key.Kind]
		if key.Unit != "" {
			kind += ", " + key.Unit
		}
		limits := strings.Join(key.OneOf, ", ")
		if key.Min != "" {
			limits = key.Min + " to " + key.Max
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", key.Key, kind, value, limits, key.Doc, key.Cost)
	}
	return b.String()
}

// TestUnits holds that every whole number says what it counts, and nothing else does.
func TestUnits(t *testing.T) {
	for _, key := range append(config.Declared(), config.DeclaredOfService()...) {
		if (key.Kind == reflect.Int) != (key.Unit != "") {
			t.Errorf("%s is a %s with the unit %q", key.Key, key.Kind, key.Unit)
		}
		if kinds[key.Kind] == "" {
			t.Errorf("%s: the documentation has no word for a %s", key.Key, key.Kind)
		}
	}
}
