package policytest_test

import (
	"strings"
	"testing"

	"slipway/infra/policy"
	"slipway/infra/policy/policytest"
)

const account = "arn:aws:iam::123456789012:"

func document(t *testing.T, statements ...policy.Statement) string {
	t.Helper()
	text, err := policy.JSON(statements...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEvaluate(t *testing.T) {
	allow := func(actions, resources []string, condition policy.Condition) policy.Statement {
		return policy.Statement{Sid: "A", Effect: policy.Allow, Action: actions, Resource: resources, Condition: condition}
	}
	everything := []string{"*"}
	bounded := policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {"one", "two"}}}
	each := policy.Condition{"ForAllValues:StringLike": {"a": {"x.y", "_*.x.y"}}}
	deny := policy.Statement{Sid: "D", Effect: policy.Deny, Action: []string{"iam:Delete*"}, Resource: []string{account + "role/*-deploy"}}
	for _, c := range []struct {
		name             string
		statements       []policy.Statement
		action, resource string
		context          map[string][]string
		want             string
	}{
		{"nothing is said", nil, "iam:GetRole", account + "role/a", nil, "not allowed"},
		{"an action", []policy.Statement{allow([]string{"iam:GetRole"}, everything, nil)}, "iam:GetRole", account + "role/a", nil, "allowed by A"},
		{"in another case", []policy.Statement{allow([]string{"IAM:getrole"}, everything, nil)}, "iam:GetRole", account + "role/a", nil, "allowed by A"},
		{"a longer action", []policy.Statement{allow([]string{"iam:GetRole"}, everything, nil)}, "iam:GetRolePolicy", account + "role/a", nil, "not allowed"},
		{"a family", []policy.Statement{allow([]string{"iam:Get*"}, everything, nil)}, "iam:GetRolePolicy", account + "role/a", nil, "allowed by A"},
		{"a part in the middle", []policy.Statement{allow([]string{"ec2:*Vpc*"}, everything, nil)}, "ec2:DeleteVpcEndpoints", "*", nil, "allowed by A"},
		{"another service", []policy.Statement{allow([]string{"iam:*"}, everything, nil)}, "sts:GetRole", "*", nil, "not allowed"},
		{"one character", []policy.Statement{allow([]string{"iam:GetRol?"}, everything, nil)}, "iam:GetRole", "*", nil, "allowed by A"},
		{"one character too few", []policy.Statement{allow([]string{"iam:GetRole?"}, everything, nil)}, "iam:GetRole", "*", nil, "not allowed"},
		{"a resource", []policy.Statement{allow(everything, []string{account + "role/a-*"}, nil)}, "iam:GetRole", account + "role/a-b", nil, "allowed by A"},
		{"another resource", []policy.Statement{allow(everything, []string{account + "role/a-*"}, nil)}, "iam:GetRole", account + "role/b-a-", nil, "not allowed"},
		{"a resource in another case", []policy.Statement{allow(everything, []string{account + "role/a"}, nil)}, "iam:GetRole", account + "role/A", nil, "not allowed"},
		{"another account", []policy.Statement{allow(everything, []string{account + "role/*"}, nil)}, "iam:GetRole", "arn:aws:iam::1:role/a", nil, "not allowed"},
		{"a wildcard ends at a colon", []policy.Statement{allow(everything, []string{"arn:aws:logs:*:log-group:a"}, nil)}, "logs:X", "arn:aws:logs:eu-west-1:1:log-group:a", nil, "not allowed"},
		{
			"colons within the last part",
			[]policy.Statement{allow(everything, []string{"arn:aws:logs:eu-west-1:1:log-group:/a/*"}, nil)},
			"logs:GetLogEvents", "arn:aws:logs:eu-west-1:1:log-group:/a/b:log-stream:c/d", nil, "allowed by A",
		},
		{"an action with no resource, allowed on some", []policy.Statement{allow(everything, []string{account + "role/*"}, nil)}, "iam:ListRoles", "*", nil, "not allowed"},
		{"a condition", []policy.Statement{allow(everything, everything, bounded)}, "iam:CreateRole", "*", map[string][]string{"iam:permissionsboundary": {"two"}}, "allowed by A"},
		{"a condition not met", []policy.Statement{allow(everything, everything, bounded)}, "iam:CreateRole", "*", map[string][]string{"iam:PermissionsBoundary": {"three"}}, "not allowed"},
		{"a condition on what the call does not carry", []policy.Statement{allow(everything, everything, bounded)}, "iam:CreateRole", "*", nil, "not allowed"},
		{
			"one key of two",
			[]policy.Statement{allow(everything, everything, policy.Condition{"StringEquals": {"a": {"1"}, "b": {"2"}}})},
			"iam:GetRole", "*",
			map[string][]string{"a": {"1"}, "b": {"3"}},
			"not allowed",
		},
		{
			"one operator of two",
			[]policy.Statement{allow(everything, everything, policy.Condition{"StringEquals": {"a": {"1"}}, "StringLike": {"b": {"2*"}}})},
			"iam:GetRole", "*",
			map[string][]string{"a": {"1"}, "b": {"3"}},
			"not allowed",
		},
		{
			"equality takes a wildcard for a letter",
			[]policy.Statement{allow(everything, everything, policy.Condition{"StringEquals": {"a": {"x*"}}})},
			"iam:GetRole", "*",
			map[string][]string{"a": {"xy"}},
			"not allowed",
		},
		{
			"likeness",
			[]policy.Statement{allow(everything, everything, policy.Condition{"StringLike": {"a": {"x*y?"}}})},
			"iam:GetRole", "*",
			map[string][]string{"a": {"x--yz"}},
			"allowed by A",
		},
		{
			"an ARN's likeness",
			[]policy.Statement{allow(everything, everything, policy.Condition{"ArnLike": {"aws:SourceArn": {"arn:aws:ecs:eu-west-1:1:*"}}})},
			"iam:GetRole", "*",
			map[string][]string{"aws:SourceArn": {"arn:aws:ecs:eu-west-1:1:task/a"}},
			"allowed by A",
		},
		{
			"an ARN of another region",
			[]policy.Statement{allow(everything, everything, policy.Condition{"ArnLike": {"aws:SourceArn": {"arn:aws:ecs:eu-west-1:1:*"}}})},
			"iam:GetRole", "*",
			map[string][]string{"aws:SourceArn": {"arn:aws:ecs:eu-west-2:1:task/a"}},
			"not allowed",
		},
		{"a truth", []policy.Statement{allow(everything, everything, policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}})}, "s3:X", "*", map[string][]string{"aws:SecureTransport": {"False"}}, "allowed by A"},
		{"another truth", []policy.Statement{allow(everything, everything, policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}})}, "s3:X", "*", map[string][]string{"aws:SecureTransport": {"true"}}, "not allowed"},
		{"all of several values", []policy.Statement{allow(everything, everything, each)}, "route53:X", "*", map[string][]string{"a": {"x.y", "_z.x.y"}}, "allowed by A"},
		{"all but one of several values", []policy.Statement{allow(everything, everything, each)}, "route53:X", "*", map[string][]string{"a": {"x.y", "y"}}, "not allowed"},
		{"all of no values", []policy.Statement{allow(everything, everything, each)}, "route53:X", "*", nil, "allowed by A"},
		{"a denial after what allows", []policy.Statement{allow(everything, everything, nil), deny}, "iam:DeleteRole", account + "role/x-deploy", nil, "denied by D"},
		{"a denial before what allows", []policy.Statement{deny, allow(everything, everything, nil)}, "iam:DeleteRole", account + "role/x-deploy", nil, "denied by D"},
		{"a denial of something else", []policy.Statement{deny, allow(everything, everything, nil)}, "iam:DeleteRole", account + "role/x-task", nil, "allowed by A"},
	} {
		got, err := policytest.Evaluate(document(t, c.statements...), policytest.Request{Action: c.action, Resource: c.resource, Context: c.context})
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

// TestNotUnderstood holds that a document is refused, not guessed at, where it says what the evaluator does not know.
func TestNotUnderstood(t *testing.T) {
	const rest = `"Resource":["*"]}]}`
	for _, c := range []struct{ document, why string }{
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*"],` + rest, "NotAction"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::${aws:username}"]}]}`, "variable"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Condition":{"StringNotEquals":{"a":["b"]}},` + rest, "StringNotEquals"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Condition":{"ForAnyValue:StringLike":{"a":["b"]}},` + rest, "ForAnyValue"},
		{`{"Version":"2012-10-17","Statement":[{"Effect":"allow","Action":["s3:*"],` + rest, `effect "allow"`},
		{`{`, "understand a policy"},
	} {
		if _, err := policytest.Evaluate(c.document, policytest.Request{Action: "s3:GetObject", Resource: "*"}); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.document, err)
		}
	}
	if _, err := policytest.Evaluate(`{"Statement":[]}`, policytest.Request{Action: "s3:*"}); err == nil {
		t.Error("a call of many actions was judged")
	}
}

func TestAssume(t *testing.T) {
	trust := document(t, policy.Statement{
		Sid: "T", Effect: policy.Allow, Principal: &policy.Principal{Federated: []string{"github"}},
		Action:    []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: policy.Condition{"StringEquals": {"host:aud": {"us"}, "host:sub": {"one", "two"}}},
	})
	service, err := policy.TrustService("ecs-tasks.amazonaws.com", "1", "arn:aws:ecs:eu-west-1:1:*")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, document, provider string
		aud, sub                 []string
		want                     bool
	}{
		{"a subject", trust, "github", []string{"us"}, []string{"two"}, true},
		{"another subject", trust, "github", []string{"us"}, []string{"three"}, false},
		{"another audience", trust, "github", []string{"them"}, []string{"one"}, false},
		{"no subject", trust, "github", []string{"us"}, nil, false},
		{"another provider", trust, "gitlab", []string{"us"}, []string{"one"}, false},
		{"a service's role", service, "github", []string{"us"}, []string{"one"}, false},
	} {
		got, err := policytest.Assume(c.document, c.provider, map[string][]string{"host:aud": c.aud, "host:sub": c.sub})
		if err != nil || got.Allowed != c.want {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
}

func TestShare(t *testing.T) {
	shared := document(t, policy.Statement{
		Sid: "S", Effect: policy.Allow, Principal: &policy.Principal{AWS: []string{"arn:aws:iam::111122223333:root"}}, Action: []string{"ecr:Get*"},
	})
	for _, c := range []struct {
		account, action string
		want            bool
	}{
		{"111122223333", "ecr:GetImage", true},
		{"111122223333", "ecr:PutImage", false},
		{"11122223333", "ecr:GetImage", false},
		{"", "ecr:GetImage", false},
	} {
		got, err := policytest.Share(shared, c.account, policytest.Request{Action: c.action})
		if err != nil || got.Allowed != c.want {
			t.Errorf("%s by %q: %s, %v", c.action, c.account, got, err)
		}
	}
	if _, err := policytest.Share("{", "1", policytest.Request{Action: "a:b"}); err == nil {
		t.Error("half a policy was judged")
	}
}
