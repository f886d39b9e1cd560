// Package goldentest holds what a test has made against a file that a person has read. Run with -update, the test writes the file
// anew.
package goldentest

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the expected files anew, to be read before they are committed")

// Expect holds text against a file.
func Expect(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if line, old, now := difference(string(want), got); line > 0 {
		t.Errorf("%s differs from line %d on:\n- %s\n+ %s\nRun this package's tests with -update, and read what changed before it is committed",
			file, line, old, now)
	}
}

// difference is the number of the first line in which two texts differ, and that line in both; 0 where they are the same.
func difference(want, got string) (line int, old, now string) {
	if want == got {
		return 0, "", ""
	}
	olds, nows := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	for i := 0; ; i++ {
		old, now = "", ""
		if i < len(olds) {
			old = olds[i]
		}
		if i < len(nows) {
			now = nows[i]
		}
		if old != now {
			return i + 1, strings.TrimSuffix(old, "\n"), strings.TrimSuffix(now, "\n")
		}
	}
}
