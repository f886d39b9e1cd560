package infra

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/infratest"
	"slipway/infra/verdict"
)

// bench is a court that finds every service well but those of sick, and remembers what it was asked.
type bench struct {
	sick  []string
	empty []string // ends of the ARNs of secrets without a value

	mu     sync.Mutex
	judged []verdict.Service
	marks  []string
}

func (b *bench) open(*pulumi.Context, location, string) (court, error) {
	return court{judge: b, ledger: b, vault: b}, nil
}

// Filled implements court's vault.
func (b *bench) Filled(_ context.Context, arn string) (bool, error) {
	return !slices.ContainsFunc(b.empty, func(end string) bool { return strings.HasSuffix(arn, end) }), nil
}

// Await implements court's judge.
func (b *bench) Await(_ context.Context, service verdict.Service) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judged = append(b.judged, service)
	if slices.Contains(b.sick, service.Name) {
		return &verdict.Failed{Service: service.Name, Reason: "it does not run"}
	}
	return nil
}

// Mark implements court's ledger.
func (b *bench) Mark(_ context.Context, repository, digest, stack, release string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = append(b.marks, strings.Join([]string{repository, digest, stack, release}, " "))
	return nil
}

// program is Deploy before this court.
func (b *bench) program(ctx *pulumi.Context) error { return deploy(ctx, b.open) }

// program is Deploy before a court that finds everything well.
func program(ctx *pulumi.Context) error { return (&bench{}).program(ctx) }

// releaseOf runs the program as staging before a court and returns what the engine saw.
func releaseOf(t *testing.T, b *bench, change map[string]string, recorder *infratest.Recorder) (commit string, err error) {
	t.Helper()
	settings := infratest.Settings(t, top, "staging")
	for key, value := range change {
		settings["slipway:"+key] = value
	}
	infratest.Docker(t, change["imagesPromoteFrom"] == "") // whoever promotes needs none
	commit = infratest.Checkout(t, "frontend", "backend")
	return commit, infratest.Run(t, func(ctx *pulumi.Context) error { return deploy(ctx, b.open) }, "staging", settings, recorder)
}

// TestVerdict holds that each service is judged by what was asked for, and the release's images marked once all are well.
func TestVerdict(t *testing.T) {
	b := &bench{}
	commit, err := releaseOf(t, b, nil, &infratest.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.judged) != 2 || b.judged[0].Name != "backend" {
		t.Fatalf("judged %+v", b.judged)
	}
	first := b.judged[0]
	if first.TaskDefinition != "arn:TaskDefinition:backend" || first.TargetGroup != "arn:TargetGroup:backend" ||
		first.LogGroup != "/slipway/myapp-staging/backend" || first.Cluster != "myapp-staging" || first.Patience.Minutes() != 15 {
		t.Errorf("judged %+v", first)
	}
	for _, service := range []string{"backend", "frontend"} {
		if want := "myapp/" + service + " " + infratest.Digest + " staging " + commit; !slices.Contains(b.marks, want) {
			t.Errorf("marks %q, want %q", b.marks, want)
		}
	}
}

// TestVerdictFails holds that a service that does not run fails the program in its words, that what waits for it is not
// touched, and that nothing is marked.
func TestVerdictFails(t *testing.T) {
	b, recorder := &bench{sick: []string{"backend"}}, &infratest.Recorder{}
	_, err := releaseOf(t, b, nil, recorder)
	if err == nil || !strings.Contains(err.Error(), "services.backend: it does not run") {
		t.Errorf("got %v", err)
	}
	for _, r := range recorder.Resources() {
		if r.Name == "frontend" && (r.Type == "aws:ecs/service:Service" || r.Type == "aws:ecs/taskDefinition:TaskDefinition") {
			t.Errorf("%s was declared", r.Key())
		}
	}
	if len(b.judged) != 1 || len(b.marks) > 0 {
		t.Errorf("judged %+v, marked %q", b.judged, b.marks)
	}
}

// TestOrder holds that a service that waits for none is judged beside the others.
func TestOrder(t *testing.T) {
	b, recorder := &bench{sick: []string{"backend"}}, &infratest.Recorder{}
	_, err := releaseOf(t, b, map[string]string{"serviceOverrides": `{"frontend": {"after": []}}`}, recorder)
	if err == nil || len(b.judged) != 2 {
		t.Errorf("judged %+v: %v", b.judged, err)
	}
}

// registryOf answers as ECR with the given tags, each on an image of its own.
func registryOf(digests map[string]string) map[string]infratest.Answer {
	return map[string]infratest.Answer{"aws:ecr/getImage:getImage": func(args resource.PropertyMap) (resource.PropertyMap, error) {
		tag := args["imageTag"].StringValue()
		digest, ok := digests[args["repositoryName"].StringValue()+":"+tag]
		if !ok {
			return nil, errors.New("ImageNotFoundException")
		}
		return resource.NewPropertyMapFromMap(map[string]any{"imageDigest": digest, "imageTags": []any{tag, strings.Repeat("a", 40)}}), nil
	}}
}

// TestPromotion holds that a stack that promotes takes the images that the stack before it ran well, by digest, that it builds
// nothing, and that it refuses whatever has no such record.
func TestPromotion(t *testing.T) {
	digest := func(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }
	change := map[string]string{"imagesPromoteFrom": "beta"}
	recorder := &infratest.Recorder{Answers: registryOf(nil)}
	commit, err := releaseOf(t, &bench{}, change, recorder)
	if err == nil {
		t.Fatal("a release that ran nowhere was accepted")
	}
	for _, want := range []string{
		"release " + commit + " has not run well in staging or beta", "myapp/backend and myapp/frontend hold no image tagged beta." + commit,
		"git checkout " + commit + " && make up STACK=beta",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	b := &bench{}
	recorder = &infratest.Recorder{Answers: registryOf(map[string]string{
		"myapp/backend:beta." + commit: digest("1"), "myapp/frontend:beta." + commit: digest("2"),
	})}
	if _, err := releaseOf(t, b, change, recorder); err != nil {
		t.Fatal(err)
	}
	for _, r := range recorder.Resources() {
		if r.Type == "docker:index/image:Image" {
			t.Errorf("%s is built", r.Name)
		}
	}
	definition := input(of(t, recorder.Resources(), "aws:ecs/taskDefinition:TaskDefinition")[0], "containerDefinitions").StringValue()
	if !strings.Contains(definition, "myapp/backend@"+digest("1")) || !strings.Contains(definition, `"value":"`+strings.Repeat("a", 40)) {
		t.Errorf("the backend does not run what beta ran, under its source's name: %s", definition)
	}
	if want := "myapp/backend " + digest("1") + " staging " + commit; !slices.Contains(b.marks, want) {
		t.Errorf("marks %q, want %q", b.marks, want)
	}
}

// TestBuiltElsewhere holds that an image that the registry holds, and this stack has not built, is neither built nor declared.
func TestBuiltElsewhere(t *testing.T) {
	digest := "sha256:" + strings.Repeat("7", 64)
	first := &infratest.Recorder{}
	commit, err := releaseOf(t, &bench{}, nil, first)
	if err != nil {
		t.Fatal(err)
	}
	second := &infratest.Recorder{Answers: registryOf(map[string]string{"myapp/backend:" + commit: digest})}
	if _, err := releaseOf(t, &bench{}, nil, second); err != nil {
		t.Fatal(err)
	}
	images := of(t, second.Resources(), "docker:index/image:Image")
	if len(images) != 1 || images[0].Name != "frontend-"+commit {
		t.Errorf("declared %+v", images)
	}
}
