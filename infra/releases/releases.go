// Package releases keeps the ledger of what ran well: in the registry itself, as tags. An image that a stack has run well in
// a release carries the tag STACK.COMMIT, so that whoever holds the registry knows what can be gone back to, what may be
// promoted and what must not expire, with no state and no history of git.
package releases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// Tag is the mark of a release on the images that a stack ran in it. The names of stacks hold no point, so a mark is never a
// source's tag, and one stack's never another's.
func Tag(stack, release string) string { return stack + "." + release }

var (
	mark   = regexp.MustCompile(`^([a-z0-9-]+)\.([0-9a-f]{40}(?:-dirty-[0-9a-f]{12})?)$`)
	source = regexp.MustCompile(`^[0-9a-f]{40}(-[0-9a-z-]+)?$`)
)

// Source is the one of an image's tags that names what it was built from; empty where none does.
func Source(tags []string) string {
	if i := slices.IndexFunc(tags, source.MatchString); i >= 0 {
		return tags[i]
	}
	return ""
}

// Ledger reads and writes marks. Account is the registry's, 12 digits; empty for the caller's own.
type Ledger struct {
	Client  *ecr.Client
	Account string
}

func (l Ledger) registry() *string {
	if l.Account == "" {
		return nil
	}
	return &l.Account
}

// Mark notes that a stack ran an image well in a release. It is done once: a mark that stands is left, and one that stands
// on another image, as where a build's settings changed without a commit, is an error.
func (l Ledger) Mark(ctx context.Context, repository, digest, stack, release string) error {
	tag := Tag(stack, release)
	if marked, err := l.stands(ctx, repository, digest, tag); err != nil || marked {
		return err
	}
	doing := fmt.Sprintf("mark %s@%s as %s", repository, digest, tag)
	found, err := l.Client.BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId: l.registry(), RepositoryName: &repository,
		ImageIds: []ecrtypes.ImageIdentifier{{ImageDigest: &digest}},
	})
	if err != nil {
		return fmt.Errorf("%s: read its manifest: %w", doing, err)
	}
	if len(found.Images) == 0 {
		return fmt.Errorf("%s: the registry does not hold it any more", doing)
	}
	_, err = l.Client.PutImage(ctx, &ecr.PutImageInput{
		RegistryId: l.registry(), RepositoryName: &repository, ImageTag: &tag,
		ImageManifest: found.Images[0].ImageManifest, ImageManifestMediaType: found.Images[0].ImageManifestMediaType,
	})
	switch {
	case errors.As(err, new(*ecrtypes.ImageAlreadyExistsException)), errors.As(err, new(*ecrtypes.ImageTagAlreadyExistsException)):
		_, err = l.stands(ctx, repository, digest, tag) // somebody was faster
	case errors.As(err, new(*ecrtypes.LimitExceededException)):
		err = fmt.Errorf("the image has as many tags as ECR allows; change something in the service's folder, so that it gets a new image: %w", err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// stands says whether a tag is there, and fails where it is on another image than the one that it is wanted on.
func (l Ledger) stands(ctx context.Context, repository, digest, tag string) (bool, error) {
	found, err := l.Client.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: l.registry(), RepositoryName: &repository, ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: &tag}},
	})
	if errors.As(err, new(*ecrtypes.ImageNotFoundException)) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask repository %s for %s: %w", repository, tag, err)
	}
	for _, image := range found.ImageDetails {
		if marked := aws.ToString(image.ImageDigest); marked != digest {
			return false, fmt.Errorf("%s in repository %s is %s already, and %s runs; a release's images are what they were: commit a change, and release that",
				tag, repository, marked, digest)
		}
	}
	return len(found.ImageDetails) > 0, nil
}

// Release is one commit that at least one stack ran well, in the repositories that were asked.
type Release struct {
	Name   string              // the commit; for a dirty tree COMMIT-dirty-TREE
	Images map[string]Image    // by repository; a release of some stack, so there may be none in a repository that is newer
	Stacks map[string][]string // by stack: repositories in which it is marked
	Pushed time.Time           // of its newest image
}

// Image is what a release runs in one service.
type Image struct {
	Digest string // sha256:...
	Source string // tag that names what it was built from
	Pushed time.Time
}

// RanIn says whether a stack ran the whole release well: its mark is in every one of the repositories.
func (r Release) RanIn(stack string, repositories []string) bool {
	return !slices.ContainsFunc(repositories, func(repository string) bool {
		return !slices.Contains(r.Stacks[stack], repository)
	})
}

// List reads the ledger: all releases in the repositories, the one with the newest image first.
func (l Ledger) List(ctx context.Context, repositories []string) ([]*Release, error) {
	all := map[string]*Release{}
	for _, repository := range repositories {
		pages := ecr.NewDescribeImagesPaginator(l.Client, &ecr.DescribeImagesInput{
			RegistryId: l.registry(), RepositoryName: &repository,
			Filter: &ecrtypes.DescribeImagesFilter{TagStatus: ecrtypes.TagStatusTagged},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("list the images of repository %s: %w", repository, err)
			}
			for _, image := range page.ImageDetails {
				note(all, repository, image)
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *Release) int {
		return cmp.Or(b.Pushed.Compare(a.Pushed), cmp.Compare(a.Name, b.Name))
	}), nil
}

// note enters the marks of one image.
func note(all map[string]*Release, repository string, image ecrtypes.ImageDetail) {
	for _, tag := range image.ImageTags {
		match := mark.FindStringSubmatch(tag)
		if match == nil {
			continue
		}
		stack, name := match[1], match[2]
		release := all[name]
		if release == nil {
			release = &Release{Name: name, Images: map[string]Image{}, Stacks: map[string][]string{}}
			all[name] = release
		}
		pushed := aws.ToTime(image.ImagePushedAt)
		release.Images[repository] = Image{Digest: aws.ToString(image.ImageDigest), Source: Source(image.ImageTags), Pushed: pushed}
		release.Stacks[stack] = append(release.Stacks[stack], repository)
		if pushed.After(release.Pushed) {
			release.Pushed = pushed
		}
	}
}
