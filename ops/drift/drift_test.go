package drift_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/ops/drift"
)

// The files of testdata are what CLI 3.259 printed for a stack of four resources over moto, made shorter: as it was; after
// somebody had changed three of them and deleted one; and while the cloud did not answer.
func parse(t *testing.T, file string) ([]drift.Change, error) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return drift.Parse(f)
}

func TestNoDrift(t *testing.T) {
	changes, err := parse(t, "clean.json")
	if err != nil || len(changes) != 0 {
		t.Errorf("changes %v, error %v; want none", changes, err)
	}
	if text := drift.Markdown("staging", changes); !strings.Contains(text, "no drift") {
		t.Errorf("the text does not say that there is no drift:\n%s", text)
	}
}

func TestDrift(t *testing.T) {
	changes, err := parse(t, "drifted.json")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, change := range changes {
		line := change.Type + " " + change.Name
		if change.Gone {
			line += " gone"
		}
		for _, p := range change.Properties {
			line += "; " + p.Path + ": " + p.Was + " -> " + p.Is
		}
		got = append(got, line)
	}
	want := []string{
		`aws:cloudwatch/logGroup:LogGroup log; retentionInDays: 30 -> 7`,
		`aws:ecr/repository:Repository gone gone`,
		`aws:ecr/repository:Repository repo; imageTagMutability: "IMMUTABLE" -> "MUTABLE"; tags.a: "b" -> "c"; tags.who:  -> "me"`,
		`aws:ecr/repository:Repository skipme; imageTagMutability: "MUTABLE" -> "IMMUTABLE"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if line := drift.Line(changes); line != "4 resources differ from the state: log, gone, repo, skipme" {
		t.Errorf("in one line: %s", line)
	}
	text := drift.Markdown("staging", changes)
	for _, part := range []string{
		"4 resources differ", "| aws:ecr/repository:Repository `gone` | | | **gone** |",
		"| `retentionInDays` | `30` | `7` |", "make up STACK=staging",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the text lacks %q:\n%s", part, text)
		}
	}
}

// The CLI counts a resource that it could not read as unchanged.
func TestFailureIsNoAllClear(t *testing.T) {
	changes, err := parse(t, "failed.json")
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("changes %v, error %v; want the CLI's error", changes, err)
	}
}

func TestUntrustworthyOutput(t *testing.T) {
	const update = `"steps":[{"op":"update","urn":"urn:pulumi:s::p::a$b:c/d:E::n","detailedDiff":{"x":{}}}]`
	tests := map[string]struct{ text, want string }{
		"nothing printed":       {``, "understand"},
		"words before the JSON": {`warning: {}`, "understand"},
		"no summary":            {`{` + update + `}`, "no summary"},
		"an update that only the summary has": {
			`{"steps":[{"op":"refresh","urn":"urn:pulumi:s::p::t::n"}],"changeSummary":{"update":1}}`, "counts 1 differences and describes 0",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if changes, err := drift.Parse(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("changes %v, error %v; want one with %q", changes, err, test.want)
			}
		})
	}
}

func TestPaths(t *testing.T) {
	tests := map[string]struct{ path, inputs, want string }{
		"nested":           {"a.b", `{"a":{"b":1}}`, "1"},
		"list":             {"a[1].b", `{"a":[{"b":1},{"b":2}]}`, "2"},
		"list of lists":    {"a[0][1]", `{"a":[[1,2]]}`, "2"},
		"quoted":           {`tags["a.b/c"]`, `{"tags":{"a.b/c":"x"}}`, `"x"`},
		"quoted, then on":  {`m["k"].n`, `{"m":{"k":{"n":true}}}`, "true"},
		"beyond the list":  {"a[2]", `{"a":[1]}`, ""},
		"no number":        {"a[x]", `{"a":[1]}`, ""},
		"not closed":       {"a[0", `{"a":[1]}`, ""},
		"quote not closed": {`a["0`, `{"a":{}}`, ""},
		"into a text":      {"a.b", `{"a":"text"}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := strings.ReplaceAll(test.path, `"`, `\"`)
			text := `{"steps":[{"op":"update","urn":"urn:pulumi:s::p::t::n","oldState":{"inputs":` + test.inputs +
				`},"detailedDiff":{"` + path + `":{}}}],"changeSummary":{"update":1}}`
			changes, err := drift.Parse(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := changes[0].Properties[0].Was; got != test.want {
				t.Errorf("%s is %q, want %q", test.path, got, test.want)
			}
		})
	}
}

func TestTypeWithoutParents(t *testing.T) {
	const text = `{"steps":[{"op":"delete","urn":"urn:pulumi:s::p::slipway:edge:Edge$aws:lb/listener:Listener::edge-http"}],
		"changeSummary":{"delete":1}}`
	changes, err := drift.Parse(strings.NewReader(text))
	if err != nil || changes[0].Type != "aws:lb/listener:Listener" || changes[0].Name != "edge-http" {
		t.Errorf("changes %+v, error %v", changes, err)
	}
}

func TestLongAndHostileValues(t *testing.T) {
	text := drift.Markdown("staging", []drift.Change{{Type: "t", Name: "n", Properties: []drift.Property{
		{Path: "p", Was: "a|b`c\nd", Is: strings.Repeat("x", 1000)},
	}}})
	if !strings.Contains(text, "`a\\|b'c d`") || strings.Contains(text, strings.Repeat("x", 121)) {
		t.Errorf("a value breaks the table or is not cut:\n%s", text)
	}
}

func TestArgs(t *testing.T) {
	args := drift.Args("staging")
	for _, want := range []string{"--preview-only", "--json", "--non-interactive", "staging"} {
		if !slices.Contains(args, want) {
			t.Errorf("%v lacks %s", args, want)
		}
	}
	// The CLI reads ** as anything, and no pattern of ours has a single *.
	pattern := args[slices.Index(args, "--exclude")+1]
	excludes := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*\*`, ".*") + "$")
	for urn, want := range map[string]bool{
		"urn:pulumi:staging::slipway::slipway:registry:Images$docker:index/image:Image::backend-0123": true,
		"urn:pulumi:staging::slipway::docker:index/image:Image::backend-0123":                         true,
		"urn:pulumi:staging::slipway::slipway:registry:Images::images":                                false,
		"urn:pulumi:staging::slipway::slipway:registry:Registry$aws:ecr/repository:Repository::image": false,
	} {
		if got := excludes.MatchString(urn); got != want {
			t.Errorf("%s is left out: %v, want %v", urn, got, want)
		}
	}
}
