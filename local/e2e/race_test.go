package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway/infra/releases"
	"slipway/local/awsapi"
)

// race has two jobs release one commit at once, as two workflows would: each in a checkout of its own and for a stack of its own, with
// one account, one registry and one place for states between them. Both find no image, both build and push, and the tag can be
// pushed once. Both must end well, with one image.
func (c checkout) race(t *testing.T) {
	t.Helper()
	c.adapt(t, "production", map[string]any{ // so that both build, in one account
		"slipway:revision": "", "slipway:imagesPromoteFrom": "", "slipway:registryAccount": "",
	})
	// The build takes longer than a run takes to ask for the tag: both ask before either has pushed. No engine has this layer yet.
	slow := fmt.Sprintf("RUN sleep 20; : %d\n", time.Now().UnixNano())
	raced := c.change(t, "backend/Dockerfile", c.read(t, "backend/Dockerfile")+slow)
	var (
		jobs sync.WaitGroup
		mu   sync.Mutex
		late []string // stacks whose push was refused
	)
	for stack, job := range map[string]checkout{"staging": c, "production": c.beside(t)} {
		jobs.Go(func() {
			command := exec.CommandContext(t.Context(), job.bin, "up", stack)
			command.Dir = job.dir
			out, err := command.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("the job of %s failed: %v", stack, err)
			}
			if bytes.Contains(out, []byte("another job has pushed the same image meanwhile; going on with its image")) {
				late = append(late, stack)
			}
			_, _ = t.Output().Write(append([]byte("the job of "+stack+":\n"), out...))
		})
	}
	jobs.Wait()
	if len(late) != 1 {
		t.Errorf("the pushes of %v were refused, want one", late)
	}
	one, two := c.outputs(t, "staging"), c.outputs(t, "production")
	if one.Revision != raced || two.Revision != raced || one.Images["backend"] != two.Images["backend"] {
		t.Errorf("staging runs %s %v, production %s %v", one.Revision, one.Images, two.Revision, two.Images)
	}
	if tags := c.tagsOf(t, "myapp/backend", one.Images["backend"]); !strings.HasPrefix(releases.Source(tags), raced) {
		t.Errorf("what both run is tagged %v, want %s", tags, raced)
	}
}

// beside makes another checkout of the same commit, for another job in the same account: the cloud and the states are this one's.
func (c checkout) beside(t *testing.T) checkout {
	t.Helper()
	other := checkout{dir: filepath.Join(t.TempDir(), "clone"), bin: c.bin}
	run(t, c.dir, "git", "clone", "--quiet", c.dir, other.dir)
	if err := os.Mkdir(filepath.Join(other.dir, ".slipway"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, shared := range []string{"cloud", "state-" + c.state(t).ID} {
		if err := os.Symlink(filepath.Join(c.dir, ".slipway", shared), filepath.Join(other.dir, ".slipway", shared)); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// tagsOf are the tags of an image, HOST/NAME@DIGEST.
func (c checkout) tagsOf(t *testing.T, repository, image string) []string {
	t.Helper()
	_, digest, _ := strings.Cut(image, "@")
	found, err := ecr.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).DescribeImages(t.Context(), &ecr.DescribeImagesInput{
		RepositoryName: &repository, ImageIds: []ecrtypes.ImageIdentifier{{ImageDigest: aws.String(digest)}},
	})
	if err != nil || len(found.ImageDetails) != 1 {
		t.Fatalf("ECR shows %v of %s, %v", found, image, err)
	}
	return found.ImageDetails[0].ImageTags
}
