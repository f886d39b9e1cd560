package deliver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/mattn/go-isatty"

	"slipway/ops/locks"
)

// Project is the name in Pulumi.yaml.
const Project = "slipway"

// CLI is a stack reached by the plain Pulumi CLI, in an environment that leads to its state and its account.
type CLI struct {
	Top     string // the checkout
	Stack   string
	Command []string // pulumi, or what runs it in the embedded cloud
	// Store is where the state's files are, for the claim that a job leaves; nil in Pulumi Cloud, which knows by itself.
	Store locks.Store
}

var _ Stack = CLI{}

// services fits the ECS services of a stack, whose state is read from ECS after a release that failed.
const services = "**aws:ecs/service:Service**"

// Name implements Stack.
func (c CLI) Name() string { return c.Stack }

// Up implements Stack. On a terminal the CLI has it to itself, and asks before it changes anything: out then gets nothing. In a job
// it does not ask.
func (c CLI) Up(ctx context.Context, release string, out io.Writer) error {
	forget, err := c.claim(ctx)
	if err != nil {
		return err
	}
	defer forget()
	if err := c.settle(ctx, out); err != nil {
		return err
	}
	args := []string{"up", "--stack", c.Stack}
	if release != "" {
		file, err := Pin(ctx, c.Top, c.Stack, release)
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(file) }()
		args = append(args, "--config-file", file)
	}
	if isatty.IsTerminal(os.Stdin.Fd()) && isatty.IsTerminal(os.Stdout.Fd()) {
		return c.run(ctx, os.Stdin, os.Stdout, args...)
	}
	return c.run(ctx, nil, out, append(args, "--yes", "--non-interactive")...)
}

// settle reads the services' state from ECS where the last run failed or was killed: ECS may have gone back to an earlier task
// definition, and the engine, which does not know it, would leave it at that.
func (c CLI) settle(ctx context.Context, out io.Writer) error {
	how, err := c.lastRun(ctx)
	if err != nil || how == "succeeded" {
		return err
	}
	_, _ = fmt.Fprintf(out, "slipway: the last run of %s %s; reading what its services run\n", c.Stack, how)
	return c.run(ctx, nil, out, "refresh", "--stack", c.Stack, "--target", services, "--yes", "--skip-preview", "--non-interactive")
}

// lastRun says how the last run of the stack went: succeeded, failed or was killed. Where there was none, nothing is wrong.
func (c CLI) lastRun(ctx context.Context) (how string, err error) {
	text, err := c.Read(ctx, "stack", "history", "--stack", c.Stack, "--json", "--page-size", "1")
	if err != nil {
		return "", err
	}
	var history []struct {
		Result  string
		EndTime time.Time
	}
	if err := json.Unmarshal(text, &history); err != nil {
		return "", fmt.Errorf("understand the history of %s: %w", c.Stack, err)
	}
	if len(history) == 0 {
		return "succeeded", nil
	}
	if last := history[0]; last.Result != "succeeded" {
		return last.Result, nil
	}
	// A run that is killed leaves its state behind, and no history in files.
	if text, err = c.Read(ctx, "stack", "export", "--stack", c.Stack); err != nil {
		return "", err
	}
	var state struct {
		Deployment struct{ Manifest struct{ Time time.Time } }
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return "", fmt.Errorf("understand the state of %s: %w", c.Stack, err)
	}
	if state.Deployment.Manifest.Time.After(history[0].EndTime.Add(closing)) {
		return "was killed", nil
	}
	return "succeeded", nil
}

// closing is how long after its end in the history a run may write its state a last time. The end is noted in whole seconds.
const closing = 5 * time.Second

// claim says beside the state which job of GitHub Actions holds it now, so that its lock can be freed should it die. Outside of
// one it does nothing.
func (c CLI) claim(ctx context.Context) (forget func(), err error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find the machine's name: %w", err)
	}
	claim, ok, err := locks.NewClaim(os.Getenv, host, time.Now())
	if err != nil || !ok || c.Store == nil {
		return func() {}, err
	}
	files := locks.Files{Store: c.Store}
	if claim, err = files.Leave(ctx, locks.Stack{Project: Project, Name: c.Stack}, claim); err != nil {
		return nil, err
	}
	return func() {
		if err := files.Forget(context.WithoutCancel(ctx), claim); err != nil {
			fmt.Fprintf(os.Stderr, "slipway: the claim on the state stays: %v\n", err)
		}
	}, nil
}

// Services implements Stack.
func (c CLI) Services(ctx context.Context, release string) ([]string, error) {
	return Rows(ctx, c.Top, c.Stack, release)
}

// Outputs implements Stack.
func (c CLI) Outputs(ctx context.Context) (map[string]any, error) {
	text, err := c.Read(ctx, "stack", "output", "--stack", c.Stack, "--json")
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("understand the outputs of %s: %w", c.Stack, err)
	}
	return values, nil
}

// Read runs the CLI and returns what it prints. It is for commands that change nothing.
func (c CLI) Read(ctx context.Context, args ...string) ([]byte, error) {
	var out, problems bytes.Buffer
	command := c.command(ctx, args...)
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("pulumi %s: %w: %s", strings.Join(args, " "), err, lastLine(problems.String()))
	}
	return out.Bytes(), nil
}

// AWS implements Stack. A profile that the stack's file names is the provider's, and so it is ours.
func (c CLI) AWS(ctx context.Context, region string) (aws.Config, error) {
	values, err := Values(c.Top, c.Stack)
	if err != nil {
		return aws.Config{}, err
	}
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(region)}
	if profile := values["aws:profile"]; profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("find credentials for AWS: %w; sign in, for example by `aws sso login`", err)
	}
	return config, nil
}

// run runs the CLI. An interrupt reaches it by itself, since it is in our process group, and it ends in an orderly way: it is
// waited for.
func (c CLI) run(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	command := c.command(ctx, args...)
	command.Stdin, command.Stdout, command.Stderr = in, out, out
	if err := command.Run(); err != nil {
		return fmt.Errorf("pulumi %s: %w", args[0], err)
	}
	return nil
}

func (c CLI) command(ctx context.Context, args ...string) *exec.Cmd {
	words := append(slices.Clone(c.Command), args...)
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Dir = c.Top
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	return command
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// Backend opens the files of the state's backend for CLI.Store; nil where it is Pulumi Cloud.
func Backend(url string) (locks.Store, error) {
	store, err := locks.Open(url)
	if errors.Is(err, locks.ErrNoFiles) {
		return nil, nil //nolint:nilnil // documented
	}
	return store, err
}
