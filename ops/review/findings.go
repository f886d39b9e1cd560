// Package review turns the preview of a pull request into a comment that leads with what matters: what is lost, what is
// interrupted, what it costs. The preview is made from code that somebody else wrote: names are escaped, and values are not
// quoted.
package review

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/ops/enginejson"
)

// Kind is what happens to a resource.
type Kind string

// What can happen to a resource.
const (
	Created   Kind = "create"
	Updated   Kind = "update"
	Replaced  Kind = "replace"
	Deleted   Kind = "delete"
	Forgotten Kind = "forget" // leaves the state, and stays in the account
	Imported  Kind = "import"
)

// Change is what happens to one resource.
type Change struct {
	Kind      Kind
	URN       string
	Type      string
	Name      string
	Protected bool     // Pulumi refuses to delete it, and so the update
	Causes    []string // inputs that make it a new resource, or that differ; with their values where these may be shown

	old, new *enginejson.Resource
}

// Finding is a change that matters, with the reason.
type Finding struct {
	Change
	Why string
}

// Findings is what a preview comes to.
type Findings struct {
	Errors        int       // of the preview itself: with any, what is found is not all
	Losses        []Finding // stateful resources that are replaced or deleted
	Weakened      []Finding // protections that are taken off, and what is kept for less long
	Interruptions []Finding // what users of the service feel
	Released      []string  // names of services that get a new task definition, one task after the other
	Changes       []Change  // all, in the preview's order
	Unchanged     int
}

// Quiet says that nothing is lost, weakened or interrupted.
func (f *Findings) Quiet() bool {
	return f.Errors == 0 && len(f.Losses)+len(f.Weakened)+len(f.Interruptions) == 0
}

// Read finds what matters in a preview.
func Read(p *enginejson.Preview) *Findings {
	f := &Findings{Changes: changes(p.Steps), Unchanged: p.ChangeSummary["same"]}
	for _, d := range p.Diagnostics {
		if d.Severity == "error" {
			f.Errors++
		}
	}
	for _, c := range f.Changes {
		f.sort(c)
	}
	return f
}

func (f *Findings) sort(c Change) {
	ends := c.Kind == Replaced || c.Kind == Deleted || c.Kind == Forgotten
	if why, ok := stateful[c.Type]; ok && ends {
		if c.Kind == Forgotten {
			why += "; it stays in the account, and nobody looks after it"
		}
		if c.differs("snapshotIdentifier") {
			why += "; a snapshot makes a new database, without what was written after it"
		}
		f.Losses = append(f.Losses, Finding{c, why})
	}
	if why, ok := serving[c.Type]; ok && ends && c.Kind != Forgotten {
		f.Interruptions = append(f.Interruptions, Finding{c, why})
	}
	if c.Kind != Updated {
		return
	}
	f.weakened(c)
	for _, input := range restarting[c.Type] {
		if c.differs(input) {
			when := "in its maintenance window"
			if now, _ := c.new.Known("applyImmediately"); now == true {
				when = "at once"
			}
			f.Interruptions = append(f.Interruptions, Finding{c.because(input), "the database restarts " + when})
		}
	}
	if c.Type == "aws:ecs/service:Service" && c.differs("taskDefinition") {
		f.Released = append(f.Released, c.Name)
	}
}

func (f *Findings) weakened(c Change) {
	if c.old == nil || c.new == nil {
		return
	}
	if c.old.Protect && !c.new.Protect {
		f.Weakened = append(f.Weakened, Finding{c.because(), "Pulumi no longer refuses to delete it"})
	}
	for _, g := range guards[c.Type] {
		before, _ := c.old.Known(g.input)
		after, _ := c.new.Known(g.input)
		if g.off(before, after) {
			f.Weakened = append(f.Weakened, Finding{c.because(g.input), g.means})
		}
	}
}

// differs says whether an input changes, as far as the preview tells.
func (c Change) differs(input string) bool {
	return slices.ContainsFunc(c.Causes, func(cause string) bool { return cause == input || strings.HasPrefix(cause, input+":") })
}

// because is the same change, with nothing but these inputs as causes.
func (c Change) because(inputs ...string) Change {
	c.Causes = nil
	for _, input := range inputs {
		c.Causes = append(c.Causes, describe(input, c.old, c.new))
	}
	return c
}

// changes merges steps into one change for each resource, and leaves out what changes nothing in the account.
func changes(steps []enginejson.Step) []Change {
	var order []string
	merged := map[string]*enginejson.Step{}
	for _, step := range steps {
		key := step.URN
		if step.OldState != nil && step.OldState.Delete {
			key += "|left over from a replacement"
		}
		first, seen := merged[key]
		if !seen {
			order = append(order, key)
			merged[key] = &step
			continue
		}
		first.Op = cmp.Or(prefer(first.Op, step.Op), first.Op)
		first.OldState, first.NewState = cmp.Or(first.OldState, step.OldState), cmp.Or(first.NewState, step.NewState)
		first.ReplaceReasons = append(first.ReplaceReasons, step.ReplaceReasons...)
		first.DiffReasons = append(first.DiffReasons, step.DiffReasons...)
		if first.DetailedDiff == nil {
			first.DetailedDiff = step.DetailedDiff
		}
	}
	var all []Change
	for _, key := range order {
		if c, ok := change(*merged[key]); ok {
			all = append(all, c)
		}
	}
	return all
}

// prefer is the operation that says more about two steps of one resource.
func prefer(a, b string) string {
	for _, op := range []string{a, b} {
		if enginejson.IsReplace(op) {
			return "replace"
		}
	}
	return ""
}

func change(step enginejson.Step) (Change, bool) {
	c := Change{
		URN: step.URN, Type: enginejson.TypeOf(step.URN), Name: enginejson.NameOf(step.URN), old: step.OldState, new: step.NewState,
	}
	if strings.HasPrefix(c.Type, "pulumi:") {
		return c, false // the stack itself and the providers: nothing of the account's
	}
	c.Protected = c.old != nil && c.old.Protect
	switch {
	case enginejson.IsReplace(step.Op):
		c.Kind, c.Causes = Replaced, causes(step, true)
	case enginejson.IsDelete(step.Op):
		c.Kind = Deleted
		if c.old != nil && (c.old.RetainOnDelete || c.old.External) {
			c.Kind = Forgotten
		}
	case step.Op == "create":
		c.Kind = Created
	case step.Op == "import":
		c.Kind = Imported
	case step.Op == "update":
		c.Kind, c.Causes = Updated, causes(step, false)
	case step.Op == "same" && c.old != nil && c.new != nil && c.old.Protect && !c.new.Protect:
		// The engine shows a resource that loses nothing but its protection as unchanged.
		c.Kind = Updated
	default:
		return c, false
	}
	return c, true
}

// causes lists the inputs that make a resource a new one, or those that differ. A replacement that only follows from another
// one's has none of its own.
func causes(step enginejson.Step, replacing bool) []string {
	inputs := step.DiffReasons
	if replacing {
		inputs = step.ReplaceReasons
	}
	inputs = slices.Clone(inputs)
	for path, diff := range step.DetailedDiff {
		if !replacing || strings.HasSuffix(diff.Kind, "-replace") {
			inputs = append(inputs, top(path))
		}
	}
	slices.Sort(inputs)
	var all []string
	for _, input := range slices.Compact(inputs) {
		if !strings.HasPrefix(input, "__") { // the bridge's own
			all = append(all, describe(input, step.OldState, step.NewState))
		}
	}
	return all
}

// top is the first part of a property path: tags of tags.Name, of tags["a.b"] and of tags[0].
func top(path string) string {
	if end := strings.IndexAny(path, ".["); end > 0 {
		return path[:end]
	}
	return path
}

// plain is what a value looks like that is a size, a version, a class or a kind of storage. Whatever else stands in an input,
// though it should not, is not quoted.
var plain = regexp.MustCompile(`^([0-9][0-9.]{0,15}|db\.[a-z0-9]{2,8}\.[a-z0-9]{4,12}|gp2|gp3|io1|io2|standard|postgres[0-9]{0,2})$`)

// describe names an input, with its values where they may be shown.
func describe(input string, before, after *enginejson.Resource) string {
	if !shown[input] || before == nil || after == nil {
		return input
	}
	old, oldOK := value(before, input)
	now, nowOK := value(after, input)
	if !oldOK || !nowOK || old == now {
		return input
	}
	return fmt.Sprintf("%s: %s → %s", input, old, now)
}

func value(r *enginejson.Resource, input string) (string, bool) {
	if raw, set := r.Inputs[input]; !set || raw == nil {
		return "unset", true
	}
	known, ok := r.Known(input)
	if !ok {
		return "", false
	}
	switch v := known.(type) {
	case bool, float64:
		return fmt.Sprint(v), true
	case string:
		return v, plain.MatchString(v)
	}
	return "", false
}
