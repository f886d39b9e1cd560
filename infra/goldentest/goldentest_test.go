package goldentest

import "testing"

func TestDifference(t *testing.T) {
	for name, c := range map[string]struct {
		want, got string
		line      int
		old, now  string
	}{
		"the same":             {"a\nb\n", "a\nb\n", 0, "", ""},
		"a line":               {"a\nb\nc\n", "a\nx\nc\n", 2, "b", "x"},
		"a line more":          {"a\n", "a\nb\n", 2, "", "b"},
		"a line less":          {"a\nb\n", "a\n", 2, "b", ""},
		"the last line's end":  {"a\n", "a", 1, "a", "a"},
		"nothing was expected": {"", "a\n", 1, "", "a"},
	} {
		if line, old, now := difference(c.want, c.got); line != c.line || old != c.old || now != c.now {
			t.Errorf("%s: line %d, %q and %q", name, line, old, now)
		}
	}
}
