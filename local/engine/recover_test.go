package engine

import "testing"

// TestIsKnown holds what counts as known to a state.
func TestIsKnown(t *testing.T) {
	const state = `{"id": "vpc-1", "outputs": {"defaultSecurityGroupId": "sg-default", "taskDefinition": "arn:aws:ecs:x:task-definition/app:3", "secretArn": "arn:aws:secretsmanager:x:secret:rds!db-1-abc"}}, "sg-own"`
	for line, want := range map[string]bool{
		"ec2 DescribeVpcs vpc-1":                                     true,
		"ec2 DescribeVpcs vpc-2":                                     false,
		"ec2 DescribeNetworkInterfaces eni-1":                        true,
		"rds DescribeDBSnapshots rds:db-2026":                        true,
		"secretsmanager SecretList rds!db-1":                         true,
		"ec2 DescribeSecurityGroupRules sgr-9 of sg-default":         true,  // nobody declares it
		"ec2 DescribeSecurityGroupRules sgr-9 of sg-own":             false, // made twice
		"ecs taskDefinitionArns arn:aws:ecs:x:task-definition/app:2": true,  // one before
		"ecs taskDefinitionArns arn:aws:ecs:x:task-definition/api:1": false,
		"elasticloadbalancing DescribeRules arn:aws:elb:x:rule/none": false,
	} {
		if isKnown(line, state) != want {
			t.Errorf("%s: want %v", line, want)
		}
	}
}

// TestExists holds how AWS's services say that something is there already.
func TestExists(t *testing.T) {
	for words, want := range map[string]bool{
		"creating IAM Role: EntityAlreadyExists: Role with name x already exists.":                                                    true,
		"RepositoryAlreadyExistsException: The repository with name 'x' already exists":                                               true,
		"RouteAlreadyExists: the route identified by 0.0.0.0/0 already exists":                                                        true,
		"DuplicateListener: A listener already exists on this port":                                                                   true,
		"PriorityInUse: The specified priority is in use.":                                                                            true,
		"InvalidPermission.Duplicate: the specified rule \"peer: sg-1, TCP\" already exists":                                          true,
		"InvalidParameterException: Creation of service was not idempotent.":                                                          true,
		"tag invalid: The image tag 'x' already exists in the 'y' repository and cannot be overwritten because the tag is immutable.": false,
		"ThrottlingException: Rate exceeded":                                                                                          false,
		"waiting for ECS Service (x) create: timeout while waiting for state to become 'STABLE'":                                      false,
	} {
		if (met("first\n  * "+words+"\nlast") != "") != want {
			t.Errorf("%q: want %v", words, want)
		}
	}
}
