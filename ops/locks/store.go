package locks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// ErrNoFiles is what Open gives for Pulumi Cloud, which is asked as Cloud.
var ErrNoFiles = errors.New("the backend is Pulumi Cloud, which has no lock files")

// Open returns the files of a backend, by its URL as in PULUMI_BACKEND_URL or behind `pulumi login`.
func Open(backend string) (Store, error) {
	u, err := url.Parse(backend)
	if err != nil {
		return nil, fmt.Errorf("PULUMI_BACKEND_URL: %w", err)
	}
	switch u.Scheme {
	case "s3":
		query := u.Query()
		return Bucket{Name: u.Host, Prefix: strings.Trim(u.Path, "/"), Region: query.Get("region"), Profile: query.Get("profile"), Run: AWS}, nil
	case "file":
		top := filepath.Join(u.Host, u.Path)
		if rest, home := strings.CutPrefix(top, "~"); home {
			dir, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("PULUMI_BACKEND_URL: %w", err)
			}
			top = filepath.Join(dir, rest)
		}
		return Folder(top), nil
	case "https", "http", "":
		return nil, ErrNoFiles
	}
	return nil, fmt.Errorf("PULUMI_BACKEND_URL: locks of a backend %s://... cannot be looked at; s3 and file can", u.Scheme)
}

// Folder is a backend on this machine, by the path of its top.
type Folder string

// List implements Store.
func (f Folder) List(_ context.Context, folder string) ([]string, error) {
	entries, err := os.ReadDir(f.path(folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var keys []string
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			keys = append(keys, path.Join(folder, entry.Name()))
		}
	}
	return keys, nil
}

// Read implements Store.
func (f Folder) Read(_ context.Context, key string) ([]byte, error) {
	content, err := os.ReadFile(f.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrGone
	}
	return content, err
}

// Write implements Store.
func (f Folder) Write(_ context.Context, key string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(f.path(key)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.path(key), content, 0o600)
}

// Delete implements Store.
func (f Folder) Delete(_ context.Context, key string) error {
	if err := os.Remove(f.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_ = os.Remove(f.path(key) + ".attrs") // of the file; the CLI's library makes it
	return nil
}

func (f Folder) path(key string) string { return filepath.Join(string(f), filepath.FromSlash(key)) }

// Bucket is a backend in S3. The AWS CLI carries its calls out, which runners have and which knows every way to sign in; the
// SDK would be the largest thing that this program compiles.
type Bucket struct {
	Name, Prefix string
	Region       string // empty for the environment's
	Profile      string // empty for the environment's credentials
	// Run runs the AWS CLI and returns its standard output.
	Run func(ctx context.Context, stdin []byte, args ...string) ([]byte, error)
}

// AWS is the AWS CLI of the machine.
func AWS(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "aws", args...)
	command.Stdin = bytes.NewReader(stdin)
	out, err := command.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("the state's bucket is looked at by the AWS CLI, and this machine has none; install it, and see that `aws sts get-caller-identity` answers")
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("aws %s: %w: %s", strings.Join(args[:min(len(args), 2)], " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

// List implements Store.
func (b Bucket) List(ctx context.Context, folder string) ([]string, error) {
	out, err := b.run(ctx, nil, "s3api", "list-objects-v2", "--bucket", b.Name, "--prefix", b.key(folder)+"/", "--output", "json")
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(out)) == 0 { // what the CLI prints for no objects
		return nil, nil
	}
	var found struct{ Contents []struct{ Key string } }
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("understand the list of objects: %w", err)
	}
	var keys []string
	for _, object := range found.Contents {
		keys = append(keys, strings.TrimPrefix(strings.TrimPrefix(object.Key, b.Prefix), "/"))
	}
	return keys, nil
}

// Read implements Store.
func (b Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	out, err := b.run(ctx, nil, "s3", "cp", "--only-show-errors", b.uri(key), "-")
	if err != nil && (strings.Contains(err.Error(), "404") || strings.Contains(err.Error(), "NoSuchKey")) {
		return nil, ErrGone
	}
	return out, err
}

// Write implements Store.
func (b Bucket) Write(ctx context.Context, key string, content []byte) error {
	_, err := b.run(ctx, content, "s3", "cp", "--only-show-errors", "-", b.uri(key))
	return err
}

// Delete implements Store.
func (b Bucket) Delete(ctx context.Context, key string) error {
	_, err := b.run(ctx, nil, "s3api", "delete-object", "--bucket", b.Name, "--key", b.key(key))
	return err
}

func (b Bucket) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	if b.Region != "" {
		args = append(args, "--region", b.Region)
	}
	if b.Profile != "" {
		args = append(args, "--profile", b.Profile)
	}
	return b.Run(ctx, stdin, args...)
}

func (b Bucket) key(key string) string { return strings.TrimPrefix(path.Join(b.Prefix, key), "/") }
func (b Bucket) uri(key string) string { return "s3://" + b.Name + "/" + b.key(key) }
