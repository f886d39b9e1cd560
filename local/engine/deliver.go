package engine

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/local/awsapi"
	"slipway/ops/deliver"
)

// Pulumi runs a command of the CLI on the stack in the embedded cloud, for whoever asks about its state. Its program cannot be run
// this way.
func (e Engine) Pulumi(ctx context.Context, args []string, out, problems io.Writer) error {
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		session.callAs(args[0])
	}
	workspace := session.stack.Workspace()
	environment := []string{"PULUMI_HOME=" + workspace.PulumiHome()}
	for name, value := range workspace.GetEnvVars() {
		environment = append(environment, name+"="+value)
	}
	_, _, _, err = workspace.PulumiCommand().Run(ctx, workspace.WorkDir(), nil, []io.Writer{out}, []io.Writer{problems}, environment, args...)
	return err
}

// Deliverer is an Engine as the commands on releases see a stack.
type Deliverer struct{ Engine Engine }

var _ deliver.Stack = Deliverer{}

// Name implements deliver.Stack.
func (d Deliverer) Name() string { return d.Engine.Stack }

// Up implements deliver.Stack.
func (d Deliverer) Up(ctx context.Context, release string, out io.Writer) error {
	d.Engine.Revision, d.Engine.Out = release, out
	_, err := d.Engine.Up(ctx)
	return err
}

// Outputs implements deliver.Stack.
func (d Deliverer) Outputs(ctx context.Context) (map[string]any, error) {
	all, err := d.Engine.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for name, output := range all {
		values[name] = output.Value
	}
	return values, nil
}

// Services implements deliver.Stack.
func (d Deliverer) Services(ctx context.Context, release string) ([]string, error) {
	return deliver.Rows(ctx, d.Engine.Top, d.Engine.Stack, release)
}

// AWS implements deliver.Stack. The embedded cloud has one region. Who asks lists releases.
func (d Deliverer) AWS(ctx context.Context, _ string) (aws.Config, error) {
	endpoint, err := d.Engine.Endpoint(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	return awsapi.ConfigAs(endpoint, awsapi.RunKey("releases")), nil
}
