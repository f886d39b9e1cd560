// Package engine runs the program in the embedded cloud: with the real Pulumi CLI and engine, by the same function that
// main.go calls.
package engine

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/sync/errgroup"

	"slipway/infra/config"
	"slipway/local/cloud"
	"slipway/local/tools"
)

// Names of the project and of its stack in the embedded cloud.
const (
	Project = "slipway"
	Stack   = "local"
)

// Versions of the provider plugins, which are those of the SDK packages in the program's go.mod.
const (
	awsPlugin    = "resource-aws-v6.83.2"
	dockerPlugin = "resource-docker-v4.11.2"
)

// Engine converges the stack of one checkout.
type Engine struct {
	Top     string         // the checkout; absolute
	Cache   tools.Cache    // what is built once and shared by all checkouts
	Out     io.Writer      // progress, line by line
	Program pulumi.RunFunc // what main.go runs
	Self    string         // our own executable, which the cloud's servers are started from
}

// dir holds what belongs to this checkout's cloud: its servers' files, and the stack's state.
func (e Engine) dir() string { return filepath.Join(e.Top, ".slipway") }

// cloudDir is the folder of the cloud's servers.
func (e Engine) cloudDir() string { return filepath.Join(e.dir(), "cloud") }

// Up converges the stack and returns the counts of the engine's operations by kind, and the stack's outputs.
func (e Engine) Up(ctx context.Context) (auto.UpResult, error) {
	session, err := e.open(ctx)
	if err != nil {
		return auto.UpResult{}, err
	}
	result, err := session.stack.Up(ctx, optup.ProgressStreams(e.Out), optup.ErrorProgressStreams(e.Out), optup.SuppressOutputs())
	return result, brief("up", err)
}

// Preview says what Up would change.
func (e Engine) Preview(ctx context.Context) (auto.PreviewResult, error) {
	session, err := e.open(ctx)
	if err != nil {
		return auto.PreviewResult{}, err
	}
	result, err := session.stack.Preview(ctx, optpreview.ProgressStreams(e.Out), optpreview.ErrorProgressStreams(e.Out))
	return result, brief("preview", err)
}

// Down destroys the stack, asks the cloud's API what is left, and ends the cloud. What is left is returned as an error: a
// cloud that is thrown away would hide what a real account would go on paying for.
func (e Engine) Down(ctx context.Context) error {
	if _, running := cloud.Running(ctx, e.cloudDir()); !running {
		_, _ = fmt.Fprintln(e.Out, "engine: no embedded cloud is running for this checkout; nothing to take down")
		return os.RemoveAll(e.dir())
	}
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	_, err = session.stack.Destroy(ctx, optdestroy.ProgressStreams(e.Out), optdestroy.ErrorProgressStreams(e.Out))
	if err != nil {
		return brief("down", err)
	}
	left, err := e.leftovers(ctx, session.cloud)
	if err != nil {
		return err
	}
	if err := cloud.Stop(ctx, e.cloudDir()); err != nil {
		return err
	}
	if err := os.RemoveAll(e.dir()); err != nil {
		return fmt.Errorf("remove the cloud's files: %w", err)
	}
	if len(left) > 0 {
		return fmt.Errorf("the stack is destroyed, but the API still shows what it did not have at birth: %v", left)
	}
	_, _ = fmt.Fprintln(e.Out, "engine: the API shows nothing that was not there at birth; the embedded cloud is stopped")
	return nil
}

// brief cuts the SDK's error, which repeats all that the CLI printed, down to its first line: it was shown while it came.
func brief(action string, err error) error {
	if err == nil {
		return nil
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s failed: %s; what pulumi said stands above", action, first)
}

// Outputs returns the outputs of the last converged stack.
func (e Engine) Outputs(ctx context.Context) (auto.OutputMap, error) {
	session, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	return session.stack.Outputs(ctx)
}

// Config is the stack's configuration, as the program reads it.
func (e Engine) Config(ctx context.Context) (*config.Config, error) {
	session, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	all, err := session.stack.GetAllConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the stack's configuration: %w", err)
	}
	return config.Load(values(all), Stack)
}

// values is a stack's configuration as a source of config's.
type values auto.ConfigMap

// Get implements config.Source.
func (v values) Get(key string) (string, bool) {
	value, ok := v[Project+":"+key]
	return value.Value, ok
}

// Keys implements config.Source.
func (v values) Keys() ([]string, bool) {
	var keys []string
	for name := range v {
		if key, ours := strings.CutPrefix(name, Project+":"); ours {
			keys = append(keys, key)
		}
	}
	return keys, true
}

// Stop ends the embedded cloud as it is. Its memory goes with it, and so does the stack's state.
func (e Engine) Stop(ctx context.Context) error {
	if err := cloud.Stop(ctx, e.cloudDir()); err != nil {
		return err
	}
	return os.RemoveAll(e.dir())
}

// session is a stack in a running cloud.
type session struct {
	stack auto.Stack
	cloud cloud.State
}

// open makes everything ready that a run of the engine needs, and puts in order what an interrupted run left.
func (e Engine) open(ctx context.Context) (*session, error) {
	// The program reads the checkout by relative paths, as under the plain CLI, which starts it in its folder.
	if err := os.Chdir(e.Top); err != nil {
		return nil, fmt.Errorf("enter the checkout: %w", err)
	}
	kit, err := e.equip(ctx)
	if err != nil {
		return nil, err
	}
	cli := command{bin: kit.pulumi, version: kit.version, dir: e.dir()}
	if err := cli.awaitOther(ctx, e.Out); err != nil {
		return nil, err
	}
	running, err := e.cloud(ctx, kit)
	if err != nil {
		return nil, err
	}
	opened, err := e.stack(ctx, cli, running)
	if err != nil {
		return nil, err
	}
	orphans, err := interrupted(ctx, opened.stack)
	if err != nil {
		return nil, err
	}
	if len(orphans) == 0 {
		return opened, nil
	}
	// The engine itself was killed in the middle of creations, so the cloud holds things that no state knows. On AWS a
	// person would have to look for them; here the cloud is thrown away with its state, and nothing is doubled.
	_, _ = fmt.Fprintf(e.Out, "engine: killed while it created %v; starting over with an empty cloud\n", orphans)
	if err := cloud.Stop(ctx, e.cloudDir()); err != nil {
		return nil, err
	}
	if running, err = e.cloud(ctx, kit); err != nil {
		return nil, err
	}
	return e.stack(ctx, cli, running)
}

// stack selects the stack, or makes it, in a state that belongs to this life of the cloud.
func (e Engine) stack(ctx context.Context, cli command, running cloud.State) (*session, error) {
	state := filepath.Join(e.dir(), "state-"+running.ID)
	old, err := filepath.Glob(filepath.Join(e.dir(), "state-*"))
	if err != nil {
		return nil, fmt.Errorf("look for old states: %w", err)
	}
	for _, dir := range old {
		if dir == state {
			continue
		}
		if err := os.RemoveAll(dir); err != nil { // it describes a cloud that is gone
			return nil, fmt.Errorf("remove the state of an earlier cloud: %w", err)
		}
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the state: %w", err)
	}
	if err := freeLocks(state, e.Out); err != nil {
		return nil, err
	}
	stack, err := auto.UpsertStackInlineSource(ctx, Stack, Project, e.Program,
		auto.WorkDir(e.Top),
		auto.Pulumi(cli),
		auto.PulumiHome(filepath.Join(e.dir(), "home")),
		auto.EnvVars(map[string]string{
			"PULUMI_BACKEND_URL":                          "file://" + state,
			"PULUMI_CONFIG_PASSPHRASE":                    "", // the state holds no secret but the registry password of this cloud
			"PULUMI_SKIP_UPDATE_CHECK":                    "true",
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true", // what is needed is placed; nothing is downloaded
			"AWS_ENDPOINT_URL":                            running.Endpoint,
			"AWS_ACCESS_KEY_ID":                           "test",
			"AWS_SECRET_ACCESS_KEY":                       "test",
			"AWS_EC2_METADATA_DISABLED":                   "true",
			"AWS_CONFIG_FILE":                             os.DevNull, // nothing of the user's AWS set-up may lead elsewhere
			"AWS_SHARED_CREDENTIALS_FILE":                 os.DevNull,
		}))
	if err != nil {
		return nil, fmt.Errorf("open stack %s: %w", Stack, err)
	}
	return &session{stack: stack, cloud: running}, nil
}

// kit is what the machine needs beside a Docker Engine.
type kit struct {
	pulumi  string
	version semver.Version
	moto    []string
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
	group.Go(func() error {
		if err := tools.EnsureDocker(ctx, e.Out); err != nil {
			return err
		}
		return e.Cache.BaseImages(ctx)
	})
	if err := group.Wait(); err != nil {
		return kit{}, err
	}
	plugins := filepath.Join(e.dir(), "home", "plugins")
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
