package tools

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPauseImage holds that the image is made once, under a name that follows its sources, and that its program waits
// and ends at SIGTERM with code 0.
func TestPauseImage(t *testing.T) {
	if err := EnsureDocker(t.Context(), os.Stdout); err != nil {
		t.Fatal(err)
	}
	c := Cache{Dir: t.TempDir(), Out: io.Discard}
	name, err := c.PauseImage(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	id, err := docker(t.Context(), "image", "inspect", "--format", "{{.Id}}", name)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Cache{Dir: filepath.Join(c.Dir, "other"), Out: io.Discard}.PauseImage(t.Context(), "..")
	if err != nil || again != name {
		t.Errorf("the second time it is %q, %v, not %q", again, err, name)
	}
	if now, err := docker(t.Context(), "image", "inspect", "--format", "{{.Id}}", name); err != nil || now != id {
		t.Errorf("the image was made again: %s, %v", now, err)
	}
	container, err := docker(
		t.Context(),
		"run",
		"--detach",
		"--network",
		"none",
		"--cap-add",
		"NET_ADMIN",
		name,
		"80=/none",
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = docker(context.Background(), "rm", "--force", container) })
	for said := ""; said != "ready"; time.Sleep(50 * time.Millisecond) {
		if said, err = docker(t.Context(), "logs", container); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := docker(t.Context(), "stop", container); err != nil {
		t.Fatal(err)
	}
	if code, err := docker(t.Context(), "wait", container); err != nil || code != "0" {
		t.Errorf("it ended with %s, %v", code, err)
	}
}

// TestVersionOf holds that a module's version is found in a block of go.mod, and that another's is not taken for it.
func TestVersionOf(t *testing.T) {
	const gomod = "require (\n\texample.com/two v2.0.0 // indirect\n)\n"
	for module, want := range map[string]string{"example.com/two": "v2.0.0", "example.com/tw": "", "example.com/none": ""} {
		if got := versionOf(gomod, module); got != want {
			t.Errorf("%s is %q, not %q", module, got, want)
		}
	}
}
