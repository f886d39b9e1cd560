package tools

import (
	"context"
	"path/filepath"
	"runtime"
)

// DockerPlugin returns a folder with the executable pulumi-resource-docker: the official one where it is installed, else
// our stand-in for its one resource that the program uses.
func (c Cache) DockerPlugin(ctx context.Context, local string) (string, error) {
	if dir, ok := installedPlugin("docker", DockerVersion); ok {
		return dir, nil
	}
	sources, err := KeyOfFiles(filepath.Join(local, "dockerplugin"), filepath.Join(local, "dockerengine"), filepath.Join(local, "go.sum"))
	if err != nil {
		return "", err
	}
	return c.Make(ctx, "pulumi-resource-docker", Key(sources, runtime.Version()), func(ctx context.Context, dir string) error {
		return runQuietly(ctx, local, nil, "go", "build", "-trimpath", "-ldflags", "-s -w",
			"-o", filepath.Join(dir, "pulumi-resource-docker"), "./dockerplugin/cmd/pulumi-resource-docker")
	})
}
