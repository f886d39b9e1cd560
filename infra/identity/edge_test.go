package identity_test

import (
	"strings"
	"testing"

	"slipway/infra/identity"
	"slipway/infra/policy"
)

// TestDomain holds that the deploy role changes records of the stack's names, in its zone, and no others; and that without a domain
// it changes none and has no certificate.
func TestDomain(t *testing.T) {
	const zone, certificate = "arn:aws:route53:::hostedzone/Z1", "arn:aws:acm:eu-west-1:123456789012:certificate/1"
	records := func(names ...string) map[string][]string {
		return map[string][]string{"route53:ChangeResourceRecordSetsNormalizedRecordNames": names}
	}
	document, err := identity.DeployPolicy(args)
	hold(t, document, err, []call{
		{"route53:ChangeResourceRecordSets", zone, records("app.example.com"), allowed},
		{"route53:ChangeResourceRecordSets", zone, records("_proof.app.example.com", "www.example.com"), allowed},
		{"route53:ChangeResourceRecordSets", zone, records("example.com"), refused},
		{"route53:ChangeResourceRecordSets", zone, records("mail.example.com"), refused},
		{"route53:ChangeResourceRecordSets", zone, records("a.app.example.com"), refused},
		{"route53:ChangeResourceRecordSets", zone, records("myapp.example.com"), refused},
		{"route53:ChangeResourceRecordSets", zone, records("app.example.com", "mail.example.com"), refused},
		{"route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z2", records("app.example.com"), refused},
		{"route53:ListResourceRecordSets", zone, nil, allowed},
		{"route53:ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z2", nil, refused},
		{"route53:GetChange", "arn:aws:route53:::change/C1", nil, allowed},
		{"route53:DeleteHostedZone", zone, nil, refused},
		{"route53:CreateHostedZone", "*", nil, refused},
		{"acm:RequestCertificate", "*", nil, allowed},
		{"acm:RequestCertificate", "*", map[string][]string{"aws:RequestedRegion": {"us-east-1"}}, refused},
		{"acm:DeleteCertificate", certificate, nil, allowed},
		{"acm:ExportCertificate", certificate, nil, refused},
		{"acm:ImportCertificate", certificate, nil, refused},
	})

	plain := args
	plain.Domain = identity.Domain{}
	for _, s := range parse(t, identity.DeployPolicy, plain) {
		for _, action := range s.Action {
			ofDomain := strings.HasPrefix(action, "acm:") || strings.HasPrefix(action, "route53:")
			if s.Effect == policy.Allow && ofDomain && s.Sid != "EndpointNames" {
				t.Errorf("without a domain %s allows %s", s.Sid, action)
			}
		}
	}
}

// TestAccessLogs holds that the deploy role makes, changes and empties the bucket of access logs and no other, and does not read them.
func TestAccessLogs(t *testing.T) {
	const bucket = "arn:aws:s3:::myapp-staging-access-logs-123456789012"
	document, err := identity.DeployPolicy(args)
	hold(t, document, err, []call{
		{"s3:CreateBucket", bucket, nil, allowed},
		{"s3:PutBucketPolicy", bucket, nil, allowed},
		{"s3:GetBucketPolicy", bucket, nil, allowed},
		{"s3:ListBucketVersions", bucket, nil, allowed},
		{"s3:DeleteObjectVersion", bucket + "/AWSLogs/1", nil, allowed},
		{"s3:GetObject", bucket + "/AWSLogs/1", nil, refused},
		{"s3:PutObject", bucket + "/AWSLogs/1", nil, refused},
		{"s3:PutBucketAcl", bucket, nil, refused},
		{"s3:PutBucketPolicy", strings.Replace(bucket, "staging", "production", 1), nil, refused},
		{"s3:DeleteBucket", "arn:aws:s3:::state", nil, refused},
		{"s3:ListAllMyBuckets", "*", nil, refused},
	})
}
