package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// images fits the URNs of all docker.Image resources, whatever their parents. A refresh strips their outputs, since the registry cannot give them
// back (pulumi/pulumi-docker issue 560), so each would be reported as drift, every day.
const images = "urn:pulumi:**docker:index/image:Image::**"

// Args are the arguments of the pulumi CLI whose standard output Parse reads. The command changes nothing, and ends with 0
// whether there is drift or not.
func Args(stack string) []string {
	return []string{
		"refresh", "--preview-only", "--json", "--non-interactive", "--stack", stack, "--exclude", images,
	}
}

// RefreshArgs are the arguments of the pulumi CLI that read what stands in the cloud into the state. An `up` puts right afterwards what
// differs from the program; without that it compares the program with what the state says.
func RefreshArgs(stack string) []string {
	return []string{"refresh", "--yes", "--skip-preview", "--non-interactive", "--stack", stack, "--exclude", images}
}

// Change is one resource that is not as the state says.
type Change struct {
	URN        string
	Type       string // such as aws:ecr/repository:Repository
	Name       string // the resource's name in the program
	Gone       bool   // whether the cloud does not have it any more
	Properties []Property
}

// Property is one value that differs.
type Property struct {
	Path string // such as tags.owner
	Was  string // in the state, as JSON; empty where it was not there
	Is   string // in the cloud, as JSON; empty where it is not there
}

// digest is what the CLI prints, as far as it matters here.
type digest struct {
	Steps []struct {
		Op           string              `json:"op"`
		URN          string              `json:"urn"`
		OldState     *state              `json:"oldState"`
		NewState     *state              `json:"newState"`
		DetailedDiff map[string]struct{} `json:"detailedDiff"`
	} `json:"steps"`
	Diagnostics []struct {
		URN      string `json:"urn"`
		Message  string `json:"message"`
		Severity string `json:"severity"`
	} `json:"diagnostics"`
	ChangeSummary map[string]int `json:"changeSummary"`
}

type state struct {
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
}

// Parse reads what the CLI printed for Args: the changes, in the order of their URNs. Output that cannot be trusted to be
// whole is an error and never "no drift": a resource that could not be read is counted as unchanged by the CLI.
func Parse(r io.Reader) ([]Change, error) {
	var d digest
	if err := json.NewDecoder(r).Decode(&d); err != nil {
		return nil, fmt.Errorf("understand what `pulumi refresh` printed: %w", err)
	}
	var problems []error
	for _, diagnostic := range d.Diagnostics {
		if diagnostic.Severity == "error" {
			problems = append(problems, errors.New(strings.TrimSpace(diagnostic.Message)))
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("the stack could not be compared with the cloud: %w", errors.Join(problems...))
	}
	if d.ChangeSummary == nil {
		return nil, errors.New("`pulumi refresh` printed no summary: it ended before it had compared all resources")
	}
	var changes []Change
	for _, step := range d.Steps {
		switch step.Op {
		case "delete":
			changes = append(changes, Change{URN: step.URN, Type: typeOf(step.URN), Name: nameOf(step.URN), Gone: true})
		case "update":
			change := Change{URN: step.URN, Type: typeOf(step.URN), Name: nameOf(step.URN)}
			for path := range step.DetailedDiff {
				change.Properties = append(change.Properties, Property{
					Path: path, Was: step.OldState.text(path), Is: step.NewState.text(path),
				})
			}
			change.Properties = withoutMerged(change.Properties)
			changes = append(changes, change)
		}
	}
	// An update of which the provider gives no details is in the summary alone.
	if counted := d.ChangeSummary["update"] + d.ChangeSummary["delete"]; counted != len(changes) {
		return nil, fmt.Errorf("`pulumi refresh` counts %d differences and describes %d; see `pulumi refresh --preview-only --diff`",
			counted, len(changes))
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.URN, b.URN) })
	return changes, nil
}

// withoutMerged sorts properties and leaves out those of tagsAll that tags has too: the provider computes the former from
// the latter, and a person changed one thing.
func withoutMerged(properties []Property) []Property {
	slices.SortFunc(properties, func(a, b Property) int { return strings.Compare(a.Path, b.Path) })
	return slices.DeleteFunc(properties, func(p Property) bool {
		rest, merged := strings.CutPrefix(p.Path, "tagsAll")
		return merged && slices.ContainsFunc(properties, func(q Property) bool { return q.Path == "tags"+rest })
	})
}

// text is the value at a path as JSON. What the program sets is among the inputs, what AWS adds among the outputs.
func (s *state) text(path string) string {
	if s == nil {
		return ""
	}
	for _, values := range []map[string]any{s.Inputs, s.Outputs} {
		if value, ok := lookUp(values, path); ok {
			encoded, err := json.Marshal(value)
			if err != nil {
				return fmt.Sprint(value)
			}
			return string(encoded)
		}
	}
	return ""
}

// lookUp follows a property path, such as a.b[0]["c.d"], as far as it can: a path that leads nowhere is not found.
func lookUp(value any, path string) (any, bool) {
	for path != "" {
		var key string
		switch {
		case strings.HasPrefix(path, `["`):
			end := strings.Index(path, `"]`)
			if end < 0 {
				return nil, false
			}
			key, path = path[2:end], path[end+2:]
		case path[0] == '[':
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return nil, false
			}
			var index int
			list, isList := value.([]any)
			if _, err := fmt.Sscanf(path[1:end], "%d", &index); err != nil || !isList || index < 0 || index >= len(list) {
				return nil, false
			}
			value, path = list[index], strings.TrimPrefix(path[end+1:], ".")
			continue
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			key, path = path[:end], path[end:]
		}
		object, isObject := value.(map[string]any)
		if !isObject {
			return nil, false
		}
		found, ok := object[key]
		if !ok {
			return nil, false
		}
		value, path = found, strings.TrimPrefix(path, ".")
	}
	return value, true
}

// typeOf is the resource's own type in a URN, without those of its parents.
func typeOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) < 4 {
		return urn
	}
	return parts[2][strings.LastIndexByte(parts[2], '$')+1:]
}

func nameOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	return parts[len(parts)-1]
}
