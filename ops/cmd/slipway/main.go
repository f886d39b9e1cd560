// Slipway is what the make targets run for a stack on AWS, beside the plain Pulumi CLI: releases and the way back, reports, and
// what prepares an account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"slipway/ops/deliver"
	"slipway/ops/report"
)

// command is one subcommand; its name is that of the make target.
type command struct {
	name, help string
	run        func(context.Context, *desk) error
}

var commands = []command{
	{"up", "converge the stack and judge its release", func(ctx context.Context, d *desk) error { return d.Up(ctx, d.cli) }},
	{"rollback", "run the release in REVISION again", func(ctx context.Context, d *desk) error { return d.Rollback(ctx, d.cli, os.Getenv("REVISION")) }},
	{"restore", "run the release again that ran well last", func(ctx context.Context, d *desk) error { return d.Restore(ctx, d.cli) }},
	{"releases", "list what can be gone back to", func(ctx context.Context, d *desk) error { return d.Releases(ctx, d.cli) }},
	{"summary", "print how the last run went, in Markdown", summarize},
	{"notify", "tell Slack how the last run went", notify},
	{"drift", "say what differs between the state and the cloud", findDrift},
	{"refresh", "read what stands in the cloud into the state", refresh},
	{"unlock", "free the state from the locks of dead jobs", unlock},
	{"review", "print what matters in a preview, in Markdown", printReview},
	{"comment", "put --file at the top of the pull request's comment", comment},
	{"forked", "say why a fork has no preview", forked},
	{"cost", "print what the stack costs a month", printCost},
	{"secret", "give the secret in SECRET the value on the standard input", setSecret},
	{"bootstrap", "prepare an account for the stack, and print what to do next", prepare},
}

// desk is a stack and where its commands print.
type desk struct {
	deliver.Desk
	cli  deliver.CLI
	file string
	args []string // what is left of the command line, for bootstrap
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "slipway: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("no command is given\n" + usage())
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return fmt.Errorf("there is no command %q\n%s", args[0], usage())
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says it
	stack := flags.String("stack", "", "stack, such as staging")
	file := flags.String("file", "", "file that holds the review")
	own, rest := args[1:], []string(nil)
	if args[0] == "bootstrap" { // whose flags are its own, behind the stack
		own, rest = args[1:min(len(args), 3)], args[min(len(args), 3):]
	}
	if err := flags.Parse(own); err != nil {
		return fmt.Errorf("%w\n%s", err, usage())
	}
	if *stack == "" && args[0] != "forked" {
		return fmt.Errorf("%s: no stack is named; give --stack\n%s", args[0], usage())
	}
	top, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(top, "Pulumi.yaml")); err != nil {
		return fmt.Errorf("there is no Pulumi.yaml in %s; run at the top of a checkout", top)
	}
	store, err := deliver.Backend(os.Getenv("PULUMI_BACKEND_URL"))
	if err != nil {
		return err
	}
	return commands[i].run(ctx, &desk{
		Desk: deliver.Desk{Out: os.Stdout, Runs: report.RunsPath(top, *stack), Job: report.JobFromEnv(os.Getenv) != report.Job{}},
		cli:  deliver.CLI{Top: top, Stack: *stack, Command: pulumi(), Store: store},
		file: *file,
		args: rest,
	})
}

// pulumi is the CLI, or for a stack in the embedded cloud what runs it there.
func pulumi() []string {
	if words := strings.Fields(os.Getenv("SLIPWAY_PULUMI")); len(words) > 0 {
		return words
	}
	return []string{"pulumi"}
}

func usage() string {
	var b strings.Builder
	b.WriteString("usage: slipway COMMAND --stack STACK\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.help)
	}
	return b.String()
}
