package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bucket sees to the bucket of the state.
func (r *runner) bucket(ctx context.Context) error {
	name, err := r.options.bucket(r.report.Account)
	if err != nil {
		return err
	}
	r.report.Bucket = name
	exists, err := r.findBucket(ctx, name)
	if err != nil {
		return err
	}
	thing := "bucket " + name
	if !exists {
		if !r.options.DryRun {
			if err := r.createBucket(ctx, name); err != nil {
				return err
			}
		}
		r.tell(Result{Thing: thing, Outcome: Created, Detail: "in " + r.options.Region})
		if r.options.DryRun {
			r.tell(Result{Thing: thing, Outcome: Created, Detail: "with versions, encryption, no public access, TLS alone, and old versions that expire"})
			return nil
		}
	} else {
		r.tell(Result{Thing: thing, Outcome: Kept, Detail: "it is there"})
	}
	for _, s := range r.bucketSettings(name) {
		if err := r.settle(ctx, s, !exists); err != nil {
			return err
		}
	}
	return nil
}

// findBucket says whether the bucket is there. Names of buckets are one for all accounts, so it may be somebody else's: a state
// must never go there.
func (r *runner) findBucket(ctx context.Context, name string) (bool, error) {
	head, err := r.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &r.report.Account})
	switch code := errorCode(err); {
	case err == nil:
	case code == "NotFound" || code == "NoSuchBucket":
		return false, nil
	case code == "Forbidden" || code == "AccessDenied" || code == "403":
		return false, fmt.Errorf("look for bucket %s: AWS refuses (%w): it belongs to another account, or these credentials may not see it; name another one by the option bucket, or use credentials that administer account %s",
			name, err, r.report.Account)
	case code == "MovedPermanently" || code == "301" || code == "PermanentRedirect":
		return false, r.elsewhere(name, "another region")
	default:
		return false, failed(err, "look for bucket %s", name)
	}
	if region := aws.ToString(head.BucketRegion); region != "" && region != r.options.Region {
		return false, r.elsewhere(name, region)
	}
	return true, nil
}

func (r *runner) elsewhere(name, region string) error {
	return fmt.Errorf("bucket %s stands in %s, and the stack in %s; a bucket cannot move: name another one by the option bucket, or give its region", name, region, r.options.Region)
}

func (r *runner) createBucket(ctx context.Context, name string) error {
	input := &s3.CreateBucketInput{Bucket: &name, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	if r.options.Region != "us-east-1" { // which S3 takes for the default, and refuses by name
		input.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(r.options.Region),
		}
	}
	_, err := r.s3.CreateBucket(ctx, input)
	switch errorCode(err) {
	case "BucketAlreadyExists":
		return fmt.Errorf("create bucket %s: another account has one of that name: %w; name another one by the option bucket", name, err)
	case "OperationAborted":
		return fmt.Errorf("create bucket %s: AWS is still busy with one of that name: %w; run it again in a few minutes", name, err)
	}
	if err != nil {
		return failed(err, "create bucket %s in %s", name, r.options.Region)
	}
	return nil
}

func (r *runner) bucketSettings(name string) []setting {
	b := bucketOf{runner: r, name: &name, owner: &r.report.Account}
	return []setting{
		{"public access to it", b.publicAccess, b.blockPublicAccess}, // first: nothing that follows can open it
		{"its versions", b.versioning, b.keepVersions},
		{"its encryption", b.encryption, b.encrypt},
		{"its policy", b.policy, b.requireTLS},
		{"its lifecycle", b.lifecycle, b.expireVersions},
	}
}

// bucketOf is the bucket, and whom it must belong to in every call.
type bucketOf struct {
	*runner
	name, owner *string
}

func (b bucketOf) reading(err error, what string) error {
	return failed(err, "read %s of bucket %s", what, *b.name)
}

func (b bucketOf) writing(err error, what string) error {
	if err == nil {
		return nil
	}
	return failed(err, "set %s of bucket %s", what, *b.name)
}

func (b bucketOf) publicAccess(ctx context.Context) (string, bool, error) {
	got, err := b.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if errorCode(err) == "NoSuchPublicAccessBlockConfiguration" {
		return "not blocked", false, nil
	}
	if err != nil {
		return "", false, b.reading(err, "the public access block")
	}
	c := got.PublicAccessBlockConfiguration
	all := c != nil && aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.BlockPublicPolicy) && aws.ToBool(c.IgnorePublicAcls) && aws.ToBool(c.RestrictPublicBuckets)
	if !all {
		return "blocked in part", false, nil
	}
	return "blocked", true, nil
}

func (b bucketOf) blockPublicAccess(ctx context.Context) error {
	yes := aws.Bool(true)
	_, err := b.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: b.name, ExpectedBucketOwner: b.owner,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes,
		},
	})
	return b.writing(err, "the public access block")
}

func (b bucketOf) versioning(ctx context.Context) (string, bool, error) {
	got, err := b.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if err != nil {
		return "", false, b.reading(err, "the versioning")
	}
	if got.Status != types.BucketVersioningStatusEnabled {
		return "not kept", false, nil
	}
	return "kept", true, nil
}

func (b bucketOf) keepVersions(ctx context.Context) error {
	_, err := b.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: b.name, ExpectedBucketOwner: b.owner,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return b.writing(err, "the versioning")
}

// encryption takes a key of the owner's choice as well: it is more than what is asked for.
func (b bucketOf) encryption(ctx context.Context) (string, bool, error) {
	got, err := b.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if errorCode(err) == "ServerSideEncryptionConfigurationNotFoundError" {
		return "none", false, nil
	}
	if err != nil {
		return "", false, b.reading(err, "the encryption")
	}
	if c := got.ServerSideEncryptionConfiguration; c != nil {
		for _, rule := range c.Rules {
			if d := rule.ApplyServerSideEncryptionByDefault; d != nil && d.SSEAlgorithm != "" {
				return string(d.SSEAlgorithm), true, nil
			}
		}
	}
	return "none", false, nil
}

func (b bucketOf) encrypt(ctx context.Context) error {
	_, err := b.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: b.name, ExpectedBucketOwner: b.owner,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{{
				ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
			}},
		},
	})
	return b.writing(err, "the encryption")
}

func (b bucketOf) readPolicy(ctx context.Context) (string, error) {
	got, err := b.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b.name, ExpectedBucketOwner: b.owner})
	if errorCode(err) == "NoSuchBucketPolicy" {
		return "", nil
	}
	if err != nil {
		return "", b.reading(err, "the policy")
	}
	return aws.ToString(got.Policy), nil
}

func (b bucketOf) arn() string { return "arn:" + b.partition + ":s3:::" + *b.name }

func (b bucketOf) policy(ctx context.Context) (string, bool, error) {
	old, err := b.readPolicy(ctx)
	if err != nil {
		return "", false, err
	}
	_, same, err := mergePolicy(old, b.arn())
	if err != nil {
		return "", false, fmt.Errorf("read the policy of bucket %s: %w; mend it, or remove it by `aws s3api delete-bucket-policy --bucket %s`", *b.name, err, *b.name)
	}
	if !same {
		return "requests without TLS are taken", false, nil
	}
	return "requests without TLS are refused", true, nil
}

func (b bucketOf) requireTLS(ctx context.Context) error {
	old, err := b.readPolicy(ctx)
	if err != nil {
		return err
	}
	merged, _, err := mergePolicy(old, b.arn())
	if err != nil {
		return err
	}
	_, err = b.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b.name, ExpectedBucketOwner: b.owner, Policy: &merged})
	return b.writing(err, "the policy")
}

// tlsSid names our statement among others of a policy.
const tlsSid = "SlipwayTLSOnly"

// mergePolicy adds our statement to a bucket's policy, or puts it right. Statements of others stay as they are.
func mergePolicy(old, bucketARN string) (merged string, same bool, err error) {
	ours := map[string]any{
		"Sid": tlsSid, "Effect": "Deny", "Principal": "*", "Action": "s3:*",
		"Resource":  []any{bucketARN, bucketARN + "/*"},
		"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}
	document := map[string]any{"Version": "2012-10-17"}
	if old != "" {
		if err := json.Unmarshal([]byte(old), &document); err != nil {
			return "", false, fmt.Errorf("it is no JSON object: %w", err)
		}
	}
	statements, isList := document["Statement"].([]any)
	if single, ok := document["Statement"].(map[string]any); ok {
		statements, isList = []any{single}, true
	}
	if !isList && document["Statement"] != nil {
		return "", false, fmt.Errorf("its Statement is neither a list nor an object")
	}
	i := slices.IndexFunc(statements, func(s any) bool {
		statement, _ := s.(map[string]any)
		return statement["Sid"] == tlsSid
	})
	switch {
	case i < 0:
		statements = append(statements, ours)
	case normal(statements[i]) == normal(ours):
		return old, true, nil
	default:
		statements[i] = ours
	}
	document["Statement"] = statements
	text, err := json.Marshal(document)
	return string(text), false, err
}

// normal writes a part of a policy so that what means the same is the same text: a list of one is its element, the order of
// a list does not count, and neither does a boolean's being text.
func normal(value any) string {
	switch v := value.(type) {
	case []any:
		if len(v) == 1 {
			return normal(v[0])
		}
		all := make([]string, len(v))
		for i, element := range v {
			all[i] = normal(element)
		}
		slices.Sort(all)
		return "[" + strings.Join(all, ",") + "]"
	case map[string]any:
		var all []string
		for key, element := range v {
			all = append(all, fmt.Sprintf("%q:%s", key, normal(element)))
		}
		slices.Sort(all)
		return "{" + strings.Join(all, ",") + "}"
	}
	return fmt.Sprintf("%q", fmt.Sprint(value))
}
