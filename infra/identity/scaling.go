package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// scaler is the service that scales in our name, by a role of its own.
const scaler = "ecs.application-autoscaling.amazonaws.com"

// scaling lets services follow their load and sleep by the clock. Application Auto Scaling gives what it scales generated ids, so
// its actions are limited to what is ECS's; what it does in the caller's name, to services of the stack and to the alarms that it
// names after them.
func scaling(args Args) []policy.Statement {
	targets := args.arn("application-autoscaling", "scalable-target/*")
	services := args.Roots.Cluster + "/*"
	return []policy.Statement{
		{
			Sid: "Scaling", Effect: policy.Allow,
			Action: []string{
				"application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeleteScheduledAction",
				"application-autoscaling:DeregisterScalableTarget", "application-autoscaling:PutScalingPolicy",
				"application-autoscaling:PutScheduledAction", "application-autoscaling:RegisterScalableTarget",
			},
			Resource:  []string{targets},
			Condition: policy.Condition{"StringEquals": {"application-autoscaling:service-namespace": {"ecs"}}},
		},
		{
			Sid: "ScalingTags", Effect: policy.Allow, // these know no namespace
			Action: []string{
				"application-autoscaling:ListTagsForResource", "application-autoscaling:TagResource", "application-autoscaling:UntagResource",
			},
			Resource: []string{targets},
		},
		{
			Sid: "ScalingLook", Effect: policy.Allow, // these know no resource
			Action: []string{
				"application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies",
				"application-autoscaling:DescribeScheduledActions",
			},
			Resource:  []string{"*"},
			Condition: args.inRegion(),
		},
		{
			Sid: "ScalingAlarms", Effect: policy.Allow, // the alarms that set a policy off are made in the caller's name
			Action:   []string{"cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"},
			Resource: []string{args.arn("cloudwatch", "alarm:TargetTracking-service/"+services)},
		},
		{
			Sid: "ScalingRole", Effect: policy.Allow, // made with the account's first target
			Action: []string{"iam:CreateServiceLinkedRole"},
			Resource: []string{args.roleARN(fmt.Sprintf(
				"aws-service-role/%s/AWSServiceRoleForApplicationAutoScaling_ECSService", scaler))},
			Condition: policy.Condition{"StringEquals": {"iam:AWSServiceName": {scaler}}},
		},
	}
}
