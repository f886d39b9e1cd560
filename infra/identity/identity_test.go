package identity_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/infra/identity"
	"slipway/infra/policy"
	"slipway/infra/policy/policytest"
)

const (
	account  = "arn:aws:iam::123456789012:"
	boundary = account + "policy/myapp-staging-boundary"
	options  = account + "policy/myapp-staging-deploy-options"
	key      = "arn:aws:kms:eu-west-1:123456789012:key/1"
)

var args = identity.Args{
	Prefix: "myapp-staging", Partition: "aws", Account: "123456789012", Region: "eu-west-1",
	OwnsProvider: true, OwnsRepositories: true, Preview: true,
	Repository: identity.Repository{Owner: "me", Name: "app", Environment: "staging"},
	ImageARNs:  []string{"arn:aws:ecr:eu-west-1:123456789012:repository/myapp/backend"},
	Roots: identity.Roots{
		Cluster: "myapp-staging", Database: "myapp-staging", LoadBalancer: "myapp-staging", Logs: "/slipway/myapp-staging",
		AccessLogs: "myapp-staging-access-logs-123456789012", Schedules: "myapp-staging", Secrets: "myapp-staging",
	},
	Domain: identity.Domain{ZoneID: "Z1", Names: []string{"app.example.com", "www.example.com"}},
	State:  identity.State{Bucket: "state", KeyARN: key, Project: "slipway", Stack: "staging"},
}

// both are the policies of the roles of GitHub's jobs.
var both = map[string]func(identity.Args) (string, error){"deploy": identity.DeployPolicy, "preview": identity.PreviewPolicy}

// taker is args of a stack that takes what an account has once.
func taker() identity.Args {
	as := args
	as.OwnsProvider, as.OwnsRepositories = false, false
	return as
}

// call is one call of a role, and what its policy must say of it.
type call struct {
	action, resource string
	context          map[string][]string
	want             string // Allowed, Denied by a statement, or Refused because nothing allows it
}

const (
	allowed = "allowed"
	denied  = "denied"
	refused = "refused"
)

// hold evaluates calls by a policy. Every call is made in the stack's region.
func hold(t *testing.T, document string, err error, calls []call) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		context := map[string][]string{"aws:RequestedRegion": {"eu-west-1"}}
		for key, values := range c.context {
			context[key] = values
		}
		verdict, err := policytest.Evaluate(document, policytest.Request{Action: c.action, Resource: c.resource, Context: context})
		got := refused
		switch {
		case err != nil:
			t.Fatal(err)
		case verdict.Denied:
			got = denied
		case verdict.Allowed:
			got = allowed
		}
		if got != c.want {
			t.Errorf("%s on %s with %v: %s (%s), want %s", c.action, c.resource, c.context, got, verdict, c.want)
		}
	}
}

func within(boundary string) map[string][]string {
	return map[string][]string{"iam:PermissionsBoundary": {boundary}}
}

func passed(service string) map[string][]string {
	return map[string][]string{"iam:PassedToService": {service}}
}

// TestNoWayUp holds that the deploy role cannot widen what it may do: not by itself, not by a role that it makes, and not
// by the boundary, the trust or the preview role.
func TestNoWayUp(t *testing.T) {
	const (
		task    = account + "role/myapp-staging-backend-task"
		deploy  = account + "role/myapp-staging-deploy"
		preview = account + "role/myapp-staging-preview"
	)
	calls := []call{
		// The tasks' roles are made and changed within the boundary alone.
		{"iam:CreateRole", task, within(boundary), allowed},
		{"iam:CreateRole", task, nil, refused},
		{"iam:CreateRole", task, within("arn:aws:iam::aws:policy/AdministratorAccess"), refused},
		{"iam:PutRolePolicy", task, within(boundary), allowed},
		{"iam:PutRolePolicy", task, nil, refused},
		{"iam:DeleteRole", task, within(boundary), allowed},
		{"iam:UpdateAssumeRolePolicy", task, within(boundary), allowed},
		{"iam:UpdateAssumeRolePolicy", task, within(account + "policy/myapp-staging-eu-boundary"), refused},
		{"iam:AttachRolePolicy", task, within(boundary), refused},
		{"iam:CreateRole", account + "role/admin", within(boundary), refused},
		{"iam:CreateRole", account + "role/myapp-production-backend-task", within(boundary), refused},
		{"iam:PutRolePermissionsBoundary", task, within(boundary), denied},
		{"iam:DeleteRolePermissionsBoundary", task, within(boundary), denied},
		{"iam:PassRole", task, passed("ecs-tasks.amazonaws.com"), allowed},
		{"iam:PassRole", task, passed("ec2.amazonaws.com"), refused},
		{"iam:PassRole", task, nil, refused},
		{"iam:PassRole", account + "role/admin", passed("ecs-tasks.amazonaws.com"), refused},
		{"iam:PassRole", account + "role/myapp-staging-slack", passed("chatbot.amazonaws.com"), allowed},
		{"iam:PassRole", task, passed("chatbot.amazonaws.com"), refused},
		{"iam:PassRole", deploy, passed("chatbot.amazonaws.com"), denied},

		// The boundary and the provider it may read.
		{"iam:GetPolicyVersion", boundary, nil, allowed},
		{"iam:CreatePolicy", boundary, nil, denied},
		{"iam:CreatePolicyVersion", boundary, nil, denied},
		{"iam:SetDefaultPolicyVersion", boundary, nil, denied},
		{"iam:DeletePolicyVersion", boundary, nil, denied},
		{"iam:DeletePolicy", boundary, nil, denied},
		{"iam:GetPolicyVersion", options, nil, allowed},
		{"iam:CreatePolicy", options, nil, denied},
		{"iam:CreatePolicyVersion", options, nil, denied},
		{"iam:DeletePolicy", options, nil, denied},
		{"iam:CreatePolicy", account + "policy/myapp-staging-other", nil, refused},
		{"iam:GetOpenIDConnectProvider", provider, nil, allowed},
		{"iam:CreateOpenIDConnectProvider", provider, nil, denied},
		{"iam:DeleteOpenIDConnectProvider", provider, nil, denied},
		{"iam:AddClientIDToOpenIDConnectProvider", provider, nil, denied},
		{"iam:RemoveClientIDFromOpenIDConnectProvider", provider, nil, denied},
		{"iam:UpdateOpenIDConnectProviderThumbprint", provider, nil, denied},
		{"iam:CreateOpenIDConnectProvider", account + "oidc-provider/mine.example.com", nil, refused},

		// Other ways to be somebody else.
		{"sts:AssumeRole", account + "role/admin", nil, refused},
		{"sts:AssumeRole", preview, nil, refused},
		{"iam:CreateUser", account + "user/me", nil, refused},
		{"iam:CreateAccessKey", account + "user/me", nil, refused},
		{"iam:CreateServiceLinkedRole", account + "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", nil, refused},
		{"iam:AddRoleToInstanceProfile", account + "instance-profile/a", nil, refused},
		{"ecs:ExecuteCommand", "arn:aws:ecs:eu-west-1:123456789012:task/myapp-staging/1", nil, refused},
		{"ecs:RunTask", "arn:aws:ecs:eu-west-1:123456789012:task-definition/myapp-staging-backend:1", nil, refused},
		{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1", nil, refused},
		{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:myapp-staging/api-1", nil, refused},
		{"secretsmanager:PutSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:myapp-staging/api-1", nil, refused},
		{"secretsmanager:PutResourcePolicy", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:myapp-staging/api-1", nil, refused},
		{"lambda:CreateFunction", "arn:aws:lambda:eu-west-1:123456789012:function:a", nil, refused},
		{"kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/2", nil, refused},
	}
	for _, role := range []string{deploy, preview, account + "role/myapp-staging-eu-deploy"} {
		calls = append(calls, call{"iam:GetRole", role, nil, allowed})
		for _, action := range []string{
			"iam:CreateRole", "iam:DeleteRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy",
			"iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:TagRole", "iam:UntagRole",
			"iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary",
		} {
			calls = append(calls, call{action, role, within(boundary), denied})
		}
		calls = append(calls, call{"iam:PassRole", role, passed("ecs-tasks.amazonaws.com"), denied})
	}
	document, err := identity.DeployPolicy(args)
	hold(t, document, err, calls)
	// Nothing of this depends on what the stack owns.
	document, err = identity.DeployPolicy(taker())
	hold(t, document, err, calls)
}

// TestNoFamilyOfWrites holds that a wildcard among allowed actions stands for looking alone: a family grows as AWS does.
func TestNoFamilyOfWrites(t *testing.T) {
	looks := regexp.MustCompile(`^[a-z0-9]+:(Describe|Get|List)[A-Za-z]*\*$`)
	for name, document := range both {
		for _, s := range parse(t, document, args) {
			for _, action := range s.Action {
				if s.Effect == policy.Allow && strings.Contains(action, "*") && !looks.MatchString(action) {
					t.Errorf("%s, %s: %s is a family that does more than look", name, s.Sid, action)
				}
			}
		}
	}
}

func parse(t *testing.T, document func(identity.Args) (string, error), as identity.Args) []policy.Statement {
	t.Helper()
	text, err := document(as)
	if err != nil {
		t.Fatal(err)
	}
	statements, err := policytest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return statements
}

// TestOwnersOnly holds that only the deploy role of the owning stack may make, change or delete the repositories, and that
// nobody may change the provider.
func TestOwnersOnly(t *testing.T) {
	repository := args.ImageARNs[0]
	for _, c := range []struct {
		args identity.Args
		want string
	}{{args, allowed}, {taker(), refused}} {
		document, err := identity.DeployPolicy(c.args)
		hold(t, document, err, []call{
			{"ecr:CreateRepository", repository, nil, c.want},
			{"ecr:DeleteRepository", repository, nil, c.want},
			{"ecr:PutLifecyclePolicy", repository, nil, c.want},
			{"ecr:PutImageTagMutability", repository, nil, c.want},
			{"ecr:BatchDeleteImage", repository, nil, refused},
			{"ecr:PutImage", repository, nil, allowed},
			{"ecr:DescribeImages", repository, nil, allowed},
			{"ecr:PutImage", repository + "-other", nil, refused},
			{"iam:GetOpenIDConnectProvider", provider, nil, allowed},
			{"iam:DeleteOpenIDConnectProvider", provider, nil, denied},
		})
	}
}

// TestPreview holds that the preview role looks at what a preview asks for, and can do nothing else.
func TestPreview(t *testing.T) {
	repository := args.ImageARNs[0]
	calls := []call{
		{"ec2:DescribeAvailabilityZones", "*", nil, allowed},
		{"ec2:DescribeAvailabilityZones", "*", map[string][]string{"aws:RequestedRegion": {"us-east-1"}}, refused},
		{"ecr:GetAuthorizationToken", "*", nil, allowed},
		{"ecr:DescribeImages", repository, nil, allowed},
		{"ecr:DescribeImages", repository + "-other", nil, refused},
		{"ecr:DescribeRepositories", repository, nil, allowed},
		{"ecr:DescribeRepositories", "*", nil, refused},
		{"s3:ListBucket", "arn:aws:s3:::state", nil, allowed},
		{"s3:GetObject", "arn:aws:s3:::state/.pulumi/meta.yaml", nil, allowed},
		{"s3:GetObject", "arn:aws:s3:::state/.pulumi/stacks/slipway/staging.json", nil, allowed},
		{"s3:GetObject", "arn:aws:s3:::state/.pulumi/stacks/slipway/production.json", nil, refused},
		{"kms:Decrypt", key, nil, allowed},
		{"kms:GenerateDataKey", key, nil, refused},
		{"kms:Encrypt", key, nil, refused},
		{"kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/2", nil, refused},

		// Nothing is written, pushed, or pulled and run.
		{"s3:PutObject", "arn:aws:s3:::state/.pulumi/stacks/slipway/staging.json", nil, refused},
		{"s3:DeleteObject", "arn:aws:s3:::state/.pulumi/locks/organization/slipway/staging/1.json", nil, refused},
		{"s3:PutObject", "arn:aws:s3:::state/.pulumi/meta.yaml", nil, refused},
		{"ecr:PutImage", repository, nil, refused},
		{"ecr:InitiateLayerUpload", repository, nil, refused},
		{"ecr:BatchGetImage", repository, nil, refused},
		{"ec2:CreateVpc", "*", nil, refused},
		{"ecs:UpdateService", "arn:aws:ecs:eu-west-1:123456789012:service/myapp-staging/backend", nil, refused},
		{"rds:DeleteDBInstance", "arn:aws:rds:eu-west-1:123456789012:db:myapp-staging", nil, refused},
		{"iam:CreateRole", account + "role/myapp-staging-x", within(boundary), refused},

		// No secret and no other role, whatever else is attached to it.
		{"secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1", nil, denied},
		{"ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/a", nil, denied},
		{"sts:AssumeRole", account + "role/myapp-staging-deploy", nil, denied},
		{"iam:PassRole", account + "role/myapp-staging-backend-task", passed("ecs-tasks.amazonaws.com"), denied},
	}
	document, err := identity.PreviewPolicy(args)
	hold(t, document, err, append(
		calls,
		call{"ecr:ListTagsForResource", repository, nil, refused},
		call{"iam:GetOpenIDConnectProvider", provider, nil, refused},
	))
	document, err = identity.PreviewPolicy(taker()) // which asks whether they are there
	hold(t, document, err, append(
		calls,
		call{"ecr:ListTagsForResource", repository, nil, allowed},
		call{"iam:GetOpenIDConnectProvider", provider, nil, allowed},
	))
}

// TestState holds that the deploy role reaches the state of its stack, and of no other in the same bucket.
func TestState(t *testing.T) {
	const state = "arn:aws:s3:::state/.pulumi/"
	var calls []call
	for _, file := range []string{ // as the CLI 3.259 names them
		"stacks/slipway/staging.json", "stacks/slipway/staging.json.gz", "stacks/slipway/staging.json.bak", "stacks/slipway/staging.pulumi-tags",
		"locks/organization/slipway/staging/1b4e28ba.json", "history/slipway/staging/staging-17.history.json",
		"history/slipway/staging/staging-17.checkpoint.json", "backups/slipway/staging/staging.17.json",
	} {
		for _, action := range []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} {
			calls = append(calls, call{action, state + file, nil, allowed})
			other := strings.ReplaceAll(file, "staging", "production")
			longer := strings.ReplaceAll(file, "staging", "staging2")
			project := strings.ReplaceAll(file, "slipway", "other")
			for _, name := range []string{other, longer, project} {
				calls = append(calls, call{action, state + name, nil, refused})
			}
		}
	}
	calls = append(calls,
		call{"s3:ListBucket", "arn:aws:s3:::state", nil, allowed},
		call{"s3:ListBucket", "arn:aws:s3:::other", nil, refused},
		call{"s3:GetObject", state + "meta.yaml", nil, allowed},
		call{"s3:PutObject", state + "meta.yaml", nil, refused},
		call{"s3:PutObject", "arn:aws:s3:::state/.slipway/claims/slipway/staging/1-1-1.json", nil, allowed},
		call{"s3:PutObject", "arn:aws:s3:::state/.slipway/claims/slipway/production/1-1-1.json", nil, refused},
		call{"s3:DeleteObjectVersion", state + "stacks/slipway/staging.json", nil, refused},
		call{"s3:PutBucketPolicy", "arn:aws:s3:::state", nil, refused},
		call{"s3:PutBucketVersioning", "arn:aws:s3:::state", nil, refused},
		call{"kms:Decrypt", key, nil, allowed},
		call{"kms:GenerateDataKey", key, nil, allowed},
		call{"kms:ScheduleKeyDeletion", key, nil, refused},
		call{"kms:PutKeyPolicy", key, nil, refused},
	)
	document, err := identity.DeployPolicy(args)
	hold(t, document, err, calls)

	elsewhere := args
	elsewhere.State = identity.State{Project: "slipway", Stack: "staging"}
	for name, document := range both {
		for _, s := range parse(t, document, elsewhere) {
			for _, action := range s.Action {
				ofState := strings.HasPrefix(action, "s3:") && !strings.HasPrefix(s.Sid, "AccessLog")
				if ofState || action == "kms:Decrypt" && s.Sid != "SecretsKey" {
					t.Errorf("%s: a state that is elsewhere gets %s", name, action)
				}
			}
		}
	}
}

// TestPolicySizes holds the documents of the longest names against IAM's limits, whitespace not counted: 10,240 characters for
// what stands in a role, 6,144 for a policy of its own.
func TestPolicySizes(t *testing.T) {
	longest := args
	longest.Prefix = strings.Repeat("p", 32) // the configuration allows no more
	longest.Region = "ap-southeast-1"
	longest.Roots = identity.Roots{
		Cluster: longest.Prefix, Database: longest.Prefix, LoadBalancer: longest.Prefix, Logs: "/slipway/" + longest.Prefix,
		AccessLogs: longest.Prefix + "-access-logs-123456789012", Schedules: longest.Prefix, Secrets: longest.Prefix,
	}
	longest.Domain = identity.Domain{ZoneID: strings.Repeat("Z", 32), Names: slices.Repeat([]string{strings.Repeat("d", 64)}, 5)}
	longest.State.Bucket, longest.State.Stack = strings.Repeat("b", 63), strings.Repeat("s", 29)
	longest.State.KeyARN = "arn:aws:kms:ap-southeast-1:123456789012:key/mrk-12345678901234567890123456789012"
	for range 5 {
		longest.ImageARNs = append(longest.ImageARNs, "arn:aws:ecr:ap-southeast-1:123456789012:repository/"+strings.Repeat("r", 41))
	}
	fits := func(name, document string, err error, limit int) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d characters", name, len(document))
		if len(document) > limit {
			t.Errorf("the %s policy has %d characters of %d", name, len(document), limit)
		}
	}
	for name, document := range map[string]func(identity.Args) (string, error){"deploy": identity.InlinePolicy, "preview": identity.PreviewPolicy} {
		text, err := document(longest)
		fits(name, text, err, 10240)
	}
	boundary, err := identity.BoundaryPolicy(longest)
	fits("boundary", boundary, err, 6144)
	options, err := identity.OptionPolicies(longest)
	for name, document := range options {
		fits(name, document, err, 6144)
	}
	if len(options) < 2 {
		t.Errorf("the policies for options are %v, %v", options, err)
	}
}

// TestOtherStackOutOfReach holds that what the deploy role of one stack may touch by name is nothing of another's, not even
// of one whose name begins with its own.
func TestOtherStackOutOfReach(t *testing.T) {
	const at = "eu-west-1:123456789012:"
	var calls []call
	for _, c := range []struct{ action, resource string }{ // of this stack
		{"ecs:UpdateCluster", "arn:aws:ecs:" + at + "cluster/myapp-staging"},
		{"ecs:UpdateService", "arn:aws:ecs:" + at + "service/myapp-staging/backend"},
		{"ecs:RegisterTaskDefinition", "arn:aws:ecs:" + at + "task-definition/myapp-staging-backend:1"},
		{"rds:ModifyDBInstance", "arn:aws:rds:" + at + "db:myapp-staging"},
		{"rds:ModifyDBParameterGroup", "arn:aws:rds:" + at + "pg:myapp-staging-postgres17"},
		{"rds:ModifyDBSubnetGroup", "arn:aws:rds:" + at + "subgrp:myapp-staging"},
		{"elasticloadbalancing:SetSubnets", "arn:aws:elasticloadbalancing:" + at + "loadbalancer/app/myapp-staging/1"},
		{"elasticloadbalancing:ModifyRule", "arn:aws:elasticloadbalancing:" + at + "listener-rule/app/myapp-staging/1/2/3"},
		{"elasticloadbalancing:ModifyTargetGroup", "arn:aws:elasticloadbalancing:" + at + "targetgroup/myapp-staging-backend-8000/1"},
		{"cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:" + at + "alarm:TargetTracking-service/myapp-staging/backend-AlarmHigh-1"},
		{"secretsmanager:DeleteSecret", "arn:aws:secretsmanager:" + at + "secret:myapp-staging/api-1"},
		{"logs:DeleteLogGroup", "arn:aws:logs:" + at + "log-group:/slipway/myapp-staging/backend"},
		{"scheduler:UpdateSchedule", "arn:aws:scheduler:" + at + "schedule/myapp-staging/report"},
		{"scheduler:DeleteScheduleGroup", "arn:aws:scheduler:" + at + "schedule-group/myapp-staging"},
		{"cloudwatch:PutMetricAlarm", "arn:aws:cloudwatch:" + at + "alarm:myapp-staging-backend-cpu"},
		{"cloudwatch:PutDashboard", "arn:aws:cloudwatch::123456789012:dashboard/myapp-staging"},
		{"sns:Subscribe", "arn:aws:sns:" + at + "myapp-staging-alarms"},
		{"events:PutTargets", "arn:aws:events:" + at + "rule/myapp-staging-stopped-tasks"},
		{"events:DeleteRule", "arn:aws:events:" + at + "rule/myapp-staging-failed-report"},
		{"chatbot:UpdateSlackChannelConfiguration", "arn:aws:chatbot::123456789012:chat-configuration/slack-channel/myapp-staging"},
		{"logs:GetLogEvents", "arn:aws:logs:" + at + "log-group:/slipway/myapp-staging/backend:log-stream:backend/backend/1"},
	} {
		calls = append(calls, call{c.action, c.resource, nil, allowed})
		for _, other := range []string{"myapp-production", "myapp-staging2"} {
			calls = append(calls, call{c.action, strings.ReplaceAll(c.resource, "myapp-staging", other), nil, refused})
		}
	}
	document, err := identity.DeployPolicy(args)
	hold(t, document, err, calls)

	// What has no names beforehand is limited by its kind: networks, namespaces, certificates, a Slack channel to come, task definitions that go, and looking.
	harmless := regexp.MustCompile(`^(ec2:.*|acm:RequestCertificate|chatbot:CreateSlackChannelConfiguration|servicediscovery:(Create|Get|Tag|Untag).*|ecs:DeregisterTaskDefinition|ecr:GetAuthorizationToken|[a-z-]+:(Describe|List)\w*\*?)$`)
	for _, s := range parse(t, identity.DeployPolicy, args) {
		for _, action := range s.Action {
			if s.Effect == policy.Allow && slices.Contains(s.Resource, "*") && !harmless.MatchString(action) {
				t.Errorf("%s: %s reaches everything", s.Sid, action)
			}
		}
	}
}

// bySecrets is what KMS knows of a call that Secrets Manager makes for a secret.
func bySecrets(arn string) map[string][]string {
	return map[string][]string{"kms:ViaService": {"secretsmanager.eu-west-1.amazonaws.com"}, "kms:EncryptionContext:SecretARN": {arn}}
}

// TestBoundary holds the most that a role of the tasks can do, and that it does not reach the password of another stack's
// database, which lies under a name that only RDS knows.
func TestBoundary(t *testing.T) {
	const secret, tag = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1", "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
	const definitions = "arn:aws:ecs:eu-west-1:123456789012:task-definition/"
	toTasks := map[string][]string{"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}
	in := func(cluster string) map[string][]string {
		return map[string][]string{"ecs:cluster": {"arn:aws:ecs:eu-west-1:123456789012:cluster/" + cluster}}
	}
	const ours, secretsKey = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:myapp-staging/", "arn:aws:kms:eu-west-1:444455556666:key/9"
	document, err := identity.BoundaryPolicy(args)
	hold(t, document, err, []call{
		{"secretsmanager:GetSecretValue", secret, map[string][]string{tag: {"arn:aws:rds:eu-west-1:123456789012:db:myapp-staging"}}, allowed},
		{"secretsmanager:GetSecretValue", secret, map[string][]string{tag: {"arn:aws:rds:eu-west-1:123456789012:db:myapp-production"}}, refused},
		{"secretsmanager:GetSecretValue", secret, nil, refused},
		{"secretsmanager:GetSecretValue", ours + "api-a1b2c3", nil, allowed},
		{"secretsmanager:PutSecretValue", ours + "api-a1b2c3", nil, refused},
		{"secretsmanager:GetSecretValue", strings.Replace(ours, "staging", "production", 1) + "api-a1b2c3", nil, refused},
		{"secretsmanager:GetSecretValue", strings.Replace(ours, "staging", "staging2", 1) + "api-a1b2c3", nil, refused},
		{"kms:Decrypt", secretsKey, bySecrets(ours + "api-a1b2c3"), allowed},
		{"kms:Decrypt", secretsKey, bySecrets(strings.Replace(ours, "staging", "production", 1) + "api-a1b2c3"), refused},
		{"kms:Decrypt", secretsKey, nil, refused},
		{"kms:Encrypt", secretsKey, bySecrets(ours + "api-a1b2c3"), refused},
		{"ecr:BatchGetImage", args.ImageARNs[0], nil, allowed},
		{"ecr:PutImage", args.ImageARNs[0], nil, refused},
		{"logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/slipway/myapp-staging/backend:log-stream:1", nil, allowed},
		{"logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/slipway/myapp-production/backend:log-stream:1", nil, refused},
		{"logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/slipway/myapp-staging/exec:log-stream:1", nil, allowed},
		{"logs:DescribeLogGroups", "*", nil, allowed},
		{"logs:GetLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/slipway/myapp-staging/exec:log-stream:1", nil, refused},
		{"iam:PassRole", account + "role/myapp-staging-backend-task", nil, refused},
		{"iam:PassRole", account + "role/myapp-staging-report-task", toTasks, allowed},
		{"iam:PassRole", account + "role/myapp-staging-deploy", toTasks, refused},
		{"iam:PassRole", account + "role/myapp-production-report-task", toTasks, refused},
		{"ecs:RunTask", definitions + "myapp-staging-report:1", in("myapp-staging"), allowed},
		{"ecs:RunTask", definitions + "myapp-staging-report:1", in("myapp-production"), refused},
		{"ecs:RunTask", definitions + "myapp-production-report:1", in("myapp-staging"), refused},
		{"ecs:TagResource", "arn:aws:ecs:eu-west-1:123456789012:task/myapp-staging/1", map[string][]string{"ecs:CreateAction": {"RunTask"}}, allowed},
		{"ecs:TagResource", "arn:aws:ecs:eu-west-1:123456789012:task/myapp-staging/1", nil, refused},
		{"sts:AssumeRole", account + "role/myapp-staging-deploy", nil, refused},
		{"ec2:DescribeVpcs", "*", nil, refused},
	})
}
