package main

import (
	"cmp"
	"context"
	"os"

	"slipway/ops/deliver"
	"slipway/ops/secret"
)

// setSecret gives the secret in SECRET the value on the standard input.
func setSecret(ctx context.Context, d *desk) error {
	cfg, region, err := deliver.Settings(d.cli.Top, d.cli.Stack)
	if err != nil {
		return err
	}
	cloud, err := d.cli.AWS(ctx, cmp.Or(region, os.Getenv("AWS_REGION")))
	if err != nil {
		return err
	}
	return secret.Set(ctx, cloud, cfg, deliver.Bare(d.cli.Stack), os.Getenv("SECRET"), os.Stdin, os.Stdout)
}
