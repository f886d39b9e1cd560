package database

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

// authority signs the certificates of one cloud's servers.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

const validity = 365 * 24 * time.Hour // of certificates; a cloud lives for hours

func newAuthority() (authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Slipway RDS CA", Organization: []string{"Slipway embedded cloud"}},
		IsCA:    true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, fmt.Errorf("make the key of the servers' certificate authority: %w", err)
	}
	certificate, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, fmt.Errorf("make the servers' certificate authority: %w", err)
	}
	return authority{certificate: certificate, key: key, pem: pemOf("CERTIFICATE", certificate.Raw)}, nil
}

// issue makes a server's certificate and key, in PEM.
func (a authority) issue(host string) (certificate, key []byte, err error) {
	template := &x509.Certificate{
		DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(host) <= 64 { // the longest common name that there is
		template.Subject.CommonName = host
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of %s: %w", host, err)
	}
	signed, err := sign(template, a.certificate, &own.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("make the certificate of %s: %w", host, err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key of %s: %w", host, err)
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
