package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// OptionsPolicy is the part of DeployPolicy for what a stack can switch on. It is there whether it is on or not: the deploy
// role cannot change itself, so a commit that switches something on would else need a person first. It is a policy of its own,
// of which IAM takes 6,144 characters, since the role has no room for both.
func OptionsPolicy(args Args) (string, error) { return policy.JSON(options(args)...) }

// options lists the statements, a function for each option, which limit themselves as those of every stack do.
func options(args Args) []policy.Statement {
	return []policy.Statement{scaling(args)}
}

// scaling lets a service follow its load. A scalable target has a generated id, and its tag is not there before it is.
func scaling(args Args) policy.Statement {
	return policy.Statement{
		Sid: "Scaling", Effect: policy.Allow,
		Action: []string{
			"application-autoscaling:DeleteScalingPolicy", "application-autoscaling:DeleteScheduledAction",
			"application-autoscaling:DeregisterScalableTarget", "application-autoscaling:DescribeScalableTargets",
			"application-autoscaling:DescribeScalingPolicies", "application-autoscaling:DescribeScheduledActions",
			"application-autoscaling:ListTagsForResource", "application-autoscaling:PutScalingPolicy",
			"application-autoscaling:PutScheduledAction", "application-autoscaling:RegisterScalableTarget",
			"application-autoscaling:TagResource", "application-autoscaling:UntagResource",
		},
		Resource:  []string{args.arn("application-autoscaling", "scalable-target/*")},
		Condition: policy.Condition{"StringEquals": {"application-autoscaling:service-namespace": {"ecs"}}},
	}
}

func (a Args) optionsName() string { return a.Prefix + "-deploy-options" }

func (a Args) optionsARN() string { return a.policyARN(a.optionsName()) }

func (a Args) policyARN(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:policy/%s", a.Partition, a.Account, name)
}
