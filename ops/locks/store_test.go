package locks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"slipway/ops/locks"
)

func TestOpen(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	for backend, want := range map[string]locks.Store{
		"file:///var/state": locks.Folder("/var/state"),
		"file://~":          locks.Folder("/home/ann"),
		"file://~/state":    locks.Folder("/home/ann/state"),
	} {
		if got, err := locks.Open(backend); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", backend, got, err, want)
		}
	}
	got, err := locks.Open("s3://bucket/some/prefix?region=eu-west-1&awssdk=v2&profile=ops")
	if b, ok := got.(locks.Bucket); err != nil || !ok || b.Name != "bucket" || b.Prefix != "some/prefix" || b.Region != "eu-west-1" || b.Profile != "ops" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, backend := range []string{"", "https://cloud.example"} {
		if _, err := locks.Open(backend); !errors.Is(err, locks.ErrNoFiles) {
			t.Errorf("%q: %v; want ErrNoFiles", backend, err)
		}
	}
	if _, err := locks.Open("gs://bucket"); err == nil || errors.Is(err, locks.ErrNoFiles) {
		t.Errorf("gs: %v; want an error of its own", err)
	}
}

func TestBucket(t *testing.T) {
	ctx := context.Background()
	var calls []string
	answer, failure := "", error(nil)
	bucket := locks.Bucket{Name: "b", Prefix: "p", Region: "r", Profile: "q", Run: func(_ context.Context, stdin []byte, args ...string) ([]byte, error) {
		calls = append(calls, strings.Join(args, " ")+" < "+string(stdin))
		return []byte(answer), failure
	}}
	if keys, err := bucket.List(ctx, "x"); err != nil || len(keys) != 0 {
		t.Errorf("an empty answer: %v, %v", keys, err)
	}
	answer = `{"Contents":[{"Key":"p/x/1.json"},{"Key":"p/x/y/2.json"}]}`
	if keys, err := bucket.List(ctx, "x"); err != nil || !slices.Equal(keys, []string{"x/1.json", "x/y/2.json"}) {
		t.Errorf("%v, %v", keys, err)
	}
	answer = "content"
	if content, err := bucket.Read(ctx, "x/1.json"); err != nil || string(content) != "content" {
		t.Errorf("%s, %v", content, err)
	}
	if err := errors.Join(bucket.Write(ctx, "x/2.json", []byte("new")), bucket.Delete(ctx, "x/1.json")); err != nil {
		t.Error(err)
	}
	want := []string{
		"s3api list-objects-v2 --bucket b --prefix p/x/ --output json --region r --profile q < ",
		"s3api list-objects-v2 --bucket b --prefix p/x/ --output json --region r --profile q < ",
		"s3 cp --only-show-errors s3://b/p/x/1.json - --region r --profile q < ",
		"s3 cp --only-show-errors - s3://b/p/x/2.json --region r --profile q < new",
		"s3api delete-object --bucket b --key p/x/1.json --region r --profile q < ",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
	failure = errors.New("fatal error: An error occurred (404) when calling the HeadObject operation: Key does not exist")
	if _, err := bucket.Read(ctx, "x/1.json"); !errors.Is(err, locks.ErrGone) {
		t.Errorf("%v; want ErrGone", err)
	}
	failure = errors.New("AccessDenied")
	if _, err := bucket.Read(ctx, "x/1.json"); err == nil || errors.Is(err, locks.ErrGone) {
		t.Errorf("%v; want the failure itself", err)
	}
}

func TestFolderReadsWhatIsGone(t *testing.T) {
	store := locks.Folder(t.TempDir())
	if _, err := store.Read(context.Background(), "x.json"); !errors.Is(err, locks.ErrGone) {
		t.Errorf("%v; want ErrGone", err)
	}
	if err := store.Delete(context.Background(), "x.json"); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// Without the AWS CLI a person must know what to install.
func TestNoAWS(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := locks.AWS(context.Background(), nil, "s3api", "list-objects-v2"); err == nil || !strings.Contains(err.Error(), "install it") {
		t.Errorf("%v; want what to install", err)
	}
}
