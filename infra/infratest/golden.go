package infratest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Render draws resources as text, one block each, for comparison with a file that a person has read.
func Render(resources []Resource) string {
	var b strings.Builder
	for _, r := range resources {
		fmt.Fprintf(&b, "%s\n", r.Key())
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "  %s: %s\n", name, value)
			}
		}
		line("parent", r.Parent)
		for _, d := range r.Depends {
			line("depends", d)
		}
		if r.Protect {
			line("protect", "true")
		}
		if r.Retain {
			line("retain on delete", "true")
		}
		line("ignores changes of", strings.Join(r.IgnoreChanges, ", "))
		for _, k := range []string{"create", "update", "delete"} {
			line("timeout of "+k, r.Timeouts[k])
		}
		for _, name := range r.Inputs.StableKeys() {
			line(string(name), renderValue(r.Inputs[name]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// renderValue writes a value as JSON on one line; a string that is JSON itself, such as a policy, is indented.
func renderValue(value resource.PropertyValue) string {
	if value.IsSecret() || value.IsOutput() && value.OutputValue().Secret {
		return "[secret]"
	}
	if value.IsString() {
		var parsed any
		text := value.StringValue()
		if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			if json.Unmarshal([]byte(text), &parsed) == nil {
				pretty, err := json.MarshalIndent(parsed, "    ", "  ")
				if err == nil {
					return "\n    " + string(pretty)
				}
			}
		}
		return text
	}
	mapped := value.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() || v.IsOutput() && v.OutputValue().Secret {
			return "[secret]", true
		}
		return nil, false
	})
	text, err := json.Marshal(mapped)
	if err != nil {
		return fmt.Sprintf("%v", mapped)
	}
	return string(text)
}
