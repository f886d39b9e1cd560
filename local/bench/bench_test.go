package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		times []time.Duration
		want  time.Duration
	}{{[]time.Duration{3}, 3}, {[]time.Duration{9, 1, 5}, 5}, {[]time.Duration{4, 1, 3, 2}, 2}} {
		if got := median(c.times); got != c.want {
			t.Errorf("median(%v) = %d, want %d", c.times, got, c.want)
		}
	}
}

// TestPeakOf holds that the memory of a command's children counts, and that a failure tells what was printed.
func TestPeakOf(t *testing.T) {
	// tail, as a child of sh, holds 64 MiB for a while.
	script := "head -c 67108864 /dev/zero | tail -c 67108864 | (sleep 0.5; wc -c)"
	peak, err := peakOf(exec.CommandContext(t.Context(), "sh", "-c", script))
	if err != nil || peak < 64<<20 {
		t.Errorf("peak %d, %v", peak, err)
	}
	_, err = peakOf(exec.CommandContext(t.Context(), "sh", "-c", "echo trouble >&2; exit 1"))
	if err == nil || !strings.Contains(err.Error(), "trouble") {
		t.Errorf("got %v", err)
	}
}

// TestSources holds that the files which the benchmark changes are there.
func TestSources(t *testing.T) {
	for service, source := range sources {
		if _, err := os.Stat(filepath.Join("..", "..", service, source.file)); err != nil {
			t.Error(err)
		}
	}
}
