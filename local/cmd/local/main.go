// Local is what `make up`, `make preview` and `make down` run for the stack in the embedded cloud.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"slipway/infra"
	"slipway/ops/deliver"
	"slipway/ops/report"

	"slipway/local/bench"
	"slipway/local/chaos"
	"slipway/local/cloud"
	"slipway/local/engine"
	"slipway/local/faults"
	"slipway/local/tools"
)

const usage = `usage: local COMMAND [STACK]

  STACK is local unless given; another stack's values can be tried in the embedded cloud too.

  up       converge the stack in the embedded cloud, which is set up and started where it is not
  preview  say what up would change
  down     destroy the stack, ask the API what is left, and stop the embedded cloud
  outputs  print the stack's outputs again
  rollback REVISION  run a release again that ran well, with no build; STACK comes after it
  restore  run the release again that ran well last
  releases list what can be gone back to
  secret NAME  set a secret's value, from the standard input; STACK comes after it
  stop     stop the embedded cloud without destroying the stack; the next up begins with an empty cloud
  bench    print figures: preview, up, rolling updates, image builds, compile time and memory
  chaos    up, release, rollback and down, over and over, each time with a fault and a kill: local chaos [-runs N] [-seed N]
           [-first N] [-workers N] [-limit DURATION]; logs of runs that broke a promise stay in out/
  fault    without words: list the faults in force; clear: end them all; else put one in force:
           local fault ` + faults.Usage + `
`

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
		return fmt.Errorf("no command is given\n%s", usage)
	}
	switch args[0] {
	case "cloud": // not for people: the servers, as `up` starts them
		return serve(ctx, args[1:])
	case "fault":
		return fault(ctx, args[1:])
	case "chaos":
		return soak(ctx, args[1:])
	case "pulumi": // not for people: the CLI for the stack in the embedded cloud, which must run
		return passOn(ctx, args[1:])
	case "rollback":
		if len(args) < 2 {
			return fmt.Errorf("no release is named: local rollback REVISION [STACK]; `local releases` lists what can be gone back to\n%s", usage)
		}
		return goBack(ctx, args[1], args[2:])
	case "secret":
		if len(args) < 2 {
			return fmt.Errorf("no secret is named: local secret NAME [STACK]\n%s", usage)
		}
		return setSecret(ctx, args[1], args[2:])
	}
	if len(args) > 2 {
		return fmt.Errorf("%d words after the command, where at most one, a stack, can be\n%s", len(args)-1, usage)
	}
	e, err := newEngine(stackOf(args[1:]))
	if err != nil {
		return err
	}
	switch args[0] {
	case "up":
		return converge(ctx, e, desk(e).Up)
	case "restore":
		return converge(ctx, e, desk(e).Restore)
	case "releases":
		return desk(e).Releases(ctx, engine.Deliverer{Engine: e})
	case "preview":
		_, err := e.Preview(ctx)
		return err
	case "down":
		return e.Down(ctx)
	case "outputs":
		outputs, err := e.Outputs(ctx)
		if err != nil {
			return err
		}
		return show(outputs)
	case "stop":
		return e.Stop(ctx)
	case "bench":
		return bench.Run(ctx, e)
	}
	return fmt.Errorf("there is no command %q\n%s", args[0], usage)
}

// desk is where commands on releases print, and note what they did.
func desk(e engine.Engine) deliver.Desk {
	return deliver.Desk{Out: os.Stdout, Runs: report.RunsPath(e.Top, e.Stack)}
}

// converge runs a command that converges the stack, and prints the outputs after it.
func converge(ctx context.Context, e engine.Engine, command func(context.Context, deliver.Stack) error) error {
	if err := command(ctx, engine.Deliverer{Engine: e}); err != nil {
		return err
	}
	outputs, err := e.Outputs(ctx)
	if err != nil {
		return err
	}
	return show(outputs)
}

// passOn runs a command of the Pulumi CLI, with nothing else on the standard output.
func passOn(ctx context.Context, args []string) error {
	e, err := newEngine(engine.DefaultStack)
	if err != nil {
		return err
	}
	if _, err := e.Endpoint(ctx); err != nil {
		return err
	}
	e.Out, e.Cache.Out = os.Stderr, os.Stderr
	if len(args) > 0 && args[0] == "preview" {
		return e.PreviewJSON(ctx, os.Stdout)
	}
	return e.Pulumi(ctx, args, os.Stdout, os.Stderr)
}

// goBack runs a release again.
func goBack(ctx context.Context, release string, rest []string) error {
	e, err := newEngine(stackOf(rest))
	if err != nil {
		return err
	}
	return converge(ctx, e, func(ctx context.Context, s deliver.Stack) error { return desk(e).Rollback(ctx, s, release) })
}

// stackOf is the stack that words name, or the one of this machine.
func stackOf(words []string) string {
	if len(words) > 0 {
		return words[0]
	}
	return engine.DefaultStack
}

func newEngine(stack string) (engine.Engine, error) {
	top, err := findTop()
	if err != nil {
		return engine.Engine{}, err
	}
	cache, err := tools.DefaultDir()
	if err != nil {
		return engine.Engine{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return engine.Engine{}, fmt.Errorf("find our own executable: %w", err)
	}
	return engine.Engine{
		Top: top, Stack: stack, Cache: tools.Cache{Dir: cache, Out: os.Stdout}, Out: os.Stdout, Program: infra.Deploy, Self: self,
	}, nil
}

// findTop is the folder of Pulumi.yaml, here or above.
func findTop() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "Pulumi.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no Pulumi.yaml in %s or above; run inside a checkout of the project", start)
		}
	}
}

// serve runs the cloud's servers until it is told to end: DIR PAUSE-IMAGE -- MOTO...
func serve(ctx context.Context, args []string) error {
	if len(args) < 4 || args[2] != "--" {
		return errors.New("usage: local cloud DIR PAUSE-IMAGE -- MOTO [ARG...]")
	}
	dir, err := tools.DefaultDir()
	if err != nil {
		return err
	}
	cache := tools.Cache{Dir: dir, Out: os.Stderr}
	return cloud.Run(ctx, cloud.Options{Dir: args[0], Pause: args[1], Moto: args[3:], Log: os.Stderr, Postgres: cache.PostgresImage})
}

// soak runs chaos in clones of the checkout.
func soak(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	options := chaos.Options{Out: os.Stdout}
	flags.IntVar(&options.Runs, "runs", 200, "how many runs")
	flags.IntVar(&options.First, "first", 1, "number of the first run")
	flags.Uint64Var(&options.Seed, "seed", 1, "what faults and kills are drawn from")
	flags.IntVar(&options.Workers, "workers", 2, "runs at a time")
	flags.DurationVar(&options.Limit, "limit", 4*time.Hour, "no run begins after it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if options.Source, err = findTop(); err != nil {
		return err
	}
	options.Logs = filepath.Join(options.Source, "out")
	if options.Bin, err = os.Executable(); err != nil {
		return fmt.Errorf("find our own executable: %w", err)
	}
	report, err := chaos.Soak(ctx, options)
	fmt.Println(report)
	return err
}

// fault lists the faults of the running cloud, ends them, or adds one.
func fault(ctx context.Context, words []string) error {
	e, err := newEngine(engine.DefaultStack)
	if err != nil {
		return err
	}
	inForce, err := e.Fault(ctx, words)
	if err != nil {
		return err
	}
	if len(inForce) == 0 {
		fmt.Println("no fault is in force")
	}
	for _, one := range inForce {
		fmt.Println(one)
	}
	return nil
}

// show prints outputs as JSON by name: a person reads it, and so does jq.
func show(outputs auto.OutputMap) error {
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Println("\nOutputs:")
	for _, name := range names {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false) // commands are to be copied as they stand, && and all
		encoder.SetIndent("  ", "  ")
		if err := encoder.Encode(outputs[name].Value); err != nil {
			return fmt.Errorf("render output %s: %w", name, err)
		}
		fmt.Printf("  %s: %s", name, &text)
	}
	return nil
}
