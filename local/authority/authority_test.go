package authority_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"slipway/local/authority"
)

// TestIssue holds that who trusts an authority trusts what it issues, for its names and no others, also where a name is too long to
// be a common name; and that who trusts another one does not.
func TestIssue(t *testing.T) {
	ours, err := authority.New("ours")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := authority.New("theirs")
	if err != nil {
		t.Fatal(err)
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	others.AddCert(theirs.Certificate())
	if !roots.AppendCertsFromPEM(ours.PEM()) {
		t.Fatal("the authority's certificate is none")
	}
	long := strings.Repeat("a", 60) + ".example.com"
	certificate, key, err := ours.Issue(long, "www.example.com")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		roots *x509.CertPool
		good  bool
	}{{long, roots, true}, {"www.example.com", roots, true}, {"example.com", roots, false}, {"www.example.com", others, false}} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: c.name, Roots: c.roots}); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
