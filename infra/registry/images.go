package registry

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

var imageDigest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// Source is what one service's image is built from.
type Source struct {
	Repository string            // such as myapp/backend
	Folder     string            // build context, relative to the project
	Dockerfile string            // relative to Folder
	BuildArgs  map[string]string // nothing secret: build arguments stay in the image's history
	Target     string            // stage to build; empty for the last
}

// ImagesArgs are the inputs of Images.
type ImagesArgs struct {
	URLs     map[string]pulumi.StringOutput // of the repositories, by name
	Sources  map[string]Source              // by service
	Tag      string
	Build    bool   // whether a missing image is built; else it is an error
	Platform string // such as linux/amd64
	Network  string // of RUN steps: default, host or none
}

// Images are one release's images.
type Images struct {
	pulumi.ResourceState

	References map[string]pulumi.StringOutput // by service: HOST/NAME@sha256:...
}

// NewImages declares Images. The registry is asked for each tag first: under immutable tags a second push of a tag fails
// even where the content is the same, so what is there is never pushed again, and its digest is what runs.
func NewImages(ctx *pulumi.Context, name string, args ImagesArgs, opts ...pulumi.ResourceOption) (*Images, error) {
	i := &Images{References: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource("slipway:registry:Images", name, i, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	token, err := ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenArgs{}, pulumi.Parent(i))
	if err != nil {
		return nil, fmt.Errorf("log in to ECR: %w", err)
	}
	login := docker.RegistryArgs{
		Username: pulumi.String(token.UserName),
		Password: pulumi.ToSecret(pulumi.String(token.Password)).(pulumi.StringOutput),
	}
	references := pulumi.StringMap{}
	for _, service := range slices.Sorted(maps.Keys(args.Sources)) {
		source := args.Sources[service]
		url, ok := args.URLs[source.Repository]
		if !ok {
			return nil, fmt.Errorf("services.%s: no repository %s is declared", service, source.Repository)
		}
		digest, err := pushed(ctx, source.Repository, args.Tag, pulumi.Parent(i))
		if err != nil {
			return nil, err
		}
		reference := pulumi.Sprintf("%s@%s", url, digest)
		switch {
		case args.Build:
			if reference, err = i.build(ctx, service, source, url, digest, login, args); err != nil {
				return nil, err
			}
		case digest == "":
			return nil, fmt.Errorf("services.%s: repository %s holds no image of revision %s; "+
				"name a revision that was released, or leave revision empty to build the checkout", service, source.Repository, args.Tag)
		}
		i.References[service], references[service] = reference, reference
	}
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{"references": references})
}

// build declares the image of one service at one tag and returns its reference by digest. Its name holds the tag: an image
// never changes, a new release has a new one. knownDigest is not empty where the registry holds the tag already.
func (i *Images) build(ctx *pulumi.Context, service string, source Source, url pulumi.StringOutput, knownDigest string,
	login docker.RegistryArgs, args ImagesArgs,
) (pulumi.StringOutput, error) {
	login.Server = url
	build := docker.DockerBuildArgs{
		// Relative, because an absolute path differs between two machines and shows as a change.
		Context:    pulumi.String("./" + source.Folder),
		Dockerfile: pulumi.String("./" + path.Join(source.Folder, source.Dockerfile)),
		Args:       pulumi.ToStringMap(source.BuildArgs),
		Platform:   pulumi.String(args.Platform),
		Network:    pulumi.String(args.Network),
	}
	if source.Target != "" {
		build.Target = pulumi.String(source.Target)
	}
	image, err := docker.NewImage(ctx, service+"-"+args.Tag, &docker.ImageArgs{
		ImageName: pulumi.Sprintf("%s:%s", url, args.Tag),
		Build:     build,
		SkipPush:  pulumi.Bool(knownDigest != ""),
		Registry:  login,
	}, pulumi.Parent(i),
		// Once pushed, the tag is found, which is no reason to touch the image again.
		pulumi.IgnoreChanges([]string{"skipPush"}),
		// Deleting the old release's image from the state must not delete it from the registry: it is the way back.
		pulumi.RetainOnDelete(true))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("declare the image of %s: %w", service, err)
	}
	return pulumi.All(url, image.RepoDigest).ApplyT(func(all []any) (string, error) {
		url, pushedAs := all[0].(string), all[1].(string)
		if knownDigest != "" {
			return url + "@" + knownDigest, nil
		}
		return pinned(service, pushedAs)
	}).(pulumi.StringOutput), nil
}

// pinned checks a reference that the Docker provider returned, which is "<none>@<none>" when a push was not confirmed.
func pinned(service, reference string) (string, error) {
	if !imageDigest.MatchString(reference) {
		return "", fmt.Errorf("services.%s: the push gave no digest but %q, so what would run is not known; run `pulumi up` again", service, reference)
	}
	return reference, nil
}

// pushed asks the registry for the digest of a tag. It is empty where the tag, or as yet the repository, is not there.
func pushed(ctx *pulumi.Context, repository, tag string, opts ...pulumi.InvokeOption) (string, error) {
	found, err := ecr.GetImage(ctx, &ecr.GetImageArgs{RepositoryName: repository, ImageTag: &tag}, opts...)
	if err == nil {
		return found.ImageDigest, nil
	}
	for _, absent := range []string{"ImageNotFoundException", "RepositoryNotFoundException", "couldn't find resource"} {
		if strings.Contains(err.Error(), absent) {
			return "", nil
		}
	}
	return "", fmt.Errorf("ask repository %s for tag %s: %w", repository, tag, err)
}

// CheckDocker says whether a Docker Engine answers, as a build will need. The Docker CLI is asked because it knows every
// way in which an engine can be configured: sockets, contexts, DOCKER_HOST.
func CheckDocker(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").CombinedOutput()
	if err != nil {
		return fmt.Errorf("images: no Docker Engine answers, and images must be built: %w: %s; "+
			"start Docker, or name a released revision, which needs no build", err, strings.TrimSpace(string(out)))
	}
	return nil
}
