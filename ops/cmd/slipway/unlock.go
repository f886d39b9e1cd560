package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"slipway/ops/deliver"
	"slipway/ops/locks"
)

const (
	githubAPI = "https://api.github.com"
	// The CLI names Pulumi Cloud by its pages; its API is elsewhere.
	cloudPages, cloudAPI = "app.pulumi.com", "https://api.pulumi.com"
)

// unlock frees the state from the locks of dead runs. A job finds all that this takes in its environment. For a person the CLI knows the
// backend that they logged in to, the stack's file the repository, and GitHub's CLI a token.
func unlock(ctx context.Context, d *desk) error {
	backend, err := backendOf(ctx, d)
	if err != nil {
		return err
	}
	github, err := githubOf(ctx, d)
	if err != nil {
		return err
	}
	cleaner := locks.Cleaner{Backend: backend, Runs: github.State, Now: time.Now, Out: os.Stdout}
	return cleaner.Free(ctx, locks.Stack{Project: deliver.Project, Name: d.cli.Stack})
}

// backendOf is where the stack's state is locked.
func backendOf(ctx context.Context, d *desk) (locks.Backend, error) {
	address := os.Getenv("PULUMI_BACKEND_URL")
	store := d.cli.Store
	if address == "" {
		text, err := d.cli.Read(ctx, "whoami", "--json")
		if err != nil {
			return nil, fmt.Errorf("ask where the state is: %w; type `pulumi login URL`, or export PULUMI_BACKEND_URL", err)
		}
		var login struct{ URL string }
		if err := json.Unmarshal(text, &login); err != nil {
			return nil, fmt.Errorf("understand `pulumi whoami --json`: %w", err)
		}
		if store, err = deliver.Backend(login.URL); err != nil {
			return nil, err
		}
		if page, err := url.Parse(login.URL); err == nil && page.Host == cloudPages {
			address = cloudAPI
		}
	}
	if store != nil {
		return locks.Files{Store: store}, nil
	}
	return pulumiCloud(ctx, d, address)
}

// pulumiCloud asks the CLI to whom the stack belongs; api is the service's address.
func pulumiCloud(ctx context.Context, d *desk, api string) (locks.Cloud, error) {
	cloud := locks.Cloud{Client: client(), API: api, Token: os.Getenv("PULUMI_ACCESS_TOKEN")}
	if api == "" {
		return cloud, errors.New("the state is in a Pulumi Cloud of your own; export PULUMI_BACKEND_URL, the address of its API")
	}
	if cloud.Token == "" {
		return cloud, fmt.Errorf("PULUMI_ACCESS_TOKEN is not set, and Pulumi Cloud is asked about its updates by a token; "+
			"make one at https://%s/account/tokens, and export it", cloudPages)
	}
	text, err := d.cli.Read(ctx, "stack", "ls", "--json")
	if err != nil {
		return cloud, err
	}
	var stacks []struct{ Name, URL string }
	if err := json.Unmarshal(text, &stacks); err != nil {
		return cloud, fmt.Errorf("understand the list of stacks: %w", err)
	}
	for _, stack := range stacks {
		if stack.Name != d.cli.Stack && !strings.HasSuffix(stack.Name, "/"+d.cli.Stack) {
			continue
		}
		// The page of a stack is https://app.pulumi.com/ORGANIZATION/PROJECT/STACK.
		_, path, _ := strings.Cut(strings.TrimPrefix(stack.URL, "https://"), "/")
		cloud.Organization, _, _ = strings.Cut(path, "/")
		return cloud, nil
	}
	return cloud, fmt.Errorf("pulumi knows no stack %s; log in, and run `pulumi stack ls`", d.cli.Stack)
}

// githubOf is who knows whether the runs of the stack's repository live.
func githubOf(ctx context.Context, d *desk) (locks.GitHub, error) {
	github := locks.GitHub{
		Client: client(), API: cmp.Or(os.Getenv("GITHUB_API_URL"), githubAPI), Repository: os.Getenv("GITHUB_REPOSITORY"), Token: os.Getenv("GITHUB_TOKEN"),
	}
	if github.Repository == "" {
		cfg, _, err := deliver.Settings(d.cli.Top, d.cli.Stack)
		if err != nil {
			return github, err
		}
		if of := cfg.GitHub; of.Owner != "" && of.Repository != "" {
			github.Repository = of.Owner + "/" + of.Repository
		}
	}
	if github.Token == "" {
		// No error: there may be nothing to ask, and what is asked says that a token is wanting.
		token, _ := exec.CommandContext(ctx, "gh", "auth", "token").Output()
		github.Token = strings.TrimSpace(string(token))
	}
	return github, nil
}
