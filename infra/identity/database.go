package identity

import "slipway/infra/policy"

// databaseOptions lets the stack keep a secret for the application's user of the database, whose value a deployment neither reads
// nor writes. What else the database can have is made by actions that every stack needs.
func databaseOptions(args Args) []policy.Statement {
	return []policy.Statement{{
		Sid: "DatabaseUser", Effect: policy.Allow,
		Action: []string{
			"secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret",
			"secretsmanager:GetResourcePolicy", "secretsmanager:TagResource", "secretsmanager:UntagResource",
			"secretsmanager:UpdateSecret",
		},
		Resource: []string{args.databaseUserSecret()},
	}}
}
