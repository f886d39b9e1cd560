package tools

import (
	"context"
	_ "embed" // what is cut and changed is part of the plugin's key
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

//go:embed trim.go
var trimSource string

// AWSPlugin returns a folder with the executable pulumi-resource-aws in the version that the program's SDK asks for: the
// official one where it is installed, else one built from Go modules; see awsplugin/README.md.
func (c Cache) AWSPlugin(ctx context.Context, local string) (string, error) {
	if dir, ok := installedPlugin("aws", AWSVersion); ok {
		return dir, nil
	}
	source := filepath.Join(local, "awsplugin")
	sources, err := KeyOfFiles(source)
	if err != nil {
		return "", err
	}
	key := Key(sources, trimSource, runtime.Version())
	return c.Make(ctx, "pulumi-resource-aws", key, func(ctx context.Context, dir string) error {
		return buildAWSPlugin(ctx, source, dir)
	})
}

// Versions of the provider plugins: those of the SDK packages in the program's go.mod.
const (
	AWSVersion    = "6.83.2"
	DockerVersion = "4.11.2"
)

// buildAWSPlugin builds in a folder of its own beside the result and leaves nothing but the executable and its schema.
func buildAWSPlugin(ctx context.Context, source, dir string) error {
	work := filepath.Join(dir, "build")
	plugin, provider := filepath.Join(work, "slipway"), filepath.Join(work, "provider")
	if err := copyGo(source, plugin); err != nil {
		return fmt.Errorf("copy %s: %w", source, err)
	}
	module, err := downloadModule(ctx, filepath.Join(source, "go.mod"), "github.com/hashicorp/terraform-provider-aws")
	if err != nil {
		return err
	}
	if err := trimProvider(module, provider); err != nil {
		return fmt.Errorf("trim the Terraform AWS provider: %w", err)
	}
	binary := filepath.Join(dir, "pulumi-resource-aws")
	for _, args := range [][]string{
		{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "."},
		{binary, "schema", "--skip-docs", "--skip-examples", "--out", dir},
	} {
		if err := runQuietly(ctx, plugin, nil, args...); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// downloadModule puts the version of a module that a go.mod requires into the module cache, and returns its folder there.
func downloadModule(ctx context.Context, goMod, module string) (string, error) {
	content, err := os.ReadFile(goMod)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", goMod, err)
	}
	version := ""
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == module && fields[1] != "=>" {
			version = fields[1]
		}
	}
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@"+version)
	command.Dir = os.TempDir() // outside any module, whose replacements would apply
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("download %s@%s: %w: %s", module, version, err, out)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", fmt.Errorf("understand `go mod download`: %w", err)
	}
	return found.Dir, nil
}

// runQuietly runs a command and shows what it printed only if it fails.
func runQuietly(ctx context.Context, dir string, env []string, args ...string) error {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s (in %s): %w\n%s", strings.Join(args, " "), dir, err, out)
	}
	return nil
}

// installedPlugin is the folder of an official plugin that the Pulumi CLI has installed for this user.
func installedPlugin(name, version string) (string, bool) {
	home := os.Getenv("PULUMI_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", false
		}
		home = filepath.Join(user, ".pulumi")
	}
	dir := filepath.Join(home, "plugins", "resource-"+name+"-v"+version)
	info, err := os.Stat(filepath.Join(dir, "pulumi-resource-"+name))
	return dir, err == nil && info.Mode().IsRegular()
}
