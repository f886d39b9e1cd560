// Package identity declares who may deploy: GitHub's OIDC provider and a role that only the configured repository's jobs,
// in the configured environment, can take on. No long-lived credential exists.
package identity

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
)

const (
	issuer   = "token.actions.githubusercontent.com"
	audience = "sts.amazonaws.com"
	// sessionSeconds bounds one job's credentials: long enough for a first deployment, which waits for a database.
	sessionSeconds = 3600
)

// Repository names the GitHub repository that may deploy, and the environment its job must name.
type Repository struct {
	Owner       string
	Name        string
	OwnerID     string // decimal; empty where the repository sends the classic subject
	ID          string // decimal; empty likewise
	Environment string
}

// Args are the inputs of an Identity.
type Args struct {
	Prefix       string // of role names, and of the roles that the deploy role may make
	Partition    string // such as aws
	Account      string // 12 digits
	Region       string
	Repository   Repository
	OwnsProvider bool     // whether this stack creates the account's only GitHub provider, or takes the one that is there
	ImageARNs    []string // ECR repositories that the deploy role may push to, and tasks pull from
	// OwnsRepositories says whether the deploy role may also make, change and delete those repositories.
	OwnsRepositories bool
	Roots            Roots // what else it may manage
}

// Identity is the deploy role, and the boundary of the roles that it may make.
type Identity struct {
	pulumi.ResourceState

	DeployRoleARN pulumi.StringOutput
	BoundaryARN   pulumi.StringOutput
}

// New declares an Identity.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Identity, error) {
	id := &Identity{}
	if err := ctx.RegisterComponentResource("slipway:identity:Identity", name, id, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	parent := pulumi.Parent(id)
	providerARN := args.providerARN()
	var roleOpts []pulumi.ResourceOption
	if args.OwnsProvider {
		// No thumbprint: IAM trusts GitHub's issuer by its certificate authority.
		provider, err := iam.NewOpenIdConnectProvider(ctx, name+"-github", &iam.OpenIdConnectProviderArgs{
			Url:           pulumi.String("https://" + issuer),
			ClientIdLists: pulumi.StringArray{pulumi.String(audience)},
		}, parent)
		if err != nil {
			return nil, fmt.Errorf("declare the GitHub OIDC provider: %w", err)
		}
		roleOpts = append(roleOpts, pulumi.DependsOn([]pulumi.Resource{provider}))
	} else if _, err := iam.LookupOpenIdConnectProvider(ctx, &iam.LookupOpenIdConnectProviderArgs{Arn: &providerARN},
		pulumi.Parent(id)); err != nil {
		return nil, fmt.Errorf("githubProviderOwned: false, but account %s has no provider for %s (%w); "+
			"run the stack that owns it first, or set it to true here", args.Account, issuer, err)
	}
	trust, err := Trust(providerARN, args.Repository)
	if err != nil {
		return nil, err
	}
	role, err := iam.NewRole(ctx, name+"-deploy", &iam.RoleArgs{
		Name:               pulumi.String(args.Prefix + "-deploy"),
		Description:        pulumi.Sprintf("GitHub jobs of %s/%s in environment %s", args.Repository.Owner, args.Repository.Name, args.Repository.Environment),
		AssumeRolePolicy:   pulumi.String(trust),
		MaxSessionDuration: pulumi.Int(sessionSeconds),
	}, append(roleOpts, parent)...)
	if err != nil {
		return nil, fmt.Errorf("declare the deploy role: %w", err)
	}
	document, err := DeployPolicy(args)
	if err != nil {
		return nil, err
	}
	if _, err := iam.NewRolePolicy(ctx, name+"-deploy", &iam.RolePolicyArgs{
		Name:   pulumi.String("deploy"),
		Role:   role.Name,
		Policy: pulumi.String(document),
	}, parent); err != nil {
		return nil, fmt.Errorf("declare the deploy role's policy: %w", err)
	}
	boundary, err := id.boundary(ctx, name, args)
	if err != nil {
		return nil, err
	}
	id.DeployRoleARN, id.BoundaryARN = role.Arn, boundary.Arn
	return id, ctx.RegisterResourceOutputs(id, pulumi.Map{"deployRoleArn": role.Arn, "boundaryArn": boundary.Arn})
}

func (i *Identity) boundary(ctx *pulumi.Context, name string, args Args) (*iam.Policy, error) {
	document, err := BoundaryPolicy(args)
	if err != nil {
		return nil, err
	}
	boundary, err := iam.NewPolicy(ctx, name+"-boundary", &iam.PolicyArgs{
		Name:        pulumi.String(args.boundaryName()),
		Description: pulumi.String("The most that a role of the tasks can do"),
		Policy:      pulumi.String(document),
	}, pulumi.Parent(i))
	if err != nil {
		return nil, fmt.Errorf("declare the boundary of the tasks' roles: %w", err)
	}
	return boundary, nil
}

func (a Args) providerARN() string {
	return fmt.Sprintf("arn:%s:iam::%s:oidc-provider/%s", a.Partition, a.Account, issuer)
}

// Trust is the deploy role's trust policy. GitHub sends one of two subjects for a job with an environment: the classic
// form names owner and repository; the immutable form, of repositories made or renamed since 15 July 2026, adds their ids.
// Both are matched whole: no wildcard, so no branch, pull request, fork or namesake fits.
func Trust(providerARN string, repository Repository) (string, error) {
	return policy.JSON(policy.Statement{
		Effect:    policy.Allow,
		Principal: &policy.Principal{Federated: []string{providerARN}},
		Action:    []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: policy.Condition{"StringEquals": {
			issuer + ":aud": {audience},
			issuer + ":sub": repository.subjects(),
		}},
	})
}

// subjects lists the subject claims to accept: the classic form, and the immutable one where the ids are known, because
// the configuration cannot tell which of the two an older repository sends. Accepting the classic form beside the other
// opens no door to whoever takes over a name: a repository made today sends its ids.
func (r Repository) subjects() []string {
	subjects := []string{fmt.Sprintf("repo:%s/%s:environment:%s", r.Owner, r.Name, r.Environment)}
	if r.OwnerID != "" {
		subjects = append(subjects,
			fmt.Sprintf("repo:%s@%s/%s@%s:environment:%s", r.Owner, r.OwnerID, r.Name, r.ID, r.Environment))
	}
	return subjects
}
