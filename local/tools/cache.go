// Package tools provides what the embedded cloud is made of: the Pulumi CLI, the provider plugins, the AWS emulator, a
// Docker Engine and base images. Each is taken from the machine where it is there, and made from packages where it is not.
package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Cache keeps what is expensive to make, outside every work tree, each under a key of all its inputs. Nothing depends on
// it being filled: an emptied cache costs time only.
type Cache struct {
	Dir string    // absolute
	Out io.Writer // where progress is told, one line at a time
}

// DefaultDir is $SLIPWAY_CACHE, or slipway below the user's cache folder.
func DefaultDir() (string, error) {
	if dir := os.Getenv("SLIPWAY_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder: %w; set SLIPWAY_CACHE to one", err)
	}
	return filepath.Join(dir, "slipway"), nil
}

// Key digests inputs, in order, into a short name: 16 hexadecimal digits.
func Key(inputs ...string) string {
	h := sha256.New()
	for _, in := range inputs {
		_, _ = fmt.Fprintf(h, "%d:%s", len(in), in) // the length keeps ("ab", "c") apart from ("a", "bc")
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// KeyOfFiles digests the names and contents of all files under the given paths, for use as an input of Key.
func KeyOfFiles(paths ...string) (string, error) {
	var inputs []string
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			inputs = append(inputs, rel, string(content))
			return err
		})
		if err != nil {
			return "", fmt.Errorf("read the inputs under %s: %w", root, err)
		}
	}
	return Key(inputs...), nil
}

// Make returns the folder name-key of the cache, after filling it by make if it is not there. make fills a folder that
// only takes its final name once make has returned nil, so a killed build leaves nothing that looks finished. Two
// processes that want the same folder build it once: the second waits.
func (c Cache) Make(ctx context.Context, name, key string, make func(ctx context.Context, dir string) error) (string, error) {
	final := filepath.Join(c.Dir, name+"-"+key)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	unlock, err := c.lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	temp := filepath.Join(c.Dir, "."+name+".new")
	if err := os.RemoveAll(temp); err != nil {
		return "", fmt.Errorf("remove what an interrupted build left: %w", err)
	}
	if err := os.Mkdir(temp, 0o755); err != nil {
		return "", fmt.Errorf("make a build folder: %w", err)
	}
	if err := c.timed(name, func() error { return make(ctx, temp) }); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	if err := os.Rename(temp, final); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return final, nil
}

// timed runs f, telling when it began, every 15 seconds that it goes on, and how long it took.
func (c Cache) timed(name string, f func() error) error {
	start := time.Now()
	_, _ = fmt.Fprintf(c.Out, "%s: making it (once; kept in %s)\n", name, c.Dir)
	done := make(chan struct{})
	ticker := time.NewTicker(15 * time.Second)
	defer ticker.Stop()
	go func() {
		for {
			select {
			case <-ticker.C:
				_, _ = fmt.Fprintf(c.Out, "%s: still at it, %d s\n", name, int(time.Since(start).Seconds()))
			case <-done:
				return
			}
		}
	}()
	err := f()
	close(done)
	if err == nil {
		_, _ = fmt.Fprintf(c.Out, "%s: done in %d s\n", name, int(time.Since(start).Seconds()))
	}
	return err
}

// lock takes the advisory lock of one entry, in the cache folder, which it makes where it is not there; the kernel frees it
// when its process dies.
func (c Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(c.Dir, "."+name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", name, err)
	}
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if !told {
			_, _ = fmt.Fprintf(c.Out, "%s: another process is making it; waiting\n", name)
			told = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
