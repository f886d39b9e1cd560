package balancer_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/balancer"
)

// secured is a configuration of a listener of HTTPS for a name, under a certificate, and one of HTTP that sends there.
func secured(certificate, host, policy string) balancer.Config {
	secure := listener(443, types.Action{Type: types.ActionTypeEnumForward, TargetGroupArn: aws.String(group)},
		rule("1", saying("fixed"), path("/fixed")),
		rule("2", types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{
			Path: aws.String("/there"), StatusCode: types.RedirectActionStatusCodeEnumHttp302,
		}}, path("/here")),
	)
	secure.Protocol, secure.SslPolicy = types.ProtocolEnumHttps, aws.String(policy)
	secure.Certificates = []types.Certificate{{CertificateArn: aws.String(certificate)}}
	secure.Names = []string{host}
	secure.Attributes = map[string]string{"routing.http.response.strict_transport_security.header_value": "max-age=60"}
	return listening(secure, listener(port, types.Action{Type: types.ActionTypeEnumRedirect, RedirectConfig: &types.RedirectActionConfig{
		Protocol: aws.String("HTTPS"), Port: aws.String("443"), StatusCode: types.RedirectActionStatusCodeEnumHttp301,
	}}))
}

const (
	policy   = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
	stricter = "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09"
	domain   = "app.example.com"
)

// secureClient trusts the balancer's authority, and finds every name at its HTTPS listener.
func secureClient(t *testing.T, b *balancer.Balancer, change func(*tls.Config)) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b.CertificateAuthority()) {
		t.Fatal("the balancer has no certificate authority")
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(config)
	}
	c := client(t)
	transport := c.Transport.(*http.Transport)
	transport.TLSClientConfig = config
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, secureSocket(t, b))
	}
	return c
}

// secureSocket is where the HTTPS listener is dialed.
func secureSocket(t *testing.T, b *balancer.Balancer) string {
	t.Helper()
	address, plain, err := net.SplitHostPort(socket(t, b))
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(address, strings.TrimSuffix(plain, "80")+"443")
}

func ask(t *testing.T, c *http.Client, url string) (*http.Response, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// TestHTTPS holds that a listener of HTTPS answers under its certificate's name alone, by the versions of TLS that its policy has,
// tells targets that the client came by HTTPS, adds the header of its attribute to every answer, and takes another certificate
// and policy for new connections.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, secured("arn:one", domain, policy))
	register(t, b, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=1")
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("X-Forwarded-Port"))
	}))
	c := secureClient(t, b, nil)
	_, boundTo, _ := net.SplitHostPort(secureSocket(t, b))
	for path, want := range map[string]string{"/": "https " + boundTo, "/fixed": "fixed"} {
		response, body, err := ask(t, c, "https://"+domain+path)
		if err != nil || body != want || response.TLS.Version != tls.VersionTLS13 {
			t.Errorf("%s: %+v, %q, %v; want %q by TLS 1.3", path, response, body, err, want)
			continue
		}
		if hsts := response.Header.Values("Strict-Transport-Security"); len(hsts) != 1 || hsts[0] != "max-age=60" {
			t.Errorf("%s: HSTS is %q", path, hsts)
		}
	}
	if response, _, err := ask(t, c, "https://"+domain+"/here"); err != nil || response.Header.Get("Location") != "https://"+domain+":"+boundTo+"/there" {
		t.Errorf("a redirect: %+v, %v", response, err)
	}
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"a cipher that is not among": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
		"nobody who is trusted": func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
	} {
		if _, _, err := ask(t, secureClient(t, b, change), "https://"+domain+"/"); err == nil {
			t.Errorf("%s is answered", name)
		}
	}
	if _, _, err := ask(t, secureClient(t, b, nil), "https://other.example.com/"); err == nil {
		t.Error("the certificate is taken for another name")
	}
	twelve := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	if response, _, err := ask(t, secureClient(t, b, twelve), "https://"+domain+"/"); err != nil || response.TLS.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2: %+v, %v", response, err)
	}

	apply(t, b, secured("arn:two", "other.example.com", stricter))
	if _, _, err := ask(t, secureClient(t, b, nil), "https://other.example.com/fixed"); err != nil {
		t.Errorf("another certificate: %v", err)
	}
	if _, _, err := ask(t, secureClient(t, b, twelve), "https://other.example.com/fixed"); err == nil {
		t.Error("a policy of TLS 1.3 takes 1.2")
	}
}

// TestToHTTPS holds that a listener of HTTP sends clients to the one of HTTPS, and that one which speaks no TLS to it gets nothing.
func TestToHTTPS(t *testing.T) {
	t.Parallel()
	b := start(t)
	apply(t, b, secured("arn:one", domain, policy))
	_, boundTo, _ := net.SplitHostPort(secureSocket(t, b))
	plain := newRequest(t, b, http.MethodGet, "/a?b=c", "")
	plain.Host = domain
	if got := send(t, client(t), plain); got.code != http.StatusMovedPermanently || got.header.Get("Location") != "https://"+domain+":"+boundTo+"/a?b=c" {
		t.Errorf("HTTP is answered with %+v", got)
	}
	conn := dial(t, secureSocket(t, b))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+domain+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err == nil && strings.Contains(string(answer), "200") {
		t.Errorf("plain HTTP on the port of HTTPS is answered with %q", answer)
	}
}
