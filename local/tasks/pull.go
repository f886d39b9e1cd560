package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
)

// pull pulls an image from its registry, as Fargate does for each task, and returns the engine's id of it and its
// digest. The name is resolved by the registry first: of a digest that the engine has, it would not ask whether it may
// be pulled.
func (r *Runner) pull(ctx context.Context, name string) (id, digest string, err error) {
	unresolved := func(err error) error {
		return fmt.Errorf("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref %s: %w", name, err)
	}
	uncopied := func(err error) error {
		return fmt.Errorf("CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy %s: %w", name, err)
	}
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return "", "", unresolved(err)
	}
	select {
	case r.pulls <- struct{}{}:
		defer func() { <-r.pulls }()
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
	var options image.PullOptions
	if auth := r.opts.Registry(); hostOf(auth.ServerAddress) == reference.Domain(named) {
		if options.RegistryAuth, err = registry.EncodeAuthConfig(auth); err != nil {
			return "", "", unresolved(err)
		}
	}
	resolved, err := r.opts.Docker.DistributionInspect(ctx, named.String(), options.RegistryAuth)
	if err != nil {
		return "", "", unresolved(err)
	}
	if r.opts.DiskFull != nil && r.opts.DiskFull() {
		return "", "", uncopied(errors.New("no space left on device"))
	}
	exact, err := reference.WithDigest(reference.TrimNamed(named), resolved.Descriptor.Digest)
	if err != nil {
		return "", "", unresolved(err)
	}
	progress, err := r.opts.Docker.ImagePull(ctx, exact.String(), options)
	if err != nil {
		return "", "", uncopied(err)
	}
	defer func() { _ = progress.Close() }()
	for messages := json.NewDecoder(progress); ; {
		var message struct {
			Error string `json:"error"`
		}
		if err := messages.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", "", uncopied(err)
		}
		if message.Error != "" {
			return "", "", uncopied(errors.New(message.Error))
		}
	}
	found, err := r.opts.Docker.ImageInspect(ctx, exact.String())
	if err != nil {
		return "", "", uncopied(err)
	}
	return found.ID, exact.Digest().String(), nil
}

// hostOf is the host and port of an address that may be written as a URL.
func hostOf(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	host, _, _ := strings.Cut(address, "/")
	return host
}
