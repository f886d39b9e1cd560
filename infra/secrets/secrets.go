// Package secrets declares the applications' secrets: their names, and who keeps them. Their values pass neither this program nor
// its state; a person gives them, by `make secret`.
package secrets

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args are the inputs of Secrets.
type Args struct {
	Prefix       string   // of names, see Name
	Names        []string // each once
	KMSKeyARN    string   // customer key; empty for the one that Secrets Manager has in every account
	RecoveryDays int      // that a deleted secret can be had back; 0 for none
}

// Secrets are a stack's secrets, with no values.
type Secrets struct {
	pulumi.ResourceState

	ARNs map[string]pulumi.StringOutput // by name
}

// Name is what Secrets Manager knows a stack's secret by.
func Name(prefix, name string) string { return prefix + "/" + name }

// New declares Secrets.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Secrets, error) {
	s := &Secrets{ARNs: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource("slipway:secrets:Secrets", name, s, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	for _, one := range args.Names {
		inputs := &secretsmanager.SecretArgs{
			Name:                 pulumi.String(Name(args.Prefix, one)),
			RecoveryWindowInDays: pulumi.Int(args.RecoveryDays),
		}
		if args.KMSKeyARN != "" {
			inputs.KmsKeyId = pulumi.String(args.KMSKeyARN)
		}
		secret, err := secretsmanager.NewSecret(ctx, one, inputs, pulumi.Parent(s))
		if err != nil {
			return nil, fmt.Errorf("declare secret %s: %w", one, err)
		}
		s.ARNs[one] = secret.Arn
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"arns": pulumi.ToStringMapOutput(s.ARNs)})
}
