package infra

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/registry"
	"slipway/infra/revision"
)

// prepare reads the configuration and names the revision, and reports every problem of both at once.
func prepare(ctx *pulumi.Context) (*config.Config, revision.Revision, error) {
	cfg, problems := config.Load(stackConfig{ctx}, ctx.Stack())
	built := cfg.Revision == "" && cfg.Images.PromoteFrom == ""
	platform, platformErr := registry.Platform(ctx.Context(), cfg.Images.Platform, built)
	cfg.Images.Platform = platform
	if cfg.Revision != "" {
		rev, err := revision.Named(cfg.Revision)
		// The configuration's problems name a bad revision already.
		return cfg, rev, errors.Join(cmp.Or(problems, err), platformErr)
	}
	if cfg.Images.PromoteFrom != "" { // the checkout names what to run, and nothing is built from it
		rev, err := revision.CheckedOut(ctx.Context(), ".", nil, cfg.Images.AllowDirty)
		rev.Name = rev.Commit // whatever else is in the tree, the images are the commit's
		return cfg, rev, errors.Join(problems, err, platformErr)
	}
	rev, revisionErr := revision.CheckedOut(ctx.Context(), ".", folders(cfg), cfg.Images.AllowDirty)
	return cfg, rev, errors.Join(problems, revisionErr, platformErr, checkFolders(cfg))
}

func folders(cfg *config.Config) []string {
	all := make([]string, len(cfg.Services))
	for i, row := range cfg.Services {
		all[i] = row.Folder
	}
	return all
}

// location is where the provider's credentials and region lead to.
type location struct {
	Partition string // such as aws
	Account   string // 12 digits
	Region    string
	Zones     []string // names of availability zones, as many as asked for, in alphabetical order
}

// locate asks AWS where the stack will stand.
func locate(ctx *pulumi.Context, zones int) (location, error) {
	caller, err := aws.GetCallerIdentity(ctx, &aws.GetCallerIdentityArgs{})
	if err != nil {
		return location{}, fmt.Errorf("ask AWS who we are: %w; sign in, for example by `aws sso login`", err)
	}
	region, err := aws.GetRegion(ctx, &aws.GetRegionArgs{})
	if err != nil {
		return location{}, fmt.Errorf("ask for the region: %w; set aws:region", err)
	}
	partition, err := aws.GetPartition(ctx, &aws.GetPartitionArgs{})
	if err != nil {
		return location{}, fmt.Errorf("ask for the partition: %w", err)
	}
	// Local Zones and Wavelength Zones need opting in, and have neither RDS nor Fargate as we use them.
	state, ordinary := "available", aws.GetAvailabilityZonesFilter{Name: "opt-in-status", Values: []string{"opt-in-not-required"}}
	found, err := aws.GetAvailabilityZones(ctx, &aws.GetAvailabilityZonesArgs{
		State: &state, Filters: []aws.GetAvailabilityZonesFilter{ordinary},
	})
	if err != nil {
		return location{}, fmt.Errorf("ask for the zones of %s: %w", region.Name, err)
	}
	if len(found.Names) < zones {
		return location{}, fmt.Errorf("networkZoneCount: %d, but region %s offers this account %d zones: %v; lower it, or choose another region",
			zones, region.Name, len(found.Names), found.Names)
	}
	names := slices.Sorted(slices.Values(found.Names))[:zones]
	return location{Partition: partition.Partition, Account: caller.AccountId, Region: region.Name, Zones: names}, nil
}

// checkFolders finds services whose Dockerfile is not in the checkout, which a build would only notice half-way.
func checkFolders(cfg *config.Config) error {
	var problems []error
	for _, row := range cfg.Services {
		file := filepath.Join(row.Folder, row.Dockerfile)
		if _, err := os.Stat(file); err != nil {
			problems = append(problems, fmt.Errorf("services.%s.dockerfile: %w; name a file relative to folder %q", row.Name, err, row.Folder))
		}
	}
	return errors.Join(problems...)
}
