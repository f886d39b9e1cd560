package review_test

import (
	"slices"
	"testing"

	"slipway/ops/enginejson/enginetest"
	"slipway/ops/review"
)

// TestDomain holds that another certificate interrupts nobody, since it is valid before the listener takes it and the old one goes;
// that the end of HTTPS does; and that a bucket of access logs which goes is a loss.
func TestDomain(t *testing.T) {
	p := previewOf(t, enginetest.Export(t, top, "staging", map[string]string{
		"edgeDomain": "app.example.com", "edgeZoneId": "Z1", "edgeAccessLogDays": "30",
	}))
	p.set("acm/certificate:Certificate::edge-certificate", "replace", object{"domainName": "www.example.com"})
	if found := review.Read(p.print()); !found.Quiet() {
		t.Errorf("another certificate: %+v", found)
	}
	p.delete("lb/listener:Listener::edge-https")
	p.delete("route53/record:Record::edge-app.example.com")
	p.delete("s3/bucketV2:BucketV2::edge-logs")
	found := review.Read(p.print())
	var interrupted []string
	for _, one := range found.Interruptions {
		interrupted = append(interrupted, one.Name)
	}
	slices.Sort(interrupted)
	if want := []string{"edge-app.example.com", "edge-https"}; !slices.Equal(interrupted, want) {
		t.Errorf("interruptions by %v, want %v", interrupted, want)
	}
	if len(found.Losses) != 1 || found.Losses[0].Name != "edge-logs" {
		t.Errorf("losses are %+v", found.Losses)
	}
}
