package releasestest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway/infra/releases"
	"slipway/local/awsapi"
	"slipway/local/mototest"
)

const (
	backend, frontend = "myapp/backend", "myapp/frontend"
	manifestType      = "application/vnd.docker.distribution.manifest.v2+json"
)

// commit makes a commit's name of a digit.
func commit(digit string) string { return strings.Repeat(digit, 40) }

// ledger is one over two empty repositories.
func ledger(t *testing.T) releases.Ledger {
	t.Helper()
	client := ecr.NewFromConfig(awsapi.Config(mototest.Start(t)))
	for _, name := range []string{backend, frontend} {
		if _, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{
			RepositoryName: &name, ImageTagMutability: ecrtypes.ImageTagMutabilityImmutable,
		}); err != nil {
			t.Fatal(err)
		}
	}
	return releases.Ledger{Client: client, Account: awsapi.Account}
}

// push puts an image of a source into a repository, and returns its digest.
func push(t *testing.T, l releases.Ledger, repository, source string) string {
	t.Helper()
	content := sha256.Sum256([]byte(repository + source))
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"digest":"sha256:%x","size":1},"layers":[]}`, manifestType, content)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest)))
	if _, err := l.Client.PutImage(t.Context(), &ecr.PutImageInput{
		RepositoryName: &repository, ImageTag: &source, ImageDigest: &digest, // moto does not reckon it out
		ImageManifestMediaType: aws.String(manifestType), ImageManifest: &manifest,
	}); err != nil {
		t.Fatal(err)
	}
	return digest
}

func mark(t *testing.T, l releases.Ledger, repository, digest, stack, release string) {
	t.Helper()
	if err := l.Mark(t.Context(), repository, digest, stack, release); err != nil {
		t.Fatal(err)
	}
}

// TestLedger holds that what is marked is listed, with its images, its sources and where it ran; that an image can be several
// releases', and that a release which is marked in part has not run.
func TestLedger(t *testing.T) {
	l := ledger(t)
	api, page1, page2 := push(t, l, backend, commit("1")), push(t, l, frontend, commit("1")), push(t, l, frontend, commit("2"))
	for range 2 { // a run that is repeated marks what is marked
		mark(t, l, backend, api, "staging", commit("1"))
		mark(t, l, frontend, page1, "staging", commit("1"))
	}
	mark(t, l, backend, api, "staging", commit("2")) // the frontend alone has changed
	mark(t, l, frontend, page2, "staging", commit("2"))
	mark(t, l, backend, api, "production", commit("1"))
	mark(t, l, frontend, page1, "production", commit("1"))
	mark(t, l, backend, api, "production", commit("2")) // a run that was killed between the two
	all, err := l.List(t.Context(), []string{backend, frontend})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 {
		t.Fatalf("listed %+v", all)
	}
	both := []string{backend, frontend}
	for _, release := range all {
		wantFrontend, source := page1, commit("1")
		if release.Name == commit("2") {
			wantFrontend, source = page2, commit("2")
		}
		if release.Images[backend].Digest != api || release.Images[frontend].Digest != wantFrontend ||
			release.Images[frontend].Source != source || release.Images[backend].Source != commit("1") {
			t.Errorf("release %s has %+v", release.Name, release.Images)
		}
		if !release.RanIn("staging", both) || release.RanIn("production", both) != (release.Name == commit("1")) || release.RanIn("beta", both) {
			t.Errorf("release %s ran in %v", release.Name, release.Stacks)
		}
		if release.Pushed.IsZero() {
			t.Errorf("release %s was pushed never", release.Name)
		}
	}
}

// TestMarkStands holds that a release's images are what they were: a mark is never moved.
func TestMarkStands(t *testing.T) {
	l := ledger(t)
	one, two := push(t, l, backend, commit("1")), push(t, l, backend, commit("2"))
	mark(t, l, backend, one, "staging", commit("1"))
	err := l.Mark(t.Context(), backend, two, "staging", commit("1"))
	if err == nil || !strings.Contains(err.Error(), one) || !strings.Contains(err.Error(), "commit a change") {
		t.Errorf("got %v", err)
	}
	err = l.Mark(t.Context(), backend, "sha256:"+strings.Repeat("0", 64), "staging", commit("3"))
	if err == nil || !strings.Contains(err.Error(), "does not hold it any more") {
		t.Errorf("an image that is not there: %v", err)
	}
	if err := l.Mark(t.Context(), "nowhere", one, "staging", commit("1")); err == nil || !strings.Contains(err.Error(), "repository nowhere") {
		t.Errorf("a repository that is not there: %v", err)
	}
}

// TestManyImages holds that a list goes beyond one page of ECR's.
func TestManyImages(t *testing.T) {
	l := ledger(t)
	want := 120
	for n := range want {
		source := fmt.Sprintf("%040x", n)
		mark(t, l, backend, push(t, l, backend, source), "staging", source)
	}
	all, err := l.List(t.Context(), []string{backend})
	if err != nil || len(all) != want {
		t.Errorf("listed %d of %d, %v", len(all), want, err)
	}
	if slices.ContainsFunc(all, func(r *releases.Release) bool { return len(r.Images) != 1 }) {
		t.Error("a release has no image")
	}
}
