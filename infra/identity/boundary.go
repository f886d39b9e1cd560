package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// BoundaryPolicy is the most that a role of the stack's tasks can do, whatever its own policy says. The deploy role may
// make roles, and a role that may make roles can make itself an administrator; it may only make roles within this
// boundary, and may not change it.
func BoundaryPolicy(args Args) (string, error) {
	return policy.JSON(
		policy.Statement{
			Sid: "StartAndExec", Effect: policy.Allow,
			Action: []string{"ecr:GetAuthorizationToken", "ssmmessages:*"},
			// Neither knows resources: a token is for a whole registry, a channel has no name.
			Resource: []string{"*"},
		},
		policy.Statement{
			Sid: "Images", Effect: policy.Allow,
			Action:   []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
			Resource: args.ImageARNs,
		},
		policy.Statement{
			Sid: "Logs", Effect: policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
			Resource: []string{args.arn("logs", "log-group:"+args.Roots.Logs+"/*")},
		},
		policy.Statement{
			Sid: "LogOfExec", Effect: policy.Allow, Action: []string{"logs:DescribeLogGroups"},
			Resource: []string{"*"}, Condition: args.inRegion(), // AWS accepts no resource here
		},
		policy.Statement{
			Sid: "Secrets", Effect: policy.Allow,
			Action:   []string{"secretsmanager:GetSecretValue"},
			Resource: []string{args.applicationSecrets()},
		},
		args.secretsKey("kms:Decrypt"),
		policy.Statement{
			Sid: "DatabasePassword", Effect: policy.Allow,
			Action:   []string{"secretsmanager:GetSecretValue"},
			Resource: []string{args.databaseSecrets()},
			// The names of these secrets are RDS's own; its tag says whose a secret is.
			Condition: policy.Condition{"StringEquals": {
				"aws:ResourceTag/aws:rds:primaryDBInstanceArn": {args.arn("rds", "db:"+args.Roots.Database)},
			}},
		},
		// The three that follow are for the roles of schedules.
		policy.Statement{
			Sid: "Start", Effect: policy.Allow,
			Action:    []string{"ecs:RunTask"},
			Resource:  []string{args.arn("ecs", "task-definition/"+args.Roots.Cluster+"-*")},
			Condition: policy.Condition{"ArnEquals": {"ecs:cluster": {args.arn("ecs", "cluster/"+args.Roots.Cluster)}}},
		},
		policy.Statement{
			Sid: "TagWhatStarts", Effect: policy.Allow,
			Action:    []string{"ecs:TagResource"},
			Resource:  []string{args.arn("ecs", "task/"+args.Roots.Cluster+"/*")},
			Condition: policy.Condition{"StringEquals": {"ecs:CreateAction": {"RunTask"}}},
		},
		policy.Statement{
			Sid: "HandRolesToTasks", Effect: policy.Allow,
			Action:    []string{"iam:PassRole"},
			Resource:  []string{args.roleARN(args.Prefix + "-*-execution"), args.roleARN(args.Prefix + "-*-task")},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}},
		},
		policy.Statement{
			Sid: "DatabaseUser", Effect: policy.Allow,
			Action:   []string{"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"},
			Resource: []string{args.databaseUserSecret()},
		},
	)
}

// boundaryName is the boundary's name; like all names it begins with the stack's.
func (a Args) boundaryName() string { return a.Prefix + "-boundary" }

func (a Args) boundaryARN() string { return a.policyARN(a.boundaryName()) }

func (a Args) roleARN(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", a.Partition, a.Account, name)
}

// arn is the ARN of a resource in the stack's region.
func (a Args) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", a.Partition, service, a.Region, a.Account, resource)
}

// databaseSecrets matches the secrets that RDS makes for master users; their names end in ids of RDS's own.
func (a Args) databaseSecrets() string { return a.arn("secretsmanager", "secret:rds!db-*") }

// databaseUserSecret is the secret for the login of the application's user; AWS puts six characters behind its name.
func (a Args) databaseUserSecret() string {
	return a.arn("secretsmanager", "secret:"+a.Roots.Database+"/database-??????")
}
