// Package held reads what the last run left in the stack's state, where a declaration depends on what stood before it.
package held

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// State is the resources of a stack, with their outputs.
type State struct{ resources map[string]any }

// Read asks the engine for the state of the stack that runs. Where the engine cannot tell, nothing is held.
func Read(ctx *pulumi.Context) State {
	stack := strings.Join([]string{ctx.Organization(), ctx.Project(), ctx.Stack()}, "/")
	var state struct {
		Outputs map[string]any `pulumi:"outputs"`
	}
	// The engine's own function, which StackReference uses for a stack's outputs, in its form for resources.
	if err := ctx.Invoke("pulumi:pulumi:readStackResourceOutputs", &args{StackName: stack}, &state); err != nil {
		_ = ctx.Log.Debug(fmt.Sprintf("the state of %s cannot be read: %v", stack, err), nil)
	}
	return State{state.Outputs}
}

type args struct {
	StackName string `pulumi:"stackName"`
}

// Of returns the outputs of the resources of a type, such as docker:index/image:Image, by their names.
func (s State) Of(token string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for urn, entry := range s.resources {
		if parent, name, ok := strings.Cut(urn, token+"::"); ok && (strings.HasSuffix(parent, "::") || strings.HasSuffix(parent, "$")) {
			resource, _ := entry.(map[string]any) // its type and its outputs
			found[name], _ = resource["outputs"].(map[string]any)
		}
	}
	return found
}
