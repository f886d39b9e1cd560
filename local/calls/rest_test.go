package calls_test

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"slipway/local/calls"
)

// TestIdentifyREST plays calls of services that name no operation, as the SDK sends them to an address on loopback.
func TestIdentifyREST(t *testing.T) {
	const batch = `<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes>
		<Change><Action>UPSERT</Action><ResourceRecordSet><Name>_b.App.example.com.</Name><Type>CNAME</Type></ResourceRecordSet></Change>
		<Change><Action>DELETE</Action><ResourceRecordSet><Name>www.example.com</Name><Type>A</Type>
			<AliasTarget><DNSName>front.example.org</DNSName></AliasTarget></ResourceRecordSet></Change>
		</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
	const versions = `<Delete><Object><Key>a</Key><VersionId>null</VersionId></Object></Delete>`
	for _, c := range []struct {
		service, method, path, body string
		operation, resource         string
		records                     []string
	}{
		{"s3", "PUT", "/logs", "", "CreateBucket", "arn:aws:s3:::logs", nil},
		{"s3", "HEAD", "/logs", "", "ListBucket", "arn:aws:s3:::logs", nil},
		{"s3", "GET", "/logs?list-type=2&prefix=", "", "ListBucket", "arn:aws:s3:::logs", nil},
		{"s3", "GET", "/logs?versions=", "", "ListBucketVersions", "arn:aws:s3:::logs", nil},
		{"s3", "GET", "/logs?policy", "", "GetBucketPolicy", "arn:aws:s3:::logs", nil},
		{"s3", "PUT", "/logs?lifecycle", "<a/>", "PutLifecycleConfiguration", "arn:aws:s3:::logs", nil},
		{"s3", "DELETE", "/logs?lifecycle", "", "PutLifecycleConfiguration", "arn:aws:s3:::logs", nil},
		{"s3", "PUT", "/logs?publicAccessBlock", "<a/>", "PutBucketPublicAccessBlock", "arn:aws:s3:::logs", nil},
		{"s3", "DELETE", "/logs/", "", "DeleteBucket", "arn:aws:s3:::logs", nil},
		{"s3", "POST", "/logs?delete", "<Delete><Object><Key>a</Key></Object></Delete>", "DeleteObject", "arn:aws:s3:::logs/*", nil},
		{"s3", "POST", "/logs?delete", versions, "DeleteObjectVersion", "arn:aws:s3:::logs/*", nil},
		{"s3", "GET", "/logs/a/b?x-id=GetObject", "", "GetObject", "arn:aws:s3:::logs/a/b", nil},
		{"s3", "GET", "/?x-id=ListBuckets", "", "ListAllMyBuckets", "", nil},
		{"s3", "POST", "/logs?restore", "", "POST /logs?restore", "", nil},
		{"route53", "GET", "/2013-04-01/hostedzone/Z1", "", "GetHostedZone", "arn:aws:route53:::hostedzone/Z1", nil},
		{"route53", "GET", "/2013-04-01/hostedzone/Z1/rrset?maxitems=1", "", "ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z1", nil},
		{
			"route53", "POST", "/2013-04-01/hostedzone/Z1/rrset/", batch, "ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1",
			[]string{"_b.app.example.com", "www.example.com"},
		},
		{"route53", "GET", "/2013-04-01/change/C1", "", "GetChange", "arn:aws:route53:::change/C1", nil},
		{"route53", "DELETE", "/2013-04-01/hostedzone/Z1", "", "DeleteHostedZone", "arn:aws:route53:::hostedzone/Z1", nil},
		{"route53", "POST", "/2013-04-01/hostedzone", "<a/>", "CreateHostedZone", "", nil},
		{"route53", "GET", "/2013-04-01/hostedzone?maxitems=1", "", "ListHostedZones", "", nil},
		{"route53", "DELETE", "/2013-04-01/change/C1", "", "DELETE /2013-04-01/change/C1", "", nil},
		{"backup", "POST", "/schedules/a", "{}", "POST /schedules/a", "", nil},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://127.0.0.1:1"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=up/20261124/us-east-1/"+c.service+"/aws4_request, SignedHeaders=host, Signature=0")
		got, form, err := calls.Identify(r, time.Unix(0, 0))
		want := calls.Call{Time: time.Unix(0, 0).UTC(), Service: c.service, Operation: c.operation, Caller: "up", Records: c.records}
		if c.resource != "" {
			want.Resources = []string{c.resource}
		}
		if err != nil || form != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s: got %+v, %v; want %+v", c.method, c.path, got, err, want)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != c.body {
			t.Errorf("%s %s: the body that is left is %q, %v", c.method, c.path, body, err)
		}
	}
}
