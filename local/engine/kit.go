package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/blang/semver"
	"golang.org/x/sync/errgroup"

	"slipway/local/tools"
)

// pluginFolder is where, below a checkout's own folder, the CLI looks for plugins.
const pluginFolder = "home/plugins"

// The names under which the CLI looks for the provider plugins.
const (
	awsPlugin    = "resource-aws-v" + tools.AWSVersion
	dockerPlugin = "resource-docker-v" + tools.DockerVersion
)

// postgresMajor is the default of databaseVersion. A stack of another version has its image made when its instance is
// created.
const postgresMajor = "17"

// kit is what the machine needs beside a Docker Engine.
type kit struct {
	pulumi  string
	version semver.Version
	moto    []string
	pause   string // image
}

// equip finds or makes the tools, and places the plugins where the CLI looks for them. On a fresh machine three kinds of
// work go on at once: compilers, of which two keep the cores busy while one of them links; downloads; and Docker's images.
func (e Engine) equip(ctx context.Context) (kit, error) {
	local := filepath.Join(e.Top, "local")
	var k kit
	var aws, docker string
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if k.pulumi, err = e.Cache.Pulumi(ctx); err != nil {
			return err
		}
		k.version, err = tools.PulumiVersion(ctx, k.pulumi)
		return err
	})
	group.Go(func() (err error) {
		if docker, err = e.Cache.DockerPlugin(ctx, local); err != nil {
			return err
		}
		aws, err = e.Cache.AWSPlugin(ctx, local)
		return err
	})
	group.Go(func() (err error) {
		k.moto, err = e.Cache.Moto(ctx, local)
		return err
	})
	group.Go(func() (err error) {
		if err := tools.EnsureDocker(ctx, e.Out); err != nil {
			return err
		}
		if err := e.Cache.BaseImages(ctx); err != nil {
			return err
		}
		if _, err := e.Cache.PostgresImage(ctx, postgresMajor); err != nil {
			return err
		}
		k.pause, err = e.Cache.PauseImage(ctx, local)
		return err
	})
	if err := group.Wait(); err != nil {
		return kit{}, err
	}
	plugins := filepath.Join(e.dir(), pluginFolder)
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		return kit{}, fmt.Errorf("make the plugin folder: %w", err)
	}
	for name, dir := range map[string]string{awsPlugin: aws, dockerPlugin: docker} {
		if err := linkFiles(dir, filepath.Join(plugins, name)); err != nil {
			return kit{}, err
		}
	}
	return k, nil
}

// linkFiles makes a folder with a link to each file of another: the CLI takes only real folders for plugins.
func linkFiles(from, to string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("read plugin %s: %w", from, err)
	}
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("replace plugin %s: %w", to, err)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return fmt.Errorf("place plugin %s: %w", to, err)
	}
	for _, file := range files {
		if err := os.Symlink(filepath.Join(from, file.Name()), filepath.Join(to, file.Name())); err != nil {
			return fmt.Errorf("place plugin %s: %w", to, err)
		}
	}
	return nil
}
