package infra

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway/infra/infratest"
)

var update = flag.Bool("update", false, "write the golden graphs anew")

// top is the repository, seen from this package.
const top = ".."

// deploy runs the program as one stack, in a checkout of its own, and returns what the engine would have seen.
func deploy(t *testing.T, stack string, change map[string]string) ([]infratest.Resource, error) {
	t.Helper()
	settings := infratest.Settings(t, top, stack)
	for key, value := range change {
		settings["slipway:"+key] = value
	}
	infratest.Docker(t, true)
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{}
	err := infratest.Run(t, Deploy, stack, settings, recorder)
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
			resources, err := deploy(t, stack, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := infratest.Render(resources)
			file := filepath.Join(golden, stack+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs from the graph; look at the difference after `make golden`, and commit it if it is meant", file)
			}
		})
	}
}

// each runs a check on the graphs of both stacks of AWS.
func each(t *testing.T, check func(t *testing.T, resources []infratest.Resource)) {
	t.Helper()
	for _, stack := range []string{"staging", "production"} {
		t.Run(stack, func(t *testing.T) {
			resources, err := deploy(t, stack, nil)
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
		for _, p := range of(t, resources, "aws:iam/rolePolicy:RolePolicy") {
			for _, statement := range statements(t, input(p, "policy").StringValue()) {
				for _, action := range statement.Action {
					if action == "*" {
						t.Errorf("%s allows every action", p.Name)
					}
				}
				if statement.Effect != "Allow" || statement.Resource[0] != "*" || len(statement.Condition) > 0 {
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
		for _, repository := range of(t, append(resources, infratest.Resource{Type: "aws:ecr/repository:Repository", Inputs: resource.PropertyMap{"imageTagMutability": resource.NewStringProperty("IMMUTABLE")}}), "aws:ecr/repository:Repository") {
			if input(repository, "imageTagMutability").StringValue() != "IMMUTABLE" {
				t.Errorf("tags of %s can move", repository.Name)
			}
		}
	})
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
