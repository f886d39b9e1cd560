package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRefusal holds that bad input ends a real run before anything exists. A value of another type than Pulumi.yaml
// declares is refused by the CLI itself; all else by the program, every problem at once and named by its path.
func TestRefusal(t *testing.T) {
	c := clone(t)
	file := filepath.Join(c.dir, "Pulumi.local.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	good := string(content)
	clean := strings.Replace(good, "imagesAllowDirty: true", "imagesAllowDirty: false", 1)
	for _, bad := range []struct {
		values    string
		fragments []string
	}{
		{good + "  slipway:networkZoneCount: one\n", []string{"'slipway:networkZoneCount' must be of type 'integer'"}},
		{good + "  slipway:networkCdir: 10.1.0.0/16\n  slipway:networkZoneCount: 1\n", []string{
			"2 problem(s)", "networkCdir: unknown key; did you mean networkCidr?", "networkZoneCount: 1 is not a whole number from 2 to 3",
		}},
		{clean, []string{"the work tree holds changes", "M Pulumi.local.yaml", "commit or stash them"}},
	} {
		if err := os.WriteFile(file, []byte(bad.values), 0o600); err != nil {
			t.Fatal(err)
		}
		log := c.refused(t, "up")
		for _, fragment := range bad.fragments {
			if !strings.Contains(log, fragment) {
				t.Errorf("the refusal does not say %q:\n%s", fragment, log)
			}
		}
		if held, born := c.inventory(t), c.atBirth(t); !slices.Equal(held, born) {
			t.Errorf("a refused run left %v, at birth the cloud held %v", held, born)
		}
	}
}

// atBirth is what the cloud held before the first run, as the engine noted it.
func (c checkout) atBirth(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, ".slipway", "cloud", c.state(t).ID+"-inventory-at-birth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	if err := json.Unmarshal(content, &held); err != nil || len(held) == 0 {
		t.Fatalf("the inventory at birth: %v, %v", held, err)
	}
	return held
}
