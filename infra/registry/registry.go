// Package registry declares where images live: one ECR repository a service, whose tags never move, and the images
// themselves, built from the checkout and run by digest.
package registry

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args are the inputs of a Registry.
type Args struct {
	Names        []string // repository names, such as myapp/backend
	Owned        bool     // whether this stack creates the repositories, or takes those that are there
	KeepTagged   int      // newest tagged images kept in each repository
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
		found, err := ecr.LookupRepository(ctx, &ecr.LookupRepositoryArgs{Name: name}, parent)
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
	lifecycle, err := Lifecycle(args.KeepTagged, args.UntaggedDays)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	if _, err := ecr.NewLifecyclePolicy(ctx, name, &ecr.LifecyclePolicyArgs{
		Repository: repository.Name,
		Policy:     pulumi.String(lifecycle),
	}, parent); err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("declare the lifecycle policy of %s: %w", name, err)
	}
	return repository.RepositoryUrl, nil
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

// Lifecycle is an ECR lifecycle policy that expires untagged images after untaggedDays, and tagged ones beyond the newest
// keepTagged. ECR does not know which images run, so keepTagged must outlast the slowest stack.
func Lifecycle(keepTagged, untaggedDays int) (string, error) {
	text, err := json.Marshal(map[string][]lifecycleRule{"rules": {
		{
			RulePriority: 1,
			Description:  fmt.Sprintf("untagged images expire after %d days", untaggedDays),
			Selection: lifecycleSelection{
				TagStatus: "untagged", CountType: "sinceImagePushed", CountUnit: "days", CountNumber: untaggedDays,
			},
			Action: lifecycleAction{Type: "expire"},
		},
		{
			RulePriority: 2,
			Description:  fmt.Sprintf("the newest %d releases are kept", keepTagged),
			Selection: lifecycleSelection{
				TagStatus: "tagged", TagPatternList: []string{"*"}, CountType: "imageCountMoreThan", CountNumber: keepTagged,
			},
			Action: lifecycleAction{Type: "expire"},
		},
	}})
	if err != nil {
		return "", fmt.Errorf("render the lifecycle policy: %w", err)
	}
	return string(text), nil
}
