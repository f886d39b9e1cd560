package registry

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/held"
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
	Platform string                         // such as linux/arm64
	Network  string                         // of RUN steps: default, host or none
	// Again is a release to run again, by its commit; empty to build what the registry does not hold.
	Again string
	// RanIn are the stacks one of which must have run Again well.
	RanIn []string
	Held  held.State // what the last run left
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
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{"references": pulumi.ToStringMapOutput(i.References)})
}

// imageBuilder carries what every image of one release needs.
type imageBuilder struct {
	ctx    *pulumi.Context
	args   ImagesArgs
	images *Images
	parent pulumi.ResourceOrInvokeOption
	login  *docker.RegistryArgs // asked for once, and only where something is built

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
