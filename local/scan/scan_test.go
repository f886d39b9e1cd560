package scan

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/ops/enginejson/enginetest"

	"slipway/local/cloud"
)

// allOn is the name of the plan in which all is on. What is found there is at another place: on:ADDRESS.
const allOn = "on"

// plans are what scanners read of the program: the committed stacks, and staging with all switched on that makes it safer.
var plans = map[string]struct {
	stack  string
	change map[string]string
}{
	"staging":    {stack: "staging"},
	"production": {stack: "production"},
	allOn: {stack: "staging", change: map[string]string{
		"networkNat":                  "none",
		"registryKmsKeyArn":           "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
		"databaseInstanceClass":       "db.t4g.medium",
		"databaseMultiAz":             "true",
		"databaseAppUser":             "web",
		"databaseLogs":                "true",
		"databasePerformanceInsights": "true",
		"edgeDeletionProtection":      "true",
		"edgeDomain":                  "app.example.com",
		"edgeZoneId":                  "Z0123456789ABCDEFGHIJ",
		"edgeHstsSeconds":             "31536000",
		"edgeAccessLogDays":           "90",
		"clusterContainerInsights":    "enhanced",
		"logRetentionDays":            "365",
		"alarms":                      "true",
		"alarmsEmail":                 `["ops@example.com"]`,
		"alarmsKmsKeyArn":             "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
		"dashboard":                   "true",
		"secretsKmsKeyArn":            "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
		"serviceOverrides":            `{"backend": {"secrets": {"API_KEY": "api"}, "maxCount": 4}, "frontend": {"exec": true}}`,
	}},
}

// document is docs/security.md.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestScanners holds what scanners find in the repository, in the plans of its stacks, and in the embedded cloud that runs, against the
// table in docs/security.md. It needs their programs, which local/scan.sh makes, and SLIPWAY_SCANNERS names the folder; SLIPWAY_SCAN
// the scanners to run.
func TestScanners(t *testing.T) {
	dir := os.Getenv("SLIPWAY_SCANNERS")
	if dir == "" {
		t.Skip("SLIPWAY_SCANNERS names no folder: run `make scan`")
	}
	rows, err := Rows(document(t))
	if err != nil {
		t.Fatal(err)
	}
	repository := copyTracked(t)
	var files map[string]string
	ran := strings.Fields(os.Getenv("SLIPWAY_SCAN"))
	var all []Finding
	for _, name := range ran {
		scanner, ok := Scanners(dir)[name]
		if !ok {
			t.Fatalf("there is no scanner %q", name)
		}
		if scanner.Files != nil {
			found, err := scanner.Files(t.Context(), repository)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
		}
		if scanner.Cloud != nil {
			state, runs := cloud.Running(t.Context(), filepath.Join(top, ".slipway", "cloud"))
			if !runs {
				t.Fatalf("%s asks the embedded cloud, which does not run here: `make up` first", name)
			}
			found, err := scanner.Cloud(t.Context(), state.Endpoint, t.ArtifactDir())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
		}
		if scanner.Plan == nil {
			continue
		}
		if files == nil {
			files = writePlans(t)
		}
		for _, plan := range slices.Sorted(maps.Keys(files)) {
			found, err := scanner.Plan(t.Context(), files[plan])
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				t.Errorf("%s finds nothing at all in %s: does it still read it?", name, plan)
			}
			for i := range found {
				if plan == allOn {
					found[i].Where = allOn + ":" + found[i].Where
				}
			}
			all = append(all, found...)
		}
	}
	t.Logf("%d findings", len(all))
	for _, difference := range Compare(all, rows, ran) {
		t.Error(difference)
	}
}

// copyTracked copies the work tree without what git ignores: dependencies and what tests keep.
func copyTracked(t *testing.T) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = top
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	for _, name := range strings.Split(strings.Trim(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(top, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not committed
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(copied, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(copied, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// writePlans runs the program as each of plans and writes them for scanners to read.
func writePlans(t *testing.T) map[string]string {
	t.Helper()
	dir := t.ArtifactDir()
	known := types(t)
	files := map[string]string{}
	for name, p := range plans {
		plan, err := Plan(enginetest.Resources(t, top, p.stack, p.change), known)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = filepath.Join(dir, name+".json")
		if err := os.WriteFile(files[name], plan, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestDocument holds that the table can be read, and names the scanners in the versions that local/scan.sh makes.
func TestDocument(t *testing.T) {
	text := document(t)
	rows, err := Rows(text)
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	script, err := os.ReadFile(filepath.Join(top, "local", "scan.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range Scanners("") {
		_, rest, _ := strings.Cut(string(script), "\n"+name+"=")
		version, _, _ := strings.Cut(rest, "\n")
		if version == "" || !strings.Contains(text, "| "+name+" | "+version+" |") {
			t.Errorf("docs/security.md does not say that %s was run in version %q", name, version)
		}
	}
}

// TestCompare holds that a new finding, an explanation of nothing, and a mended one that is back are told, and nothing else.
func TestCompare(t *testing.T) {
	rows, err := Rows(strings.Join([]string{
		"| scanner | rule | what it says | where | answer |", "|---|---|---|---|---|",
		"| checkov | A | a | `aws_lb.*`, `x/Dockerfile` | explained: so |",
		"| checkov | B | b | `aws_lb.edge` | fixed: in 1234567 |",
		"| trivy | A | a | `aws_lb.edge` | explained: so |",
	}, "\n"))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%+v, %v", rows, err)
	}
	edge, file := Finding{Scanner: "checkov", Rule: "A", Where: "aws_lb.edge"}, Finding{Scanner: "checkov", Rule: "A", Where: "x/Dockerfile"}
	for name, test := range map[string]struct {
		found []Finding
		want  []string // beginnings
	}{
		"all as the table says":          {found: []Finding{edge, edge, file}},
		"another place":                  {found: []Finding{edge, file, {Scanner: "checkov", Rule: "A", Where: "y/Dockerfile"}}, want: []string{"found, and not in the table: | checkov | A |"}},
		"a mended one is back":           {found: []Finding{edge, file, {Scanner: "checkov", Rule: "B", Where: "aws_lb.edge"}}, want: []string{"found, and not in the table: | checkov | B |"}},
		"an explanation without finding": {found: []Finding{edge}, want: []string{"in the table, and no longer found: checkov A at x/Dockerfile"}},
	} {
		got := Compare(test.found, rows, []string{"checkov"})
		if len(got) != len(test.want) || len(got) == 1 && !strings.HasPrefix(got[0], test.want[0]) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := Rows("| checkov | A | a | `x` | accepted |"); err == nil {
		t.Error("an answer that is none is taken")
	}
}
