package previewtest

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/local/awsapi"
	"slipway/local/mototest"
	"slipway/ops/cost"
	"slipway/ops/enginejson"
	"slipway/ops/review"
)

// secret is a value that must not reach a comment.
const secret = "hunter2"

// before is a small stack, and after is what a pull request makes of it.
func before(ctx *pulumi.Context) error {
	if _, err := cloudwatch.NewLogGroup(ctx, "replaced", &cloudwatch.LogGroupArgs{Name: pulumi.String("/slipway/one")}); err != nil {
		return err
	}
	if _, err := cloudwatch.NewLogGroup(ctx, "shortened", &cloudwatch.LogGroupArgs{
		Name: pulumi.String("/slipway/two"), RetentionInDays: pulumi.Int(30),
	}); err != nil {
		return err
	}
	if _, err := cloudwatch.NewLogGroup(ctx, "same", &cloudwatch.LogGroupArgs{Name: pulumi.String("/slipway/three")}); err != nil {
		return err
	}
	_, err := ecr.NewRepository(ctx, "deleted", &ecr.RepositoryArgs{Name: pulumi.String("myapp/deleted")}, pulumi.Protect(false))
	return err
}

func after(ctx *pulumi.Context) error {
	if _, err := cloudwatch.NewLogGroup(ctx, "replaced", &cloudwatch.LogGroupArgs{Name: pulumi.String("/slipway/other")}); err != nil {
		return err
	}
	if _, err := cloudwatch.NewLogGroup(ctx, "shortened", &cloudwatch.LogGroupArgs{
		Name: pulumi.String("/slipway/two"), RetentionInDays: pulumi.Int(7),
	}); err != nil {
		return err
	}
	if _, err := cloudwatch.NewLogGroup(ctx, "same", &cloudwatch.LogGroupArgs{Name: pulumi.String("/slipway/three")}); err != nil {
		return err
	}
	created, err := secretsmanager.NewSecret(ctx, "created", &secretsmanager.SecretArgs{Name: pulumi.String("created")})
	if err != nil {
		return err
	}
	_, err = secretsmanager.NewSecretVersion(ctx, "value", &secretsmanager.SecretVersionArgs{
		SecretId: created.ID(), SecretString: pulumi.ToSecret(pulumi.String(secret)).(pulumi.StringOutput),
	})
	return err
}

// recorder is the real CLI, which it has print previews as JSON. What it printed last is kept.
type recorder struct {
	auto.PulumiCommand
	printed string
}

func (r *recorder) Run(ctx context.Context, dir string, in io.Reader, outs, errs []io.Writer, env []string, args ...string) (string, string, int, error) {
	if slices.Contains(args, "preview") {
		args = append(args, "--json", "--show-sames")
	}
	stdout, stderr, code, err := r.PulumiCommand.Run(ctx, dir, in, outs, errs, env, args...)
	r.printed = stdout
	return stdout, stderr, code, err
}

func open(t *testing.T) (auto.Stack, *recorder) {
	t.Helper()
	r := &recorder{}
	stack := mototest.Stack(t, "staging", before, func(cli auto.PulumiCommand) auto.PulumiCommand {
		r.PulumiCommand = cli
		return r
	})
	return stack, r
}

// TestPreview holds that what the CLI prints is read as it is meant: for a change with a replacement, an update, a deletion,
// a creation, something that stays, and a secret.
func TestPreview(t *testing.T) {
	stack, cli := open(t)
	if _, err := stack.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	stack.Workspace().SetProgram(after)
	if _, err := stack.Preview(t.Context()); err != nil {
		t.Fatal(err)
	}
	preview, err := enginejson.ReadPreview(strings.NewReader(cli.printed))
	if err != nil {
		t.Fatalf("%v\n%s", err, cli.printed)
	}
	f := review.Read(preview)
	if len(f.Losses) != 2 || f.Losses[0].Name != "replaced" || f.Losses[0].Kind != review.Replaced || strings.Join(f.Losses[0].Causes, " ") != "name" ||
		f.Losses[1].Name != "deleted" || f.Losses[1].Kind != review.Deleted {
		t.Errorf("losses: %+v", f.Losses)
	}
	if len(f.Weakened) != 1 || f.Weakened[0].Name != "shortened" || strings.Join(f.Weakened[0].Causes, " ") != "retentionInDays: 30 → 7" {
		t.Errorf("weakened: %+v", f.Weakened)
	}
	if len(f.Changes) != 5 || f.Unchanged == 0 || f.Errors != 0 {
		t.Errorf("changes: %+v, %d unchanged, %d errors", f.Changes, f.Unchanged, f.Errors)
	}
	prices, err := cost.Prices()
	if err != nil {
		t.Fatal(err)
	}
	text, err := review.Comment(preview, review.Options{Stack: "staging", Prices: prices})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 resources with state are replaced or deleted", "+0.40 USD a month", "On demand in <code>us-east-1</code>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the comment lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, secret) || strings.Contains(cli.printed, secret) {
		t.Error("the secret is printed")
	}

	exported, err := stack.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	resources, err := enginejson.ReadExport(strings.NewReader(`{"version": 3, "deployment": ` + string(exported.Deployment) + `}`))
	if err != nil || len(resources) != 6 || cost.RegionOf(resources) != awsapi.Region { // the stack, the provider and four more
		t.Errorf("%v, %d resources in %q", err, len(resources), cost.RegionOf(resources))
	}
	if _, err := stack.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
}
