package main

import (
	"context"
	"os"

	"slipway/ops/deliver"
	"slipway/ops/secret"

	"slipway/local/awsapi"
)

// setSecret gives a stack's secret the value on the standard input.
func setSecret(ctx context.Context, name string, rest []string) error {
	e, err := newEngine(stackOf(rest))
	if err != nil {
		return err
	}
	cfg, _, err := deliver.Settings(e.Top, e.Stack)
	if err != nil {
		return err
	}
	endpoint, err := e.Endpoint(ctx)
	if err != nil {
		return err
	}
	// As a person, and not by the deploy role, which may not.
	return secret.Set(ctx, awsapi.Config(endpoint), cfg, e.Stack, name, os.Stdin, os.Stdout)
}
