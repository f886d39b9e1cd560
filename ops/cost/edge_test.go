package cost_test

import (
	"slices"
	"testing"

	"slipway/ops/cost"
	"slipway/ops/enginejson/enginetest"
)

// TestDomain holds that a domain costs nothing that is known beforehand, since the hosted zone is not the stack's, and that access logs
// are named as what traffic decides.
func TestDomain(t *testing.T) {
	plain := estimate(t, enginetest.Resources(t, top, "staging", nil)...)
	secure := estimate(t, enginetest.Resources(t, top, "staging", map[string]string{
		"edgeDomain": "app.example.com", "edgeZoneId": "Z1", "edgeAccessLogDays": "30",
	})...)
	if plain.Total() != secure.Total() || len(secure.Gaps) != len(plain.Gaps) {
		t.Errorf("it costs %s instead of %s, and the gaps are %v", secure.Total(), plain.Total(), secure.Gaps)
	}
	d := cost.Difference(plain, secure)
	if !slices.ContainsFunc(d.Usage, func(u cost.Usage) bool { return u.What == "objects in S3, and requests for them" }) {
		t.Errorf("nothing is said of the bucket: %+v", d.Usage)
	}
}
