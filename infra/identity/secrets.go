package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// applicationSecrets lets the deploy role make and take away the secrets of services. It neither reads nor sets a value: that is for
// people, and for the roles of the tasks.
func applicationSecrets(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid: "Secrets", Effect: policy.Allow,
			Action: []string{
				"secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret",
				"secretsmanager:GetResourcePolicy", "secretsmanager:TagResource", "secretsmanager:UntagResource",
				"secretsmanager:UpdateSecret",
			},
			Resource: []string{args.applicationSecrets()},
		},
		// Secrets Manager tries a customer key in the caller's name.
		args.secretsKey("kms:Decrypt", "kms:GenerateDataKey"),
	}
}

// applicationSecrets matches the stack's own secrets of services, whose ARNs end in characters of Secrets Manager's.
func (a Args) applicationSecrets() string {
	return a.arn("secretsmanager", "secret:"+a.Roots.Secrets+"/*")
}

// secretsKey allows the use of a customer key for the stack's own secrets, and by way of Secrets Manager alone. Which key that is,
// and whose, stands in the configuration, and a commit that names one must not need a person first.
func (a Args) secretsKey(actions ...string) policy.Statement {
	return policy.Statement{
		Sid: "SecretsKey", Effect: policy.Allow, Action: actions,
		Resource: []string{fmt.Sprintf("arn:%s:kms:%s:*:key/*", a.Partition, a.Region)},
		Condition: policy.Condition{
			"StringEquals": {"kms:ViaService": {fmt.Sprintf("secretsmanager.%s.amazonaws.com", a.Region)}},
			"StringLike":   {"kms:EncryptionContext:SecretARN": {a.applicationSecrets()}},
		},
	}
}
