package edge

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/acm"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// validationTimeout is how long one run waits for ACM, which mostly takes minutes. The next run goes on waiting.
	validationTimeout = "15m"
	validationTTL     = 300 // seconds
)

// CertificateArgs are the inputs of a Certificate.
type CertificateArgs struct {
	Name   string   // as a person sees it
	Names  []string // that it is for, the first one first
	ZoneID string   // hosted zone that all of them belong to
}

// Certificate is a certificate of ACM, in the stack's region, which ACM renews by itself as long as its records are there.
type Certificate struct {
	pulumi.ResourceState

	ARN pulumi.StringOutput // known once the certificate is valid
}

// NewCertificate declares a Certificate. Other names make another one, which is valid before the old one goes.
func NewCertificate(ctx *pulumi.Context, name string, args CertificateArgs, opts ...pulumi.ResourceOption) (*Certificate, error) {
	c := &Certificate{}
	if err := ctx.RegisterComponentResource("slipway:edge:Certificate", name, c, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	parent := pulumi.Parent(c)
	certificate, err := acm.NewCertificate(ctx, name, &acm.CertificateArgs{
		DomainName: pulumi.String(args.Names[0]),
		// All of them, as AWS reads them back: left out, the last alias would stay when it is taken away.
		SubjectAlternativeNames: pulumi.ToStringArray(args.Names),
		ValidationMethod:        pulumi.String("DNS"),
		Tags:                    pulumi.StringMap{"Name": pulumi.String(args.Name)},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("declare the certificate: %w", err)
	}
	var proofs pulumi.StringArray
	for _, host := range args.Names {
		proof, err := c.prove(ctx, name, host, args.ZoneID, certificate)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, proof.Fqdn)
	}
	validation, err := acm.NewCertificateValidation(ctx, name, &acm.CertificateValidationArgs{
		CertificateArn: certificate.Arn, ValidationRecordFqdns: proofs,
	}, parent, pulumi.Timeouts(&pulumi.CustomTimeouts{Create: validationTimeout}))
	if err != nil {
		return nil, fmt.Errorf("await the certificate: %w", err)
	}
	c.ARN = validation.CertificateArn
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"arn": c.ARN})
}

// prove declares the record by which ACM sees that a name is ours.
func (c *Certificate) prove(ctx *pulumi.Context, name, host, zoneID string, certificate *acm.Certificate) (*route53.Record, error) {
	asked := certificate.DomainValidationOptions.ApplyT(
		func(all []acm.CertificateDomainValidationOption) (acm.CertificateDomainValidationOption, error) {
			for _, option := range all {
				if option.DomainName != nil && *option.DomainName == host {
					return option, nil
				}
			}
			return acm.CertificateDomainValidationOption{}, fmt.Errorf("ACM asks for no proof of %s", host)
		}).(acm.CertificateDomainValidationOptionOutput)
	record, err := route53.NewRecord(ctx, name+"-"+host, &route53.RecordArgs{
		ZoneId:  pulumi.String(zoneID),
		Name:    asked.ResourceRecordName().Elem(),
		Type:    asked.ResourceRecordType().Elem(),
		Records: pulumi.StringArray{asked.ResourceRecordValue().Elem()},
		Ttl:     pulumi.Int(validationTTL),
		// ACM asks the same of every certificate that this account has for the name: one that is there already says the same.
		AllowOverwrite: pulumi.Bool(true),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("prove that %s is ours: %w", host, err)
	}
	return record, nil
}
