package deliver

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/infra/releases"
)

// table prints releases as a person reads them: a line for each that the stack, or another, ran well, in all repositories that it has.
func table(out io.Writer, stack string, o Outputs, all []*releases.Release, has func(release string) []string) error {
	services := slices.Sorted(maps.Keys(o.Repositories))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) }
	line(append([]string{"", "RELEASE", "PUSHED (UTC)", "RAN WELL IN"}, services...)...)
	for _, release := range all {
		var stacks []string
		repositories := has(release.Name)
		for _, name := range slices.Sorted(maps.Keys(release.Stacks)) {
			if release.RanIn(name, repositories) {
				stacks = append(stacks, name)
			}
		}
		if len(stacks) == 0 {
			continue // marked in part: the run that marked it was killed
		}
		runs := ""
		if release.Name == o.Revision {
			runs = "*"
		}
		cells := []string{runs, release.Name, release.Pushed.UTC().Format(time.DateTime), strings.Join(stacks, ", ")}
		for _, service := range services {
			digest := strings.TrimPrefix(release.Images[o.Repositories[service]].Digest, "sha256:")
			cells = append(cells, digest[:min(len(digest), 12)])
		}
		line(cells...)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n* runs in %s. To go back: make rollback STACK=%[1]s REVISION=RELEASE\n", stack)
	return err
}

// tail keeps the end of what the engine prints, where it says what went wrong.
type tail struct{ text []byte }

const tailBytes = 64 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }

var (
	about   = regexp.MustCompile(`(?m)^  (\S+) \(.+\):$`)           // what a diagnosis is about
	counted = regexp.MustCompile(`(?m)^ +(?:[-+~<>]+) *\d+ [a-z]+`) // resources that were changed
)

// untouched says whether a run that failed had changed nothing by then: the engine complains of the program alone, and counts no change.
// What it does not say is taken for a change.
func untouched(printed string) bool {
	text := colour.ReplaceAllString(printed, "")
	said, counts, ok := strings.Cut(text[max(0, strings.LastIndex(text, "Diagnostics:\n")):], "\nResources:\n")
	if !ok || counted.MatchString(counts) {
		return false
	}
	for _, match := range about.FindAllStringSubmatch(said, -1) {
		if match[1] != "pulumi:pulumi:Stack" {
			return false
		}
	}
	return true
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// diagnosis is what the engine said under its last heading of that name, up to the counts of resources.
func diagnosis(printed string) string {
	text := colour.ReplaceAll([]byte(printed), nil)
	if i := bytes.LastIndex(text, []byte("Diagnostics:\n")); i >= 0 {
		text = text[i+len("Diagnostics:\n"):]
	}
	if i := bytes.Index(text, []byte("\nResources:")); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSpace(string(text))
}
