package tools

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestKey(t *testing.T) {
	if Key("ab", "c") == Key("a", "bc") || Key("a") == Key("a", "") {
		t.Error("different inputs share a key")
	}
	if got := Key("a", "b"); got != "facdde7abf1eac5b" {
		t.Errorf("equal inputs have another key than before, %s: every cache would be made anew", got)
	}
}

func TestKeyOfFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := KeyOfFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	one := write("a", "1")
	if write("a", "2") == one || write("a", "1") != one || write("b", "") == one {
		t.Error("a key does not follow the files")
	}
	if _, err := KeyOfFiles(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing folder has a key")
	}
}

// TestMakeOnce holds that of many who want one entry, one makes it and the others get it.
func TestMakeOnce(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache"), Out: io.Discard}
	var made atomic.Int32
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			dir, err := c.Make(t.Context(), "thing", "1", func(_ context.Context, dir string) error {
				made.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
			})
			if err == nil {
				_, err = os.Stat(filepath.Join(dir, "file"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

// TestMakeFails holds that a failed build leaves nothing that looks finished, and is tried again.
func TestMakeFails(t *testing.T) {
	c := Cache{Dir: t.TempDir(), Out: io.Discard}
	_, err := c.Make(t.Context(), "thing", "1", func(_ context.Context, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), errors.New("broken"))
	})
	if err == nil || !strings.Contains(err.Error(), "make thing: broken") {
		t.Errorf("got %v", err)
	}
	dir, err := c.Make(t.Context(), "thing", "1", func(context.Context, string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "half")); err == nil {
		t.Error("the half of the failed build is there")
	}
}

func TestMakeCancelled(t *testing.T) {
	c := Cache{Dir: t.TempDir(), Out: io.Discard}
	unlock, err := c.lock(t.Context(), "thing")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Make(ctx, "thing", "1", func(context.Context, string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
