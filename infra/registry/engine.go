package registry

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Native stands for whatever platform the Docker Engine itself has.
const Native = "native"

// Platform is what images are built for, such as linux/arm64: asked for by name, or the Docker Engine's own where Native is. Where
// images are built, an engine must answer that can do it, by itself or by emulation: half-way through a build the reason would be
// "exec format error". The Docker CLI is asked because it knows every way in which an engine can be configured: sockets, contexts,
// DOCKER_HOST.
func Platform(ctx context.Context, asked string, built bool) (string, error) {
	if asked == "" || asked != Native && !built { // empty: the configuration is refused already
		return asked, nil
	}
	own, err := dockerCLI(ctx, "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
	if err != nil {
		return asked, fmt.Errorf("images: no Docker Engine answers, and images must be built: %w; "+
			"start Docker, or name a released revision, which needs no build", err)
	}
	if asked == Native {
		if !slices.Contains([]string{"linux/amd64", "linux/arm64"}, own) {
			return asked, fmt.Errorf("imagesPlatform: native, but the Docker Engine is %s, which Fargate has not; name linux/arm64 or linux/amd64", own)
		}
		return own, nil
	}
	if own != asked && !emulated(ctx, asked) {
		return asked, fmt.Errorf("imagesPlatform: %s, but the Docker Engine is %s and shows no emulator for it; build on such a machine "+
			"(GitHub's runner ubuntu-24.04-arm is linux/arm64), or give this one an emulator: `docker run --privileged --rm "+
			"tonistiigi/binfmt --install %s` and Docker's buildx plugin, which tells of it, or set imagesPlatform: %s", asked, own,
			asked[strings.LastIndex(asked, "/")+1:], own)
	}
	return asked, nil
}

// emulated says whether the engine runs another platform's programs. Its BuildKit looks for emulators by itself, and buildx, whose
// builder of the current context it is, prints what it has found.
func emulated(ctx context.Context, platform string) bool {
	builder, err := dockerCLI(ctx, "context", "show")
	if err != nil {
		return false
	}
	described, err := dockerCLI(ctx, "buildx", "inspect", builder)
	if err != nil {
		return false
	}
	for line := range strings.Lines(described) {
		if list, ok := strings.CutPrefix(strings.TrimSpace(line), "Platforms:"); ok {
			return slices.Contains(strings.Fields(strings.ReplaceAll(list, ",", " ")), platform)
		}
	}
	return false
}

// dockerCLI runs the Docker CLI, and returns what it prints or, as an error, says.
func dockerCLI(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).Output()
	text := strings.TrimSpace(string(out))
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(text+" "+string(exit.Stderr)))
	}
	return text, err
}
