package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

	"slipway/infra/releases"
)

var imageDigest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// Source is what one service's image is built from.
type Source struct {
	Repository string            // such as myapp/backend
	Folder     string            // build context, relative to the project
	Dockerfile string            // relative to Folder
	BuildArgs  map[string]string // nothing secret: build arguments stay in the image's history
	Target     string            // stage to build; empty for the last
	Commit     string            // that names the folder's content, see revision.Source
	Earlier    []string          // likewise, of the content before, whose layers may be used again
}

// ImagesArgs are the inputs of Images.
type ImagesArgs struct {
	URLs     map[string]pulumi.StringOutput // of the repositories, by name
	Account  string                         // whose repositories they are; empty for the stack's own
	Sources  map[string]Source              // by service
	Platform string                         // such as linux/amd64
	Network  string                         // of RUN steps: default, host or none
	// Again is a release to run again, by its commit; empty to build what the registry does not hold.
	Again string
	// RanIn are the stacks one of which must have run Again well.
	RanIn []string
}

// Images are one release's images.
type Images struct {
	pulumi.ResourceState

	References map[string]pulumi.StringOutput // by service: HOST/NAME@sha256:...
	Tags       map[string]string              // by service: what names the image's source
}

// NewImages declares Images. The registry is asked for each tag first: under immutable tags a second push of a tag fails
// even where the content is the same, so what is there is neither built nor pushed again, and its digest is what runs.
func NewImages(ctx *pulumi.Context, name string, args ImagesArgs, opts ...pulumi.ResourceOption) (*Images, error) {
	i := &Images{References: map[string]pulumi.StringOutput{}, Tags: map[string]string{}}
	if err := ctx.RegisterComponentResource("slipway:registry:Images", name, i, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	b := &imageBuilder{ctx: ctx, args: args, images: i, parent: pulumi.Parent(i)}
	services := slices.Sorted(maps.Keys(args.Sources))
	for _, service := range services {
		if _, ok := args.URLs[args.Sources[service].Repository]; !ok {
			return nil, fmt.Errorf("services.%s: no repository %s is declared", service, args.Sources[service].Repository)
		}
	}
	resolve := b.build
	if args.Again != "" {
		resolve = b.again
	}
	for _, service := range services {
		if err := resolve(service, args.Sources[service]); err != nil {
			return nil, err
		}
	}
	if len(b.missing) > 0 {
		return nil, b.refusal()
	}
	references := pulumi.StringMap{}
	for service, reference := range i.References {
		references[service] = reference
	}
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{"references": references})
}

// imageBuilder carries what every image of one release needs.
type imageBuilder struct {
	ctx    *pulumi.Context
	args   ImagesArgs
	images *Images
	parent pulumi.ResourceOrInvokeOption
	login  *docker.RegistryArgs // asked for once, and only where something is built
	held   map[string]bool      // names of images in the stack's state; nil while not asked for

	missing []string // repositories that hold no image of Again
}

// again finds the image that a service had in a release that ran well.
func (b *imageBuilder) again(service string, source Source) error {
	for _, stack := range b.args.RanIn {
		found, err := b.pushed(source.Repository, releases.Tag(stack, b.args.Again))
		if err != nil {
			return err
		}
		if found.digest != "" {
			b.images.References[service] = pulumi.Sprintf("%s@%s", b.args.URLs[source.Repository], found.digest)
			b.images.Tags[service] = cmp.Or(releases.Source(found.tags), b.args.Again)
			return nil
		}
	}
	b.missing = append(b.missing, source.Repository)
	return nil
}

// refusal says why a release is not run, and what would make it eligible.
func (b *imageBuilder) refusal() error {
	from := b.args.RanIn[len(b.args.RanIn)-1] // the stack before this one, where there is one
	return fmt.Errorf("revision: release %s has not run well in %s: %s hold no image tagged %s; it was never released there, or its "+
		"release failed, or the image has expired; to make it eligible: git checkout %[1]s && make up STACK=%[5]s",
		b.args.Again, strings.Join(b.args.RanIn, " or "), strings.Join(b.missing, " and "), releases.Tag(from, b.args.Again), from)
}

// build finds the image of a service's source, or declares that it is built. Its name holds the tag: an image never changes, a
// new source has a new one.
func (b *imageBuilder) build(service string, source Source) error {
	url := b.args.URLs[source.Repository]
	tag := source.tag(b.args.Platform)
	b.images.Tags[service] = tag
	known, err := b.pushed(source.Repository, tag)
	if err != nil {
		return err
	}
	name := service + "-" + tag
	// What this stack has built stays declared, or it would show as deleted; what it has not built is not built again.
	if known.digest != "" && !b.holds(name) {
		b.images.References[service] = pulumi.Sprintf("%s@%s", url, known.digest)
		return nil
	}
	if err := b.logIn(); err != nil {
		return err
	}
	login := *b.login
	login.Server = url
	build := docker.DockerBuildArgs{
		// Relative, because an absolute path differs between two machines and shows as a change.
		Context:    pulumi.String("./" + source.Folder),
		Dockerfile: pulumi.String("./" + path.Join(source.Folder, source.Dockerfile)),
		Args:       pulumi.ToStringMap(withCache(source.BuildArgs)),
		Platform:   pulumi.String(b.args.Platform),
		Network:    pulumi.String(b.args.Network),
		CacheFrom:  docker.CacheFromArgs{Images: earlier(url, source, b.args.Platform)},
	}
	if source.Target != "" {
		build.Target = pulumi.String(source.Target)
	}
	image, err := docker.NewImage(b.ctx, name, &docker.ImageArgs{
		ImageName: pulumi.Sprintf("%s:%s", url, tag),
		Build:     build,
		SkipPush:  pulumi.Bool(known.digest != ""),
		Registry:  login,
	}, b.parent,
		// Once pushed, the tag is found, which is no reason to touch the image again.
		pulumi.IgnoreChanges([]string{"skipPush"}),
		// Deleting the old release's image from the state must not delete it from the registry: it is the way back.
		pulumi.RetainOnDelete(true))
	if err != nil {
		return fmt.Errorf("services.%s: declare its image: %w", service, err)
	}
	b.images.References[service] = pulumi.All(url, image.RepoDigest).ApplyT(func(all []any) (string, error) {
		if known.digest != "" {
			return all[0].(string) + "@" + known.digest, nil
		}
		return pinned(service, all[1].(string))
	}).(pulumi.StringOutput)
	return nil
}

// tag names the image: by the source's commit, and where the configuration has a say in what is built from it, by a hash of
// what it says.
func (s Source) tag(platform string) string {
	settings := []string{}
	for _, setting := range []struct{ name, value, usual string }{
		{"dockerfile", s.Dockerfile, usualDockerfile}, {"target", s.Target, ""}, {"platform", platform, usualPlatform},
	} {
		if setting.value != setting.usual {
			settings = append(settings, setting.name+"="+setting.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.BuildArgs)) {
		settings = append(settings, "arg:"+name+"="+s.BuildArgs[name])
	}
	if len(settings) == 0 {
		return s.Commit
	}
	sum := sha256.Sum256([]byte(strings.Join(settings, "\x00")))
	return s.Commit + "-" + hex.EncodeToString(sum[:])[:settingsDigits]
}

// What goes without saying in an image's tag.
const (
	usualDockerfile = "Dockerfile"
	usualPlatform   = "linux/amd64"
)

// settingsDigits is how much of the hash of a build's settings its tag carries: 32 bits tell a stack's few settings apart.
const settingsDigits = 8

// withCache adds to the build arguments the one by which BuildKit writes into the image what its layers were made from, so that
// the next build can take them from the registry.
func withCache(args map[string]string) map[string]string {
	all := map[string]string{"BUILDKIT_INLINE_CACHE": "1"}
	maps.Copy(all, args)
	return all
}

// earlier are the images whose layers a build may use: of the folder's last few contents. One that is not there is no harm.
func earlier(url pulumi.StringOutput, source Source, platform string) pulumi.StringArray {
	images := pulumi.StringArray{}
	for _, commit := range source.Earlier {
		before := source
		before.Commit = commit
		images = append(images, pulumi.Sprintf("%s:%s", url, before.tag(platform)))
	}
	return images
}

// logIn asks for the registry's password, once.
func (b *imageBuilder) logIn() error {
	if b.login != nil {
		return nil
	}
	token, err := ecr.GetAuthorizationToken(b.ctx, &ecr.GetAuthorizationTokenArgs{RegistryId: orNil(b.args.Account)}, b.parent)
	if err != nil {
		return fmt.Errorf("log in to ECR: %w", err)
	}
	b.login = &docker.RegistryArgs{
		Username: pulumi.String(token.UserName),
		Password: pulumi.ToSecret(pulumi.String(token.Password)).(pulumi.StringOutput),
	}
	return nil
}

// holds says whether the stack's state has an image of a name. Where the engine cannot tell, it has none: then an image that
// is in the registry goes from the state, which touches nothing else.
func (b *imageBuilder) holds(name string) bool {
	if b.held == nil {
		b.held = map[string]bool{}
		stack := strings.Join([]string{b.ctx.Organization(), b.ctx.Project(), b.ctx.Stack()}, "/")
		var state struct {
			Outputs map[string]any `pulumi:"outputs"`
		}
		// The engine's own function, which StackReference uses for a stack's outputs, in its form for resources.
		if err := b.ctx.Invoke("pulumi:pulumi:readStackResourceOutputs", &stateArgs{StackName: stack}, &state); err != nil {
			_ = b.ctx.Log.Debug(fmt.Sprintf("the state of %s cannot be read: %v", stack, err), nil)
		}
		for urn := range state.Outputs {
			if _, image, ok := strings.Cut(urn, imageType+"::"); ok {
				b.held[image] = true
			}
		}
	}
	return b.held[name]
}

type stateArgs struct {
	StackName string `pulumi:"stackName"`
}

// imageType is the engine's name of what docker.NewImage declares.
const imageType = "docker:index/image:Image"

// pinned checks a reference that the Docker provider returned, which is "<none>@<none>" when a push was not confirmed.
func pinned(service, reference string) (string, error) {
	if !imageDigest.MatchString(reference) {
		return "", fmt.Errorf("services.%s: the push gave no digest but %q, so what would run is not known; run `pulumi up` again", service, reference)
	}
	return reference, nil
}

// found is what the registry holds under a tag; digest is empty where it holds nothing.
type found struct {
	digest string
	tags   []string
}

// pushed asks the registry for a tag. Nothing is found where the tag, or as yet the repository, is not there.
func (b *imageBuilder) pushed(repository, tag string) (found, error) {
	image, err := ecr.GetImage(b.ctx, &ecr.GetImageArgs{
		RegistryId: orNil(b.args.Account), RepositoryName: repository, ImageTag: &tag,
	}, b.parent)
	if err == nil {
		return found{digest: image.ImageDigest, tags: image.ImageTags}, nil
	}
	for _, absent := range []string{"ImageNotFoundException", "RepositoryNotFoundException", "couldn't find resource"} {
		if strings.Contains(err.Error(), absent) {
			return found{}, nil
		}
	}
	return found{}, fmt.Errorf("ask repository %s for tag %s: %w", repository, tag, err)
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
