package dockerplugin

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/go-archive"
	"github.com/moby/patternmatcher/ignorefile"
)

// contextArchive is the build context as a tar stream without what .dockerignore names, and the path of the Dockerfile
// in it. The Dockerfile must lie inside the context.
func contextArchive(folder, dockerfile string) (io.ReadCloser, string, error) {
	inside, err := filepath.Rel(folder, dockerfile)
	if err != nil || !filepath.IsLocal(inside) {
		return nil, "", fmt.Errorf("%s is not inside the build context %s", dockerfile, folder)
	}
	if _, err := os.Stat(dockerfile); err != nil {
		return nil, "", fmt.Errorf("there is no Dockerfile: %w", err)
	}
	patterns, err := ignored(folder)
	if err != nil {
		return nil, "", err
	}
	// The engine needs these two whatever .dockerignore says.
	patterns = append(patterns, "!"+filepath.ToSlash(inside), "!.dockerignore")
	stream, err := archive.TarWithOptions(folder, &archive.TarOptions{
		ExcludePatterns: patterns, ChownOpts: &archive.ChownOpts{},
	})
	if err != nil {
		return nil, "", fmt.Errorf("pack the build context %s: %w", folder, err)
	}
	return stream, filepath.ToSlash(inside), nil
}

func ignored(folder string) ([]string, error) {
	file, err := os.Open(filepath.Join(folder, ".dockerignore"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	defer func() { _ = file.Close() }()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	return patterns, nil
}

// contextDigest hashes the names, modes and contents of what a build would be sent. Times do not count: a fresh clone of
// the same commit is the same context.
func contextDigest(folder, dockerfile string) (string, error) {
	stream, inside, err := contextArchive(folder, dockerfile)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%s\x00", inside)
	reader := tar.NewReader(stream)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("read the build context %s: %w", folder, err)
		}
		if header.Typeflag == tar.TypeDir {
			continue // git keeps no folders
		}
		// Of a file's mode git keeps only whether it can be executed.
		executable := header.FileInfo().Mode()&0o100 != 0
		_, _ = fmt.Fprintf(hash, "%s\x00%s\x00%t\x00%d\x00", strings.TrimPrefix(header.Name, "./"), header.Linkname, executable, header.Size)
		if _, err := io.Copy(hash, reader); err != nil { //nolint:gosec // our own files
			return "", fmt.Errorf("hash %s: %w", header.Name, err)
		}
	}
}
