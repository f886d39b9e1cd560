package infra

import (
	"slices"
	"strings"
	"testing"

	"slipway/infra/infratest"
	"slipway/infra/policy/policytest"
)

// TestRoles holds which roles a stack has, who may take them on, and that all but those of GitHub's jobs carry the boundary.
// Pull requests get a role where the configuration says so: in staging, and not in production.
func TestRoles(t *testing.T) {
	for stack, ofJobs := range map[string][]string{"staging": {"deploy", "preview"}, "production": {"deploy"}} {
		resources, err := declare(t, stack, nil)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, role := range of(t, resources, "aws:iam/role:Role") {
			name := strings.TrimPrefix(input(role, "name").StringValue(), "myapp-"+stack+"-")
			trust := input(role, "assumeRolePolicy").StringValue()
			statements, err := policytest.Parse(trust)
			if err != nil || len(statements) != 1 {
				t.Fatalf("%s: %s: its trust has %d statements, %v", stack, name, len(statements), err)
			}
			if len(statements[0].Principal.Federated) > 0 {
				found = append(found, name)
				continue
			}
			if !strings.HasSuffix(name, "-task") && !strings.HasSuffix(name, "-execution") {
				t.Errorf("%s: role %s is of no task", stack, name)
			}
			if !slices.Equal(statements[0].Principal.Service, []string{"ecs-tasks.amazonaws.com"}) || input(role, "permissionsBoundary").IsNull() {
				t.Errorf("%s: role %s: trust %s, boundary %v", stack, name, trust, input(role, "permissionsBoundary"))
			}
		}
		slices.Sort(found)
		if !slices.Equal(found, ofJobs) {
			t.Errorf("%s: GitHub's jobs may take on %v, want %v", stack, found, ofJobs)
		}
	}
}

// TestStateInBucket holds that a state in a bucket is in the policies of both roles, by this project's and this stack's name.
func TestStateInBucket(t *testing.T) {
	resources, err := declare(t, "staging", map[string]string{
		"stateBucket": "my-state", "stateKmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
	})
	if err != nil {
		t.Fatal(err)
	}
	const file = "arn:aws:s3:::my-state/.pulumi/stacks/" + infratest.Project + "/staging.json"
	for _, p := range of(t, resources, "aws:iam/rolePolicy:RolePolicy") {
		name, document := input(p, "name").StringValue(), input(p, "policy").StringValue()
		may := func(action, resource string) bool {
			t.Helper()
			verdict, err := policytest.Evaluate(document, policytest.Request{Action: action, Resource: resource})
			if err != nil {
				t.Fatal(err)
			}
			return verdict.Allowed
		}
		reads, writes := name == "deploy" || name == "preview", name == "deploy"
		if may("s3:GetObject", file) != reads || may("kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/1") != reads {
			t.Errorf("policy %s may read the state: %t, want %t", name, !reads, reads)
		}
		if may("s3:PutObject", file) != writes || may("kms:GenerateDataKey", "arn:aws:kms:us-east-1:123456789012:key/1") != writes {
			t.Errorf("policy %s may write the state: %t, want %t", name, !writes, writes)
		}
	}
}
