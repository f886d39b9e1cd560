package infra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/secrets"
)

// newSecrets declares the secrets that rows name; nil where none does.
func newSecrets(ctx *pulumi.Context, cfg *config.Config, prefix string) (*secrets.Secrets, error) {
	names := cfg.SecretNames()
	if len(names) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	return secrets.New(ctx, "secrets", secrets.Args{
		Prefix: prefix, Names: names, KMSKeyARN: cfg.Secrets.KmsKeyArn, RecoveryDays: cfg.Secrets.RecoveryDays,
	})
}

// arnsOf are the ARNs of a row's secrets, by the variables that hold them.
func arnsOf(row config.Service, all *secrets.Secrets) pulumi.StringMap {
	arns := pulumi.StringMap{}
	for variable, name := range row.Secrets {
		arns[variable] = all.ARNs[name]
	}
	return arns
}

// filled resolves when the secrets that a row names have values, and fails where one has none: then the service's task definition,
// and so the service, is not touched, and what runs goes on. Its tasks could not start, and ECS would say so in words of its own after
// minutes. A preview, which may not ask, asks nothing. Nil for a row that names none.
func (r *release) filled(row config.Service, all *secrets.Secrets) pulumi.ResourceArrayInput {
	if len(row.Secrets) == 0 {
		return nil
	}
	arns := pulumi.StringMap{}
	for _, name := range row.Secrets {
		arns[name] = all.ARNs[name]
	}
	return arns.ToStringMapOutput().ApplyTWithContext(r.ctx.Context(), func(ctx context.Context, arns map[string]string) ([]pulumi.Resource, error) {
		if r.ctx.DryRun() {
			return nil, nil
		}
		var empty []string
		for _, name := range slices.Sorted(maps.Keys(arns)) {
			has, err := r.court.vault.Filled(ctx, arns[name])
			if err != nil {
				return nil, fmt.Errorf("services.%s.secrets: %w", row.Name, err)
			}
			if !has {
				empty = append(empty, fmt.Sprintf("secret %s has no value, and no task would start without; give it one: make secret STACK=%s SECRET=%[1]s",
					name, r.ctx.Stack()))
			}
		}
		if len(empty) > 0 {
			return nil, fmt.Errorf("services.%s: %s\n  then run up again", row.Name, strings.Join(empty, "\n  "))
		}
		return nil, nil
	}).(pulumi.ResourceArrayOutput)
}
