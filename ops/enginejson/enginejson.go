// Package enginejson reads what the Pulumi CLI prints for programs: `pulumi preview --json` and `pulumi stack export`. It
// takes the few fields that this repository needs and lets the rest pass, since newer CLIs print more.
package enginejson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// unknown stands in a preview for a value that only an update will know. The engine's own sentinel.
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// Resource is one resource as the engine records it.
type Resource struct {
	URN     string         `json:"urn"`
	Type    string         `json:"type"` // token, such as aws:rds/instance:Instance
	ID      string         `json:"id"`   // empty before it is created
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
	// PropertyDependencies names for each input the URNs that its value comes from. In a preview it leads to a resource
	// whose id or ARN is not known yet.
	PropertyDependencies map[string][]string `json:"propertyDependencies"`
	Delete               bool                `json:"delete"`         // left over from a replacement, to be deleted
	External             bool                `json:"external"`       // read, and not managed
	Protect              bool                `json:"protect"`        // Pulumi refuses to delete it
	RetainOnDelete       bool                `json:"retainOnDelete"` // a deletion forgets it, and leaves it in the account
}

// Name is the resource's name in the program. It is whatever the program's author wrote, and must be escaped where it is shown.
func (r Resource) Name() string { return NameOf(r.URN) }

// NameOf is the last part of a URN, which is urn:pulumi:STACK::PROJECT::TYPES::NAME; the name itself may hold colons.
func NameOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	return parts[len(parts)-1]
}

// TypeOf is the type token in a URN, without the types of its parents.
func TypeOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) < 4 {
		return ""
	}
	return parts[2][strings.LastIndex(parts[2], "$")+1:]
}

// PropertyDiff is one difference of a step's detailedDiff.
type PropertyDiff struct {
	Kind string `json:"kind"` // add, delete or update, with -replace at the end where it makes the resource a new one
}

// Step is one operation of a preview.
type Step struct {
	Op             string                  `json:"op"` // such as create, update, replace, delete, same
	URN            string                  `json:"urn"`
	OldState       *Resource               `json:"oldState"`
	NewState       *Resource               `json:"newState"`
	DiffReasons    []string                `json:"diffReasons"`    // inputs that differ
	ReplaceReasons []string                `json:"replaceReasons"` // inputs that cause a replacement
	DetailedDiff   map[string]PropertyDiff `json:"detailedDiff"`   // by property path
}

// Preview is the document that `pulumi preview --json` prints. Resources that do not change are in it with --show-sames only.
type Preview struct {
	Config        map[string]string `json:"config"` // of the stack, secrets blinded
	Steps         []Step            `json:"steps"`
	Diagnostics   []Diagnostic      `json:"diagnostics"`
	ChangeSummary map[string]int    `json:"changeSummary"` // resources by operation
}

// Diagnostic is a message of the preview. Its text may quote values, and is not for showing to everybody.
type Diagnostic struct {
	URN      string `json:"urn"`
	Message  string `json:"message"`
	Severity string `json:"severity"` // debug, info, info#err, warning or error
}

// ReadPreview reads the output of `pulumi preview --json`. Its error says what to run where the document is none.
func ReadPreview(r io.Reader) (*Preview, error) {
	var p Preview
	if err := json.NewDecoder(r).Decode(&p); err != nil {
		return nil, fmt.Errorf("read a preview: %w; it must be what `pulumi preview --json` printed, and nothing else", err)
	}
	// Even a preview without changes has a step for the stack itself.
	if len(p.Steps) == 0 && len(p.Diagnostics) == 0 {
		return nil, errors.New("read a preview: the document has neither steps nor diagnostics; print it with `pulumi preview --json`")
	}
	return &p, nil
}

// ReadExport reads the output of `pulumi stack export`: the resources of the stack's state.
func ReadExport(r io.Reader) ([]Resource, error) {
	var export struct {
		Deployment *struct {
			Resources []Resource `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.NewDecoder(r).Decode(&export); err != nil {
		return nil, fmt.Errorf("read a stack's state: %w; it must be what `pulumi stack export` printed, and nothing else", err)
	}
	if export.Deployment == nil {
		return nil, errors.New("read a stack's state: the document has no deployment; print it with `pulumi stack export`")
	}
	return export.Deployment.Resources, nil
}

// Before lists the resources of a preview as they are now.
func (p *Preview) Before() []Resource {
	return p.collect(func(s Step) *Resource { return s.OldState })
}

// After lists the resources of a preview as they will be.
func (p *Preview) After() []Resource {
	return p.collect(func(s Step) *Resource {
		if IsDelete(s.Op) {
			return nil
		}
		return s.NewState
	})
}

// collect takes each resource once: with --show-replacement-steps a replacement is three steps.
func (p *Preview) collect(state func(Step) *Resource) []Resource {
	var all []Resource
	seen := map[string]bool{}
	for _, step := range p.Steps {
		if r := state(step); r != nil && !seen[step.URN] {
			seen[step.URN] = true
			all = append(all, *r)
		}
	}
	return all
}

// IsDelete says whether an operation ends with the resource gone.
func IsDelete(op string) bool {
	return op == "delete" || op == "delete-replaced" || op == "discard" || op == "discard-replaced"
}

// IsReplace says whether an operation is one of those that a replacement consists of.
func IsReplace(op string) bool {
	switch op {
	case "replace", "create-replacement", "delete-replaced", "read-replacement", "discard-replaced", "import-replacement":
		return true
	}
	return false
}

// Known returns an input, or false where it is absent, not known before the update, or secret.
func (r Resource) Known(input string) (any, bool) {
	value, ok := r.Inputs[input]
	return value, ok && IsKnown(value)
}

// IsKnown says whether a value is there to be read: not a value that only the update knows, and not a secret, which stands as
// "[secret]" in a preview and as an object with a signature in an export.
func IsKnown(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case string:
		return v != unknown && v != "[secret]"
	case map[string]any:
		_, wrapped := v["4dabf18193072939515e22adb298388d"]
		return !wrapped
	}
	return true
}
