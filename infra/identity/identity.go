// Package identity declares who may deploy and who may look: GitHub's OIDC provider, a role that only the configured
// repository's jobs, in the configured environment, can take on, and one that its pull requests can. No long-lived credential
// exists.
package identity

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// sessionSeconds bounds one job's credentials: long enough for a first deployment, which waits for a database.
const sessionSeconds = 3600

// Args are the inputs of an Identity.
type Args struct {
	Prefix       string // of role names, and of the roles that the deploy role may make
	Partition    string // such as aws
	Account      string // 12 digits
	Region       string
	Repository   Repository
	OwnsProvider bool     // whether this stack creates the account's only GitHub provider, or takes the one that is there
	Preview      bool     // whether there is a role for pull requests
	ImageARNs    []string // patterns of the ECR repositories that the deploy role may push to, and tasks pull from
	// OwnsRepositories says whether the deploy role may also make, change and delete those repositories.
	OwnsRepositories bool
	Roots            Roots // what else it may manage
	Domain           Domain
	State            State // where the stack's state is
}

// Identity is the deploy role, the boundary of the roles that it may make, and the preview role.
type Identity struct {
	pulumi.ResourceState

	DeployRoleARN pulumi.StringOutput
	BoundaryARN   pulumi.StringOutput
	// PreviewRoleARN is of the role for pull requests; nil where there is none.
	PreviewRoleARN pulumi.StringInput
}

// New declares an Identity.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Identity, error) {
	id := &Identity{}
	if err := ctx.RegisterComponentResource("slipway:identity:Identity", name, id, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	parent := pulumi.Parent(id)
	providerARN := args.providerARN()
	roleOpts := []pulumi.ResourceOption{parent}
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
		parent); err != nil {
		return nil, fmt.Errorf("githubProviderOwned: false, but account %s has no provider for %s (%w); "+
			"run the stack that owns it first, or set it to true here", args.Account, issuer, err)
	}
	repository := args.Repository.Owner + "/" + args.Repository.Name
	deploy, err := id.role(ctx, name, args, kind{
		name: "deploy", who: "GitHub jobs of " + repository + " in environment " + args.Repository.Environment,
		trust: DeployTrust, policy: InlinePolicy,
	}, roleOpts)
	if err != nil {
		return nil, err
	}
	if err := id.attachOptions(ctx, name, args, deploy); err != nil {
		return nil, err
	}
	boundary, err := id.boundary(ctx, name, args)
	if err != nil {
		return nil, err
	}
	id.DeployRoleARN, id.BoundaryARN = deploy.Arn, boundary.Arn
	outputs := pulumi.Map{"deployRoleArn": deploy.Arn, "boundaryArn": boundary.Arn}
	if args.Preview {
		preview, err := id.role(ctx, name, args, kind{
			name: "preview", who: "Pull requests of " + repository, trust: PreviewTrust, policy: PreviewPolicy,
		}, roleOpts)
		if err != nil {
			return nil, err
		}
		id.PreviewRoleARN, outputs["previewRoleArn"] = preview.Arn, preview.Arn
	}
	return id, ctx.RegisterResourceOutputs(id, outputs)
}

// kind is what the roles of GitHub's jobs differ in.
type kind struct {
	name   string // last part of the role's name
	who    string // may take it on, in words
	trust  func(providerARN string, repository Repository) (string, error)
	policy func(Args) (string, error)
}

func (i *Identity) role(ctx *pulumi.Context, name string, args Args, k kind, opts []pulumi.ResourceOption) (*iam.Role, error) {
	trust, err := k.trust(args.providerARN(), args.Repository)
	if err != nil {
		return nil, err
	}
	document, err := k.policy(args)
	if err != nil {
		return nil, err
	}
	role, err := iam.NewRole(ctx, name+"-"+k.name, &iam.RoleArgs{
		Name:               pulumi.String(args.Prefix + "-" + k.name),
		Description:        pulumi.String(k.who),
		AssumeRolePolicy:   pulumi.String(trust),
		MaxSessionDuration: pulumi.Int(sessionSeconds),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("declare the %s role: %w", k.name, err)
	}
	if _, err := iam.NewRolePolicy(ctx, name+"-"+k.name, &iam.RolePolicyArgs{
		Name:   pulumi.String(k.name),
		Role:   role.Name,
		Policy: pulumi.String(document),
	}, pulumi.Parent(i)); err != nil {
		return nil, fmt.Errorf("declare the policy of the %s role: %w", k.name, err)
	}
	return role, nil
}

func (i *Identity) attachOptions(ctx *pulumi.Context, name string, args Args, deploy *iam.Role) error {
	documents, err := OptionPolicies(args)
	if err != nil {
		return err
	}
	for _, p := range optionPolicies {
		options, err := iam.NewPolicy(ctx, name+"-"+p.name, &iam.PolicyArgs{
			Name:        pulumi.String(args.Prefix + "-" + p.name),
			Description: pulumi.String("What the deploy role may do " + p.what),
			Policy:      pulumi.String(documents[p.name]),
		}, pulumi.Parent(i))
		if err != nil {
			return fmt.Errorf("declare the deploy role's policy %s: %w", p.what, err)
		}
		_, err = iam.NewRolePolicyAttachment(ctx, name+"-"+p.name, &iam.RolePolicyAttachmentArgs{
			Role: deploy.Name, PolicyArn: options.Arn,
		}, pulumi.Parent(i))
		if err != nil {
			return fmt.Errorf("give the deploy role its policy %s: %w", p.what, err)
		}
	}
	return nil
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
