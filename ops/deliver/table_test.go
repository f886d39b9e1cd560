package deliver

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"slipway/infra/releases"
)

// TestTable holds what is said of each release: its commit, when its newest image was pushed, where it ran well, and its images; and
// that a release which a stack has marked in part is none that it can go back to, unless it has no more services.
func TestTable(t *testing.T) {
	const back, front = "myapp/backend", "myapp/frontend"
	at := time.Date(2026, 11, 24, 13, 30, 0, 0, time.FixedZone("east", 3600))
	release := func(digit string, stacks map[string][]string) *releases.Release {
		return &releases.Release{
			Name: strings.Repeat(digit, 40), Pushed: at, Stacks: stacks,
			Images: map[string]releases.Image{back: {Digest: "sha256:" + strings.Repeat("b"+digit, 32)}, front: {Digest: "sha256:" + strings.Repeat("f"+digit, 32)}},
		}
	}
	both := []string{back, front}
	has := func(name string) []string { // the oldest is of before there was a frontend
		if strings.HasPrefix(name, "0") {
			return []string{back}
		}
		return both
	}
	older := release("0", map[string][]string{"staging": {back}})
	delete(older.Images, front)
	var out bytes.Buffer
	err := table(&out, "staging", Outputs{Revision: strings.Repeat("2", 40), Repositories: map[string]string{"backend": back, "frontend": front}}, []*releases.Release{
		release("3", map[string][]string{"staging": {back}}),
		release("2", map[string][]string{"staging": both, "production": {front}}),
		release("1", map[string][]string{"staging": both, "production": both}),
		older,
	}, has)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"   RELEASE                                   PUSHED (UTC)         RAN WELL IN          backend       frontend",
		"*  2222222222222222222222222222222222222222  2026-11-24 12:30:00  staging              b2b2b2b2b2b2  f2f2f2f2f2f2",
		"   1111111111111111111111111111111111111111  2026-11-24 12:30:00  production, staging  b1b1b1b1b1b1  f1f1f1f1f1f1",
		"   0000000000000000000000000000000000000000  2026-11-24 12:30:00  staging              b0b0b0b0b0b0  ",
		"",
		"* runs in staging. To go back: make rollback STACK=staging REVISION=RELEASE",
		"",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
