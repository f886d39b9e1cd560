package engine

import "testing"

// TestKnown holds what counts as known to the states of a cloud.
func TestKnown(t *testing.T) {
	var known states
	for _, state := range []string{
		`{"checkpoint": {"latest": {"resources": [
			{"type": "aws:ec2/vpc:Vpc", "id": "vpc-1", "outputs": {"defaultSecurityGroupId": "sg-default"}},
			{"type": "aws:ec2/securityGroup:SecurityGroup", "id": "sg-own"},
			{"type": "aws:ecs/taskDefinition:TaskDefinition", "inputs": {"family": "app", "skipDestroy": false}, "outputs": {"arn": "arn:aws:ecs:x:task-definition/app:12"}}
		]}}}`,
		`{"checkpoint": {"latest": {"resources": [
			{"type": "aws:ecs/taskDefinition:TaskDefinition", "inputs": {"family": "kept", "skipDestroy": true}, "outputs": {"arn": "arn:aws:ecs:x:task-definition/kept:3"}}
		]}}}`,
	} {
		if err := known.add([]byte(state)); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]bool{
		"ec2 DescribeVpcs vpc-1":                                       true,
		"ec2 DescribeVpcs vpc-2":                                       false,
		"ec2 DescribeNetworkInterfaces eni-1":                          true,
		"rds DescribeDBSnapshots rds:db-2026":                          true,
		"secretsmanager SecretList rds!db-1":                           true, // its instance has a line of its own
		"secretsmanager SecretList other":                              false,
		"ec2 DescribeSecurityGroupRules sgr-9 of sg-default":           true,  // nobody declares it
		"ec2 DescribeSecurityGroupRules sgr-9 of sg-own":               false, // made twice
		"ecs taskDefinitionArns arn:aws:ecs:x:task-definition/app:12":  true,
		"ecs taskDefinitionArns arn:aws:ecs:x:task-definition/app:1":   false, // registered twice
		"ecs taskDefinitionArns arn:aws:ecs:x:task-definition/kept:2":  true,  // the one before
		"ecs taskDefinitionArns arn:aws:ecs:x:task-definition/other:1": false,
		"elasticloadbalancing DescribeRules arn:aws:elb:x:rule/none":   false,
	} {
		if known.has(line) != want {
			t.Errorf("%s: want %v", line, want)
		}
	}
}
