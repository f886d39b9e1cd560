package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

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
	if known.digest == "" && b.holds(name) {
		name += "-again" // built once, and gone from the registry since: only another resource is built anew
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
		// Once pushed, the tag is found, and nothing is a reason to touch the image again: what its content depends on is in its
		// name, and a second push of the tag would fail.
		pulumi.IgnoreChanges([]string{"skipPush", "build"}),
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
	usualPlatform   = "linux/arm64"
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
	_, holds := b.args.Held.Of("docker:index/image:Image")[name]
	return holds
}
