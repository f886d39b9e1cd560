package observe

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
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
	mayTell, err := o.publishers("stopped-tasks", topic, "events", "rule/"+o.args.stoppedName(), "rule/"+o.args.failedName("*"))
	if err != nil {
		return err
	}
	o.counter = &counter{topic: topic, ready: mayTell}
	return o.count("stopped-tasks", o.args.stoppedName(), "Tasks of services that stop by themselves", stoppedByThemselves)
}

// counter is what EventBridge tells of tasks, so that it counts them.
type counter struct {
	topic *sns.Topic
	ready pulumi.Resource // lets EventBridge tell it
}

// count declares a rule that counts the events of a pattern, which is made from the cluster's ARN.
func (o *Observe) count(name, rule, what string, pattern func(clusterARN string) (string, error)) error {
	made, err := cloudwatch.NewEventRule(o.ctx, name, &cloudwatch.EventRuleArgs{
		Name:         pulumi.String(rule),
		Description:  pulumi.String(what),
		EventPattern: o.args.Cluster.ARN.ToStringOutput().ApplyT(pattern).(pulumi.StringOutput),
	}, o.parent)
	if err != nil {
		return fmt.Errorf("declare the rule %s: %w", rule, err)
	}
	_, err = cloudwatch.NewEventTarget(o.ctx, name, &cloudwatch.EventTargetArgs{
		Rule: made.Name, TargetId: pulumi.String("topic"), Arn: o.counter.topic.Arn,
	}, o.parent, pulumi.DependsOn([]pulumi.Resource{o.counter.ready}))
	if err != nil {
		return fmt.Errorf("have the rule %s tell: %w", rule, err)
	}
	return nil
}

func (a Args) stoppedName() string { return a.Prefix + "-stopped-tasks" }

// pattern is which events a rule takes, in EventBridge's words.
type pattern struct {
	Source     []string `json:"source"`
	DetailType []string `json:"detail-type"`
	Detail     any      `json:"detail"`
}

// stoppedDetail is what ECS says of a task of a service that stops.
type stoppedDetail struct {
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
	return taskChanges(stoppedDetail{
		Cluster: []string{clusterARN}, LastStatus: []string{"STOPPED"}, Group: []prefix{{"service:"}},
		Or: []reason{{StopCode: []string{"EssentialContainerExited", "TaskFailedToStart"}}, {Reason: []prefix{{"Task failed "}}}},
	})
}

// taskChanges is the pattern of ECS's events about tasks that have a detail.
func taskChanges(detail any) (string, error) {
	text, err := json.Marshal(pattern{Source: []string{"aws.ecs"}, DetailType: []string{"ECS Task State Change"}, Detail: detail})
	if err != nil {
		return "", fmt.Errorf("render a pattern of events: %w", err)
	}
	return string(text), nil
}
