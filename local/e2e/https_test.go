package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/local/awsapi"
)

// redirect is where one is sent who asks for /api/items by HTTP; the port is another where this machine does not let us bind 443.
var redirect = regexp.MustCompile(`^https://(app|www)\.example\.com:(8)?443/api/items\?a=b$`)

const (
	host  = "app.example.com"
	alias = "www.example.com"
	// ownHSTS is what the application says for itself.
	ownHSTS = "max-age=7"
)

// TestHTTPS takes a stack of staging's shape through life under a domain: it comes to life with one, loses it, gets it again while
// clients ask, and goes with it. Names resolve nowhere here, so the clients are told where they lead.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	c := clone(t)
	committed := c.read(t, "Pulumi.staging.yaml")
	plain := func() {
		t.Helper()
		c.restage(t, committed, throwAway(nil))
	}
	plain()
	if printed := c.local(t, "preview", "staging"); warnings(printed) != 1 { // which also starts the cloud
		t.Errorf("a preview without a domain does not warn once of plain HTTP:\n%s", printed)
	}
	zone := c.makeZone(t)
	secure := func(hsts int) {
		t.Helper()
		c.restage(t, committed, throwAway(map[string]any{
			"slipway:edgeDomain": host, "slipway:edgeAliases": []string{alias}, "slipway:edgeZoneId": zone,
			"slipway:edgeHstsSeconds": hsts, "slipway:edgeAccessLogDays": 30,
		}))
	}

	c.sendOwnHSTS(t)
	secure(300)
	c.local(t, "preview", "staging")
	if printed := c.local(t, "up", "staging"); warnings(printed) != 0 {
		t.Errorf("with a domain, up warns of plain HTTP:\n%s", printed)
	}
	c.checkSecure(t)
	c.checkHSTS(t, "max-age=300", "max-age=300")
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	secure(0)
	c.local(t, "up", "staging")
	c.checkHSTS(t, "max-age=0", "max-age=0") // which has browsers forget it
	if again := c.local(t, "up", "staging"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	c.local(t, "preview", "staging") // which now finds images to ask for
	documents := documents(t, c.state(t), "staging", "deploy", "preview")

	plain()
	if printed := c.local(t, "up", "staging"); warnings(printed) != 1 {
		t.Errorf("an up without a domain does not warn once of plain HTTP:\n%s", printed)
	}
	c.checkPlain(t)

	secure(0)
	ask := c.keepAsking(t)
	c.local(t, "up", "staging")
	ask()
	c.checkSecure(t)
	c.checkHSTS(t, "", ownHSTS)
	c.endWithin(t, documents, "AccessLogs", "AccessLogFiles", "CertificateRequest", "Certificates", "Dns", "DnsLook")
}

// warnings counts those of plain HTTP among the diagnostics that the CLI ends with.
func warnings(printed string) int {
	_, diagnostics, _ := strings.Cut(printed, "Diagnostics:")
	return strings.Count(diagnostics, "edgeDomain is not set")
}

// sendOwnHSTS has the backend send a header of its own with every answer.
func (c checkout) sendOwnHSTS(t *testing.T) {
	t.Helper()
	const created, sent = `    sessions = sessionmaker(make_engine(settings))
`, `
    @app.middleware("http")
    async def stay(request, call_next):
        response = await call_next(request)
        response.headers["Strict-Transport-Security"] = "` + ownHSTS + `"
        return response
`
	source := c.read(t, "backend/app/main.py")
	if !strings.Contains(source, created) {
		t.Fatal("the backend's source is another")
	}
	c.write(t, "backend/app/main.py", strings.Replace(source, created, created+sent, 1))
}

// checkHSTS holds which header of that name comes with the frontend's page, which sends none, and with the backend's answer.
func (c checkout) checkHSTS(t *testing.T, frontend, backend string) {
	t.Helper()
	for path, want := range map[string]string{"/": frontend, "/api/items": backend} {
		response, _, err := visit(t.Context(), c.visitor(t, false), "https://"+host+path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(response.Header.Values("Strict-Transport-Security"), " and "); got != want {
			t.Errorf("with %s comes HSTS %q, want %q", path, got, want)
		}
	}
}

// restage gives staging these values beside the committed ones, and commits that.
func (c checkout) restage(t *testing.T, committed string, values map[string]any) {
	t.Helper()
	c.write(t, "Pulumi.staging.yaml", committed)
	c.adapt(t, "staging", values)
	c.commit(t)
}

// makeZone makes a hosted zone, as somebody has done before there is a stack.
func (c checkout) makeZone(t *testing.T) string {
	t.Helper()
	const body = `<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` +
		`<Name>example.com</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.state(t).Endpoint+"/2013-04-01/hostedzone", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/xml")
	answer := send(t, "route53", request)
	_, id, found := strings.Cut(string(answer), "/hostedzone/")
	id, _, _ = strings.Cut(id, "<")
	if !found {
		t.Fatalf("Route 53 answers %s", answer)
	}
	return id
}

// visitor is a client that trusts the cloud's authority and finds every name at the load balancer. It follows redirects where told to.
func (c checkout) visitor(t *testing.T, follow bool) *http.Client {
	t.Helper()
	authority, err := os.ReadFile(filepath.Join(c.dir, ".slipway", "cloud", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("the cloud has no certificate authority")
	}
	found, err := elb.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).DescribeLoadBalancers(t.Context(), &elb.DescribeLoadBalancersInput{})
	if err != nil || len(found.LoadBalancers) != 1 {
		t.Fatalf("ELB shows %v, %v", found, err)
	}
	address, plain := aws.ToString(found.LoadBalancers[0].DNSName), "80"
	if at, moved, err := net.SplitHostPort(address); err == nil { // this machine does not let us bind port 80
		address, plain = at, moved
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, asked string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(asked)
			if err != nil {
				return nil, err
			}
			if port == "80" || port == "443" {
				port = strings.TrimSuffix(plain, "80") + port
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(address, port))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	visitor := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	if !follow {
		visitor.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return visitor
}

func visit(ctx context.Context, visitor *http.Client, url string) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	response, err := visitor.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// checkSecure holds what a client of the names meets, and what is registered for it.
func (c checkout) checkSecure(t *testing.T) {
	t.Helper()
	if url := c.outputs(t, "staging").URL; url != "https://"+host {
		t.Errorf("the URL is %s", url)
	}
	visitor := c.visitor(t, false)
	for _, name := range []string{host, alias} {
		response, body, err := visit(t.Context(), visitor, "https://"+name+"/")
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK || !strings.Contains(body, "<html") {
			t.Errorf("%s answers %s, %v:\n%s", name, response.Status, response.Header, body)
		}
		response, _, err = visit(t.Context(), visitor, "http://"+name+"/api/items?a=b")
		if err != nil || response.StatusCode != http.StatusMovedPermanently || !redirect.MatchString(response.Header.Get("Location")) {
			t.Errorf("by HTTP, %s answers %+v, %v", name, response, err)
		}
	}
	if response, _, err := visit(t.Context(), visitor, "https://"+host+"/api/items"); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("the API answers %+v, %v", response, err)
	}
	if _, _, err := visit(t.Context(), visitor, "https://other.example.com/"); err == nil {
		t.Error("the certificate is taken for a name that it is not for")
	}
	old := c.visitor(t, false)
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	old.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS10 // that it is refused is the test
	if _, _, err := visit(t.Context(), old, "https://"+host+"/"); err == nil {
		t.Error("TLS 1.1 is answered")
	}
	held := c.inventory(t)
	for kind, want := range map[string]int{"route53 ListResourceRecordSets": 4, "acm CertificateSummaryList": 1, "s3 ListBuckets": 1} {
		if got := kinds(held)[kind]; got != want {
			t.Errorf("the cloud holds %d of %s, want %d: %v", got, kind, want, held)
		}
	}
	for _, name := range []string{host, alias} {
		if !slices.Contains(held, "route53 ListResourceRecordSets A "+name+".") {
			t.Errorf("no record leads from %s to the load balancer: %v", name, held)
		}
	}
	if !slices.Contains(held, "s3 ListBuckets myapp-staging-access-logs-"+awsapi.Account) {
		t.Errorf("there is no bucket for access logs: %v", held)
	}
}

// checkPlain holds that nothing of a domain and of access logs is left.
func (c checkout) checkPlain(t *testing.T) {
	t.Helper()
	url := c.outputs(t, "staging").URL
	if !strings.HasPrefix(url, "http://") {
		t.Errorf("the URL is %s", url)
	}
	c.answers(t, url+"/")
	c.answers(t, url+"/api/items")
	if _, _, err := visit(t.Context(), c.visitor(t, false), "https://"+host+"/"); err == nil {
		t.Error("HTTPS is still answered")
	}
	held := kinds(c.inventory(t))
	for _, kind := range []string{"route53 ListResourceRecordSets", "acm CertificateSummaryList", "s3 ListBuckets"} {
		if held[kind] != 0 {
			t.Errorf("the cloud still holds %d of %s", held[kind], kind)
		}
	}
	if held["elasticloadbalancing DescribeListeners"] != 1 {
		t.Errorf("the load balancer has %d listeners", held["elasticloadbalancing DescribeListeners"])
	}
}

// keepAsking asks by HTTP, again and again, as one who follows where he is sent, until it is told to end: each answer must be good.
func (c checkout) keepAsking(t *testing.T) (end func()) {
	t.Helper()
	visitor := c.visitor(t, true)
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	ways := map[string]int{}
	asking.Go(func() {
		for ctx.Err() == nil {
			response, _, err := visit(ctx, visitor, "http://"+host+"/")
			switch {
			case ctx.Err() != nil:
			case err != nil:
				t.Errorf("while the domain came, a client met %v", err)
			case response.StatusCode != http.StatusOK:
				t.Errorf("while the domain came, a client met %s at %s", response.Status, response.Request.URL)
			default:
				ways[response.Request.URL.Scheme]++
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() {
		t.Helper()
		cancel()
		asking.Wait()
		t.Logf("answers: %v", ways)
		if ways["http"] == 0 || ways["https"] == 0 {
			t.Errorf("clients were answered %v, want by both ways", ways)
		}
	}
}
