package cloud_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"slipway/local/cloud"
)

// TestCertificate holds that ACM issues a certificate when all its names are proved in Route 53, and that it then stays valid.
func TestCertificate(t *testing.T) {
	t.Parallel()
	state := start(t)
	arn, _ := call(t, state, "acm", "CertificateManager.RequestCertificate", map[string]any{
		"DomainName": "app.example.com", "SubjectAlternativeNames": []string{"www.example.com"}, "ValidationMethod": "DNS",
	})["CertificateArn"].(string)
	describe := func() map[string]any {
		t.Helper()
		found, _ := call(t, state, "acm", "CertificateManager.DescribeCertificate", map[string]any{"CertificateArn": arn})["Certificate"].(map[string]any)
		return found
	}
	holds := func(want string, issued bool) {
		t.Helper()
		if found := describe(); found["Status"] != want || (found["IssuedAt"] != nil) != issued {
			t.Errorf("the certificate is %v, want %s", found, want)
		}
	}
	holds("PENDING_VALIDATION", false)
	made := rest(t, state, http.MethodPost, "/2013-04-01/hostedzone",
		`<CreateHostedZoneRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Name>example.com</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>`)
	_, zone, _ := strings.Cut(made, "/hostedzone/")
	zone, _, _ = strings.Cut(zone, "<")
	options, _ := describe()["DomainValidationOptions"].([]any)
	change := func(action string, option any) {
		t.Helper()
		record, _ := option.(map[string]any)["ResourceRecord"].(map[string]any)
		rest(t, state, http.MethodPost, "/2013-04-01/hostedzone/"+zone+"/rrset", fmt.Sprintf(
			`<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes><Change><Action>%s</Action>`+
				`<ResourceRecordSet><Name>%s</Name><Type>CNAME</Type><TTL>300</TTL><ResourceRecords><ResourceRecord><Value>%s</Value></ResourceRecord>`+
				`</ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`, action, record["Name"], record["Value"]))
	}
	if len(options) != 2 {
		t.Fatalf("ACM asks for %v", options)
	}
	change("CREATE", options[0])
	holds("PENDING_VALIDATION", false)
	change("CREATE", options[1])
	holds("ISSUED", true)

	held, err := cloud.Inventory(context.Background(), state.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proofs := func(line string) bool { return strings.HasPrefix(line, "route53 ListResourceRecordSets CNAME _") }
	if !slices.Contains(held, "acm CertificateSummaryList "+arn) || !slices.ContainsFunc(held, proofs) {
		t.Errorf("the inventory does not name the certificate and its proofs: %v", held)
	}
	change("DELETE", options[0])
	holds("ISSUED", true)
}

// rest calls an operation of Route 53.
func rest(t *testing.T, state cloud.State, method, path, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, state.Endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/xml")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=none")
	answer, code := do(t, request)
	if code >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %d %s", method, path, code, answer)
	}
	return answer
}
