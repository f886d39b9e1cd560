package policies

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/infra/identity"
	"slipway/infra/policy/policytest"
	"slipway/local/awsapi"
	"slipway/local/calls"
)

// args are those of staging, as the program makes them in the embedded cloud, with its state in a bucket.
var args = identity.Args{
	Prefix: "myapp-staging", Partition: "aws", Account: awsapi.Account, Region: awsapi.Region,
	OwnsProvider: true, OwnsRepositories: true, Preview: true,
	ImageARNs: []string{"arn:aws:ecr:us-east-1:123456789012:repository/myapp/*"},
	Roots: identity.Roots{
		Cluster: "myapp-staging", Database: "myapp-staging", LoadBalancer: "myapp-staging", Logs: "/slipway/myapp-staging",
		AccessLogs: "myapp-staging-access-logs-123456789012", Schedules: "myapp-staging", Secrets: "myapp-staging",
	},
	Domain: identity.Domain{ZoneID: "Z1", Names: []string{"app.example.com"}},
	State:  identity.State{Bucket: "state", KeyARN: "arn:aws:kms:us-east-1:123456789012:key/2", Project: "slipway", Stack: "staging"},
}

// recorded are the different calls of one life of staging: preview, up, up, preview, a release that fails, restore, releases, down. TestPolicies of e2e keeps them in its
// output folder; this copy is of November 2026.
func recorded(t *testing.T) []calls.Call {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	record, err := calls.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func documents(t *testing.T, as identity.Args) Documents {
	t.Helper()
	deploy, err := identity.InlinePolicy(as)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := identity.OptionPolicies(as)
	if err != nil {
		t.Fatal(err)
	}
	options, err := Join(slices.Sorted(maps.Values(parts))...)
	if err != nil {
		t.Fatal(err)
	}
	preview, err := identity.PreviewPolicy(as)
	if err != nil {
		t.Fatal(err)
	}
	return Documents{Deploy: deploy, Options: options, Preview: preview}
}

// TestRecorded holds a recorded run against both policies, as the embedded run does with its own (e2e, TestPolicies).
func TestRecorded(t *testing.T) {
	for _, inBucket := range []bool{true, false} {
		as := args
		if !inBucket {
			as.State = identity.State{}
		}
		faults, err := Faults(documents(t, as), recorded(t), Run{InBucket: inBucket})
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults {
			t.Errorf("state in a bucket %t: %s", inBucket, fault)
		}
	}
}

// TestNothingRecorded holds that a record of nothing proves nothing.
func TestNothingRecorded(t *testing.T) {
	faults, err := Faults(documents(t, args), nil, Run{InBucket: true})
	if err != nil || !slices.Contains(faults, "the record holds no call of down") {
		t.Errorf("found %v, %v", faults, err)
	}
}

// TestLacks holds that the part of a record is held against the deploy role as well, by whichever of its operations.
func TestLacks(t *testing.T) {
	as := documents(t, args)
	if lacks, err := Lacks(as, recorded(t)); err != nil || len(lacks) > 0 {
		t.Errorf("found %v, %v", lacks, err)
	}
	if lacks, err := Lacks(as, nil); err != nil || len(lacks) != 1 {
		t.Errorf("of nothing: %v, %v", lacks, err)
	}
	for _, operation := range []string{"up", "down", "refresh", "releases"} {
		stray := calls.Call{Service: "ecs", Operation: "ExecuteCommand", Caller: awsapi.RunKey(operation)}
		if lacks, err := Lacks(as, []calls.Call{stray}); err != nil || len(lacks) != 1 || !strings.Contains(lacks[0], "ecs:ExecuteCommand") {
			t.Errorf("%s: %v, %v", operation, lacks, err)
		}
	}
	reads := calls.Call{Service: "ecs", Operation: "ExecuteCommand", Caller: awsapi.RunKey("preview")}
	if lacks, err := Lacks(as, append(recorded(t), reads)); err != nil || len(lacks) > 0 {
		t.Errorf("another role's call is held against it: %v, %v", lacks, err)
	}
}

// TestUnknownCaller holds that a call is not left out because its access key is a new one.
func TestUnknownCaller(t *testing.T) {
	stray := calls.Call{Service: "iam", Operation: "CreateUser", Caller: "somebody"}
	faults, err := Faults(documents(t, args), append(recorded(t), stray), Run{InBucket: true})
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0], `"somebody", which needs iam:CreateUser`) {
		t.Errorf("found %v, %v", faults, err)
	}
}

// TestMutations holds that each kind of fault in a policy is found.
func TestMutations(t *testing.T) {
	needs, err := Needs(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	deploy, preview := documents(t, args).Deploy, documents(t, args).Preview
	deploys := Of(needs, awsapi.RunKey("up"), awsapi.RunKey("down"))
	replace := func(document, old, by string) string {
		t.Helper()
		if !strings.Contains(document, old) {
			t.Fatalf("the policy has no %s", old)
		}
		return strings.Replace(document, old, by, 1)
	}
	for _, c := range []struct{ name, old, by, want string }{
		{"an action is missing", `"ec2:CreateSubnet",`, ``, "ec2:CreateSubnet on *"},
		{"tags are not allowed", `"ecs:TagResource",`, ``, "ecs:TagResource on arn:aws:ecs:us-east-1:123456789012:cluster/myapp-staging"},
		{"a resource is another", `:pg:myapp-staging-*`, `:pg:myapp-other-*`, "rds:CreateDBParameterGroup on arn:aws:rds:us-east-1:123456789012:pg:myapp-staging-postgres17"},
		{"another boundary", `policy/myapp-staging-boundary"]}}`, `policy/other"]}}`, "iam:CreateRole on arn:aws:iam::123456789012:role/myapp-staging-backend-execution"},
		{"no role may be passed", `"iam:PassedToService":["ecs-tasks`, `"iam:PassedToService":["ec2`, "iam:PassRole on arn:aws:iam::123456789012:role/myapp-staging-backend-task"},
		{"another region", `"aws:RequestedRegion":["us-east-1"]`, `"aws:RequestedRegion":["us-east-2"]`, "ec2:CreateVpc on *"},
		{"what RDS does in our name", `"secretsmanager:CreateSecret",`, ``, "secretsmanager:CreateSecret on arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-1, for rds:CreateDBInstance"},
		{"a resource where AWS takes none", `"Sid":"Look","Effect":"Allow","Action":["ecs:DescribeTaskDefinition",`, `"Sid":"Look","Effect":"Allow","Action":[`, "ecs:DescribeTaskDefinition on *"},
	} {
		missing, _, err := Missing(replace(deploy, c.old, c.by), deploys, persons)
		if err != nil || !strings.Contains(strings.Join(missing, "\n"), c.want) {
			t.Errorf("%s: found %v, %v; want %s", c.name, missing, err, c.want)
		}
	}
	// What a person does must stay refused to the deploy role.
	for _, never := range []string{"NeverWhoDeploys", "NeverPolicies"} {
		widened := replace(deploy, `"Sid":"`+never+`","Effect":"Deny"`, `"Sid":"`+never+`","Effect":"Allow"`)
		if _, stale, err := Missing(widened, deploys, persons); err != nil || len(stale) == 0 {
			t.Errorf("%s allows, and nobody notices: %v", never, err)
		}
	}
	if unused, _, err := Unused(replace(deploy, `"ec2:CreateVpc"`, `"ec2:CreateVpc","ec2:RunInstances","lambda:*"`), deploys, deployUnused); err != nil ||
		!strings.Contains(strings.Join(unused, " "), "ec2:RunInstances") || !strings.Contains(strings.Join(unused, " "), "lambda:*") {
		t.Errorf("unused actions are not found: %v, %v", unused, err)
	}
	if _, stale, err := Unused(deploy, deploys, []Exception{{Action: "ec2:CreateVpc"}, {Action: "lambda:*"}}); err != nil || len(stale) != 2 {
		t.Errorf("exceptions that are used, or not allowed, are not found: %v, %v", stale, err)
	}
	for _, write := range []string{"ecr:PutImage", "ec2:*", "*", "iam:PassRole", "ec2:D*"} {
		writes, _, err := Writes(replace(preview, `"ecr:DescribeImages"`, `"ecr:DescribeImages","`+write+`"`), previewWrites(true))
		if err != nil || len(writes) != 1 || writes[0] != write {
			t.Errorf("%s does not count as a write: %v, %v", write, writes, err)
		}
	}
	if _, stale, err := Writes(preview, []Exception{{Action: "s3:PutObject"}}); err != nil || len(stale) != 1 {
		t.Errorf("an exception that is not needed: %v, %v", stale, err)
	}
}

// TestNeeds holds what single calls take.
func TestNeeds(t *testing.T) {
	needs, err := Needs([]calls.Call{
		{Service: "iam", Operation: "CreateRole", Caller: "a", Resources: []string{"arn:aws:iam::1:role/x"}, Boundary: "b", Tagged: true},
		{Service: "iam", Operation: "DeleteRole", Caller: "b", Resources: []string{"arn:aws:iam::1:role/x"}},
		{Service: "sts", Operation: "GetCallerIdentity", Caller: "a"},
		{Service: "ec2", Operation: "CreateVpc", Caller: "a", Tagged: true},
		{Service: "ec2", Operation: "CreateVpc", Caller: "a", Tagged: true},
		{Service: "acm", Operation: "RequestCertificate", Caller: "a", Resources: []string{"arn:aws:acm:us-east-1:1:certificate/x"}, Tagged: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, n := range needs {
		found = append(found, n.Caller+" "+n.Action+" "+n.Resource+" "+strings.Join(n.Context["iam:PermissionsBoundary"], ""))
	}
	want := strings.Join([]string{
		"a iam:CreateRole arn:aws:iam::1:role/x b", "a iam:TagRole arn:aws:iam::1:role/x b", "b iam:DeleteRole arn:aws:iam::1:role/x b",
		"a ec2:CreateVpc * ", "a ec2:CreateTags * ",
		"a acm:RequestCertificate * ", "a acm:AddTagsToCertificate arn:aws:acm:us-east-1:1:certificate/x ",
	}, "\n")
	if got := strings.Join(found, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	needs, err = Needs([]calls.Call{{
		Service: "route53", Operation: "ChangeResourceRecordSets", Resources: []string{"arn:aws:route53:::hostedzone/Z1"}, Records: []string{"a.example.com"},
	}})
	if err != nil || len(needs) != 1 || strings.Join(needs[0].Context["route53:ChangeResourceRecordSetsNormalizedRecordNames"], " ") != "a.example.com" {
		t.Errorf("a change of records: %+v, %v", needs, err)
	}
	if _, err := Needs([]calls.Call{{Service: "s3", Operation: "GET /bucket"}}); err == nil || !strings.Contains(err.Error(), "GET /bucket") {
		t.Errorf("a call that is not understood passes: %v", err)
	}
}

// TestExceptionsAreExplained holds that no exception stands without a reason, nor twice.
func TestExceptionsAreExplained(t *testing.T) {
	tables := map[string][]Exception{
		"persons": persons, "deployUnused": slices.Concat(deployUnused, deployState),
		"previewUnused": slices.Concat(previewUnused, previewState), "previewWrites": previewWrites(true),
	}
	maps.Copy(tables, optionUnused)
	for sid, table := range optionPersons {
		tables[sid+" of persons"] = table
	}
	for name, table := range tables {
		seen := map[string]bool{}
		for _, e := range table {
			if e.Why == "" {
				t.Errorf("%s: %s has no reason", name, e.Action)
			}
			if seen[e.Action+e.Resource] {
				t.Errorf("%s: %s stands there twice", name, e.Action)
			}
			seen[e.Action+e.Resource] = true
		}
	}
}

// TestOptionsAreKnown holds that each statement for options has its entry here, and each entry its statement.
func TestOptionsAreKnown(t *testing.T) {
	statements, err := policytest.Parse(documents(t, args).Options)
	if err != nil {
		t.Fatal(err)
	}
	var sids []string
	for _, s := range statements {
		sids = append(sids, s.Sid)
	}
	slices.Sort(sids)
	if known := slices.Sorted(maps.Keys(optionUnused)); !slices.Equal(sids, known) {
		t.Errorf("the policy has %v, and optionUnused %v", sids, known)
	}
}

// TestOptionUnused holds that what a run with an option does not use is found.
func TestOptionUnused(t *testing.T) {
	faults, err := Faults(documents(t, args), recorded(t), Run{InBucket: true, Options: []string{"Scaling"}})
	if err != nil || !slices.Contains(faults, "with Scaling on, the deploy role has no use for application-autoscaling:RegisterScalableTarget") {
		t.Errorf("found %v, %v", faults, err)
	}
	if _, err := Faults(documents(t, args), recorded(t), Run{Options: []string{"Nothing"}}); err == nil {
		t.Error("an option that there is not passes")
	}
}

func TestDocument(t *testing.T) {
	const answer = `<GetRolePolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRolePolicyResult><RoleName>a</RoleName>` +
		`<PolicyDocument>%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D</PolicyDocument></GetRolePolicyResult></GetRolePolicyResponse>`
	if got, err := Document([]byte(answer)); err != nil || got != `{"Version":"2012-10-17","Statement":[]}` {
		t.Errorf("got %s, %v", got, err)
	}
	own := strings.NewReplacer("GetRolePolicyResult>", "GetPolicyVersionResult>", "<PolicyDocument>", "<PolicyVersion><Document>",
		"</PolicyDocument>", "</Document></PolicyVersion>").Replace(answer)
	if got, err := Document([]byte(own)); err != nil || got != `{"Version":"2012-10-17","Statement":[]}` {
		t.Errorf("got %s, %v", got, err)
	}
	for _, broken := range []string{"", "<a/>", strings.ReplaceAll(answer, "%7B%22Version", "%7")} {
		if got, err := Document([]byte(broken)); err == nil {
			t.Errorf("%s: got %s", broken, got)
		}
	}
}
