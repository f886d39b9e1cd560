package e2e

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

const (
	// greeting is the value of a secret that only a newer release names.
	greeting = "hello from before"
	// greeterProgram is a worker that prints its secret.
	greeterProgram = `
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    print(os.environ["GREETING"], flush=True)
    time.sleep(1)
`
)

// TestGoBack holds that a way back takes a release's services as they were, and not their images alone: from a release that fails by its
// configuration, and from one that has a service more. What that service would leave behind, its repository and its secret, stays, so
// that the stack goes forward again to where it was.
func TestGoBack(t *testing.T) {
	t.Parallel()
	c := clone(t)
	good := c.head(t)
	c.local(t, "up")
	ran := c.outputs(t, "local")
	own, project := c.read(t, "Pulumi.local.yaml"), c.read(t, "Pulumi.yaml")

	c.change(t, "Pulumi.local.yaml", withBackend(own, "      healthPath: /api/nowhere\n      healthGraceSeconds: 10\n"))
	c.says(t, c.refused(t, "up"), "failed ELB health checks")
	c.local(t, "restore") // in the checkout of the release that failed, as a job does
	c.runsAlone(t, good, ran)

	c.write(t, "Pulumi.local.yaml", own)
	c.addService(t, "greeter", "raise SystemExit(\"this service does not start\")\n")
	before, after, found := strings.Cut(project, "\n  slipway:serviceOverrides:")
	if !found {
		t.Fatal("Pulumi.yaml has nothing after the rows")
	}
	c.change(t, "Pulumi.yaml", before+"\n      greeter: {secrets: {GREETING: greeting}}\n  slipway:serviceOverrides:"+after)
	c.says(t, c.refused(t, "up"), "secret greeting has no value")
	set := exec.CommandContext(t.Context(), "make", "--no-print-directory", "secret", "STACK=local", "SECRET=greeting")
	set.Dir, set.Stdin = c.dir, strings.NewReader(greeting+"\n")
	if out, err := set.CombinedOutput(); err != nil || strings.Contains(string(out), greeting) {
		t.Fatalf("make secret: %v\n%s", err, out)
	}
	c.says(t, c.refused(t, "up"), "services.greeter:", "this service does not start")
	c.local(t, "restore")
	c.runsAlone(t, good, ran)
	c.keeps(t, "greeter", "greeting")

	three := c.change(t, "greeter/main.py", greeterProgram)
	c.local(t, "up")
	if images := c.outputs(t, "local").Images; len(images) != 3 {
		t.Errorf("with a service more there are the images %v", images)
	}
	if !slices.Contains(c.logged(t, "local", "greeter"), greeting) {
		t.Error("the secret's value did not outlast the way back")
	}

	// Back to before there was such a service, from a release that runs well; and forward.
	if back := c.local(t, "rollback", good); building.MatchString(back) {
		t.Errorf("the way back built something:\n%s", back)
	}
	c.runsAlone(t, good, ran)
	c.keeps(t, "greeter", "greeting")
	c.says(t, c.local(t, "releases"), good, three)
	if forward := c.local(t, "rollback", three); building.MatchString(forward) {
		t.Errorf("the way forward built something:\n%s", forward)
	}
	if now := c.outputs(t, "local"); now.Revision != three || len(now.Images) != 3 {
		t.Errorf("forward again runs %s %v", now.Revision, now.Images)
	}
	if status := run(t, c.dir, "git", "status", "--porcelain"); status != "" {
		t.Errorf("the ways back changed the checkout: %s", status)
	}
	c.local(t, "down")
}

// runsAlone holds that a release's services run as it had them, and no others.
func (c checkout) runsAlone(t *testing.T, release string, ran outputs) {
	t.Helper()
	c.settle(t)
	c.mustRun(t, ran.URL, release)
	c.answers(t, ran.URL+"/api/readyz")
	if now := c.outputs(t, "local"); now.Revision != release || !maps.Equal(now.Images, ran.Images) {
		t.Errorf("the stack runs %s %v, want %s %v", now.Revision, now.Images, release, ran.Images)
	}
	found, err := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)).DescribeServices(t.Context(), &ecs.DescribeServicesInput{
		Cluster: &ran.Cluster, Services: []string{"greeter"},
	})
	if err != nil || slices.ContainsFunc(found.Services, func(s ecstypes.Service) bool { return aws.ToString(s.Status) == "ACTIVE" }) {
		t.Errorf("a service that %s does not have runs: %v, %v", release, found, err)
	}
}

// keeps holds that the cloud has a service's repository, and the secret that it names.
func (c checkout) keeps(t *testing.T, service, secret string) {
	t.Helper()
	held := strings.Join(c.inventory(t), "\n")
	c.says(t, held, "ecr repositories myapp/"+service, "secretsmanager SecretList myapp-local/"+secret)
}
