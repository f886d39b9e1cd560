package identity

import (
	"fmt"

	"slipway/infra/policy"
)

// Domain is where the names that lead to the stack are declared.
type Domain struct {
	ZoneID string   // Route 53 hosted zone; empty for a stack without a domain
	Names  []string // in lower case, with no dot at the end
}

// domain lets the stack have a certificate, and records of its own names in a zone that holds others' as well.
func domain(args Args) []policy.Statement {
	if args.Domain.ZoneID == "" {
		return nil
	}
	zone := fmt.Sprintf("arn:%s:route53:::hostedzone/%s", args.Partition, args.Domain.ZoneID)
	var names []string
	for _, name := range args.Domain.Names {
		names = append(names, name, "_*."+name) // the second is ACM's proof
	}
	return []policy.Statement{
		{
			Sid: "Certificates", Effect: policy.Allow,
			Action: []string{
				"acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:DescribeCertificate", "acm:ListTagsForCertificate",
				"acm:RemoveTagsFromCertificate",
			},
			// Ids are ACM's own. A certificate that is in use cannot be deleted.
			Resource: []string{args.arn("acm", "certificate/*")},
		},
		{
			Sid: "CertificateRequest", Effect: policy.Allow, Action: []string{"acm:RequestCertificate"},
			// AWS takes no resource for it. One for a name that is not ours is never issued: there is no way to prove it.
			Resource: []string{"*"}, Condition: args.inRegion(),
		},
		{
			Sid: "Dns", Effect: policy.Allow, Action: []string{"route53:ChangeResourceRecordSets"}, Resource: []string{zone},
			Condition: policy.Condition{
				"ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": names},
			},
		},
		{
			Sid: "DnsLook", Effect: policy.Allow,
			Action:   []string{"route53:GetChange", "route53:GetHostedZone", "route53:ListResourceRecordSets"},
			Resource: []string{zone, fmt.Sprintf("arn:%s:route53:::change/*", args.Partition)},
		},
	}
}

// accessLogs lets the stack have a bucket for the load balancer's access logs. Reading them is not among the actions.
func accessLogs(args Args) []policy.Statement {
	bucket := fmt.Sprintf("arn:%s:s3:::%s", args.Partition, args.Roots.AccessLogs)
	return []policy.Statement{
		{
			Sid: "AccessLogs", Effect: policy.Allow,
			Action: []string{
				"s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:Get*", "s3:List*", "s3:PutBucketPolicy",
				"s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
			},
			Resource: []string{bucket}, // and not what is in it
		},
		{
			Sid: "AccessLogFiles", Effect: policy.Allow,
			Action:   []string{"s3:DeleteObject", "s3:DeleteObjectVersion"}, // a bucket that goes must be empty
			Resource: []string{bucket + "/*"},
		},
	}
}
