package infratest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// signature and secret mark an object of a state as a secret, whose text is sealed. The engine's own.
const (
	signature = "4dabf18193072939515e22adb298388d"
	secret    = "1b47061264138c4ac30d75fd1eb44270"
)

// Export draws resources as `pulumi stack export` prints the state of a stack that has them, for tests of what reads that document.
// Their ids and ARNs are made up. Secrets are sealed, as in a real one.
func Export(resources []Resource) ([]byte, error) {
	type state struct {
		URN                  string              `json:"urn"`
		Custom               bool                `json:"custom"`
		ID                   string              `json:"id,omitempty"`
		Type                 string              `json:"type"`
		Inputs               map[string]any      `json:"inputs"`
		Outputs              map[string]any      `json:"outputs"`
		PropertyDependencies map[string][]string `json:"propertyDependencies,omitempty"`
		Protect              bool                `json:"protect,omitempty"`
		RetainOnDelete       bool                `json:"retainOnDelete,omitempty"`
	}
	states := []state{}
	for _, r := range resources {
		one := state{
			URN: r.URN, Custom: !strings.HasPrefix(r.Type, Project+":"), Type: r.Type, Inputs: plain(r.Inputs), Outputs: plain(r.Outputs),
			PropertyDependencies: r.Sources, Protect: r.Protect, RetainOnDelete: r.Retain,
		}
		if one.Custom {
			one.ID = ID(r.Type, r.Name)
			one.Outputs["id"] = one.ID
		}
		if service, isAWS := strings.CutPrefix(r.Type, "aws:"); isAWS {
			service, _, _ = strings.Cut(service, "/")
			one.Outputs["arn"] = fmt.Sprintf("arn:aws:%s:us-east-1:%s:%s", service, Account, one.ID)
		}
		states = append(states, one)
	}
	document := map[string]any{"version": 3, "deployment": map[string]any{"resources": states}}
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render the state: %w", err)
	}
	return text, nil
}

// plain turns properties into what JSON can hold.
func plain(properties resource.PropertyMap) map[string]any {
	return properties.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		if v.IsSecret() || v.IsOutput() && v.OutputValue().Secret {
			return map[string]any{signature: secret, "ciphertext": "sealed"}, true
		}
		return nil, false
	})
}
