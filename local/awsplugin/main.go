// Pulumi-resource-aws is the AWS provider plugin of the embedded cloud, for machines that cannot have the official one: the
// Terraform AWS provider behind Pulumi's bridge, cut down to what the program uses. See README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
)

// Files that lie beside the executable, written by `pulumi-resource-aws schema --out DIR`.
const (
	schemaFile   = "schema.json"
	metadataFile = "bridge-metadata.json"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-aws: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) > 1 && os.Args[1] == "schema" {
		info, err := provider(ctx, bridge.NewProviderMetadata([]byte("{}")))
		if err != nil {
			return err
		}
		tfgen.MainWithMuxer(name, info)
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the executable: %w", err)
	}
	// The CLI reaches the plugin by a link; its files lie where the link leads.
	self, err = filepath.EvalSymlinks(self)
	if err != nil {
		return fmt.Errorf("find the executable: %w", err)
	}
	schema, err := os.ReadFile(filepath.Join(filepath.Dir(self), schemaFile))
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	metadata, err := os.ReadFile(filepath.Join(filepath.Dir(self), metadataFile))
	if err != nil {
		return fmt.Errorf("read the bridge's metadata: %w", err)
	}
	info, err := provider(ctx, bridge.NewProviderMetadata(metadata))
	if err != nil {
		return err
	}
	tfbridge.MainWithMuxer(ctx, name, info, schema)
	return nil
}
