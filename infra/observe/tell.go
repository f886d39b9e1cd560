package observe

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/chatbot"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
)

// tell declares the topic that alarms publish to, and who gets what stands there.
func (o *Observe) tell() error {
	topic, err := o.topicFor("alarms")
	if err != nil {
		return err
	}
	o.topic = topic
	if _, err := o.publishers("alarms", topic, "cloudwatch", "alarm:"+o.args.Prefix+"-*"); err != nil {
		return err
	}
	for _, address := range o.args.Tell.Email {
		// Named by the address: a list that loses one must lose that subscription, and have nobody else confirm again.
		_, err := sns.NewTopicSubscription(o.ctx, "alarms-"+address, &sns.TopicSubscriptionArgs{
			Topic: topic.Arn, Protocol: pulumi.String("email"), Endpoint: pulumi.String(address),
		}, o.parent)
		if err != nil {
			return fmt.Errorf("tell %s of alarms: %w", address, err)
		}
	}
	if o.args.Tell.SlackChannel == "" {
		return nil
	}
	return o.slack()
}

func (o *Observe) topicFor(what string) (*sns.Topic, error) {
	args := &sns.TopicArgs{Name: pulumi.String(o.args.Prefix + "-" + what)}
	if key := o.args.Tell.KeyARN; key != "" {
		args.KmsMasterKeyId = pulumi.String(key)
	}
	topic, err := sns.NewTopic(o.ctx, what, args, o.parent)
	if err != nil {
		return nil, fmt.Errorf("declare the topic %s: %w", what, err)
	}
	return topic, nil
}

// publishers lets one of AWS's services publish to a topic, for the named resources of this stack alone. Whoever else may do
// something with the topic is said by the account's own roles.
func (o *Observe) publishers(what string, topic *sns.Topic, service string, resources ...string) (pulumi.Resource, error) {
	sources := make([]string, len(resources))
	for i, resource := range resources {
		sources[i] = fmt.Sprintf("arn:%s:%s:%s:%s:%s", o.args.Partition, service, o.args.Region, o.args.Account, resource)
	}
	document := topic.Arn.ApplyT(func(arn string) (string, error) {
		return policy.JSON(policy.Statement{
			Effect:    policy.Allow,
			Principal: &policy.Principal{Service: []string{service + ".amazonaws.com"}},
			Action:    []string{"sns:Publish"},
			Resource:  []string{arn},
			Condition: policy.Condition{"ArnLike": {"aws:SourceArn": sources}, "StringEquals": {"aws:SourceAccount": {o.args.Account}}},
		})
	}).(pulumi.StringOutput)
	allowed, err := sns.NewTopicPolicy(o.ctx, what, &sns.TopicPolicyArgs{Arn: topic.Arn, Policy: document}, o.parent)
	if err != nil {
		return nil, fmt.Errorf("let %s publish to the topic %s: %w", service, what, err)
	}
	return allowed, nil
}

// slack has AWS Chatbot (by its later name Amazon Q Developer in chat applications) write what stands in the topic into a channel.
// Whoever is in the channel can do nothing by it: the role that Chatbot takes on may do nothing, and the guardrail lets it look at
// most, whatever is attached to the role later; Chatbot's own default would let it do all.
func (o *Observe) slack() error {
	trust, err := policy.TrustService("chatbot.amazonaws.com", o.args.Account,
		fmt.Sprintf("arn:%s:chatbot::%s:*", o.args.Partition, o.args.Account))
	if err != nil {
		return err
	}
	role, err := iam.NewRole(o.ctx, "slack", &iam.RoleArgs{
		Name: pulumi.String(o.args.Prefix + "-slack"), AssumeRolePolicy: pulumi.String(trust),
		PermissionsBoundary: o.args.BoundaryARN.ToStringOutput().ToStringPtrOutput(),
	}, o.parent)
	if err != nil {
		return fmt.Errorf("declare the role of the Slack channel: %w", err)
	}
	_, err = chatbot.NewSlackChannelConfiguration(o.ctx, "slack", &chatbot.SlackChannelConfigurationArgs{
		ConfigurationName:   pulumi.String(o.args.Prefix),
		SlackTeamId:         pulumi.String(o.args.Tell.SlackWorkspace),
		SlackChannelId:      pulumi.String(o.args.Tell.SlackChannel),
		IamRoleArn:          role.Arn,
		GuardrailPolicyArns: pulumi.StringArray{pulumi.Sprintf("arn:%s:iam::aws:policy/ReadOnlyAccess", o.args.Partition)},
		SnsTopicArns:        pulumi.StringArray{o.topic.Arn},
		LoggingLevel:        pulumi.String("ERROR"),
	}, o.parent)
	if err != nil {
		return fmt.Errorf("declare the Slack channel: %w", err)
	}
	return nil
}
