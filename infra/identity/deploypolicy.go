package identity

import (
	"fmt"

	"slipway/infra/naming"
	"slipway/infra/policy"
)

// Roots are the names under which the stack's resources stand, by which the deploy role's permissions are limited.
type Roots struct {
	Cluster      string // ECS cluster
	Database     string // RDS instance, subnet group and parameter group
	LoadBalancer string // its name, and what target group names begin with
	Logs         string // first part of log group names, no slash at the end
}

// targetGroups is what the names of the target groups begin with, which are cut where they grow too long.
func (r Roots) targetGroups() string {
	begin := r.LoadBalancer + "-"
	return begin[:min(len(begin), naming.Uncut(naming.LoadBalancerLimit))]
}

// DeployPolicy is what `pulumi up` of one stack does in its account. Statements name the stack's own resources where the
// API knows names beforehand; where it does not, the region limits them.
func DeployPolicy(args Args) (string, error) {
	statements := []policy.Statement{
		{
			Sid:    "ImageLogin",
			Effect: policy.Allow,
			Action: []string{"ecr:GetAuthorizationToken"},
			// The token is for a whole registry: AWS accepts no resource here.
			Resource: []string{"*"},
		},
		{Sid: "Images", Effect: policy.Allow, Action: args.imageActions(), Resource: args.ImageARNs},
	}
	statements = append(statements, regional(args)...)
	statements = append(statements, named(args)...)
	statements = append(statements, roles(args)...)
	return policy.JSON(statements...)
}

// imageActions is what a deployment does in the repositories: it pushes, pulls and looks. Only the stack that owns them
// may also make, change and delete them; another stack's job cannot take away what this one runs.
func (a Args) imageActions() []string {
	if a.OwnsRepositories {
		return []string{"ecr:*"}
	}
	return []string{
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
		"ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:ListTagsForResource",
		"ecr:PutImage", "ecr:UploadLayerPart",
	}
}

// providerActions is likewise for GitHub's provider: to read it, and for its owner to make, change and delete it.
func (a Args) providerActions() []string {
	actions := []string{"iam:GetOpenIDConnectProvider"}
	if a.OwnsProvider {
		actions = append(actions, "iam:AddClientIDToOpenIDConnectProvider", "iam:CreateOpenIDConnectProvider",
			"iam:DeleteOpenIDConnectProvider", "iam:RemoveClientIDFromOpenIDConnectProvider",
			"iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider", "iam:UpdateOpenIDConnectProviderThumbprint")
	}
	return actions
}

// regional covers APIs whose resources get generated ids, or which list: nothing but the region and the kind limits them.
// So two stacks of one account are not safe from each other's jobs in their networks; in accounts of their own they are.
func regional(args Args) []policy.Statement {
	inRegion := policy.Condition{"StringEquals": {"aws:RequestedRegion": {args.Region}}}
	return []policy.Statement{
		{
			Sid:    "Network",
			Effect: policy.Allow,
			Action: []string{
				"ec2:*Vpc*", "ec2:*Subnet*", "ec2:*Route*", "ec2:*InternetGateway*", "ec2:*NatGateway*", "ec2:*Address*",
				"ec2:*SecurityGroup*", "ec2:*Tags", "ec2:Describe*",
			},
			Resource:  []string{"*"},
			Condition: inRegion,
		},
		{
			Sid:    "EndpointNames",
			Effect: policy.Allow,
			// EC2 does it in the caller's name for an endpoint with names of its own; the zone is EC2's, and Route 53 has no region.
			Action:   []string{"route53:AssociateVPCWithHostedZone"},
			Resource: []string{fmt.Sprintf("arn:%s:route53:::hostedzone/*", args.Partition)},
		},
		{
			Sid:    "Describe",
			Effect: policy.Allow,
			// None of these takes a resource of ours; task definitions cannot be limited on registration.
			Action: []string{
				"ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:List*",
				"elasticloadbalancing:Describe*", "logs:DescribeLogGroups", "rds:Describe*", "sts:GetCallerIdentity",
			},
			Resource:  []string{"*"},
			Condition: inRegion,
		},
	}
}

// named covers what stands under a name of this stack.
func named(args Args) []policy.Statement {
	roots := args.Roots
	return []policy.Statement{
		{
			Sid:    "Cluster",
			Effect: policy.Allow,
			Action: []string{"ecs:*"},
			Resource: []string{
				args.arn("ecs", "cluster/"+roots.Cluster), args.arn("ecs", "service/"+roots.Cluster+"/*"),
				args.arn("ecs", "task/"+roots.Cluster+"/*"), args.arn("ecs", "service-deployment/"+roots.Cluster+"/*"),
				args.arn("ecs", "service-revision/"+roots.Cluster+"/*"), args.arn("ecs", "task-definition/"+roots.Cluster+"-*"),
			},
		},
		{
			Sid:    "LoadBalancer",
			Effect: policy.Allow,
			Action: []string{"elasticloadbalancing:*"},
			Resource: []string{
				args.arn("elasticloadbalancing", "loadbalancer/app/"+roots.LoadBalancer+"/*"),
				args.arn("elasticloadbalancing", "listener/app/"+roots.LoadBalancer+"/*"),
				args.arn("elasticloadbalancing", "listener-rule/app/"+roots.LoadBalancer+"/*"),
				args.arn("elasticloadbalancing", "targetgroup/"+roots.targetGroups()+"*"),
			},
		},
		{
			Sid:    "Database",
			Effect: policy.Allow,
			Action: []string{"rds:*"},
			Resource: []string{
				args.arn("rds", "db:"+roots.Database), args.arn("rds", "subgrp:"+roots.Database),
				args.arn("rds", "pg:"+roots.Database+"*"), args.arn("rds", "snapshot:"+roots.Database+"-*"),
				args.arn("rds", "og:default:*"), // every instance has an option group, and AWS asks for leave to use it
			},
		},
		{
			Sid:    "DatabaseSecret",
			Effect: policy.Allow,
			// RDS makes and tags the master secret in the caller's name. Its value is not among the actions: a deployment
			// never reads it.
			Action:   []string{"secretsmanager:CreateSecret", "secretsmanager:TagResource", "secretsmanager:DescribeSecret"},
			Resource: []string{args.databaseSecrets()},
		},
		{
			Sid:    "DatabaseSecretKey",
			Effect: policy.Allow,
			// RDS looks at the key of the master secret in the caller's name. It is Secrets Manager's own, with an id that
			// nobody knows beforehand.
			Action:   []string{"kms:DescribeKey"},
			Resource: []string{args.arn("kms", "key/*")},
		},
		{
			Sid:      "Logs",
			Effect:   policy.Allow,
			Action:   []string{"logs:*"},
			Resource: []string{args.arn("logs", "log-group:"+roots.Logs+"/*")},
		},
	}
}

// roles lets the deploy role make the tasks' roles, within the boundary, and hand them to ECS alone. It forbids it to widen
// the boundary or itself: such a change is for a person with more rights.
func roles(args Args) []policy.Statement {
	ours := []string{args.roleARN(args.Prefix + "-*")}
	return []policy.Statement{
		{
			Sid:    "Roles",
			Effect: policy.Allow,
			Action: []string{
				"iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:DeleteRole",
				"iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:ListInstanceProfilesForRole",
			},
			Resource: ours,
		},
		{
			Sid:       "RolesWithinTheBoundary",
			Effect:    policy.Allow,
			Action:    []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy"},
			Resource:  ours,
			Condition: policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {args.boundaryARN()}}},
		},
		{
			Sid:      "ReadTheBoundary",
			Effect:   policy.Allow,
			Action:   []string{"iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"},
			Resource: []string{args.boundaryARN()},
		},
		{Sid: "GitHub", Effect: policy.Allow, Action: args.providerActions(), Resource: []string{args.providerARN()}},
		{
			Sid:       "HandRolesToTasks",
			Effect:    policy.Allow,
			Action:    []string{"iam:PassRole"},
			Resource:  ours,
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}},
		},
		{
			Sid:    "NeverItself",
			Effect: policy.Deny,
			Action: []string{
				"iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:PassRole",
				"iam:UpdateRole", "iam:DeleteRole",
			},
			Resource: []string{args.roleARN(args.Prefix + "-deploy")},
		},
		{
			Sid:      "NeverBeyondTheBoundary",
			Effect:   policy.Deny,
			Action:   []string{"iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"},
			Resource: []string{"*"}, // whatever role it is, ours or not
		},
		{
			Sid:      "NeverTheBoundary",
			Effect:   policy.Deny,
			Action:   []string{"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion", "iam:DeletePolicy"},
			Resource: []string{args.boundaryARN()},
		},
	}
}
