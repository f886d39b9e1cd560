package balancer

import (
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// leastVersions are by what the names of security policies begin with. Source: page "Security policies for your Application Load
// Balancer".
var leastVersions = []struct {
	begin string
	least uint16
}{
	{"ELBSecurityPolicy-TLS13-1-3-", tls.VersionTLS13},
	{"ELBSecurityPolicy-TLS13-1-2-", tls.VersionTLS12},
}

// restricted are the ciphers of TLS 1.2 that the policies with Res in their names have.
var restricted = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
}

// CertificateAuthority is the certificate, in PEM, of what signs the certificates of listeners. It is not Amazon's: clients must be
// told to trust it.
func (b *Balancer) CertificateAuthority() []byte { return b.authority.PEM() }

// securityOf is how a listener speaks TLS; nil for one of HTTP.
func (b *Balancer) securityOf(found Listener) (*tls.Config, error) {
	switch found.Protocol {
	case types.ProtocolEnumHttp:
		return nil, nil
	case types.ProtocolEnumHttps:
	default:
		return nil, fmt.Errorf("protocol %s is not there, only HTTP and HTTPS are", found.Protocol)
	}
	policy := aws.ToString(found.SslPolicy)
	least := leastVersion(policy)
	if least == 0 {
		return nil, fmt.Errorf("security policy %s is not there, only those with TLS 1.3, and 1.2 at least, are", policy)
	}
	if len(found.Certificates) != 1 || len(found.Names) == 0 {
		return nil, fmt.Errorf("it has %d certificates for %d names; give it one of ACM's", len(found.Certificates), len(found.Names))
	}
	certificate, err := b.certificateOf(aws.ToString(found.Certificates[0].CertificateArn), found.Names)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: least, Certificates: []tls.Certificate{*certificate}, NextProtos: []string{"http/1.1"}} //nolint:gosec // 1.2 or 1.3
	if strings.Contains(policy, "-Res-") {
		config.CipherSuites = restricted
	}
	return config, nil
}

func leastVersion(policy string) uint16 {
	for _, version := range leastVersions {
		if strings.HasPrefix(policy, version.begin) {
			return version.least
		}
	}
	return 0
}

// certificateOf makes the certificate that stands for one of ACM's, once.
func (b *Balancer) certificateOf(arn string, names []string) (*tls.Certificate, error) {
	if made, ok := b.certificates[arn]; ok {
		return made, nil
	}
	certificate, key, err := b.authority.Issue(names...)
	if err != nil {
		return nil, err
	}
	made, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of %s: %w", names[0], err)
	}
	b.certificates[arn] = &made
	return &made, nil
}

const (
	hstsAttribute = "routing.http.response.strict_transport_security.header_value"
	hstsHeader    = "Strict-Transport-Security"
)

// headersOf reads what a listener's attributes add to answers, and names those that are not carried out.
func headersOf(attributes map[string]string) (hsts string, problems []error) {
	for key, value := range attributes {
		standard := value == "" || key == "routing.http.response.server.enabled" && value == "true"
		if strings.HasPrefix(key, "routing.") && key != hstsAttribute && !standard {
			problems = append(problems, fmt.Errorf("attribute %s is %q, which this balancer does not carry out", key, value))
		}
	}
	return attributes[hstsAttribute], problems
}
