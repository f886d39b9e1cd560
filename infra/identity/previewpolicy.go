package identity

import "slipway/infra/policy"

// PreviewPolicy is what `pulumi preview` of one stack does in its account: it asks where it is and which images are there,
// and reads the state. A preview that compares the state with the cloud (--refresh) would have to read all that the stack
// has; it is not for pull requests, whose code nobody has read yet when it runs with this role.
func PreviewPolicy(args Args) (string, error) {
	statements := []policy.Statement{
		{
			Sid: "Zones", Effect: policy.Allow, Action: []string{"ec2:DescribeAvailabilityZones"},
			Resource:  []string{"*"}, // a list: AWS accepts no resource here
			Condition: args.inRegion(),
		},
		imageLogin(),
		{Sid: "Images", Effect: policy.Allow, Action: args.lookActions(), Resource: args.ImageARNs},
	}
	if !args.OwnsProvider {
		statements = append(statements, policy.Statement{
			Sid: "GitHub", Effect: policy.Allow, Action: []string{"iam:GetOpenIDConnectProvider"}, Resource: []string{args.providerARN()},
		})
	}
	statements = append(statements, args.readState()...)
	return policy.JSON(append(statements, policy.Statement{
		Sid:    "NeverSecrets",
		Effect: policy.Deny,
		// Nothing above allows these. A person who attaches a broad policy for reading to this role must not hand the database's
		// password, or another role, to the code of every pull request.
		Action: []string{
			"iam:PassRole", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue", "ssm:GetParameter*", "sts:AssumeRole",
		},
		Resource: []string{"*"}, // whichever it is
	})...)
}

// lookActions is how the program looks for the images of a release, and for repositories that are another stack's. The
// provider reads an image's repository as well.
func (a Args) lookActions() []string {
	actions := []string{"ecr:DescribeImages", "ecr:DescribeRepositories"}
	if !a.OwnsRepositories {
		actions = append(actions, "ecr:ListTagsForResource")
	}
	return actions
}
