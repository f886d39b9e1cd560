package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// alarms lets a stack be watched: its alarms, the topics that tell of them and of tasks that stop, and the rules that find those.
func alarms(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid: "Alarms", Effect: policy.Allow,
			Action: []string{
				"cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm",
				"cloudwatch:TagResource", "cloudwatch:UntagResource",
			},
			Resource: []string{args.arn("cloudwatch", "alarm:"+args.Prefix+"-*")},
		},
		{
			Sid: "Topics", Effect: policy.Allow,
			// SNS holds what is done with a subscription against its topic.
			Action: []string{
				"sns:CreateTopic", "sns:DeleteTopic", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes",
				"sns:ListTagsForResource", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:UntagResource",
				"sns:Unsubscribe",
			},
			Resource: []string{args.arn("sns", args.Prefix+"-alarms"), args.arn("sns", args.Prefix+"-stopped-tasks")},
		},
		{
			Sid: "StoppedTasks", Effect: policy.Allow,
			Action: []string{
				"events:DeleteRule", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule", "events:PutRule",
				"events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource",
			},
			Resource: []string{args.arn("events", "rule/"+args.Prefix+"-stopped-tasks"), args.arn("events", "rule/"+args.Prefix+"-failed-*")},
		},
	}
}

func dashboard(args Args) []policy.Statement {
	return []policy.Statement{{
		Sid: "Dashboard", Effect: policy.Allow,
		Action:   []string{"cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"},
		Resource: []string{fmt.Sprintf("arn:%s:cloudwatch::%s:dashboard/%s", args.Partition, args.Account, args.Prefix)},
	}}
}

// slack lets a channel be told of alarms, by a role that Chatbot takes on.
func slack(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid: "Slack", Effect: policy.Allow,
			Action: []string{
				"chatbot:DeleteSlackChannelConfiguration", "chatbot:ListTagsForResource", "chatbot:TagResource", "chatbot:UntagResource",
				"chatbot:UpdateSlackChannelConfiguration",
			},
			Resource: []string{fmt.Sprintf("arn:%s:chatbot::%s:chat-configuration/slack-channel/%s", args.Partition, args.Account, args.Prefix)},
		},
		{
			Sid: "SlackMake", Effect: policy.Allow,
			Action:   []string{"chatbot:CreateSlackChannelConfiguration", "chatbot:DescribeSlackChannelConfigurations"},
			Resource: []string{"*"}, // AWS accepts no resource; these are the regions that Chatbot can be asked in
			Condition: policy.Condition{"StringEquals": {
				"aws:RequestedRegion": {"ap-southeast-1", "eu-west-1", "us-east-2", "us-west-2"},
			}},
		},
		{
			Sid: "SlackRole", Effect: policy.Allow, Action: []string{"iam:PassRole"},
			Resource:  []string{args.roleARN(args.Prefix + "-slack")},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"chatbot.amazonaws.com"}}},
		},
	}
}
