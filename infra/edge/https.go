package edge

import (
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Domain is the names that lead to the load balancer, and how it speaks TLS under them.
type Domain struct {
	Name      string   // the stack's own
	Aliases   []string // further ones
	ZoneID    string   // public hosted zone that all of them belong to
	TLSPolicy string   // security policy of the listener, by AWS's name
	HSTS      string   // Strict-Transport-Security of every answer, in place of the application's; empty leaves that as it is
}

func (d Domain) names() []string { return append([]string{d.Name}, d.Aliases...) }

// serveSecurely has the load balancer answer by HTTPS under the domain's names, and send there who comes by HTTP.
func (e *Edge) serveSecurely(ctx *pulumi.Context, name string, args Args, balancer *lb.LoadBalancer) error {
	domain := args.Domain
	certificate, err := NewCertificate(ctx, name+"-certificate", CertificateArgs{
		Name: args.Name, Names: domain.names(), ZoneID: domain.ZoneID,
	}, pulumi.Parent(e))
	if err != nil {
		return err
	}
	listener := &lb.ListenerArgs{
		LoadBalancerArn: balancer.Arn,
		Port:            pulumi.Int(httpsPort),
		Protocol:        pulumi.String("HTTPS"),
		SslPolicy:       pulumi.String(domain.TLSPolicy),
		CertificateArn:  certificate.ARN,
		DefaultActions:  lb.ListenerDefaultActionArray{notFound()},
	}
	if domain.HSTS != "" {
		listener.RoutingHttpResponseStrictTransportSecurityHeaderValue = pulumi.String(domain.HSTS)
	}
	secure, err := lb.NewListener(ctx, name+"-https", listener, pulumi.Parent(e))
	if err != nil {
		return fmt.Errorf("declare the HTTPS listener: %w", err)
	}
	// Nobody is sent where nothing listens.
	if _, err := e.httpListener(ctx, name, balancer, toHTTPS(), secure); err != nil {
		return err
	}
	for _, host := range domain.names() {
		if err := e.pointHere(ctx, name, host, domain.ZoneID, balancer, secure); err != nil {
			return err
		}
	}
	e.URL, e.ListenerARN = pulumi.Sprintf("https://%s", domain.Name), secure.Arn
	return nil
}

// toHTTPS sends a client to the same address by HTTPS. It may keep that in mind.
func toHTTPS() lb.ListenerDefaultActionArgs {
	return lb.ListenerDefaultActionArgs{
		Type: pulumi.String("redirect"),
		Redirect: lb.ListenerDefaultActionRedirectArgs{
			Protocol: pulumi.String("HTTPS"), Port: pulumi.String(strconv.Itoa(httpsPort)), StatusCode: pulumi.String("HTTP_301"),
		},
	}
}

// pointHere declares the record that leads a name to the load balancer. One that is there already is somebody else's, and the run fails.
func (e *Edge) pointHere(ctx *pulumi.Context, name, host, zoneID string, balancer *lb.LoadBalancer, listener pulumi.Resource) error {
	_, err := route53.NewRecord(ctx, name+"-"+host, &route53.RecordArgs{
		ZoneId: pulumi.String(zoneID),
		Name:   pulumi.String(host),
		Type:   pulumi.String("A"),
		Aliases: route53.RecordAliasArray{route53.RecordAliasArgs{
			Name: balancer.DnsName, ZoneId: balancer.ZoneId,
			EvaluateTargetHealth: pulumi.Bool(false), // there is nowhere else to go
		}},
	}, pulumi.Parent(e), pulumi.DependsOn([]pulumi.Resource{listener}))
	if err != nil {
		return fmt.Errorf("point %s to the load balancer: %w", host, err)
	}
	return nil
}
