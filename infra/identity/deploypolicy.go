package identity

import (
	"fmt"
	"slices"

	"slipway/infra/naming"
	"slipway/infra/policy"
)

// Roots are the names under which the stack's resources stand, by which the deploy role's permissions are limited.
type Roots struct {
	Cluster      string // ECS cluster
	Database     string // RDS instance, subnet group and parameter group
	LoadBalancer string // its name, and what target group names begin with
	Logs         string // first part of log group names, no slash at the end
	AccessLogs   string // S3 bucket of the load balancer's
	Schedules    string // group of schedules
	Secrets      string // first part of the names of application secrets, no slash at the end
}

// targetGroups is what the names of the target groups begin with, which are cut where they grow too long.
func (r Roots) targetGroups() string {
	begin := r.LoadBalancer + "-"
	return begin[:min(len(begin), naming.Uncut(naming.LoadBalancerLimit))]
}

// DeployPolicy is what `pulumi up` and `pulumi refresh` of one stack do in its account: all parts of the deploy role's
// permissions in one document, for whoever asks what the role may do.
func DeployPolicy(args Args) (string, error) {
	return policy.JSON(slices.Concat(essentials(args), options(args), serviceOptions(args), watching(args))...)
}

// InlinePolicy is the part of DeployPolicy that every stack needs, and what is never allowed. It stands in the role itself, where
// IAM takes 10,240 characters.
func InlinePolicy(args Args) (string, error) { return policy.JSON(essentials(args)...) }

// essentials name the stack's own resources where the API knows names beforehand; where it does not, the region limits them.
// What changes something is listed action by action; what looks is a family where it takes no resource. The embedded cloud's
// traffic is held against it (local/e2e), both ways.
func essentials(args Args) []policy.Statement {
	statements := []policy.Statement{
		imageLogin(),
		{Sid: "Images", Effect: policy.Allow, Action: args.imageActions(), Resource: args.ImageARNs},
	}
	statements = append(statements, regional(args)...)
	statements = append(statements, named(args)...)
	statements = append(statements, args.writeState()...)
	statements = append(statements, roles(args)...)
	return append(statements, nevers(args)...)
}

func imageLogin() policy.Statement {
	return policy.Statement{
		Sid: "ImageLogin", Effect: policy.Allow, Action: []string{"ecr:GetAuthorizationToken"},
		Resource: []string{"*"}, // the token is for a whole registry: AWS accepts no resource here
	}
}

// imageActions is what a deployment does in the repositories: it pushes, pulls and looks, and keeps the ledger of releases
// there. Only the stack that owns them may also make, change and delete them; another stack's job cannot take away what this
// one runs.
func (a Args) imageActions() []string {
	actions := []string{
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
		"ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:ListTagsForResource",
		"ecr:PutImage", "ecr:UploadLayerPart",
	}
	if a.OwnsRepositories {
		actions = append(actions, "ecr:CreateRepository", "ecr:DeleteLifecyclePolicy", "ecr:DeleteRepository",
			"ecr:GetLifecyclePolicy", "ecr:PutImageScanningConfiguration", "ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy",
			"ecr:TagResource", "ecr:UntagResource",
			"ecr:DeleteRepositoryPolicy", "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy")
	}
	return actions
}

func (a Args) inRegion() policy.Condition {
	return policy.Condition{"StringEquals": {"aws:RequestedRegion": {a.Region}}}
}

// regional covers APIs whose resources get generated ids, or which list: nothing but the region and the kind limits them.
// So two stacks of one account are not safe from each other's jobs in their networks; in accounts of their own they are.
func regional(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid:    "Network",
			Effect: policy.Allow,
			Action: []string{
				"ec2:AllocateAddress", "ec2:ReleaseAddress",
				"ec2:DisassociateAddress", // of an address whose gateway a refresh has told of
				"ec2:AssociateRouteTable", "ec2:CreateRouteTable", "ec2:DeleteRouteTable", "ec2:DisassociateRouteTable",
				"ec2:ReplaceRouteTableAssociation", "ec2:CreateRoute", "ec2:DeleteRoute", "ec2:ReplaceRoute",
				"ec2:AttachInternetGateway", "ec2:CreateInternetGateway", "ec2:DeleteInternetGateway", "ec2:DetachInternetGateway",
				"ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup",
				"ec2:DeleteSecurityGroup", "ec2:ModifySecurityGroupRules", "ec2:RevokeSecurityGroupEgress",
				"ec2:RevokeSecurityGroupIngress",
				"ec2:CreateNatGateway", "ec2:DeleteNatGateway",
				"ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:ModifySubnetAttribute",
				"ec2:CreateTags", "ec2:DeleteTags",
				"ec2:CreateVpc", "ec2:DeleteVpc", "ec2:ModifyVpcAttribute",
				"ec2:CreateVpcEndpoint", "ec2:DeleteVpcEndpoints", "ec2:ModifyVpcEndpoint",
				"ec2:Describe*",
			},
			Resource:  []string{"*"}, // ids are not known beforehand
			Condition: args.inRegion(),
		},
		{
			Sid:    "EndpointNames",
			Effect: policy.Allow,
			// EC2 does it in the caller's name for an endpoint with names of its own; the zone is EC2's, and Route 53 has no region.
			Action:   []string{"route53:AssociateVPCWithHostedZone"},
			Resource: []string{fmt.Sprintf("arn:%s:route53:::hostedzone/*", args.Partition)},
		},
		{
			Sid:    "Look",
			Effect: policy.Allow,
			// AWS takes no resource of ours for any of these. The last is not a look, and as little limited.
			Action: []string{
				"ecs:DescribeTaskDefinition", "ecs:ListTasks", "elasticloadbalancing:Describe*", "logs:DescribeLogGroups",
				"rds:Describe*", "ecs:DeregisterTaskDefinition",
			},
			Resource:  []string{"*"},
			Condition: args.inRegion(),
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
			// No ExecuteCommand and no RunTask: a deployment neither opens a shell in a task nor starts one by hand.
			Action: []string{
				"ecs:CreateCluster", "ecs:DeleteCluster", "ecs:DescribeClusters", "ecs:UpdateCluster",
				"ecs:PutClusterCapacityProviders",
				"ecs:CreateService", "ecs:DeleteService", "ecs:DescribeServices", "ecs:UpdateService",
				"ecs:RegisterTaskDefinition", "ecs:ListTagsForResource", "ecs:TagResource", "ecs:UntagResource",
				// The verdict: what became of the deployment, and why tasks stopped.
				"ecs:DescribeServiceDeployments", "ecs:DescribeTasks", "ecs:ListServiceDeployments",
			},
			Resource: []string{
				args.arn("ecs", "cluster/"+roots.Cluster), args.arn("ecs", "service/"+roots.Cluster+"/*"),
				args.arn("ecs", "task/"+roots.Cluster+"/*"), args.arn("ecs", "service-deployment/"+roots.Cluster+"/*"),
				args.arn("ecs", "task-definition/"+roots.Cluster+"-*"),
			},
		},
		{
			Sid:    "LoadBalancer",
			Effect: policy.Allow,
			Action: []string{
				"elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags",
				"elasticloadbalancing:CreateListener", "elasticloadbalancing:DeleteListener", "elasticloadbalancing:ModifyListener",
				"elasticloadbalancing:ModifyListenerAttributes",
				"elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:DeleteLoadBalancer",
				"elasticloadbalancing:ModifyLoadBalancerAttributes", "elasticloadbalancing:SetSecurityGroups",
				"elasticloadbalancing:SetSubnets",
				"elasticloadbalancing:CreateRule", "elasticloadbalancing:DeleteRule", "elasticloadbalancing:ModifyRule",
				"elasticloadbalancing:SetRulePriorities",
				"elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteTargetGroup",
				"elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes",
			},
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
			Action: []string{
				"rds:AddTagsToResource", "rds:ListTagsForResource", "rds:RemoveTagsFromResource",
				"rds:CreateDBInstance", "rds:DeleteDBInstance", "rds:ModifyDBInstance",
				"rds:CreateDBParameterGroup", "rds:DeleteDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:ResetDBParameterGroup",
				"rds:CreateDBSubnetGroup", "rds:DeleteDBSubnetGroup", "rds:ModifyDBSubnetGroup",
				"rds:CreateDBSnapshot", // the last one, which a deletion leaves
				// This stack's snapshots alone, by hand and automatic ones: another's data is for a person to move.
				"rds:RestoreDBInstanceFromDBSnapshot",
			},
			Resource: []string{
				args.arn("rds", "db:"+roots.Database), args.arn("rds", "subgrp:"+roots.Database),
				args.arn("rds", "pg:"+roots.Database+"-*"), args.arn("rds", "snapshot:"+roots.Database+"-*"),
				args.arn("rds", "snapshot:rds:"+roots.Database+"-*"),
				args.arn("rds", "og:default:*"), // every instance has an option group, and AWS asks for leave to use it
			},
		},
		{
			Sid:    "DatabaseSecret",
			Effect: policy.Allow,
			// RDS makes and tags the master secret in the caller's name. Its value is not among the actions: a deployment
			// never reads it.
			Action:   []string{"secretsmanager:CreateSecret", "secretsmanager:TagResource"},
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
			Sid:    "Logs",
			Effect: policy.Allow,
			Action: []string{
				"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy",
				"logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource",
				"logs:GetLogEvents", // the verdict tells the last words of a task
			},
			Resource: []string{
				args.arn("logs", "log-group:"+roots.Logs+"/*"),
				args.arn("logs", "log-group:/aws/rds/instance/"+roots.Database+"/*"), // to which RDS writes the database's log
			},
		},
	}
}

// roles lets the deploy role make the tasks' roles, within the boundary, and hand them to ECS alone.
func roles(args Args) []policy.Statement {
	ours := []string{args.roleARN(args.Prefix + "-*")}
	return []policy.Statement{
		{
			Sid:    "Roles",
			Effect: policy.Allow,
			Action: []string{
				"iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
				"iam:ListRolePolicies", "iam:TagRole", "iam:UntagRole",
			},
			Resource: ours,
		},
		{
			Sid:    "RolesWithinTheBoundary",
			Effect: policy.Allow,
			// The condition also keeps the roles of a stack apart whose name begins with this one's: their boundary is another.
			Action: []string{
				"iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy",
				"iam:UpdateRole",
			},
			Resource:  ours,
			Condition: policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {args.boundaryARN()}}},
		},
		{
			Sid:      "ReadPolicies",
			Effect:   policy.Allow,
			Action:   []string{"iam:GetPolicy", "iam:GetPolicyVersion"},
			Resource: []string{args.boundaryARN(), args.optionsARN()},
		},
		{
			Sid: "ReadTheTrust", Effect: policy.Allow,
			Action: []string{"iam:GetOpenIDConnectProvider"}, Resource: []string{args.providerARN()},
		},
		{
			Sid:       "HandRolesToTasks",
			Effect:    policy.Allow,
			Action:    []string{"iam:PassRole"},
			Resource:  ours,
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}},
		},
	}
}

// nevers forbids the deploy role to widen what it may do. Such a change is for a person with more rights, as the first `up` is,
// which makes these things. Whatever is attached to the role besides, these statements outweigh it.
func nevers(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid:    "NeverWhoDeploys",
			Effect: policy.Deny,
			Action: []string{
				"iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:PassRole", "iam:Put*", "iam:Tag*", "iam:Untag*",
				"iam:Update*",
			},
			// Not itself, not the preview role, and not those of another stack.
			Resource: []string{args.roleARN("*-deploy"), args.roleARN("*-preview")},
		},
		{
			Sid:      "NeverBeyondTheBoundary",
			Effect:   policy.Deny,
			Action:   []string{"iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"},
			Resource: []string{"*"}, // whatever role it is, ours or not
		},
		{
			Sid:      "NeverPolicies",
			Effect:   policy.Deny,
			Action:   []string{"iam:CreatePolicy*", "iam:DeletePolicy*", "iam:SetDefault*", "iam:TagPolicy", "iam:UntagPolicy"},
			Resource: []string{args.boundaryARN(), args.optionsARN()},
		},
		{
			Sid:    "NeverTheTrust",
			Effect: policy.Deny,
			Action: []string{
				"iam:AddClientID*", "iam:CreateOpenID*", "iam:DeleteOpenID*", "iam:RemoveClientID*", "iam:TagOpenID*",
				"iam:UntagOpenID*", "iam:UpdateOpenID*",
			},
			Resource: []string{args.providerARN()},
		},
	}
}
