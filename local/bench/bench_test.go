package bench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/infra/config"
	"slipway/local/tools"
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

// TestBuilds holds that a service's image is built as the embedded stack has it, on the engine's own platform, and that both of its figures
// are printed.
func TestBuilds(t *testing.T) {
	if err := tools.EnsureDocker(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
	clone := t.TempDir()
	for name, content := range map[string]string{"Dockerfile": "FROM scratch\nCOPY file /file\n", "file": "content"} {
		if err := os.WriteFile(filepath.Join(clone, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const image = "slipway-bench/tiny:latest"
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", image).Run() })
	var printed bytes.Buffer
	err := bench{out: &printed, clone: clone}.builds(t.Context(), &config.Config{
		Images:   config.Images{Platform: "native"},
		Services: []config.Service{{Name: "tiny", Folder: ".", Dockerfile: "Dockerfile"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text := printed.String(); !strings.Contains(text, "image tiny, cold") || !strings.Contains(text, "image tiny, after a one-line change") {
		t.Errorf("what is printed lacks a figure:\n%s", text)
	}
	platform, err := exec.CommandContext(t.Context(), "docker", "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image).Output()
	engine, problem := exec.CommandContext(t.Context(), "docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").Output()
	if err != nil || problem != nil || !bytes.Equal(platform, engine) {
		t.Errorf("the image is for %s, the engine %s (%v, %v)", platform, engine, err, problem)
	}
}
