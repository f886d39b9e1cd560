package secrets

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Vault asks Secrets Manager. It never asks for a value.
type Vault struct{ Client *secretsmanager.Client }

// current is the stage of the version that a task gets.
const current = "AWSCURRENT"

// Filled says whether the secret of an ARN has a value.
func (v Vault) Filled(ctx context.Context, arn string) (bool, error) {
	found, err := v.Client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn})
	if err != nil {
		return false, fmt.Errorf("ask whether secret %s has a value: %w", arn, err)
	}
	for _, stages := range found.VersionIdsToStages {
		if slices.Contains(stages, current) {
			return true, nil
		}
	}
	return false, nil
}
