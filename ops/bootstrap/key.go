package bootstrap

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// key sees to the key that encrypts the stack's secrets in its state.
func (r *runner) key(ctx context.Context) error {
	alias := r.options.alias()
	r.report.KeyAlias = alias
	found, err := r.describe(ctx, alias)
	if err != nil {
		return err
	}
	var given *types.KeyMetadata
	if r.options.Key != "" {
		given, err = r.describe(ctx, r.options.Key)
		if err != nil {
			return err
		}
		if given == nil {
			return fmt.Errorf("there is no KMS key %s in account %s in %s; mend the option key, or leave it empty to make one", r.options.Key, r.report.Account, r.options.Region)
		}
	}
	switch {
	case found != nil && given != nil && aws.ToString(found.KeyId) != aws.ToString(given.KeyId):
		// Secrets may be encrypted by the other one already: that is for a person to decide.
		return fmt.Errorf("%s leads to key %s, and the option key names %s; leave the option empty, or move the alias by `aws kms update-alias --region %s --alias-name %s --target-key-id %s`",
			alias, aws.ToString(found.KeyId), aws.ToString(given.KeyId), r.options.Region, alias, aws.ToString(given.KeyId))
	case found != nil:
		r.report.KeyARN = aws.ToString(found.Arn)
		r.tell(Result{Thing: "key " + alias, Outcome: Kept, Detail: aws.ToString(found.Arn)})
		return r.checkKey(ctx, found, false)
	}
	if given == nil {
		if given, err = r.createKey(ctx); err != nil {
			return err
		}
	} else if err := usable(given, r.options.Region); err != nil {
		return err
	}
	return r.nameKey(ctx, given)
}

// describe returns what KMS knows of a key, or nil where there is none.
func (r *runner) describe(ctx context.Context, id string) (*types.KeyMetadata, error) {
	got, err := r.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if errorCode(err) == "NotFoundException" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	if err != nil {
		return nil, failed(err, "look for the KMS key %s in %s", id, r.options.Region)
	}
	return got.KeyMetadata, nil
}

// createKey makes a key. In a dry run it is nil.
func (r *runner) createKey(ctx context.Context) (*types.KeyMetadata, error) {
	if r.options.DryRun {
		return nil, nil //nolint:nilnil // nothing is made
	}
	got, err := r.kms.CreateKey(ctx, &kms.CreateKeyInput{
		KeyUsage:    types.KeyUsageTypeEncryptDecrypt,
		KeySpec:     types.KeySpecSymmetricDefault,
		Description: aws.String("Secrets in the Pulumi state of " + r.options.App + "-" + r.options.Stack),
		Tags: []types.Tag{
			{TagKey: aws.String("project"), TagValue: aws.String(r.options.App)},
			{TagKey: aws.String("stack"), TagValue: aws.String(r.options.Stack)},
		},
	})
	if err != nil {
		return nil, failed(err, "create a KMS key in %s", r.options.Region)
	}
	return got.KeyMetadata, nil
}

// nameKey gives a key its alias, and sees to its rotation. Without an alias a later run would make another key, so a failure
// says how to go on with this one.
func (r *runner) nameKey(ctx context.Context, key *types.KeyMetadata) error {
	alias := r.options.alias()
	if key == nil {
		r.tell(Result{Thing: "key " + alias, Outcome: Created, Detail: "with rotation, in " + r.options.Region})
		return nil
	}
	r.report.KeyARN = aws.ToString(key.Arn)
	if !r.options.DryRun {
		if _, err := r.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: key.KeyId}); err != nil {
			return failed(err, "name the key %s %s (so that no second key is made, give this one by the option key)", aws.ToString(key.KeyId), alias)
		}
	}
	r.tell(Result{Thing: "key " + alias, Outcome: Created, Detail: aws.ToString(key.Arn)})
	return r.checkKey(ctx, key, true)
}

func (r *runner) checkKey(ctx context.Context, key *types.KeyMetadata, isNew bool) error {
	if err := usable(key, r.options.Region); err != nil {
		return err
	}
	id := key.KeyId
	return r.settle(ctx, setting{
		thing: "its rotation",
		read: func(ctx context.Context) (string, bool, error) {
			got, err := r.kms.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: id})
			if err != nil {
				return "", false, failed(err, "read the rotation of key %s", aws.ToString(id))
			}
			if !got.KeyRotationEnabled {
				return "off", false, nil
			}
			return "on", true, nil
		},
		mend: func(ctx context.Context) error {
			if _, err := r.kms.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id}); err != nil {
				return failed(err, "switch on the rotation of key %s", aws.ToString(id))
			}
			return nil
		},
	}, isNew)
}

// usable refuses a key that cannot encrypt secrets, or not for long, with the command that mends it where there is one.
func usable(key *types.KeyMetadata, region string) error {
	id := aws.ToString(key.KeyId)
	switch {
	case key.KeyState == types.KeyStatePendingDeletion:
		return fmt.Errorf("the KMS key %s is about to be deleted, and the secrets that it encrypts with it; keep it by `aws kms cancel-key-deletion --region %s --key-id %s`, then `aws kms enable-key --region %s --key-id %s`",
			id, region, id, region, id)
	case key.KeyState == types.KeyStateDisabled:
		return fmt.Errorf("the KMS key %s is switched off; switch it on by `aws kms enable-key --region %s --key-id %s`", id, region, id)
	case key.KeyState != types.KeyStateEnabled:
		return fmt.Errorf("the KMS key %s is %s, not %s; wait until it is, or name another one by the option key", id, key.KeyState, types.KeyStateEnabled)
	case key.KeyManager == types.KeyManagerTypeAws:
		return fmt.Errorf("the KMS key %s is one of AWS's own, which Pulumi cannot be given; name a customer key by the option key, or leave it empty to make one", id)
	case key.KeyUsage != types.KeyUsageTypeEncryptDecrypt || key.KeySpec != types.KeySpecSymmetricDefault:
		return fmt.Errorf("the KMS key %s is for %s with %s, and secrets need a symmetric key that encrypts; name another one by the option key, or leave it empty to make one", id, key.KeyUsage, key.KeySpec)
	}
	return nil
}
