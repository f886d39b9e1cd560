package naming_test

import (
	"regexp"
	"strings"
	"testing"

	"slipway/infra/naming"
)

func TestJoin(t *testing.T) {
	long := strings.Repeat("a", 40)
	for _, c := range []struct {
		limit int
		parts []string
		want  string
	}{
		{32, []string{"myapp", "staging"}, "myapp-staging"},
		{13, []string{"myapp", "staging"}, "myapp-staging"},
		{32, []string{long}, `^a{25}-[0-9a-f]{6}$`},
		{12, []string{"myapp", "staging"}, `^myapp-[0-9a-f]{6}$`}, // no two hyphens where the cut falls on one
	} {
		got := naming.Join(c.limit, c.parts...)
		if len(got) > c.limit || got != c.want && !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("Join(%d, %v) = %q, want %s", c.limit, c.parts, got, c.want)
		}
	}
	if naming.Join(32, long, "one") == naming.Join(32, long, "two") {
		t.Error("two long names became one")
	}
}
