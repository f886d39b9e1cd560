// Package coldstart estimates how long the first `pulumi up` of this program takes in a real AWS account, where the
// machine that it is made on has none. The resources and what each waits for are the program's own, as it declares
// them; how long each takes is what others have published. It is a simulation: no figure of it was measured with this
// program on AWS.
package coldstart

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra"
	"slipway/infra/infratest"
	"slipway/infra/registry"
	"slipway/ops/deliver"
)

// Resource is one resource of the program.
type Resource struct {
	Kind  string   // its type, such as aws:ec2/vpc:Vpc; of a VPC endpoint also its kind, which decides how long it takes
	Name  string   // in the program
	After []string // keys of what Pulumi waits for before it creates this
}

// Key tells resources apart: type and name.
func (r Resource) Key() string { return r.Kind + " " + r.Name }

// Graph is all resources of a stack, sorted by their keys.
type Graph []Resource

// Read runs the program as one stack against a recorder in the place of Pulumi's engine, and returns what it declares.
// The engine waits for exactly what a registration names: its parent, and its dependencies, which hold the resources
// that its inputs come from (`dependencies` of RegisterResourceRequest in Pulumi's resource.proto). Values of change
// replace the stack's, by keys such as networkNat. The working directory must be the top of a checkout, and a Docker
// Engine must answer, since the program asks both; a work tree with changes will do.
func Read(stack string, change map[string]string) (Graph, error) {
	settings, err := deliver.Values(".", stack)
	if err != nil {
		return nil, err
	}
	settings[infratest.Project+":imagesAllowDirty"] = "true"
	settings[infratest.Project+":imagesPlatform"] = registry.Native // nothing is built, so that any engine will do
	for key, value := range change {
		settings[infratest.Project+":"+key] = value
	}
	recorder := &recorder{}
	if settings[infratest.Project+":revision"] != "" { // which is in the registry
		recorder.Answers = map[string]infratest.Answer{"aws:ecr/getImage:getImage": func(resource.PropertyMap) (resource.PropertyMap, error) {
			return resource.NewPropertyMapFromMap(map[string]any{"imageDigest": infratest.Digest}), nil
		}}
	}
	err = pulumi.RunErr(infra.Deploy, pulumi.WithMocks(infratest.Project, stack, recorder), func(info *pulumi.RunInfo) {
		info.Config = settings
		info.DryRun = true // there is nothing to judge
	})
	if err := errors.Join(err, recorder.err); err != nil {
		return nil, fmt.Errorf("read the graph of stack %s from the program: %w", stack, err)
	}
	return recorder.graph()
}

// recorder notes what each registration waits for. Its answers are infratest's.
type recorder struct {
	infratest.Recorder

	mu        sync.Mutex
	resources map[string]Resource // by URN without its project and stack
	err       error
}

// NewResource implements pulumi.MockResourceMonitor.
func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rpc := args.RegisterRPC
	if rpc == nil {
		return "", nil, fmt.Errorf("%s %s is read and not created, which this package does not know", args.TypeToken, args.Name)
	}
	if r.resources == nil {
		r.resources = map[string]Resource{}
	}
	one := Resource{Kind: args.TypeToken, Name: args.Name}
	if kind := args.Inputs["vpcEndpointType"]; kind.IsString() {
		one.Kind += " " + kind.StringValue()
	}
	for _, urn := range append(rpc.GetDependencies(), rpc.GetParent()) {
		if key := typeAndName(urn); key != "" && !slices.Contains(one.After, key) {
			one.After = append(one.After, key)
		}
	}
	key := args.TypeToken + " " + args.Name
	if _, twice := r.resources[key]; twice {
		r.err = errors.Join(r.err, fmt.Errorf("two resources are %s, so what waits for them is not known", key))
	}
	r.resources[key] = one
	return r.Recorder.NewResource(args)
}

// typeAndName cuts a URN (urn:pulumi:STACK::PROJECT::TYPES::NAME) down to its last type and its name; to nothing for
// the stack itself.
func typeAndName(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	if len(parts) < 4 || parts[2] == "pulumi:pulumi:Stack" {
		return ""
	}
	return parts[2][strings.LastIndex(parts[2], "$")+1:] + " " + parts[3]
}

// graph names what each resource waits for by its Key.
func (r *recorder) graph() (Graph, error) {
	var all Graph
	for _, one := range r.resources {
		after := make([]string, len(one.After))
		for i, key := range one.After {
			before, ok := r.resources[key]
			if !ok {
				return nil, fmt.Errorf("%s waits for %s, which the program does not create", one.Key(), key)
			}
			after[i] = before.Key()
		}
		slices.Sort(after)
		one.After = after
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Resource) int { return strings.Compare(a.Key(), b.Key()) })
	return all, nil
}

// Without returns the graph less all resources whose type begins with prefix. Nothing waits for them any more.
func (g Graph) Without(prefix string) Graph {
	var left Graph
	for _, one := range g {
		if strings.HasPrefix(one.Kind, prefix) {
			continue
		}
		one.After = slices.DeleteFunc(slices.Clone(one.After), func(key string) bool { return strings.HasPrefix(key, prefix) })
		left = append(left, one)
	}
	return left
}
