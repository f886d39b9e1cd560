package database

import "testing"

// TestNumber holds that an instance's final snapshot keeps its name while the instance stands, and that the next one has another, through
// any number of restores and whatever becomes of databaseSnapshot between them.
func TestNumber(t *testing.T) {
	const group = "myapp-staging-final-sg-0123456789abcdef0"
	fresh := Standing{Database: "app", User: "app", MajorVersion: "17", StorageGiB: 20, FinalSnapshot: group}
	restored := fresh
	restored.Snapshot, restored.FinalSnapshot = "by-hand", group+"-2"
	digits := fresh
	digits.FinalSnapshot = "myapp-staging-final-sg-01234567890123456"
	tenth := restored
	tenth.FinalSnapshot = group + "-10"
	for name, c := range map[string]struct {
		standing Standing
		args     Args
		want     int
	}{
		"none yet":                    {Standing{}, Args{Database: "app", User: "app"}, 1},
		"none yet, from a snapshot":   {Standing{}, Args{Database: "app", User: "app", Snapshot: "by-hand"}, 1},
		"the first":                   {fresh, Args{Database: "app", User: "app"}, 1},
		"a restore":                   {fresh, Args{Database: "app", User: "app", Snapshot: "by-hand"}, 2},
		"restored":                    {restored, Args{Database: "app", User: "app", Snapshot: "by-hand"}, 2},
		"the snapshot's name is gone": {restored, Args{Database: "app", User: "app"}, 2},
		"another restore":             {restored, Args{Database: "app", User: "app", Snapshot: group}, 3},
		"after the tenth":             {tenth, Args{Database: "app", User: "app", Snapshot: group}, 11},
		"another database":            {fresh, Args{Database: "other", User: "app"}, 2},
		"another master":              {restored, Args{Database: "app", User: "other"}, 3},
		"a group's id of digits":      {digits, Args{Database: "app", User: "app"}, 1},
	} {
		if got := c.standing.number(c.args); got != c.want {
			t.Errorf("%s: number %d, want %d", name, got, c.want)
		}
	}
}
