package observe

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// stopped has EventBridge count each task of a service that stops by itself: ECS has no metric of it without Container Insights,
// which is charged for, and events of AWS's own cost nothing. What EventBridge counts is how often it has told somebody, so there is
// a topic that it tells. Nobody hears it there, unless he subscribes: an alarm is one message, a crash loop would be hundreds.
func (o *Observe) stopped() error {
	topic, err := o.topicFor("stopped-tasks")
	if err != nil {
		return err
	}
	rule, err := cloudwatch.NewEventRule(o.ctx, "stopped-tasks", &cloudwatch.EventRuleArgs{
		Name:         pulumi.String(o.args.stoppedName()),
		Description:  pulumi.String("Tasks of services that stop by themselves"),
		EventPattern: o.args.Cluster.ARN.ToStringOutput().ApplyT(stoppedByThemselves).(pulumi.StringOutput),
	}, o.parent)
	if err != nil {
		return fmt.Errorf("declare the rule of stopped tasks: %w", err)
	}
	mayTell, err := o.publishers("stopped-tasks", topic, "events", "rule/"+o.args.stoppedName())
	if err != nil {
		return err
	}
	_, err = cloudwatch.NewEventTarget(o.ctx, "stopped-tasks", &cloudwatch.EventTargetArgs{
		Rule: rule.Name, TargetId: pulumi.String("topic"), Arn: topic.Arn,
	}, o.parent, pulumi.DependsOn([]pulumi.Resource{mayTell}))
	if err != nil {
		return fmt.Errorf("have stopped tasks told: %w", err)
	}
	return nil
}

func (a Args) stoppedName() string { return a.Prefix + "-stopped-tasks" }

// pattern is which events a rule takes, in EventBridge's words.
type pattern struct {
	Source     []string `json:"source"`
	DetailType []string `json:"detail-type"`
	Detail     detail   `json:"detail"`
}

type detail struct {
	Cluster    []string `json:"clusterArn"`
	LastStatus []string `json:"lastStatus"`
	Group      []prefix `json:"group"` // of services: a task that runs once and ends is none
	Or         []reason `json:"$or"`
}

type reason struct {
	StopCode []string `json:"stopCode,omitempty"`
	Reason   []prefix `json:"stoppedReason,omitempty"`
}

type prefix struct {
	Prefix string `json:"prefix"`
}

// stoppedByThemselves is the pattern of tasks that end, cannot start, or fail their checks. Those that make room for a release or for
// fewer tasks, that somebody stops, or whose spare capacity is taken back, are none of these.
func stoppedByThemselves(clusterARN string) (string, error) {
	text, err := json.Marshal(pattern{
		Source: []string{"aws.ecs"}, DetailType: []string{"ECS Task State Change"},
		Detail: detail{
			Cluster: []string{clusterARN}, LastStatus: []string{"STOPPED"}, Group: []prefix{{"service:"}},
			Or: []reason{{StopCode: []string{"EssentialContainerExited", "TaskFailedToStart"}}, {Reason: []prefix{{"Task failed "}}}},
		},
	})
	if err != nil {
		return "", fmt.Errorf("render the pattern of stopped tasks: %w", err)
	}
	return string(text), nil
}
