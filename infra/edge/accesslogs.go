package edge

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
)

// delivery is who writes access logs.
const delivery = "logdelivery.elasticloadbalancing.amazonaws.com"

// AccessLogsArgs are the inputs of AccessLogs.
type AccessLogsArgs struct {
	Bucket    string // its name; bucket names are one for all accounts
	Partition string
	Account   string // of the load balancer
	Days      int    // that logs are kept
	Keep      bool   // whether a bucket that holds logs must not be deleted
}

// AccessLogs is the bucket that the load balancer writes to.
type AccessLogs struct {
	pulumi.ResourceState

	Bucket pulumi.StringOutput
	Ready  []pulumi.Resource // what must be there before a load balancer may write: AWS tries it at once
}

// NewAccessLogs declares AccessLogs.
func NewAccessLogs(ctx *pulumi.Context, name string, args AccessLogsArgs, opts ...pulumi.ResourceOption) (*AccessLogs, error) {
	l := &AccessLogs{}
	if err := ctx.RegisterComponentResource("slipway:edge:AccessLogs", name, l, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	parent := pulumi.Parent(l)
	bucket, err := s3.NewBucketV2(ctx, name, &s3.BucketV2Args{
		Bucket: pulumi.String(args.Bucket), ForceDestroy: pulumi.Bool(!args.Keep), Tags: pulumi.StringMap{"Name": pulumi.String(args.Bucket)},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the bucket of access logs: %w", err)
	}
	block, err := s3.NewBucketPublicAccessBlock(ctx, name, &s3.BucketPublicAccessBlockArgs{
		Bucket: bucket.Bucket, BlockPublicAcls: pulumi.Bool(true), BlockPublicPolicy: pulumi.Bool(true),
		IgnorePublicAcls: pulumi.Bool(true), RestrictPublicBuckets: pulumi.Bool(true),
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("close the bucket of access logs to the public: %w", err)
	}
	if err := l.expireAndEncrypt(ctx, name, args, bucket); err != nil {
		return nil, err
	}
	document, err := AccessLogsPolicy(args)
	if err != nil {
		return nil, err
	}
	// After the block: S3 refuses two changes at once.
	allowed, err := s3.NewBucketPolicy(ctx, name, &s3.BucketPolicyArgs{
		Bucket: bucket.Bucket, Policy: pulumi.String(document),
	}, parent, pulumi.DependsOn([]pulumi.Resource{block}))
	if err != nil {
		return nil, fmt.Errorf("let the load balancer write access logs: %w", err)
	}
	l.Bucket, l.Ready = bucket.Bucket, []pulumi.Resource{allowed}
	return l, ctx.RegisterResourceOutputs(l, pulumi.Map{"bucket": l.Bucket})
}

func (l *AccessLogs) expireAndEncrypt(ctx *pulumi.Context, name string, args AccessLogsArgs, bucket *s3.BucketV2) error {
	parent := pulumi.Parent(l)
	_, err := s3.NewBucketLifecycleConfigurationV2(ctx, name, &s3.BucketLifecycleConfigurationV2Args{
		Bucket: bucket.Bucket,
		Rules: s3.BucketLifecycleConfigurationV2RuleArray{s3.BucketLifecycleConfigurationV2RuleArgs{
			Id: pulumi.String("expire"), Status: pulumi.String("Enabled"),
			Filter:     s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")}, // everything
			Expiration: s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(args.Days)},
			// Parts of a file that never became one are listed nowhere, and paid for.
			AbortIncompleteMultipartUpload: s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
				DaysAfterInitiation: pulumi.Int(1),
			},
		}},
	}, parent)
	if err != nil {
		return fmt.Errorf("have access logs expire: %w", err)
	}
	// The only encryption that load balancers can write with: a key of S3's own.
	_, err = s3.NewBucketServerSideEncryptionConfigurationV2(ctx, name, &s3.BucketServerSideEncryptionConfigurationV2Args{
		Bucket: bucket.Bucket,
		Rules: s3.BucketServerSideEncryptionConfigurationV2RuleArray{s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
			ApplyServerSideEncryptionByDefault: s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
				SseAlgorithm: pulumi.String("AES256"),
			},
		}},
	}, parent)
	if err != nil {
		return fmt.Errorf("encrypt access logs: %w", err)
	}
	return nil
}

// AccessLogsPolicy lets load balancers of the account write, and nobody come without TLS. The folder that AWS writes to carries the
// account of the load balancer, so another account's cannot write here.
func AccessLogsPolicy(args AccessLogsArgs) (string, error) {
	bucket := fmt.Sprintf("arn:%s:s3:::%s", args.Partition, args.Bucket)
	return policy.JSON(
		policy.Statement{
			Sid: "Delivery", Effect: policy.Allow, Principal: &policy.Principal{Service: []string{delivery}},
			Action: []string{"s3:PutObject"}, Resource: []string{bucket + "/AWSLogs/" + args.Account + "/*"},
		},
		policy.Statement{
			Sid: "NeverWithoutTLS", Effect: policy.Deny, Principal: &policy.Principal{AWS: []string{"*"}},
			Action: []string{"s3:*"}, Resource: []string{bucket, bucket + "/*"},
			Condition: policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
		},
	)
}
