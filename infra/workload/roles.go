package workload

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
)

// roles declares the two roles of a task: the execution role, with which ECS starts it, and the task role, which the
// application has. The policies are returned as well: a service must not start before they stand.
func (b *serviceBuilder) roles(logs *cloudwatch.LogGroup) (execution, task *iam.Role, policies []pulumi.Resource, err error) {
	execution, policies, err = b.role("execution", pulumi.All(logs.Arn, orEmpty(b.startSecret()), b.args.Secrets.ARNs.ToStringMapOutput()).ApplyT(
		func(all []any) (string, error) {
			own := secretStatements(all[2].(map[string]string), b.args.Secrets.KeyARN, b.args.Stack)
			return policy.JSON(append(b.executionStatements(all[0].(string), all[1].(string)), own...)...)
		}).(pulumi.StringOutput))
	if err != nil {
		return nil, nil, nil, err
	}
	if !b.args.Row.Database && !b.args.Row.Exec {
		task, _, err = b.role("task", nil) // a role that may do nothing
		return execution, task, policies, err
	}
	task, more, err := b.role("task", orEmpty(b.runningSecret()).ToStringOutput().ApplyT(func(arn string) (string, error) {
		return policy.JSON(b.taskStatements(arn)...)
	}).(pulumi.StringOutput))
	return execution, task, append(policies, more...), err
}

// role declares a role of the row's tasks. document is its policy; nil for none.
func (b *serviceBuilder) role(kind string, document pulumi.StringInput) (*iam.Role, []pulumi.Resource, error) {
	return b.roleOf(kind, "ecs-tasks.amazonaws.com", b.args.Stack.arn("ecs", "*"), document)
}

// roleOf declares a role that a service of AWS takes on, for what has an ARN that fits the pattern source.
func (b *serviceBuilder) roleOf(kind, service, source string, document pulumi.StringInput) (*iam.Role, []pulumi.Resource, error) {
	stack := b.args.Stack
	trust, err := policy.TrustService(service, stack.Account, source)
	if err != nil {
		return nil, nil, err
	}
	name := b.name + "-" + kind
	role, err := iam.NewRole(b.ctx, name, &iam.RoleArgs{
		Name:                pulumi.String(stack.Prefix + "-" + name),
		AssumeRolePolicy:    pulumi.String(trust),
		PermissionsBoundary: b.args.BoundaryARN.ToStringOutput().ToStringPtrOutput(),
	}, b.parent)
	if err != nil {
		return nil, nil, fmt.Errorf("services.%s: declare its %s role: %w", b.name, kind, err)
	}
	if document == nil {
		return role, nil, nil
	}
	attached, err := iam.NewRolePolicy(b.ctx, name, &iam.RolePolicyArgs{
		Name: pulumi.String(kind), Role: role.Name, Policy: document,
	}, b.parent)
	if err != nil {
		return nil, nil, fmt.Errorf("services.%s: declare the policy of its %s role: %w", b.name, kind, err)
	}
	return role, []pulumi.Resource{attached}, nil
}

// executionStatements is what starting a task takes: its image, its log group, its secret.
func (b *serviceBuilder) executionStatements(logGroupARN, secretARN string) []policy.Statement {
	stack := b.args.Stack
	statements := []policy.Statement{
		{
			Sid: "ImageLogin", Effect: policy.Allow, Action: []string{"ecr:GetAuthorizationToken"},
			Resource: []string{"*"}, // the token is for a whole registry: AWS accepts no resource here
		},
		{
			Sid: "Image", Effect: policy.Allow,
			Action: []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
			Resource: []string{fmt.Sprintf("arn:%s:ecr:%s:%s:repository/%s/%s",
				stack.Partition, stack.Region, stack.RegistryAccount, stack.RepositoryPrefix, b.name)},
		},
		{
			Sid: "Log", Effect: policy.Allow, Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			Resource: []string{logGroupARN + ":*"},
		},
	}
	if secretARN != "" {
		statements = append(statements, readSecret(secretARN))
	}
	return statements
}

// taskStatements is what the application itself may do.
func (b *serviceBuilder) taskStatements(secretARN string) []policy.Statement {
	var statements []policy.Statement
	if secretARN != "" {
		statements = append(statements, b.useSecret(secretARN))
	}
	if b.args.Row.Exec {
		statements = append(statements, policy.Statement{
			Sid: "Exec", Effect: policy.Allow,
			Action: []string{
				"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
				"ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
			},
			Resource: []string{"*"}, // these actions know no resource
		}, policy.Statement{
			// The agent writes the record, in the task's own name.
			Sid: "ExecRecord", Effect: policy.Allow,
			Action:   []string{"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"},
			Resource: []string{fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s/exec:*", b.args.Stack.Partition, b.args.Stack.Region, b.args.Stack.Account, b.args.Stack.LogRoot)},
		}, policy.Statement{
			Sid: "ExecFindRecord", Effect: policy.Allow, Action: []string{"logs:DescribeLogGroups"},
			Resource:  []string{"*"}, // AWS accepts no resource here
			Condition: policy.Condition{"StringEquals": {"aws:RequestedRegion": {b.args.Stack.Region}}},
		})
	}
	return statements
}

// secretStatements let ECS read a service's own secrets when it starts a task, and decrypt them where a customer key has encrypted
// them, by way of Secrets Manager alone.
func secretStatements(arns map[string]string, keyARN string, stack Surroundings) []policy.Statement {
	if len(arns) == 0 {
		return nil
	}
	each := slices.Compact(slices.Sorted(maps.Values(arns)))
	statements := []policy.Statement{
		{Sid: "Secrets", Effect: policy.Allow, Action: []string{"secretsmanager:GetSecretValue"}, Resource: each},
	}
	if keyARN == "" {
		return statements
	}
	return append(statements, policy.Statement{
		Sid: "SecretsKey", Effect: policy.Allow, Action: []string{"kms:Decrypt"}, Resource: []string{keyARN},
		Condition: policy.Condition{"StringEquals": {
			"kms:ViaService": {fmt.Sprintf("secretsmanager.%s.amazonaws.com", stack.Region)}, "kms:EncryptionContext:SecretARN": each,
		}},
	})
}

func readSecret(arn string) policy.Statement {
	return policy.Statement{
		Sid: "DatabasePassword", Effect: policy.Allow, Action: []string{"secretsmanager:GetSecretValue"}, Resource: []string{arn},
	}
}

func scratchVolumes() ecs.TaskDefinitionVolumeArray {
	volumes := ecs.TaskDefinitionVolumeArray{}
	for _, name := range scratchNames() {
		volumes = append(volumes, ecs.TaskDefinitionVolumeArgs{Name: pulumi.String(name)})
	}
	return volumes
}
