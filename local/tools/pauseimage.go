package tools

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// pauseSources is the folder, below the module's, of the program in the pause image.
var pauseSources = filepath.Join("tasks", "pause")

// PauseImage makes sure that the Docker Engine has the image of the pause container of local/tasks, and returns its
// name, slipway-base/pause:KEY. The image holds one static program and nothing else. local is the folder of the module.
// Errors are those of the go and docker commands, with their output.
func (c Cache) PauseImage(ctx context.Context, local string) (string, error) {
	module, err := os.ReadFile(filepath.Join(local, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read the versions of the pause program's libraries: %w", err)
	}
	sources, err := KeyOfFiles(filepath.Join(local, pauseSources))
	if err != nil {
		return "", err
	}
	key := Key(sources, versionOf(string(module), "github.com/vishvananda/netlink"), runtime.Version(), runtime.GOARCH)
	name := "slipway-base/pause:" + key
	if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", name); err == nil {
		return name, nil
	}
	dir, err := c.Make(ctx, "pause", key, func(ctx context.Context, dir string) error {
		return runQuietly(
			ctx,
			local,
			[]string{"CGO_ENABLED=0", "GOOS=linux"},
			"go",
			"build",
			"-trimpath",
			"-ldflags",
			"-s -w",
			"-o",
			filepath.Join(dir, "pause"),
			"./"+filepath.ToSlash(pauseSources),
		)
	})
	if err != nil {
		return "", err
	}
	return name, runQuietly(ctx, dir, nil, "sh", "-c",
		`tar -c pause | docker import --message "pause container" --change 'ENTRYPOINT ["/pause"]' - `+name)
}

// versionOf is what go.mod requires of a module, or nothing.
func versionOf(gomod, module string) string {
	for line := range strings.Lines(gomod) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == module {
			return fields[1]
		}
	}
	return ""
}
