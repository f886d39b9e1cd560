package infra

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway/infra/infratest"
	"slipway/infra/policy/policytest"
)

const owner = "210987654321" // of the repositories; production is in the recorder's account

// TestAnotherAccount plays a promotion from one account to another: production, in an account of its own, asks staging's registry for
// the images and runs them from there, with no build; and what that takes is allowed on both sides: by the roles in production's
// account and by the policy that staging gives its repositories.
func TestAnotherAccount(t *testing.T) {
	staging, err := declare(t, "staging", map[string]string{"registryAccounts": `["` + infratest.Account + `"]`})
	if err != nil {
		t.Fatal(err)
	}
	shared := of(t, staging, "aws:ecr/repositoryPolicy:RepositoryPolicy")
	if len(shared) != 2 {
		t.Fatalf("%d repositories are shared, want both", len(shared))
	}
	sharing := input(shared[0], "policy").StringValue()

	production := promoted(t)
	for _, never := range []string{"docker:index/image:Image", "aws:ecr/repository:Repository", "aws:ecr/repositoryPolicy:RepositoryPolicy"} {
		if slices.ContainsFunc(production, func(r infratest.Resource) bool { return r.Type == never }) {
			t.Errorf("production has a %s of its own", never)
		}
	}
	for _, definition := range of(t, production, "aws:ecs/taskDefinition:TaskDefinition") {
		want := `"image":"` + owner + `.dkr.ecr.us-east-1.amazonaws.com/myapp/` + definition.Name + "@" + infratest.Digest + `"`
		if text := input(definition, "containerDefinitions").StringValue(); !strings.Contains(text, want) {
			t.Errorf("%s does not run %s: %s", definition.Name, want, text)
		}
	}
	pulls := []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
	marks := []string{"ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:PutImage"}
	policies := of(t, production, "aws:iam/policy:Policy")
	boundary := policies[slices.IndexFunc(policies, func(p infratest.Resource) bool { return strings.HasSuffix(input(p, "name").StringValue(), "-boundary") })]
	for _, p := range of(t, production, "aws:iam/rolePolicy:RolePolicy") {
		actions := map[string][]string{"deploy": marks, "execution": pulls}[input(p, "name").StringValue()]
		service := strings.TrimSuffix(p.Name, "-execution")
		if service == p.Name {
			service = "backend"
		}
		image := "arn:aws:ecr:us-east-1:" + owner + ":repository/myapp/" + service
		for _, action := range actions {
			request := policytest.Request{Action: action, Resource: image}
			may(t, p.Name, input(p, "policy").StringValue(), request)
			if verdict, err := policytest.Share(sharing, infratest.Account, request); err != nil || !verdict.Allowed {
				t.Errorf("staging's account does not let production's do %s: %s, %v", action, verdict, err)
			}
			if input(p, "name").StringValue() == "execution" {
				may(t, "the boundary", input(boundary, "policy").StringValue(), request)
			}
		}
		if len(actions) == 0 && p.Name != "backend-task" {
			t.Errorf("role policy %s is not known", p.Name)
		}
	}
}

// may holds that a policy allows a call.
func may(t *testing.T, name, document string, request policytest.Request) {
	t.Helper()
	if verdict, err := policytest.Evaluate(document, request); err != nil || !verdict.Allowed {
		t.Errorf("%s may not do %s on %s: %s, %v", name, request.Action, request.Resource, verdict, err)
	}
}

// promoted declares production where the repositories are another account's: what is not asked for in that account is not there.
func promoted(t *testing.T) []infratest.Resource {
	t.Helper()
	settings := infratest.Settings(t, top, "production")
	settings["slipway:registryAccount"], settings["slipway:githubProviderOwned"] = owner, "true"
	infratest.Docker(t, false)
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{Answers: map[string]infratest.Answer{}}
	for token, answer := range map[string]func(resource.PropertyMap) map[string]any{
		"aws:ecr/getImage:getImage": func(resource.PropertyMap) map[string]any {
			return map[string]any{"imageDigest": infratest.Digest, "imageTags": []any{infratest.Source}}
		},
		"aws:ecr/getRepository:getRepository": func(args resource.PropertyMap) map[string]any {
			return map[string]any{"repositoryUrl": owner + ".dkr.ecr.us-east-1.amazonaws.com/" + args["name"].StringValue()}
		},
	} {
		recorder.Answers[token] = func(args resource.PropertyMap) (resource.PropertyMap, error) {
			if id := args["registryId"]; !id.IsString() || id.StringValue() != owner {
				t.Errorf("%s is asked in registry %v, want %s", token, id, owner)
			}
			return resource.NewPropertyMapFromMap(answer(args)), nil
		}
	}
	if err := infratest.Run(t, program, "production", settings, recorder); err != nil {
		t.Fatal(err)
	}
	return recorder.Resources()
}
