package infra

import (
	"encoding/json"
	"testing"

	"slipway/infra/infratest"
	"slipway/infra/policy"
)

// containerView is what the checks read of a container.
type containerView struct {
	Name, Image, User      string
	ReadonlyRootFilesystem bool
	Environment            []struct{ Name, Value string }
	Secrets                []secretView
}

type secretView struct{ Name, ValueFrom string }

func containers(t *testing.T, definition infratest.Resource) []containerView {
	t.Helper()
	var all []containerView
	if err := json.Unmarshal([]byte(input(definition, "containerDefinitions").StringValue()), &all); err != nil || len(all) == 0 {
		t.Fatalf("the containers of %s: %v", definition.Name, err)
	}
	return all
}

func statements(t *testing.T, document string) []policy.Statement {
	t.Helper()
	var parsed policy.Document
	if err := json.Unmarshal([]byte(document), &parsed); err != nil || len(parsed.Statement) == 0 {
		t.Fatalf("a policy does not read back: %v: %s", err, document)
	}
	return parsed.Statement
}
