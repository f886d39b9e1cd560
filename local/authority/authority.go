// Package authority makes certificates for the servers of one embedded cloud, under a certificate authority of its own.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

// Authority signs certificates. It may be used at the same time.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

const validity = 365 * 24 * time.Hour // of certificates; a cloud lives for hours

// New makes an authority of a name.
func New(name string) (*Authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Slipway embedded cloud"}},
		IsCA:    true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of %s: %w", name, err)
	}
	certificate, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return &Authority{certificate: certificate, key: key}, nil
}

// Certificate is the authority's own.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return pemOf("CERTIFICATE", a.certificate.Raw) }

// Issue makes a server's certificate for DNS names, and its key, in PEM.
func (a *Authority) Issue(names ...string) (certificate, key []byte, err error) {
	template := &x509.Certificate{
		DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(names[0]) <= 64 { // the longest common name that there is
		template.Subject.CommonName = names[0]
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of %s: %w", names[0], err)
	}
	signed, err := sign(template, a.certificate, &own.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("make the certificate of %s: %w", names[0], err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key of %s: %w", names[0], err)
	}
	return pemOf("CERTIFICATE", signed.Raw), pemOf("PRIVATE KEY", encoded), nil
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	template.NotBefore = time.Now().Add(-time.Hour) // clocks differ
	template.NotAfter = time.Now().Add(validity)
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}

func pemOf(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}
