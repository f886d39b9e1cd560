package bootstrap

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	lifecycleID = "slipway-old-versions"
	oldDays     = 90 // that a version stays after a newer one took its place
	abandonDays = 7  // until the parts of an upload that never ended are deleted
	statePrefix = ".pulumi"
)

func (b bucketOf) readLifecycle(ctx context.Context) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	got, err := b.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if errorCode(err) == "NoSuchLifecycleConfiguration" {
		return &s3.GetBucketLifecycleConfigurationOutput{}, nil
	}
	if err != nil {
		return nil, b.reading(err, "the lifecycle")
	}
	return got, nil
}

func (b bucketOf) lifecycle(ctx context.Context) (string, bool, error) {
	got, err := b.readLifecycle(ctx)
	if err != nil {
		return "", false, err
	}
	for _, rule := range got.Rules {
		if losesState(rule) {
			return "", false, fmt.Errorf("bucket %s deletes current objects by its lifecycle rule %q, and with them the state; remove the rule (`aws s3api get-bucket-lifecycle-configuration --bucket %s` shows it), or name another bucket by the option bucket",
				*b.name, aws.ToString(rule.ID), *b.name)
		}
	}
	if _, same := mergeLifecycle(got.Rules); !same {
		return "old versions do not expire, or at another time", false, nil
	}
	return fmt.Sprintf("old versions expire after %d days", oldDays), true, nil
}

func (b bucketOf) expireVersions(ctx context.Context) error {
	got, err := b.readLifecycle(ctx)
	if err != nil {
		return err
	}
	rules, _ := mergeLifecycle(got.Rules)
	_, err = b.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: b.name, ExpectedBucketOwner: b.owner,
		LifecycleConfiguration:             &types.BucketLifecycleConfiguration{Rules: rules},
		TransitionDefaultMinimumObjectSize: got.TransitionDefaultMinimumObjectSize,
	})
	return b.writing(err, "the lifecycle")
}

// losesState says whether a rule deletes current objects among which the state may be.
func losesState(rule types.LifecycleRule) bool {
	if rule.Status != types.ExpirationStatusEnabled || rule.Expiration == nil {
		return false
	}
	if aws.ToInt32(rule.Expiration.Days) == 0 && rule.Expiration.Date == nil {
		return false // it removes nothing but the markers of deleted objects
	}
	prefix := aws.ToString(rule.Prefix) //nolint:staticcheck // old rules have it here
	if rule.Filter != nil {
		if rule.Filter.And != nil {
			prefix += aws.ToString(rule.Filter.And.Prefix)
		}
		prefix += aws.ToString(rule.Filter.Prefix)
	}
	return strings.HasPrefix(prefix, statePrefix) || strings.HasPrefix(statePrefix, prefix)
}

// mergeLifecycle adds our rule to a bucket's, or puts it right. AWS replaces all rules at once, so those of others are
// written back.
func mergeLifecycle(old []types.LifecycleRule) (merged []types.LifecycleRule, same bool) {
	ours := types.LifecycleRule{
		ID: aws.String(lifecycleID), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
		NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(oldDays)},
		// Every run leaves the marker of a deleted lock.
		Expiration:                     &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)},
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(abandonDays)},
	}
	for _, rule := range old {
		if aws.ToString(rule.ID) != lifecycleID {
			merged = append(merged, rule)
			continue
		}
		same = sameRule(rule)
	}
	return append(merged, ours), same
}

// sameRule compares what counts: AWS adds fields of its own to what it was given.
func sameRule(rule types.LifecycleRule) bool {
	n, e, a := rule.NoncurrentVersionExpiration, rule.Expiration, rule.AbortIncompleteMultipartUpload
	return rule.Status == types.ExpirationStatusEnabled && n != nil && e != nil && a != nil &&
		aws.ToInt32(n.NoncurrentDays) == oldDays &&
		aws.ToBool(e.ExpiredObjectDeleteMarker) && aws.ToInt32(a.DaysAfterInitiation) == abandonDays &&
		(rule.Filter == nil || aws.ToString(rule.Filter.Prefix) == "" && rule.Filter.And == nil && rule.Filter.Tag == nil)
}
