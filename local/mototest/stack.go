package mototest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/local/awsapi"
	"slipway/local/tools"
)

// Stack is a stack of a program with the real CLI and the real AWS provider, in an emulator of its own. wrap may stand between the
// test and the CLI; nil for nothing.
func Stack(t *testing.T, name string, program pulumi.RunFunc, wrap func(auto.PulumiCommand) auto.PulumiCommand) auto.Stack {
	t.Helper()
	return StackIn(t, Start(t), name, program, wrap)
}

// StackIn is such a stack where AWS's API is at an endpoint.
func StackIn(t *testing.T, endpoint, name string, program pulumi.RunFunc, wrap func(auto.PulumiCommand) auto.PulumiCommand) auto.Stack {
	t.Helper()
	cache := Cache(t)
	bin, err := cache.Pulumi(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := cache.AWSPlugin(t.Context(), "..")
	if err != nil {
		t.Fatal(err)
	}
	cli, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: filepath.Dir(filepath.Dir(bin))})
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		cli = wrap(cli)
	}
	home := t.TempDir()
	place(t, plugin, filepath.Join(home, "plugins", "resource-aws-v"+tools.AWSVersion))
	stack, err := auto.UpsertStackInlineSource(t.Context(), name, "slipway", program,
		auto.WorkDir(t.TempDir()), auto.Pulumi(cli), auto.PulumiHome(home), auto.EnvVars(map[string]string{
			"PULUMI_BACKEND_URL": "file://" + t.TempDir(), "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_SKIP_UPDATE_CHECK": "true",
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true", "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test",
			"AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull,
			"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.SetConfig(t.Context(), "aws:region", auto.ConfigValue{Value: awsapi.Region}); err != nil {
		t.Fatal(err)
	}
	return stack
}

// place puts a plugin where the CLI looks for it: it takes only real folders, and in them links.
func place(t *testing.T, plugin, folder string) {
	t.Helper()
	files, err := os.ReadDir(plugin)
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Symlink(filepath.Join(plugin, file.Name()), filepath.Join(folder, file.Name())); err != nil {
			t.Fatal(err)
		}
	}
}
