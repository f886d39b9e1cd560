package infra

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway/infra/goldentest"
	"slipway/infra/infratest"
)

var sha = regexp.MustCompile(`^[0-9a-f]{40}$`)

// top is the repository. It is absolute, since tests move into checkouts of their own.
var top, _ = filepath.Abs("..")

// declare runs the program as one stack, in a checkout of its own, and returns what the engine would have seen.
func declare(t *testing.T, stack string, change map[string]string) ([]infratest.Resource, error) {
	t.Helper()
	return declareWith(t, stack, change, nil)
}

// declareOver runs the program as staging over what its last run left, by URN.
func declareOver(t *testing.T, change map[string]string, stood map[string]any) ([]infratest.Resource, error) {
	t.Helper()
	return declareWith(t, "staging", change, map[string]infratest.Answer{readState: holding(stood)})
}

func declareWith(t *testing.T, stack string, change map[string]string, answers map[string]infratest.Answer) ([]infratest.Resource, error) {
	t.Helper()
	settings := infratest.Settings(t, top, stack)
	for key, value := range change {
		settings["slipway:"+key] = value
	}
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{Answers: answers}
	err := infratest.Run(t, program, stack, settings, recorder)
	if twice := recorder.Duplicates(); len(twice) > 0 {
		t.Errorf("registered more than once: %v", twice)
	}
	return recorder.Resources(), err
}

// TestGolden holds the whole graph of a stack against a file that a person has read.
func TestGolden(t *testing.T) {
	golden, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range []string{"staging", "production"} {
		t.Run(stack, func(t *testing.T) {
			resources, err := declare(t, stack, nil)
			if err != nil {
				t.Fatal(err)
			}
			goldentest.Expect(t, filepath.Join(golden, stack+".golden"), infratest.Render(resources))
		})
	}
}

// each runs a check on the graphs of both stacks of AWS.
func each(t *testing.T, check func(t *testing.T, resources []infratest.Resource)) {
	t.Helper()
	for _, stack := range []string{"staging", "production"} {
		t.Run(stack, func(t *testing.T) {
			resources, err := declare(t, stack, nil)
			if err != nil {
				t.Fatal(err)
			}
			check(t, resources)
		})
	}
}

// of returns the resources of a type, of which there must be some: a check on nothing passes always.
func of(t *testing.T, resources []infratest.Resource, kind string) []infratest.Resource {
	t.Helper()
	var found []infratest.Resource
	for _, r := range resources {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		t.Fatalf("the graph has no %s", kind)
	}
	return found
}

func input(r infratest.Resource, name string) resource.PropertyValue {
	return r.Inputs[resource.PropertyKey(name)]
}

func TestDatabaseIsPrivateAndKept(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		for _, db := range of(t, resources, "aws:rds/instance:Instance") {
			if input(db, "publiclyAccessible").BoolValue() || !input(db, "storageEncrypted").BoolValue() {
				t.Error("the database is public or in clear")
			}
			if !db.Protect || !input(db, "deletionProtection").BoolValue() || input(db, "skipFinalSnapshot").BoolValue() {
				t.Error("the database can be deleted by a slip")
			}
			if input(db, "password").HasValue() || !input(db, "manageMasterUserPassword").BoolValue() {
				t.Error("the database's password is known")
			}
		}
		subnets := input(of(t, resources, "aws:rds/subnetGroup:SubnetGroup")[0], "subnetIds").ArrayValue()
		for _, subnet := range subnets {
			if !strings.Contains(subnet.StringValue(), "-isolated-") {
				t.Errorf("the database stands in %s", subnet.StringValue())
			}
		}
		for _, route := range of(t, resources, "aws:ec2/route:Route") {
			if strings.Contains(input(route, "routeTableId").StringValue(), "-isolated-") {
				t.Errorf("route %s leads out of the database's subnets", route.Name)
			}
		}
	})
}

// TestReach lists every way in, and finds none but those meant.
func TestReach(t *testing.T) {
	allowed := map[string]string{ // security group: who may reach it
		"SecurityGroup:edge": "0.0.0.0/0", "SecurityGroup:database": "SecurityGroup:backend",
		"SecurityGroup:backend": "SecurityGroup:edge", "SecurityGroup:frontend": "SecurityGroup:edge",
	}
	each(t, func(t *testing.T, resources []infratest.Resource) {
		for _, rule := range of(t, resources, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
			group := input(rule, "securityGroupId").StringValue()
			from := ""
			for _, key := range []string{"cidrIpv4", "referencedSecurityGroupId"} {
				if v := input(rule, key); v.IsString() {
					from += v.StringValue()
				}
			}
			if allowed[group] != from {
				t.Errorf("%s lets %q reach %s, want %q", rule.Name, from, group, allowed[group])
			}
			if input(rule, "fromPort").NumberValue() != input(rule, "toPort").NumberValue() {
				t.Errorf("%s opens a range of ports", rule.Name)
			}
		}
		for _, group := range of(t, resources, "aws:ec2/securityGroup:SecurityGroup") {
			if input(group, "ingress").HasValue() || input(group, "egress").HasValue() {
				t.Errorf("security group %s has rules of its own", group.Name)
			}
		}
	})
}

func TestNoPolicyAllowsAll(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		policies := append(of(t, resources, "aws:iam/rolePolicy:RolePolicy"), of(t, resources, "aws:iam/policy:Policy")...)
		for _, p := range policies {
			for _, statement := range statements(t, input(p, "policy").StringValue()) {
				if slices.Contains(statement.Action, "*") || slices.Contains(statement.Action, "*:*") {
					t.Errorf("%s allows every action", p.Name)
				}
				if statement.Effect != "Allow" || !slices.Contains(statement.Resource, "*") || len(statement.Condition) > 0 {
					continue
				}
				for _, action := range statement.Action {
					if action != "ecr:GetAuthorizationToken" && !strings.HasPrefix(action, "ssmmessages:") {
						t.Errorf("%s allows %s on everything without a condition", p.Name, action)
					}
				}
			}
		}
	})
}

func TestImagesAreMeantByDigest(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		for _, definition := range of(t, resources, "aws:ecs/taskDefinition:TaskDefinition") {
			for _, c := range containers(t, definition) {
				if !strings.Contains(c.Image, "@sha256:") || c.User == "" || strings.HasPrefix(c.User, "0") || !c.ReadonlyRootFilesystem {
					t.Errorf("%s: container %s runs %s as %q, read-only %t", definition.Name, c.Name, c.Image, c.User, c.ReadonlyRootFilesystem)
				}
			}
		}
	})
	resources, err := declare(t, "staging", nil) // which builds, and owns the repositories
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range of(t, resources, "docker:index/image:Image") {
		_, tag, _ := strings.Cut(input(image, "imageName").StringValue(), ":")
		if !sha.MatchString(tag) {
			t.Errorf("%s is tagged %q, want a commit", image.Name, tag)
		}
	}
	for _, repository := range of(t, resources, "aws:ecr/repository:Repository") {
		if input(repository, "imageTagMutability").StringValue() != "IMMUTABLE" {
			t.Errorf("tags of %s can move", repository.Name)
		}
	}
}

// TestOwner holds that what an account has once is created by the stack that owns it and by no other.
func TestOwner(t *testing.T) {
	for stack, want := range map[string]int{"staging": 1, "production": 0} {
		resources, err := declare(t, stack, nil)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, r := range resources {
			count[r.Type]++
		}
		if got := count["aws:iam/openIdConnectProvider:OpenIdConnectProvider"]; got != want {
			t.Errorf("%s creates %d GitHub providers, want %d", stack, got, want)
		}
		if got := count["aws:ecr/repository:Repository"]; got != 2*want {
			t.Errorf("%s creates %d repositories, want %d", stack, got, 2*want)
		}
	}
}

// TestOwnerMissing holds that a stack which takes what is not there says which stack to run first.
func TestOwnerMissing(t *testing.T) {
	for token, key := range map[string]string{
		"aws:ecr/getRepository:getRepository":                       "registryOwned: false",
		"aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": "githubProviderOwned: false",
	} {
		settings := infratest.Settings(t, top, "production")
		infratest.Docker(t, true)
		infratest.Checkout(t, "frontend", "backend")
		recorder := &infratest.Recorder{Answers: map[string]infratest.Answer{
			token: func(resource.PropertyMap) (resource.PropertyMap, error) { return nil, errors.New("not found") },
		}}
		err := infratest.Run(t, program, "production", settings, recorder)
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "run the stack that owns it first") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestTooFewZones holds that a region with fewer zones than asked for is refused before anything is registered.
func TestTooFewZones(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{Answers: map[string]infratest.Answer{
		"aws:index/getAvailabilityZones:getAvailabilityZones": func(resource.PropertyMap) (resource.PropertyMap, error) {
			return resource.NewPropertyMapFromMap(map[string]any{"names": []any{"us-east-1a"}}), nil
		},
	}}
	err := infratest.Run(t, program, "staging", settings, recorder)
	if err == nil || !strings.Contains(err.Error(), "networkZoneCount: 2, but region us-east-1 offers this account 1 zones") {
		t.Errorf("got %v", err)
	}
	if len(recorder.Resources()) > 0 {
		t.Error("something was registered")
	}
}

// TestNamedRevision holds that an earlier release is run with no build, and that one that was never released is refused.
func TestNamedRevision(t *testing.T) {
	const digest = "sha256:7777777777777777777777777777777777777777777777777777777777777777"
	settings := infratest.Settings(t, top, "production")
	settings["slipway:revision"] = strings.Repeat("ab", 20)
	t.Chdir(t.TempDir()) // no checkout, no Docker
	t.Setenv("PATH", "")
	recorder := &infratest.Recorder{Answers: map[string]infratest.Answer{
		"aws:ecr/getImage:getImage": func(args resource.PropertyMap) (resource.PropertyMap, error) {
			if tag := args["imageTag"].StringValue(); tag != "production."+settings["slipway:revision"] {
				return nil, fmt.Errorf("asked for tag %s", tag)
			}
			return resource.NewPropertyMapFromMap(map[string]any{"imageDigest": digest}), nil
		},
	}}
	if err := infratest.Run(t, program, "production", settings, recorder); err != nil {
		t.Fatal(err)
	}
	for _, r := range recorder.Resources() {
		if r.Type == "docker:index/image:Image" {
			t.Errorf("%s would be built", r.Name)
		}
		if r.Type != "aws:ecs/taskDefinition:TaskDefinition" {
			continue
		}
		for _, c := range containers(t, r) {
			if !strings.HasSuffix(c.Image, "@"+digest) {
				t.Errorf("%s runs %s", r.Name, c.Image)
			}
		}
	}
	err := infratest.Run(t, program, "production", settings, &infratest.Recorder{Answers: registryOf(nil)})
	if err == nil || !strings.Contains(err.Error(), "release "+settings["slipway:revision"]+" has not run well in production or staging") {
		t.Errorf("a revision that was never released: %v", err)
	}
}

// TestKnownTag holds that what the registry has and this stack has built stays declared, or it would show as deleted, that it
// is not pushed again, and that its digest is what runs.
func TestKnownTag(t *testing.T) {
	const digest = "sha256:7777777777777777777777777777777777777777777777777777777777777777"
	settings := infratest.Settings(t, top, "staging")
	infratest.Docker(t, true)
	commit := infratest.Checkout(t, "frontend", "backend")
	answers := registryOf(map[string]string{"myapp/backend:" + commit: digest, "myapp/frontend:" + commit: digest})
	answers[readState] = stateOf("backend-"+commit, "frontend-"+commit)
	recorder := &infratest.Recorder{Answers: answers}
	if err := infratest.Run(t, program, "staging", settings, recorder); err != nil {
		t.Fatal(err)
	}
	images := of(t, recorder.Resources(), "docker:index/image:Image")
	if len(images) != 2 {
		t.Errorf("%d images are declared", len(images))
	}
	for _, image := range images {
		if !input(image, "skipPush").BoolValue() {
			t.Errorf("%s would be pushed over an immutable tag", image.Name)
		}
	}
	for _, definition := range of(t, recorder.Resources(), "aws:ecs/taskDefinition:TaskDefinition") {
		for _, c := range containers(t, definition) {
			if !strings.HasSuffix(c.Image, "@"+digest) {
				t.Errorf("%s runs %s", definition.Name, c.Image)
			}
		}
	}
}

// readState is how the program asks the engine for what its last run left.
const readState = "pulumi:pulumi:readStackResourceOutputs"

// holding answers as the engine does about the state of staging, which holds resources by their URNs.
func holding(stood map[string]any) infratest.Answer {
	return func(args resource.PropertyMap) (resource.PropertyMap, error) {
		if stack := args["stackName"].StringValue(); !strings.HasSuffix(stack, "/slipway/staging") {
			return nil, fmt.Errorf("asked for stack %s", stack)
		}
		return resource.NewPropertyMapFromMap(map[string]any{"outputs": stood}), nil
	}
}

// stateOf is that of one which holds images of the given names.
func stateOf(images ...string) infratest.Answer {
	stood := map[string]any{}
	for _, image := range images {
		stood["urn:pulumi:staging::slipway::slipway:registry:Images$docker:index/image:Image::"+image] = map[string]any{}
	}
	return holding(stood)
}

// TestLostImage holds that an image that this stack has built, and that the registry does not have any more, is built again: the
// resource in the state would go on saying that it is there.
func TestLostImage(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	infratest.Docker(t, true)
	commit := infratest.Checkout(t, "frontend", "backend")
	answers := registryOf(map[string]string{"myapp/frontend:" + commit: infratest.Digest})
	answers[readState] = stateOf("backend-"+commit, "frontend-"+commit)
	recorder := &infratest.Recorder{Answers: answers}
	if err := infratest.Run(t, program, "staging", settings, recorder); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, image := range of(t, recorder.Resources(), "docker:index/image:Image") {
		names = append(names, image.Name)
	}
	if want := []string{"backend-" + commit + "-again", "frontend-" + commit}; !slices.Equal(names, want) {
		t.Errorf("declared %v, want %v", names, want)
	}
}

// TestRegistryTrouble holds that a registry that cannot be asked is an error, and not taken for an empty one.
func TestRegistryTrouble(t *testing.T) {
	settings := infratest.Settings(t, top, "staging")
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{Answers: map[string]infratest.Answer{
		"aws:ecr/getImage:getImage": func(resource.PropertyMap) (resource.PropertyMap, error) {
			return nil, errors.New("AccessDeniedException: no")
		},
	}}
	err := infratest.Run(t, program, "staging", settings, recorder)
	if err == nil || !strings.Contains(err.Error(), "ask repository myapp/backend for tag") {
		t.Errorf("got %v", err)
	}
}

// TestSameEveryTime holds that two runs of one program declare the same to the letter: an order that comes from a map would
// replace task definitions at every run.
func TestSameEveryTime(t *testing.T) {
	first, err := declare(t, "staging", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := declare(t, "staging", nil)
		if err != nil {
			t.Fatal(err)
		}
		if infratest.Render(again) != infratest.Render(first) {
			t.Fatal("two runs differ")
		}
	}
}

// TestWaysOut holds what each kind of NAT declares.
func TestWaysOut(t *testing.T) {
	for _, c := range []struct {
		nat                          string
		gateways, routes, interfaces int
	}{{"none", 0, 0, 4}, {"single", 1, 3, 0}, {"perZone", 3, 3, 0}} {
		t.Run(c.nat, func(t *testing.T) {
			resources, err := declare(t, "staging", map[string]string{"networkNat": c.nat, "networkZoneCount": "3"})
			if err != nil {
				t.Fatal(err)
			}
			gateways, routes, interfaces, gatewayEndpoints := 0, 0, 0, 0
			for _, r := range resources {
				switch r.Type {
				case "aws:ec2/natGateway:NatGateway":
					gateways++
				case "aws:ec2/route:Route":
					if input(r, "natGatewayId").IsString() {
						routes++
					}
				case "aws:ec2/vpcEndpoint:VpcEndpoint":
					if input(r, "vpcEndpointType").StringValue() == "Gateway" {
						gatewayEndpoints++
					} else {
						interfaces++
					}
				}
			}
			if gateways != c.gateways || routes != c.routes || interfaces != c.interfaces || gatewayEndpoints != 1 {
				t.Errorf("got %d gateways, %d routes, %d interface and %d gateway endpoints, want %d, %d, %d and 1",
					gateways, routes, interfaces, gatewayEndpoints, c.gateways, c.routes, c.interfaces)
			}
		})
	}
}

func TestNothingSecretInClear(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		if strings.Contains(infratest.Render(resources), infratest.RegistryPassword) {
			t.Error("the registry's password stands in clear")
		}
		for _, definition := range of(t, resources, "aws:ecs/taskDefinition:TaskDefinition") {
			for _, c := range containers(t, definition) {
				for _, variable := range c.Environment {
					if strings.Contains(variable.Name, "PASSWORD") {
						t.Errorf("container %s has %s in clear", c.Name, variable.Name)
					}
				}
			}
		}
	})
}
