package identity_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/infra/identity"
	"slipway/infra/policy"
)

const (
	provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
	audience = "token.actions.githubusercontent.com:aud"
	subject  = "token.actions.githubusercontent.com:sub"
)

func parse(t *testing.T, document string, err error) []policy.Statement {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var parsed policy.Document
	if err := json.Unmarshal([]byte(document), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed.Statement
}

// TestTrust plays tokens of GitHub's against the trust policy: only jobs of the repository in the environment get in.
func TestTrust(t *testing.T) {
	classic := identity.Repository{Owner: "me", Name: "app", Environment: "staging"}
	both := classic
	both.OwnerID, both.ID = "11", "22"
	for _, c := range []struct {
		name       string
		repository identity.Repository
		aud, sub   string
		want       bool
	}{
		{"the classic subject", classic, "sts.amazonaws.com", "repo:me/app:environment:staging", true},
		{"the immutable subject", both, "sts.amazonaws.com", "repo:me@11/app@22:environment:staging", true},
		{"the classic subject where the ids are known", both, "sts.amazonaws.com", "repo:me/app:environment:staging", true},
		{"the immutable subject where the ids are unknown", classic, "sts.amazonaws.com", "repo:me@11/app@22:environment:staging", false},
		{"a namesake of another id", both, "sts.amazonaws.com", "repo:me@11/app@23:environment:staging", false},
		{"another environment", both, "sts.amazonaws.com", "repo:me/app:environment:production", false},
		{"a branch", both, "sts.amazonaws.com", "repo:me/app:ref:refs/heads/main", false},
		{"a pull request", both, "sts.amazonaws.com", "repo:me/app:pull_request", false},
		{"another repository", both, "sts.amazonaws.com", "repo:me/other:environment:staging", false},
		{"a longer name", both, "sts.amazonaws.com", "repo:me/app:environment:staging2", false},
		{"another audience", both, "api://elsewhere", "repo:me/app:environment:staging", false},
	} {
		document, err := identity.Trust(provider, c.repository)
		statements := parse(t, document, err)
		if len(statements) != 1 || !slices.Equal(statements[0].Principal.Federated, []string{provider}) ||
			!slices.Equal(statements[0].Action, []string{"sts:AssumeRoleWithWebIdentity"}) {
			t.Fatalf("%s: unexpected statements: %s", c.name, document)
		}
		condition := statements[0].Condition
		equals := condition["StringEquals"]
		if len(condition) != 1 || len(equals) != 2 {
			t.Fatalf("%s: conditions other than two equalities: %s", c.name, document)
		}
		if got := slices.Contains(equals[audience], c.aud) && slices.Contains(equals[subject], c.sub); got != c.want {
			t.Errorf("%s: let in %t, want %t", c.name, got, c.want)
		}
		if strings.Contains(document, "*") {
			t.Errorf("%s: the trust has a wildcard: %s", c.name, document)
		}
	}
}

var args = identity.Args{
	Prefix: "myapp-staging", Partition: "aws", Account: "123456789012", Region: "eu-west-1",
	ImageARNs: []string{"arn:aws:ecr:eu-west-1:123456789012:repository/myapp/backend"},
	Roots:     identity.Roots{Cluster: "myapp-staging", Database: "myapp-staging", LoadBalancer: "myapp-staging", Logs: "/slipway/myapp-staging"},
}

// TestNoWayUp holds that the deploy role cannot widen itself: it makes and changes roles within the boundary only, and
// changes neither the boundary nor itself.
func TestNoWayUp(t *testing.T) {
	const boundary = "arn:aws:iam::123456789012:policy/myapp-staging-boundary"
	document, err := identity.DeployPolicy(args)
	denied := map[string][]string{}
	for _, s := range parse(t, document, err) {
		for _, action := range s.Action {
			if s.Effect == policy.Deny {
				denied[action] = append(denied[action], s.Resource...)
				continue
			}
			service, name, _ := strings.Cut(action, ":")
			if service == "*" || service == "iam" && strings.Contains(name, "*") {
				t.Errorf("%s is too wide", action)
			}
			switch action {
			case "iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy":
				if !slices.Equal(s.Condition["StringEquals"]["iam:PermissionsBoundary"], []string{boundary}) {
					t.Errorf("%s is allowed without the boundary", action)
				}
			case "iam:PassRole":
				if !slices.Equal(s.Condition["StringEquals"]["iam:PassedToService"], []string{"ecs-tasks.amazonaws.com"}) {
					t.Errorf("%s is allowed to other services than ECS", action)
				}
			}
		}
	}
	for action, resource := range map[string]string{
		"iam:PutRolePolicy":                 "arn:aws:iam::123456789012:role/myapp-staging-deploy",
		"iam:UpdateAssumeRolePolicy":        "arn:aws:iam::123456789012:role/myapp-staging-deploy",
		"iam:PassRole":                      "arn:aws:iam::123456789012:role/myapp-staging-deploy",
		"iam:UpdateRole":                    "arn:aws:iam::123456789012:role/myapp-staging-deploy",
		"iam:DeleteRole":                    "arn:aws:iam::123456789012:role/myapp-staging-deploy",
		"iam:DeleteRolePermissionsBoundary": "*",
		"iam:PutRolePermissionsBoundary":    "*",
		"iam:CreatePolicyVersion":           boundary,
		"iam:SetDefaultPolicyVersion":       boundary,
		"iam:DeletePolicy":                  boundary,
	} {
		if !slices.Contains(denied[action], resource) {
			t.Errorf("%s on %s is not denied", action, resource)
		}
	}
}

// TestOwnersOnly holds that only the deploy role of the owning stack may make, change or delete what an account has once.
func TestOwnersOnly(t *testing.T) {
	owners := []string{"ecr:*", "iam:CreateOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"}
	for _, owns := range []bool{true, false} {
		as := args
		as.OwnsProvider, as.OwnsRepositories = owns, owns
		document, err := identity.DeployPolicy(as)
		var allowed []string
		for _, s := range parse(t, document, err) {
			if s.Effect == policy.Allow {
				allowed = append(allowed, s.Action...)
			}
		}
		for _, action := range owners {
			if slices.Contains(allowed, action) != owns {
				t.Errorf("a stack that owns them %t: %s is allowed %t", owns, action, !owns)
			}
		}
		for _, action := range []string{"ecr:PutImage", "ecr:DescribeImages", "iam:GetOpenIDConnectProvider"} {
			if !slices.Contains(allowed, action) && !slices.Contains(allowed, action[:4]+"*") {
				t.Errorf("a stack that owns them %t: %s is not allowed", owns, action)
			}
		}
	}
}

// TestPolicySizes holds the documents against IAM's limits, whitespace not counted: 10,240 characters for what stands in a
// role, 6,144 for a policy of its own.
func TestPolicySizes(t *testing.T) {
	longest := args
	longest.OwnsProvider, longest.OwnsRepositories = true, true
	deploy, err := identity.DeployPolicy(longest)
	if err != nil {
		t.Fatal(err)
	}
	boundary, err := identity.BoundaryPolicy(args)
	if err != nil {
		t.Fatal(err)
	}
	if len(deploy) > 10240 || len(boundary) > 6144 {
		t.Errorf("the deploy policy has %d characters of 10240, the boundary %d of 6144", len(deploy), len(boundary))
	}
}

// TestOtherStackOutOfReach holds that what the deploy role of one stack may touch by name is nothing of another's.
func TestOtherStackOutOfReach(t *testing.T) {
	document, err := identity.DeployPolicy(args)
	if err != nil {
		t.Fatal(err)
	}
	const at = "eu-west-1:123456789012:"
	for _, other := range []string{
		"arn:aws:ecs:" + at + "cluster/myapp-production", "arn:aws:rds:" + at + "db:myapp-production",
		"arn:aws:elasticloadbalancing:" + at + "loadbalancer/app/myapp-production/1",
		"arn:aws:elasticloadbalancing:" + at + "targetgroup/myapp-production-backend-8000/1",
		"arn:aws:iam::123456789012:role/myapp-production-deploy", "arn:aws:logs:" + at + "log-group:/slipway/myapp-production/backend",
	} {
		for _, s := range parse(t, document, nil) {
			for _, pattern := range s.Resource {
				prefix, wild := strings.CutSuffix(pattern, "*")
				if pattern != "*" && (pattern == other || wild && strings.HasPrefix(other, prefix)) {
					t.Errorf("%s: %s reaches %s", s.Sid, pattern, other)
				}
			}
		}
	}
	// What has no names beforehand is limited by its kind: networks, task definitions, and looking.
	harmless := regexp.MustCompile(`^(ec2:.*|ecs:(Register|Deregister)TaskDefinition|ecr:GetAuthorizationToken|[a-z]+:(Describe|List|Get)\w*\*?)$`)
	for _, s := range parse(t, document, nil) {
		for _, action := range s.Action {
			if s.Effect == policy.Allow && slices.Contains(s.Resource, "*") && !harmless.MatchString(action) {
				t.Errorf("%s: %s reaches everything", s.Sid, action)
			}
		}
	}
}

// TestBoundaryKeepsToItsDatabase holds that no role within the boundary reads the password of another stack's database,
// which lies under a name that only RDS knows.
func TestBoundaryKeepsToItsDatabase(t *testing.T) {
	document, err := identity.BoundaryPolicy(args)
	for _, s := range parse(t, document, err) {
		if !slices.Contains(s.Action, "secretsmanager:GetSecretValue") {
			continue
		}
		tag := s.Condition["StringEquals"]["aws:ResourceTag/aws:rds:primaryDBInstanceArn"]
		if !slices.Equal(tag, []string{"arn:aws:rds:eu-west-1:123456789012:db:myapp-staging"}) {
			t.Errorf("it may read secrets of %v", tag)
		}
		return
	}
	t.Error("it may read no secret")
}
