package config_test

import (
	"fmt"
	"net/netip"
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
` + "`port`" + ` a worker, with ` + "`schedule`" + ` a scheduled task. Keys that do not go together are refused. A row's name
has 1 to 24 lower-case letters, digits and single hyphens, a letter first. The keys of a row:

`

// TestDocumentation holds docs/configuration.md against the Go types.
func TestDocumentation(t *testing.T) {
	want := documentationHead + table(config.Declared()) + documentationServices + table(config.DeclaredOfService())
	goldentest.Expect(t, filepath.Join(top, "docs", "configuration.md"), want)
}

// kind names what YAML must hold, by the Go type; empty where there is no word for it.
func kind(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[netip.Prefix]():
		return "IPv4 range"
	case of.Kind() == reflect.Slice:
		return "list of " + kind(of.Elem()) + "s"
	case of.Kind() == reflect.Map:
		return "object of " + kind(of.Elem()) + "s"
	}
	return map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer"}[of.Kind()]
}

// limits is what a value may be: what the tags declare, and in words what they do not.
func limits(key config.Declaration) string {
	said := strings.Join(key.OneOf, ", ")
	if key.Min != "" {
		said = key.Min + " to " + key.Max
	}
	if said != "" && key.Limits != "" {
		said += "; "
	}
	return said + key.Limits
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
		what := kind(key.Type)
		if key.Unit != "" {
			what += ", " + key.Unit
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", key.Key, what, value, limits(key), key.Doc, key.Cost)
	}
	return b.String()
}

// TestComplete holds that every whole number says what it counts, and nothing else does; and that everything that is not true or false
// says what it may be.
func TestComplete(t *testing.T) {
	for _, key := range append(config.Declared(), config.DeclaredOfService()...) {
		if (key.Type.Kind() == reflect.Int) != (key.Unit != "") {
			t.Errorf("%s is a %s with the unit %q", key.Key, key.Type, key.Unit)
		}
		if kind(key.Type) == "" {
			t.Errorf("%s: the documentation has no word for a %s", key.Key, key.Type)
		}
		if key.Type.Kind() != reflect.Bool && limits(key) == "" {
			t.Errorf("%s says nowhere what it may be: give it limits, \"any text\" if that is so", key.Key)
		}
	}
}
