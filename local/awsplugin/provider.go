package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-provider-aws/internal"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/framework"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/sdkv2"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

const (
	name = "aws"
	// The version of the SDK package that the program imports: the engine asks for a plugin of that version.
	version = "6.83.2"
)

// unmappedFunctions are provider functions in Terraform's sense, which Pulumi has no counterpart for.
var unmappedFunctions = []string{"arn_build", "arn_parse", "trim_iam_role_path", "user_agent"}

// provider describes to the bridge which Terraform resource each Pulumi token stands for.
func provider(ctx context.Context, metadata *bridge.MetadataInfo) (bridge.ProviderInfo, error) {
	internal.RegisterSmarterrFS()
	primary, err := sdkv2.NewProvider(ctx)
	if err != nil {
		return bridge.ProviderInfo{}, fmt.Errorf("make the provider's older half: %w", err)
	}
	secondary, err := framework.NewProvider(ctx, primary)
	if err != nil {
		return bridge.ProviderInfo{}, fmt.Errorf("make the provider's newer half: %w", err)
	}
	info := bridge.ProviderInfo{
		P:            tfbridge.MuxShimWithDisjointgPF(ctx, shimv2.NewProvider(primary), secondary),
		Name:         name,
		Version:      version,
		MetadataInfo: metadata,
		Resources:    map[string]*bridge.ResourceInfo{},
		DataSources:  map[string]*bridge.DataSourceInfo{},
	}
	for terraform, pulumi := range resources {
		info.Resources[terraform] = &bridge.ResourceInfo{Tok: tokens.Type(name + ":" + pulumi), Fields: fields[terraform]}
	}
	for terraform, pulumi := range functions {
		info.DataSources[terraform] = &bridge.DataSourceInfo{Tok: tokens.ModuleMember(name + ":" + pulumi)}
	}
	info.IgnoreMappings = append(unmapped(info.P.ResourcesMap(), resources), unmapped(info.P.DataSourcesMap(), functions)...)
	info.IgnoreMappings = append(info.IgnoreMappings, unmappedFunctions...)
	info.SetAutonaming(255, "-")
	return info, nil
}

// unmapped lists what the provider has and the program does not use.
func unmapped(all shim.ResourceMap, mapped map[string]string) []string {
	var names []string
	all.Range(func(terraform string, _ shim.Resource) bool {
		if _, ok := mapped[terraform]; !ok {
			names = append(names, terraform)
		}
		return true
	})
	return names
}
