package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"slipway/infra/identity"
	"slipway/infra/policy/policytest"
	"slipway/local/awsapi"
	"slipway/local/calls"
	"slipway/local/cloud"
	"slipway/local/policies"
)

// TestPolicies takes a stack of staging's shape through its life, and holds every call that the cloud recorded against the
// policies of its roles, as the cloud itself has them: nothing that a deployment or a preview needs is missing, the preview
// role allows no write, and what each role allows was used, or is explained in local/policies. The deploy role is refused what
// would change itself, the boundary, the trust or the preview role. Its life has a release that fails in it, and the way back.
func TestPolicies(t *testing.T) {
	t.Parallel()
	c := clone(t)
	c.adapt(t, "staging", throwAway(map[string]any{"slipway:registryAccounts": []string{"210987654321"}}))
	good := c.commit(t)
	c.local(t, "preview", "staging")
	c.local(t, "up", "staging")
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	c.local(t, "preview", "staging")
	c.change(t, "backend/app/asgi.py", "raise SystemExit(\"this revision does not start\")\n")
	c.says(t, c.refused(t, "up", "staging"), "ECS went back to", "| this revision does not start")
	c.says(t, c.local(t, "restore", "staging"), "restoring release "+good)
	c.says(t, c.local(t, "releases", "staging"), good)
	printed := c.local(t, "outputs", "staging")
	for _, role := range []string{"deploy", "preview"} {
		want := fmt.Sprintf("%[1]sRoleArn: \"arn:aws:iam::%[2]s:role/myapp-staging-%[1]s\"", role, awsapi.Account)
		if !strings.Contains(printed, want) {
			t.Errorf("the outputs do not say %s:\n%s", want, printed)
		}
	}
	keepCalls(t, c.endWithin(t, documents(t, c.state(t), "staging", "deploy", "preview")))
}

// keepCalls writes the different calls into the test's output folder, in the form of local/policies/testdata, which is a copy.
func keepCalls(t *testing.T, made []calls.Call) {
	t.Helper()
	var text strings.Builder
	seen, byCaller := map[string]bool{}, map[string]int{}
	for _, one := range made {
		byCaller[one.Caller]++
		one.Time = time.Time{}
		line, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		if one.Caller != awsapi.Housekeeping && !seen[string(line)] {
			seen[string(line)] = true
			text.Write(append(line, '\n'))
		}
	}
	t.Logf("%d calls: %v", len(made), byCaller)
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "calls.jsonl"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// documents reads the policies of the roles of GitHub's jobs from the cloud.
func documents(t *testing.T, state cloud.State, stack string, roles ...string) policies.Documents {
	t.Helper()
	found := map[string]string{}
	for _, role := range roles {
		found[role] = policyOf(t, state, url.Values{"Action": {"GetRolePolicy"}, "RoleName": {"myapp-" + stack + "-" + role}, "PolicyName": {role}})
	}
	var parts []string
	for _, name := range []string{"deploy-options", "deploy-services", "deploy-watching"} {
		arn := "arn:aws:iam::" + awsapi.Account + ":policy/myapp-" + stack + "-" + name
		parts = append(parts, policyOf(t, state, url.Values{"Action": {"GetPolicyVersion"}, "PolicyArn": {arn}, "VersionId": {"v1"}}))
	}
	options, err := policies.Join(parts...)
	if err != nil {
		t.Fatal(err)
	}
	return policies.Documents{Deploy: found["deploy"], Preview: found["preview"], Options: options}
}

// endWithin takes staging down and holds all calls of its life against the roles' policies: nothing is missing, and the statements
// of the options are used. It returns the calls.
func (c checkout) endWithin(t *testing.T, documents policies.Documents, options ...string) []calls.Call {
	t.Helper()
	return c.within(t, documents, func() { c.local(t, "down", "staging") }, options...) // fails where the API shows a leftover
}

// within is endWithin for a stack that ends in another way.
func (c checkout) within(t *testing.T, documents policies.Documents, end func(), options ...string) []calls.Call {
	t.Helper()
	record, err := os.Open(filepath.Join(c.dir, ".slipway", "cloud", "calls.jsonl")) // stays readable when down removes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = record.Close() }()
	end()
	made, err := calls.Read(record)
	if err != nil {
		t.Fatal(err)
	}
	faults, err := policies.Faults(documents, made, policies.Run{Options: options})
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		t.Error(fault)
	}
	return made
}

// record is what the cloud has recorded so far.
func (c checkout) record(t *testing.T) []calls.Call {
	t.Helper()
	file, err := os.Open(filepath.Join(c.dir, ".slipway", "cloud", "calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	made, err := calls.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// acrossAccounts holds what production's run asked of the repositories against the policies that it would meet if its stack were in
// another account: its deploy role's in that account, and that of the repositories, as this cloud has it, in their own.
func (c checkout) acrossAccounts(t *testing.T, record []calls.Call, account string) {
	t.Helper()
	needs, err := policies.Needs(record)
	if err != nil {
		t.Fatal(err)
	}
	needs = slices.DeleteFunc(policies.Of(needs, awsapi.RunKey("up")), func(n policies.Need) bool { return !strings.Contains(n.Resource, ":repository/") })
	seen := map[string]bool{}
	var repositories []string
	for _, n := range needs {
		seen[n.Action] = true
		if !slices.Contains(repositories, n.Resource) {
			repositories = append(repositories, n.Resource)
		}
	}
	for _, action := range []string{"ecr:DescribeRepositories", "ecr:DescribeImages", "ecr:BatchGetImage", "ecr:PutImage"} {
		if !seen[action] {
			t.Errorf("production's run is not on record with %s: %v", action, needs)
		}
	}
	role, err := identity.DeployPolicy(identity.Args{
		Prefix: "myapp-production", Partition: "aws", Account: account, Region: awsapi.Region, OwnsProvider: true, ImageARNs: repositories,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := ecr.NewFromConfig(awsapi.Config(c.state(t).Endpoint))
	for _, n := range needs {
		_, name, _ := strings.Cut(n.Resource, ":repository/")
		shared, err := client.GetRepositoryPolicy(t.Context(), &ecr.GetRepositoryPolicyInput{RepositoryName: &name})
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := policytest.Evaluate(role, n.Request); err != nil || !verdict.Allowed {
			t.Errorf("production's deploy role lacks %s: %s, %v", n, verdict, err)
		}
		if verdict, err := policytest.Share(*shared.PolicyText, account, n.Request); err != nil || !verdict.Allowed {
			t.Errorf("the repository does not let another account do %s: %s, %v", n, verdict, err)
		}
	}
}

// policyOf asks IAM for one policy.
func policyOf(t *testing.T, state cloud.State, form url.Values) string {
	t.Helper()
	form.Set("Version", "2010-05-08")
	document, err := policies.Document(query(t, state, "iam", form))
	if err != nil {
		t.Fatal(err)
	}
	return document
}
