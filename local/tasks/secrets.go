package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// The words are those that Fargate's users report, such as in aws/copilot-cli#5752.
const (
	cannotRetrieve = "ResourceInitializationError: unable to pull secrets or registry auth: " +
		"execution resource retrieval failed: "
	fromASM = cannotRetrieve + "unable to retrieve secret from asm: service call has been retried 1 time(s): "
	fromSSM = cannotRetrieve + "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
)

// secretRef is a valueFrom that names a secret of Secrets Manager, or one key of it, in one version (Amazon ECS
// developer guide, "Pass Secrets Manager secrets through Amazon ECS environment variables").
type secretRef struct{ arn, jsonKey, stage, version string }

const (
	partsOfARN = 7 // arn:partition:service:region:account:secret:name
	partsOfRef = partsOfARN + 3
)

func parseSecret(valueFrom string) (secretRef, error) {
	parts := strings.Split(valueFrom, ":")
	if len(parts) < partsOfARN || parts[0] != "arn" || parts[2] != "secretsmanager" || parts[5] != "secret" {
		return secretRef{}, errors.New(fromSSM + "the embedded cloud has no Parameter Store for tasks: " + valueFrom +
			" is no ARN of a secret of Secrets Manager")
	}
	ref := secretRef{arn: strings.Join(parts[:partsOfARN], ":")}
	switch len(parts) {
	case partsOfARN:
	case partsOfRef:
		ref.jsonKey, ref.stage, ref.version = parts[7], parts[8], parts[9]
	default:
		return ref, errors.New(fromASM + valueFrom + " is not secret-ARN:json-key:version-stage:version-id")
	}
	return ref, nil
}

// secrets fetches the values of all secrets of the task, by valueFrom. A secret is asked for once, however many of its
// keys are used.
func (t *Task) secrets(ctx context.Context) (map[string]string, error) {
	values, fetched := map[string]string{}, map[secretRef]string{}
	for _, definition := range t.spec.Definition.ContainerDefinitions {
		for _, secret := range definition.Secrets {
			ref, err := parseSecret(aws.ToString(secret.ValueFrom))
			if err != nil {
				return nil, err
			}
			whole := ref
			whole.jsonKey = ""
			if _, ok := fetched[whole]; !ok {
				if fetched[whole], err = t.fetch(ctx, whole); err != nil {
					return nil, err
				}
			}
			if values[aws.ToString(secret.ValueFrom)], err = pick(fetched[whole], ref.jsonKey); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

func (t *Task) fetch(ctx context.Context, ref secretRef) (string, error) {
	input := &secretsmanager.GetSecretValueInput{SecretId: &ref.arn}
	if ref.stage != "" {
		input.VersionStage = &ref.stage
	}
	if ref.version != "" {
		input.VersionId = &ref.version
	}
	found, err := t.runner.opts.SecretsManager.GetSecretValue(ctx, input)
	if err != nil {
		return "", fmt.Errorf("%sfailed to fetch secret %s from secrets manager: %s", fromASM, ref.arn, apiWords(err))
	}
	if found.SecretString == nil {
		return "", fmt.Errorf("%ssecret %s holds bytes, and a variable needs text", fromASM, ref.arn)
	}
	return *found.SecretString, nil
}

// pick returns a secret's text, or the value of one key of its JSON object, written as the ECS agent does
// (aws/amazon-ecs-agent, agent/asm/asm.go).
func pick(text, jsonKey string) (string, error) {
	if jsonKey == "" {
		return text, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return "", fmt.Errorf("%s%w", fromASM, err) // tells where the JSON breaks, and nothing of what it holds
	}
	value, ok := object[jsonKey]
	if !ok {
		return "", fmt.Errorf("%sretrieved secret from Secrets Manager did not contain json key %s", fromASM, jsonKey)
	}
	return fmt.Sprint(value), nil
}

// apiWords is an error of the AWS SDK as the service worded it.
func apiWords(err error) string {
	if api := (smithy.APIError)(nil); errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}
