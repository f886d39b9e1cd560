package policy_test

import (
	"testing"

	"slipway/infra/policy"
)

func TestJSON(t *testing.T) {
	got, err := policy.JSON(policy.Statement{
		Sid: "Read", Effect: policy.Allow, Action: []string{"s3:GetObject"}, Resource: []string{"arn:aws:s3:::bucket/*"},
		Condition: policy.Condition{"StringEquals": {"b": {"2"}, "a": {"1"}}},
	})
	want := `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject"],` +
		`"Resource":["arn:aws:s3:::bucket/*"],"Condition":{"StringEquals":{"a":["1"],"b":["2"]}}}]}`
	if err != nil || got != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestTrustService(t *testing.T) {
	got, err := policy.TrustService("ecs-tasks.amazonaws.com", "123456789012", "arn:aws:ecs:eu-west-1:123456789012:*")
	want := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ecs-tasks.amazonaws.com"]},` +
		`"Action":["sts:AssumeRole"],"Condition":{"ArnLike":{"aws:SourceArn":["arn:aws:ecs:eu-west-1:123456789012:*"]},` +
		`"StringEquals":{"aws:SourceAccount":["123456789012"]}}}]}`
	if err != nil || got != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}
