package infra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/infra/registry"
	"slipway/infra/releases"
	"slipway/infra/revision"
	"slipway/infra/secrets"
	"slipway/infra/verdict"
	"slipway/infra/workload"
)

// court is who judges a release, who knows whether its secrets are there, and who keeps the record of those that ran well.
type court struct {
	judge interface {
		Await(ctx context.Context, service verdict.Service) error
	}
	vault interface {
		Filled(ctx context.Context, arn string) (bool, error)
	}
	ledger interface {
		Mark(ctx context.Context, repository, digest, stack, release string) error
	}
}

// openCourt reaches both in a stack's account and region.
type openCourt func(ctx *pulumi.Context, where location, registryAccount string) (court, error)

// apiAttempts is how often a call is made that AWS throttles or fails: with the SDK's growing pauses, for about a minute.
const apiAttempts = 10

// askAWS opens the court at AWS itself, with the credentials that the provider has.
func askAWS(ctx *pulumi.Context, where location, registryAccount string) (court, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(where.Region), awsconfig.WithRetryMaxAttempts(apiAttempts),
	}
	if profile, ok := ctx.GetConfig("aws:profile"); ok {
		options = append(options, awsconfig.WithSharedConfigProfile(profile))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx.Context(), options...)
	if err != nil {
		return court{}, fmt.Errorf("find credentials to judge the release with: %w", err)
	}
	// A provider that takes on another role by its own configuration would leave us asking in the wrong account.
	caller, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return court{}, fmt.Errorf("ask AWS who judges the release: %w", err)
	}
	if account := aws.ToString(caller.Account); account != where.Account {
		return court{}, fmt.Errorf("the AWS provider works in account %s, and the environment's credentials are of %s, so the release could "+
			"not be judged; give both the same, by the environment or by aws:profile", where.Account, account)
	}
	return court{
		judge:  verdict.New(loaded),
		vault:  secrets.Vault{Client: secretsmanager.NewFromConfig(loaded)},
		ledger: releases.Ledger{Client: ecr.NewFromConfig(loaded), Account: registryAccount},
	}, nil
}

// release is what becomes of one release: a verdict for each service, and a mark when all are good.
type release struct {
	ctx      *pulumi.Context
	cfg      *config.Config
	rev      revision.Revision
	court    court
	verdicts map[string]pulumi.ResourceArrayOutput // by service
}

// newRelease begins a release. A preview judges nothing, and needs no court.
func newRelease(ctx *pulumi.Context, open openCourt, cfg *config.Config, where location, rev revision.Revision) (*release, error) {
	r := &release{ctx: ctx, cfg: cfg, rev: rev, verdicts: map[string]pulumi.ResourceArrayOutput{}}
	if ctx.DryRun() {
		return r, nil
	}
	var err error
	r.court, err = open(ctx, where, cfg.Registry.Account)
	return r, err
}

// await judges a service once it has been asked for. Its verdict holds no resource: it is there to be waited for.
func (r *release) await(row config.Service, cluster *workload.Cluster, service *workload.Service) {
	r.verdicts[row.Name] = pulumi.All(cluster.Name, service.TaskDefinitionARN, service.TargetGroupARN, service.LogGroup).ApplyTWithContext(
		r.ctx.Context(), func(ctx context.Context, all []any) ([]pulumi.Resource, error) {
			if r.ctx.DryRun() {
				return nil, nil
			}
			err := r.court.judge.Await(ctx, verdict.Service{
				Name: row.Name, Cluster: all[0].(string), TaskDefinition: all[1].(string), TargetGroup: all[2].(string), LogGroup: all[3].(string),
				Least: row.Count, Most: row.Most(),
				Checked:  row.Kind() == config.Public || len(row.HealthCommand) > 0,
				Patience: time.Duration(r.cfg.Cluster.DeployMinutes) * time.Minute,
			})
			if err != nil {
				err = fmt.Errorf("%w\n  what now: mend the cause and release again; until then `make restore STACK=%s` puts all services on the "+
					"release that ran well before; docs/runbook.md has more", err, r.ctx.Stack())
			}
			return nil, err
		}).(pulumi.ResourceArrayOutput)
}

// registered is the verdict on a scheduled task, of which nothing runs yet: its schedule starts the release's image from now on.
// Whether that does what it should shows at its next time, in its log and its exit code, which nobody waits for here.
func (r *release) registered(name string, task *workload.ScheduledTask) {
	r.verdicts[name] = task.TaskDefinitionARN.ApplyT(func(string) []pulumi.Resource { return nil }).(pulumi.ResourceArrayOutput)
}

// of is the verdict on several services, or nil for none.
func (r *release) of(names []string) pulumi.ResourceArrayInput {
	if len(names) == 0 {
		return nil
	}
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = r.verdicts[name]
	}
	return pulumi.All(all...).ApplyT(func([]any) []pulumi.Resource { return nil }).(pulumi.ResourceArrayOutput)
}

// record marks the release's images in the registry once all services run it well, and returns the release's name, or fails
// where one service does not: the stack's outputs then stay those of the release that ran well before. In a preview the name is
// known at once.
func (r *release) record(images *registry.Images) pulumi.StringInput {
	if r.ctx.DryRun() {
		return pulumi.String(r.rev.Name)
	}
	all := slices.Collect(maps.Keys(r.verdicts))
	return pulumi.All(r.of(all), pulumi.ToStringMapOutput(images.References)).ApplyTWithContext(r.ctx.Context(), func(ctx context.Context, all []any) (string, error) {
		for _, row := range r.cfg.Services {
			_, digest, _ := strings.Cut(all[1].(map[string]string)[row.Name], "@")
			if err := r.court.ledger.Mark(ctx, repositoryName(r.cfg, row), digest, r.ctx.Stack(), r.rev.Name); err != nil {
				return "", fmt.Errorf("all services run release %s well, but the registry has no note of it: %w; run up again", r.rev.Name, err)
			}
		}
		return r.rev.Name, nil
	}).(pulumi.StringOutput)
}
