package infra

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/infra/edge"
	"slipway/infra/goldentest"
	"slipway/infra/infratest"
	"slipway/infra/policy/policytest"
)

var withDomain = map[string]string{
	"edgeDomain": "app.example.com", "edgeAliases": `["www.example.com"]`, "edgeZoneId": "Z1", "edgeHstsSeconds": "300",
}

// kinds of resources that the options of the edge bring.
const (
	certificateType = "aws:acm/certificate:Certificate"
	validationType  = "aws:acm/certificateValidation:CertificateValidation"
	recordType      = "aws:route53/record:Record"
	listenerType    = "aws:lb/listener:Listener"
	bucketType      = "aws:s3/bucketV2:BucketV2"
)

// TestDomain holds what a domain brings: a certificate for all names, which the HTTPS listener waits for, records that prove them
// and records that lead to the load balancer; and that HTTP sends to HTTPS, where the services' rules hang.
func TestDomain(t *testing.T) {
	resources, err := declare(t, "staging", withDomain)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"app.example.com", "www.example.com"}
	certificate := single(t, resources, certificateType)
	if found := list(certificate, "subjectAlternativeNames"); input(certificate, "domainName").StringValue() != names[0] || !slices.Equal(found, names) {
		t.Errorf("the certificate is for %v, with %v", input(certificate, "domainName"), found)
	}
	if waits := single(t, resources, validationType); waits.Timeouts["create"] == "" || len(list(waits, "validationRecordFqdns")) != len(names) {
		t.Errorf("the wait for the certificate has no end, or not all proofs: %+v", waits)
	}
	var records []string
	for _, record := range of(t, resources, recordType) {
		line := input(record, "type").StringValue() + " " + input(record, "name").StringValue()
		if input(record, "allowOverwrite").IsBool() {
			line += " over another"
		}
		records = append(records, line)
	}
	want := []string{
		"A app.example.com", "A www.example.com", "CNAME _proof.app.example.com. over another", "CNAME _proof.www.example.com. over another",
	}
	if slices.Sort(records); !slices.Equal(records, want) {
		t.Errorf("records %q, want %q", records, want)
	}
	for _, listener := range of(t, resources, listenerType) {
		action := input(listener, "defaultActions").ArrayValue()[0].ObjectValue()
		switch listener.Name {
		case "edge-http":
			redirect := action["redirect"].ObjectValue()
			if redirect["statusCode"].StringValue() != "HTTP_301" || redirect["protocol"].StringValue() != "HTTPS" || redirect["port"].StringValue() != "443" {
				t.Errorf("HTTP is answered with %v", action)
			}
			if !slices.Contains(listener.Depends, listenerType+" edge-https") {
				t.Errorf("HTTP may send to HTTPS before it listens: %v", listener.Depends)
			}
		case "edge-https":
			if policy := input(listener, "sslPolicy").StringValue(); policy != "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09" {
				t.Errorf("TLS by %s", policy)
			}
			if header := input(listener, "routingHttpResponseStrictTransportSecurityHeaderValue").StringValue(); header != "max-age=300" {
				t.Errorf("HSTS is %q", header)
			}
		default:
			t.Errorf("there is a listener %s", listener.Name)
		}
	}
	for _, rule := range of(t, resources, "aws:lb/listenerRule:ListenerRule") {
		if at := input(rule, "listenerArn").StringValue(); !strings.HasSuffix(at, ":edge-https") {
			t.Errorf("the rule of %s hangs on %s", rule.Name, at)
		}
	}
	ports := map[float64]int{}
	for _, rule := range of(t, resources, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
		if input(rule, "cidrIpv4").IsString() {
			ports[input(rule, "fromPort").NumberValue()]++
		}
	}
	if ports[80] != 1 || ports[443] != 1 || len(ports) != 2 {
		t.Errorf("open to the outside are %v", ports)
	}
}

// TestHSTS holds that the application's own header is left alone where none is set, and that one which was set is taken back by 0,
// since the provider passes on no missing one.
func TestHSTS(t *testing.T) {
	for name, c := range map[string]struct{ seconds, before, want string }{
		"never set":     {"0", "", ""},
		"set":           {"300", "", "max-age=300"},
		"set otherwise": {"300", "max-age=60", "max-age=300"},
		"taken back":    {"0", "max-age=300", "max-age=0"},
		"still at 0":    {"0", "max-age=0", "max-age=0"},
	} {
		t.Run(name, func(t *testing.T) {
			with := maps.Clone(withDomain)
			with["edgeHstsSeconds"] = c.seconds
			resources, err := declareOver(t, with, map[string]any{
				"urn:pulumi:staging::slipway::slipway:edge:Edge$aws:lb/listener:Listener::edge-https": map[string]any{
					"type": listenerType, "outputs": map[string]any{"routingHttpResponseStrictTransportSecurityHeaderValue": c.before},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, listener := range of(t, resources, listenerType) {
				header, want := input(listener, "routingHttpResponseStrictTransportSecurityHeaderValue"), c.want
				if listener.Name == "edge-http" {
					want = ""
				}
				if want == "" && !header.IsNull() || want != "" && (!header.IsString() || header.StringValue() != want) {
					t.Errorf("%s has %v, want %q", listener.Name, header, want)
				}
			}
		})
	}
}

// TestEdgeGolden holds all that stands at the edge with a domain and access logs against a file that a person has read.
func TestEdgeGolden(t *testing.T) {
	with := maps.Clone(withDomain)
	with["edgeAccessLogDays"] = "30"
	resources, err := declare(t, "production", with)
	if err != nil {
		t.Fatal(err)
	}
	atEdge := slices.DeleteFunc(resources, func(r infratest.Resource) bool { return !strings.HasPrefix(r.Parent, "slipway:edge:") })
	goldentest.Expect(t, filepath.Join(top, "infra", "testdata", "edge.golden"), infratest.Render(atEdge))
}

// TestNoDomain holds that without a domain nothing of it is declared, in either stack.
func TestNoDomain(t *testing.T) {
	each(t, func(t *testing.T, resources []infratest.Resource) {
		for _, r := range resources {
			if strings.HasPrefix(r.Type, "aws:acm/") || strings.HasPrefix(r.Type, "aws:route53/") || strings.HasPrefix(r.Type, "aws:s3/") {
				t.Errorf("%s is declared", r.Key())
			}
			if r.Type == listenerType && r.Name != "edge-http" {
				t.Errorf("there is a listener %s", r.Name)
			}
		}
	})
}

// TestAccessLogs holds that the load balancer writes to a bucket that it may write to by then, that nobody else can reach, and that
// goes with what is in it only where the load balancer may go.
func TestAccessLogs(t *testing.T) {
	for stack, forceDestroy := range map[string]bool{"staging": true, "production": false} {
		resources, err := declare(t, stack, map[string]string{"edgeAccessLogDays": "30"})
		if err != nil {
			t.Fatal(err)
		}
		bucket := single(t, resources, bucketType)
		name := "myapp-" + stack + "-access-logs-" + infratest.Account
		if input(bucket, "bucket").StringValue() != name || input(bucket, "forceDestroy").BoolValue() != forceDestroy {
			t.Errorf("%s: the bucket is %v", stack, bucket.Inputs)
		}
		balancer := single(t, resources, "aws:lb/loadBalancer:LoadBalancer")
		if logs := input(balancer, "accessLogs").ObjectValue(); logs["bucket"].StringValue() != name || !logs["enabled"].BoolValue() {
			t.Errorf("%s: the load balancer writes to %v", stack, logs)
		}
		if !slices.Contains(balancer.Depends, "aws:s3/bucketPolicy:BucketPolicy edge-logs") {
			t.Errorf("%s: the load balancer may be told to write before it is allowed to: %v", stack, balancer.Depends)
		}
		closed := single(t, resources, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
		for _, key := range []string{"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"} {
			if !input(closed, key).BoolValue() {
				t.Errorf("%s: %s is off", stack, key)
			}
		}
		rule := input(single(t, resources, "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2"), "rules").ArrayValue()[0].ObjectValue()
		if days := rule["expiration"].ObjectValue()["days"].NumberValue(); days != 30 {
			t.Errorf("%s: logs are kept for %v days", stack, days)
		}
		if prefix := rule["filter"].ObjectValue()["prefix"].StringValue(); prefix != "" || !rule["abortIncompleteMultipartUpload"].IsObject() {
			t.Errorf("%s: the rule is for %q alone, or uploads that were given up stay: %v", stack, prefix, rule)
		}
	}
}

// TestAccessLogsPolicy holds that no request without TLS is answered, and that the policy is one which is understood.
func TestAccessLogsPolicy(t *testing.T) {
	document, err := edge.AccessLogsPolicy(edge.AccessLogsArgs{Bucket: "logs", Partition: "aws", Account: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ action, resource, secure, want string }{
		{"s3:PutObject", "arn:aws:s3:::logs/AWSLogs/1/a", "true", "allowed by Delivery"},
		{"s3:PutObject", "arn:aws:s3:::logs/AWSLogs/1/a", "false", "denied by NeverWithoutTLS"},
		{"s3:PutObject", "arn:aws:s3:::logs/AWSLogs/2/a", "true", "not allowed"},
		{"s3:GetObject", "arn:aws:s3:::logs/AWSLogs/1/a", "true", "not allowed"},
		{"s3:ListBucket", "arn:aws:s3:::logs", "false", "denied by NeverWithoutTLS"},
	} {
		verdict, err := policytest.Evaluate(document, policytest.Request{
			Action: c.action, Resource: c.resource, Context: map[string][]string{"aws:SecureTransport": {c.secure}},
		})
		if err != nil || verdict.String() != c.want {
			t.Errorf("%s on %s, secure %s: %s, %v; want %s", c.action, c.resource, c.secure, verdict, err, c.want)
		}
	}
}

func single(t *testing.T, resources []infratest.Resource, kind string) infratest.Resource {
	t.Helper()
	found := of(t, resources, kind)
	if len(found) != 1 {
		t.Fatalf("there are %d of %s, want one", len(found), kind)
	}
	return found[0]
}

// list is an input that is a list of strings.
func list(r infratest.Resource, key string) []string {
	var texts []string
	for _, value := range input(r, key).ArrayValue() {
		texts = append(texts, value.StringValue())
	}
	return texts
}
