// Package infratest runs the program against a recorder in the place of the engine, and keeps what the engine would have
// seen. It shows the shape of what is declared, not that a cloud accepts it: that is for the embedded run.
package infratest

import (
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Account is the AWS account that the recorder answers for.
const Account = "123456789012"

// Resource is one registration, as the engine saw it.
type Resource struct {
	URN           string
	Type          string
	Name          string
	Parent        string   // "type name"; empty below the stack itself
	Depends       []string // "type name", sorted, without what a property refers to
	Protect       bool
	Retain        bool // kept in the cloud when removed from the state
	IgnoreChanges []string
	Timeouts      map[string]string
	Sources       map[string][]string // by input, the URNs that its value comes from
	Inputs        resource.PropertyMap
	Outputs       resource.PropertyMap
}

// Key is how other resources refer to a Resource.
func (r Resource) Key() string { return r.Type + " " + r.Name }

// Answer is what a function of a provider comes to.
type Answer func(args resource.PropertyMap) (resource.PropertyMap, error)

// Recorder implements pulumi.MockResourceMonitor. Answers replaces those of single functions, by their tokens.
type Recorder struct {
	Answers map[string]Answer

	mu         sync.Mutex
	resources  []Resource
	duplicates []string
	seen       map[string]bool
	calls      int
}

// Asked counts all that the program asked of the engine: registrations and calls of functions.
func (r *Recorder) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.resources) + r.calls
}

// Resources returns all registrations, sorted by type and name.
func (r *Recorder) Resources() []Resource {
	r.mu.Lock()
	defer r.mu.Unlock()
	sorted := append([]Resource{}, r.resources...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Key() < sorted[j].Key() })
	return sorted
}

// Duplicates returns the URNs that were registered more than once, which mocks let pass and the engine does not.
func (r *Recorder) Duplicates() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.duplicates
}

// NewResource records a registration and answers with its inputs and what the cloud would add.
func (r *Recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	entry := Resource{Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs}
	if rpc := args.RegisterRPC; rpc != nil {
		entry.URN = urnBelow(rpc.GetParent(), args.TypeToken, args.Name)
		entry.Parent = key(rpc.GetParent())
		entry.Protect = rpc.GetProtect()
		entry.Retain = rpc.GetRetainOnDelete()
		entry.IgnoreChanges = rpc.GetIgnoreChanges()
		if t := rpc.GetCustomTimeouts(); t != nil {
			entry.Timeouts = map[string]string{"create": t.GetCreate(), "update": t.GetUpdate(), "delete": t.GetDelete()}
		}
		implied := map[string]bool{}
		entry.Sources = map[string][]string{}
		for name, property := range rpc.GetPropertyDependencies() {
			for _, urn := range property.GetUrns() {
				implied[urn] = true
				entry.Sources[name] = append(entry.Sources[name], urn)
			}
			sort.Strings(entry.Sources[name])
		}
		for _, urn := range rpc.GetDependencies() {
			if !implied[urn] {
				entry.Depends = append(entry.Depends, key(urn))
			}
		}
		sort.Strings(entry.Depends)
	}
	if r.seen[entry.URN] {
		r.duplicates = append(r.duplicates, entry.URN)
	}
	r.seen[entry.URN] = true
	entry.Outputs = args.Inputs.Copy()
	for name, value := range computed(args) {
		entry.Outputs[name] = value
	}
	r.resources = append(r.resources, entry)
	return ID(args.TypeToken, args.Name), entry.Outputs, nil
}

// ID is the id that the recorder gives a resource: the last part of its type and its name, such as Vpc:network.
func ID(typeToken, name string) string {
	return typeToken[strings.LastIndex(typeToken, ":")+1:] + ":" + name
}

// Call answers a function of a provider.
func (r *Recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	r.mu.Lock()
	r.calls++
	r.mu.Unlock()
	if answer, ok := r.Answers[args.Token]; ok {
		return answer(args.Args)
	}
	strs := func(values map[string]any) (resource.PropertyMap, error) {
		return resource.NewPropertyMapFromMap(values), nil
	}
	switch args.Token {
	case "aws:index/getCallerIdentity:getCallerIdentity":
		return strs(map[string]any{"accountId": Account})
	case "aws:index/getRegion:getRegion":
		return strs(map[string]any{"name": "us-east-1"})
	case "aws:index/getPartition:getPartition":
		return strs(map[string]any{"partition": "aws"})
	case "aws:index/getAvailabilityZones:getAvailabilityZones":
		return strs(map[string]any{"names": []any{"us-east-1c", "us-east-1a", "us-east-1b"}})
	case "aws:ecr/getAuthorizationToken:getAuthorizationToken":
		return strs(map[string]any{"userName": "AWS", "password": RegistryPassword})
	case "aws:ecr/getImage:getImage":
		// Staging has run everything well, and no other tag is there.
		if tag := args.Args["imageTag"].StringValue(); strings.HasPrefix(tag, "staging.") {
			return strs(map[string]any{"imageDigest": Digest, "imageTags": []any{Source, tag}})
		}
		return nil, fmt.Errorf("reading ECR Images: ImageNotFoundException: no such tag")
	case "aws:ecr/getRepository:getRepository":
		return strs(map[string]any{"repositoryUrl": repositoryURL(args.Args["name"].StringValue())})
	case "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider":
		return strs(map[string]any{"arn": args.Args["arn"].StringValue()})
	}
	return nil, fmt.Errorf("the recorder has no answer for %s", args.Token)
}

// RegistryPassword is the registry password that the recorder hands out; it must never come up in clear.
const RegistryPassword = "registry-password-in-clear"

// Digest is the digest of every image that the recorder "pushes".
var Digest = "sha256:" + strings.Repeat("5", 64)

// Source is the tag of every image that staging ran.
var Source = strings.Repeat("5a", 20)

func repositoryURL(name string) string {
	return Account + ".dkr.ecr.us-east-1.amazonaws.com/" + name
}

// computed is what the cloud adds to a resource's inputs, as far as the program reads it.
func computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	arn := "arn:" + ID(args.TypeToken, args.Name)
	values := map[string]any{"arn": arn}
	switch args.TypeToken {
	case "aws:ecr/repository:Repository":
		values["repositoryUrl"] = repositoryURL(args.Inputs["name"].StringValue())
	case "aws:rds/instance:Instance":
		values["address"] = "database.internal"
		values["endpoint"] = "database.internal:5432"
		values["masterUserSecrets"] = []any{map[string]any{"secretArn": arn + "-secret"}}
	case "aws:lb/loadBalancer:LoadBalancer":
		values["dnsName"], values["zoneId"] = "front.example.com", "ZBALANCER"
		values["arnSuffix"] = "app/" + args.Inputs["name"].StringValue() + "/1"
	case "aws:lb/targetGroup:TargetGroup":
		values["arnSuffix"] = "targetgroup/" + args.Inputs["name"].StringValue() + "/1"
	case "aws:acm/certificate:Certificate":
		var options []any
		for _, name := range args.Inputs["subjectAlternativeNames"].ArrayValue() {
			options = append(options, map[string]any{
				"domainName": name.StringValue(), "resourceRecordName": "_proof." + name.StringValue() + ".",
				"resourceRecordType": "CNAME", "resourceRecordValue": "_proof.acm-validations.aws.",
			})
		}
		values["domainValidationOptions"] = options
	case "aws:route53/record:Record":
		values["fqdn"] = strings.TrimSuffix(args.Inputs["name"].StringValue(), ".")
	case "docker:index/image:Image":
		name := args.Inputs["imageName"].StringValue()
		values["repoDigest"] = name[:strings.LastIndex(name, ":")] + "@" + Digest
	}
	return resource.NewPropertyMapFromMap(values)
}

// key turns a URN into "type name"; the stack itself is nobody's parent.
func key(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 || parts[2] == "pulumi:pulumi:Stack" {
		return ""
	}
	types := strings.Split(parts[2], "$")
	return types[len(types)-1] + " " + parts[3]
}

// urnBelow is the URN of a resource, by that of its parent, which may be the stack.
func urnBelow(parent, typeToken, name string) string {
	parts := strings.Split(parent, "::")
	if len(parts) < 4 {
		return typeToken + "::" + name
	}
	types := typeToken
	if parts[2] != "pulumi:pulumi:Stack" {
		types = parts[2] + "$" + typeToken
	}
	return strings.Join([]string{parts[0], parts[1], types, name}, "::")
}
