package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/blang/semver"
)

// pulumiVersion is the version of the CLI that is built, and the oldest that is taken from the machine.
const pulumiVersion = "3.259.0"

// pulumiModule builds the CLI. Its go.mod repeats a replacement of the CLI's own, which a dependant does not inherit.
const pulumiModule = `module slipway/pulumicli

go 1.26

require github.com/pulumi/pulumi/pkg/v3 v` + pulumiVersion + `

replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e

tool github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
`

// Pulumi returns the path of the Pulumi CLI: the one on the machine where it is new enough, else one built from its Go
// module.
func (c Cache) Pulumi(ctx context.Context) (string, error) {
	if found, err := exec.LookPath("pulumi"); err == nil {
		version, err := PulumiVersion(ctx, found)
		oldest := semver.MustParse(pulumiVersion)
		if err == nil && version.Major == oldest.Major && version.GTE(oldest) {
			return filepath.Abs(found)
		}
	}
	dir, err := c.Make(ctx, "pulumi", Key(pulumiModule), func(ctx context.Context, dir string) error {
		work := filepath.Join(dir, "build")
		if err := os.Mkdir(work, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, "go.mod"), []byte(pulumiModule), 0o600); err != nil {
			return err
		}
		flags := "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + pulumiVersion
		if err := runQuietly(ctx, work, nil, "go", "build", "-mod=mod", "-trimpath", "-ldflags", flags,
			"-o", filepath.Join(dir, "bin", "pulumi"), "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"); err != nil {
			return err
		}
		return os.RemoveAll(work)
	})
	return filepath.Join(dir, "bin", "pulumi"), err
}

// PulumiVersion asks a Pulumi CLI for its version.
func PulumiVersion(ctx context.Context, bin string) (semver.Version, error) {
	out, err := exec.CommandContext(ctx, bin, "version").Output()
	if err != nil {
		return semver.Version{}, fmt.Errorf("ask %s for its version: %w", bin, err)
	}
	version, err := semver.ParseTolerant(strings.TrimSpace(string(out)))
	if err != nil {
		return semver.Version{}, fmt.Errorf("understand the version of %s, %q: %w", bin, out, err)
	}
	return version, nil
}
