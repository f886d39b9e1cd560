// Package registry declares where images live: one ECR repository a service, whose tags never move, and the images
// themselves, built from the checkout and run by digest.
package registry

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/policy"
	"slipway/infra/releases"
)

// Args are the inputs of a Registry.
type Args struct {
	Names        []string // repository names, such as myapp/backend
	Owned        bool     // whether this stack creates the repositories, or takes those that are there
	Account      string   // whose repositories are taken; empty for the stack's own
	Partition    string   // such as aws
	Stacks       []string // that run images of the repositories, the last in the line of promotion first
	Accounts     []string // other accounts that may pull from them, and mark what they ran
	KeepReleases int      // newest images that ran well, kept for each stack
	KeepTagged   int      // newest images of all others
	UntaggedDays int      // days until an untagged image expires
	KMSKeyARN    string   // customer key for encryption; empty for AES-256 under a key of ECR's
	ForceDelete  bool     // whether destroying the stack deletes a repository that still holds images
}

// Registry is a set of repositories.
type Registry struct {
	pulumi.ResourceState

	URLs map[string]pulumi.StringOutput // by repository name: HOST/NAME, with no tag
}

// New declares a Registry.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Registry, error) {
	r := &Registry{URLs: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource("slipway:registry:Registry", name, r, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	urls := pulumi.StringMap{}
	for _, repository := range args.Names {
		url, err := r.repository(ctx, repository, args)
		if err != nil {
			return nil, err
		}
		r.URLs[repository], urls[repository] = url, url
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"urls": urls})
}

func (r *Registry) repository(ctx *pulumi.Context, name string, args Args) (pulumi.StringOutput, error) {
	parent := pulumi.Parent(r)
	if !args.Owned {
		found, err := ecr.LookupRepository(ctx, &ecr.LookupRepositoryArgs{Name: name, RegistryId: orNil(args.Account)}, parent)
		if err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("registryOwned: false, but repository %s cannot be read (%w); "+
				"run the stack that owns it first, or set it to true here", name, err)
		}
		return pulumi.String(found.RepositoryUrl).ToStringOutput(), nil
	}
	encryption := ecr.RepositoryEncryptionConfigurationArgs{EncryptionType: pulumi.String("AES256")}
	if args.KMSKeyARN != "" {
		encryption.EncryptionType = pulumi.String("KMS")
		encryption.KmsKey = pulumi.String(args.KMSKeyARN)
	}
	repository, err := ecr.NewRepository(ctx, name, &ecr.RepositoryArgs{
		Name:                       pulumi.String(name),
		ImageTagMutability:         pulumi.String("IMMUTABLE"),
		ImageScanningConfiguration: ecr.RepositoryImageScanningConfigurationArgs{ScanOnPush: pulumi.Bool(true)},
		EncryptionConfigurations:   ecr.RepositoryEncryptionConfigurationArray{encryption},
		ForceDelete:                pulumi.Bool(args.ForceDelete),
	}, parent)
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("declare repository %s: %w", name, err)
	}
	lifecycle, err := Lifecycle(args)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	if _, err := ecr.NewLifecyclePolicy(ctx, name, &ecr.LifecyclePolicyArgs{
		Repository: repository.Name,
		Policy:     pulumi.String(lifecycle),
	}, parent); err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("declare the lifecycle policy of %s: %w", name, err)
	}
	if len(args.Accounts) == 0 {
		return repository.RepositoryUrl, nil
	}
	sharing, err := Sharing(args.Partition, args.Accounts)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	if _, err := ecr.NewRepositoryPolicy(ctx, name, &ecr.RepositoryPolicyArgs{
		Repository: repository.Name,
		Policy:     pulumi.String(sharing),
	}, parent); err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("declare who else may use repository %s: %w", name, err)
	}
	return repository.RepositoryUrl, nil
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// Sharing is the policy of a repository whose images other accounts run. They may pull, and mark what they ran well: a tag
// cannot be moved, and PutImage takes no manifest whose layers the repository does not hold, which they may not upload.
func Sharing(partition string, accounts []string) (string, error) {
	principal := &policy.Principal{}
	for _, account := range accounts {
		principal.AWS = append(principal.AWS, fmt.Sprintf("arn:%s:iam::%s:root", partition, account))
	}
	return policy.JSON(policy.Statement{
		Sid: "RunAndMark", Effect: policy.Allow, Principal: principal,
		Action: []string{
			"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories",
			"ecr:GetDownloadUrlForLayer", "ecr:ListTagsForResource", "ecr:PutImage",
		},
	})
}

type lifecycleRule struct {
	RulePriority int                `json:"rulePriority"`
	Description  string             `json:"description"`
	Selection    lifecycleSelection `json:"selection"`
	Action       lifecycleAction    `json:"action"`
}

type lifecycleSelection struct {
	TagStatus      string   `json:"tagStatus"`
	TagPatternList []string `json:"tagPatternList,omitempty"`
	CountType      string   `json:"countType"`
	CountUnit      string   `json:"countUnit,omitempty"`
	CountNumber    int      `json:"countNumber"`
}

type lifecycleAction struct {
	Type string `json:"type"`
}

// Lifecycle is an ECR lifecycle policy. ECR does not know which images run, so a stack marks those that ran well by a tag of
// its own, see releases.Ledger: of each stack's marked images the newest KeepReleases stay. An image that one rule speaks of
// can not expire by a rule behind it (ECR User Guide, "Automate the cleanup of images"), so Stacks begins with the last in the
// line of promotion: what production ran is no rule's of staging's, however many releases staging has. Images without a mark
// expire beyond the newest KeepTagged, and without a tag after UntaggedDays.
func Lifecycle(args Args) (string, error) {
	rules := []lifecycleRule{{
		Description: fmt.Sprintf("untagged images expire after %d days", args.UntaggedDays),
		Selection: lifecycleSelection{
			TagStatus: "untagged", CountType: "sinceImagePushed", CountUnit: "days", CountNumber: args.UntaggedDays,
		},
	}}
	newest := func(pattern, description string, count int) {
		rules = append(rules, lifecycleRule{
			Description: description,
			Selection: lifecycleSelection{
				TagStatus: "tagged", TagPatternList: []string{pattern}, CountType: "imageCountMoreThan", CountNumber: count,
			},
		})
	}
	for _, stack := range args.Stacks {
		newest(releases.Tag(stack, "*"), fmt.Sprintf("the newest %d images that %s ran are kept", args.KeepReleases, stack), args.KeepReleases)
	}
	newest("*", fmt.Sprintf("the newest %d of all other images are kept", args.KeepTagged), args.KeepTagged)
	for i := range rules {
		rules[i].RulePriority, rules[i].Action = i+1, lifecycleAction{Type: "expire"}
	}
	text, err := json.Marshal(map[string][]lifecycleRule{"rules": rules})
	if err != nil {
		return "", fmt.Errorf("render the lifecycle policy: %w", err)
	}
	return string(text), nil
}
