package enginejson_test

import (
	"strings"
	"testing"

	"slipway/ops/enginejson"
)

const urn = "urn:pulumi:staging::slipway::slipway:database:Database$aws:rds/instance:Instance::database::with colons"

func TestNames(t *testing.T) {
	if got := enginejson.NameOf(urn); got != "database::with colons" {
		t.Errorf("name is %q", got)
	}
	if got := enginejson.TypeOf(urn); got != "aws:rds/instance:Instance" {
		t.Errorf("type is %q", got)
	}
	if enginejson.NameOf("nonsense") != "nonsense" || enginejson.TypeOf("nonsense") != "" {
		t.Error("what is no URN has a name and no type")
	}
}

// TestReplacement holds that the three steps of a replacement are one resource before and one after.
func TestReplacement(t *testing.T) {
	p, err := enginejson.ReadPreview(strings.NewReader(`{"steps": [
		{"op": "create-replacement", "urn": "u", "oldState": {"urn": "u", "id": "old"}, "newState": {"urn": "u"}},
		{"op": "replace", "urn": "u", "oldState": {"urn": "u", "id": "old"}, "newState": {"urn": "u"}},
		{"op": "delete-replaced", "urn": "u", "oldState": {"urn": "u", "id": "old"}},
		{"op": "delete", "urn": "gone", "oldState": {"urn": "gone"}},
		{"op": "create", "urn": "new", "newState": {"urn": "new"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := urns(p.Before()); got != "u gone" {
		t.Errorf("before: %s", got)
	}
	if got := urns(p.After()); got != "u new" {
		t.Errorf("after: %s", got)
	}
}

func urns(resources []enginejson.Resource) string {
	var all []string
	for _, r := range resources {
		all = append(all, r.URN)
	}
	return strings.Join(all, " ")
}

// TestRefusals holds that what is no preview or export is refused with the command that prints one.
func TestRefusals(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", "Previewing update", `{"steps": 3}`} {
		if _, err := enginejson.ReadPreview(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "pulumi preview --json") {
			t.Errorf("preview %q: %v", text, err)
		}
		if _, err := enginejson.ReadExport(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "pulumi stack export") {
			t.Errorf("export %q: %v", text, err)
		}
	}
}

func TestKnown(t *testing.T) {
	r := enginejson.Resource{Inputs: map[string]any{
		"plain": "x", "number": 2.0, "empty": nil, "later": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "blind": "[secret]",
		"wrapped": map[string]any{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:"},
	}}
	for input, want := range map[string]bool{
		"plain": true, "number": true, "empty": false, "later": false, "blind": false, "wrapped": false, "absent": false,
	} {
		if _, ok := r.Known(input); ok != want {
			t.Errorf("%s is known: %v", input, ok)
		}
	}
}
