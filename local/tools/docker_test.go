package tools

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestForgetImages holds that the names of one registry go, and other names of the same image stay.
func TestForgetImages(t *testing.T) {
	if err := EnsureDocker(t.Context(), os.Stdout); err != nil {
		t.Fatal(err)
	}
	const gone, kept = "127.0.0.1:1/slipway-test/", "127.0.0.1:11/slipway-test/"
	if err := runQuietly(t.Context(), t.TempDir(), nil, "sh", "-c",
		"tar -c -T /dev/null | docker import - "+gone+"a:1 && docker tag "+gone+"a:1 "+gone+"b:1 && docker tag "+gone+"a:1 "+kept+"a:1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = docker(context.Background(), "image", "rm", kept+"a:1") })
	for range 2 { // the second time there is nothing to do
		if err := ForgetImages(t.Context(), "127.0.0.1:1"); err != nil {
			t.Fatal(err)
		}
		out, err := docker(t.Context(), "image", "ls", "--format", "{{.Repository}}")
		if err != nil {
			t.Fatal(err)
		}
		names := strings.Fields(out)
		if slices.Contains(names, gone+"a") || slices.Contains(names, gone+"b") || !slices.Contains(names, kept+"a") {
			t.Errorf("the engine holds %v", names)
		}
	}
}
