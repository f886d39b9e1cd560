package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"slipway/ops/bootstrap"
	"slipway/ops/deliver"
)

// prepare prepares an account for the stack. What the stack is called and who may deploy it stand in its configuration; the rest
// are flags.
func prepare(ctx context.Context, d *desk) error {
	cfg, region, err := deliver.Settings(d.cli.Top, d.cli.Stack)
	if err != nil {
		return err
	}
	if region == "" {
		region = os.Getenv("AWS_REGION")
	}
	options := bootstrap.Options{
		App: cfg.App.Name, Stack: d.cli.Stack, Region: region,
		Owner: cfg.GitHub.Owner, Repository: cfg.GitHub.Repository, Environment: cfg.GitHub.Environment, Preview: cfg.GitHub.Preview,
		Bucket: cfg.State.Bucket, PromoteFrom: cfg.Images.PromoteFrom,
	}
	flags := flag.NewFlagSet("bootstrap", flag.ContinueOnError)
	flags.StringVar(&options.Account, "account", "", "account to prepare, 12 digits; any other is refused")
	flags.StringVar(&options.Bucket, "bucket", options.Bucket, "bucket for the state; made where it is not there")
	flags.StringVar(&options.Key, "key", "", "id or ARN of a KMS key that is there already")
	flags.BoolVar(&options.PulumiCloud, "pulumi-cloud", false, "keep the state in Pulumi Cloud; nothing is made in the account")
	flags.StringVar(&options.Organization, "organization", "", "of Pulumi Cloud")
	flags.BoolVar(&options.DryRun, "dry-run", false, "only say what would be done")
	if err := flags.Parse(d.args); err != nil {
		return err
	}
	if outputs, err := d.cli.Outputs(ctx); err == nil { // a stack that is not there yet has none
		options.Outputs = map[string]string{}
		for name, value := range outputs {
			if text, ok := value.(string); ok {
				options.Outputs[name] = text
			}
		}
	}
	config, err := d.cli.AWS(ctx, region)
	if err != nil {
		return err
	}
	done, err := bootstrap.Run(ctx, config, options, os.Stdout)
	if err != nil {
		return err
	}
	fmt.Println()
	fmt.Print(bootstrap.Script(done.Next))
	return nil
}
