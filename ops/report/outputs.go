package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Outputs are a stack's outputs, as `pulumi stack output --json` prints them. Others are ignored.
type Outputs struct {
	URL      string            `json:"url"`
	Revision string            `json:"revision"` // tag of the images: a commit, or COMMIT-dirty-TREE
	Images   map[string]string `json:"images"`   // by service: HOST/NAME@sha256:...
	Services map[string]string `json:"services"` // names in ECS, by service
	Region   string            `json:"region"`
	Cluster  string            `json:"cluster"`
}

// ReadOutputs reads Outputs. Nothing to read is no error: a stack whose first `up` failed has none.
func ReadOutputs(r io.Reader) (Outputs, error) {
	var o Outputs
	if err := json.NewDecoder(r).Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		return Outputs{}, fmt.Errorf("understand the stack's outputs: %w", err)
	}
	return o, nil
}
