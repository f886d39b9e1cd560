// Package e2e runs the whole program in the embedded cloud, from a clean clone, by the commands of the README.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/local/cloud"
)

// checkout is a clean clone with an embedded cloud of its own.
type checkout struct {
	dir string
	bin string
}

// clone makes a checkout of the repository's HEAD that is taken down after the test.
func clone(t *testing.T) checkout {
	t.Helper()
	bin := os.Getenv("SLIPWAY_LOCAL")
	if bin == "" {
		t.Fatal("SLIPWAY_LOCAL names no executable; run this by `make test-embedded`")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := checkout{dir: filepath.Join(t.TempDir(), "clone"), bin: bin}
	run(t, top, "git", "clone", "--quiet", top, c.dir)
	run(t, c.dir, "git", "config", "user.name", "Test")
	run(t, c.dir, "git", "config", "user.email", "test@example.com")
	t.Cleanup(func() {
		command := exec.Command(bin, "stop") // the test's own context has ended
		command.Dir = c.dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("stop the cloud: %v\n%s", err, out)
		}
	})
	return c
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	var out bytes.Buffer
	command.Stdout, command.Stderr = io.MultiWriter(&out, t.Output()), io.MultiWriter(&out, t.Output())
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// local runs one of the commands behind the make targets.
func (c checkout) local(t *testing.T, command string) string { return run(t, c.dir, c.bin, command) }

func (c checkout) head(t *testing.T) string { return run(t, c.dir, "git", "rev-parse", "HEAD") }

// state is the running cloud.
func (c checkout) state(t *testing.T) cloud.State {
	t.Helper()
	state, ok := cloud.Running(t.Context(), filepath.Join(c.dir, ".slipway", "cloud"))
	if !ok {
		t.Fatal("no cloud runs")
	}
	return state
}

func (c checkout) inventory(t *testing.T) []string {
	t.Helper()
	held, err := cloud.Inventory(t.Context(), c.state(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// kinds is an inventory without generated names: how many things of each kind there are.
func kinds(inventory []string) map[string]int {
	counts := map[string]int{}
	for _, line := range inventory {
		counts[strings.Join(strings.Fields(line)[:2], " ")]++
	}
	return counts
}

var changedResource = regexp.MustCompile(`(?m)^ (?:\+|-|~|\+-|\+\+|--) +(\S+) (\S+) (?:created|updated|replaced|deleted)`)

// changes lists the types of the resources that an up touched.
func changes(log string) []string {
	types := map[string]bool{}
	for _, match := range changedResource.FindAllStringSubmatch(log, -1) {
		types[match[1]] = true
	}
	var sorted []string
	for t := range types {
		sorted = append(sorted, t)
	}
	slices.Sort(sorted)
	return sorted
}

// TestStack goes through the life of a stack: up, up again, a new commit, down.
func TestStack(t *testing.T) {
	c := clone(t)
	first := c.local(t, "up")
	if strings.Contains(first, "unchanged") || !strings.Contains(first, "created") {
		t.Errorf("the first up did not create everything:\n%s", first)
	}
	c.checkImages(t, c.head(t))

	second := c.local(t, "up")
	if touched := changes(second); len(touched) > 0 || !regexp.MustCompile(`(?m)^ +\d+ unchanged$`).MatchString(second) {
		t.Errorf("a second up changed %v:\n%s", touched, second)
	}

	file := filepath.Join(c.dir, "backend", "app", "__init__.py")
	if err := os.WriteFile(file, []byte("\"\"\"Another revision.\"\"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, c.dir, "git", "commit", "--quiet", "--all", "--message", "two")
	third := c.local(t, "up")
	want := []string{"aws:ecs:Service", "aws:ecs:TaskDefinition", "docker:index:Image"}
	if touched := changes(third); !slices.Equal(touched, want) {
		t.Errorf("a new commit changed %v, want %v:\n%s", touched, want, third)
	}
	c.checkImages(t, c.head(t))

	fourth := c.local(t, "down") // fails where the API shows a leftover
	if !strings.Contains(fourth, "the API shows nothing that was not there at birth") {
		t.Errorf("down does not say what it asked the API:\n%s", fourth)
	}
}

// checkImages holds what the registry, the API and the task definitions say of one commit against each other.
func (c checkout) checkImages(t *testing.T, commit string) {
	t.Helper()
	state := c.state(t)
	for _, service := range []string{"backend", "frontend"} {
		var images struct {
			ImageDetails []struct{ ImageDigest string }
		}
		ecs(t, state, "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeImages", map[string]any{
			"repositoryName": "myapp/" + service, "imageIds": []any{map[string]string{"imageTag": commit}},
		}, &images)
		if len(images.ImageDetails) != 1 {
			t.Fatalf("ECR shows %d images of %s at %s", len(images.ImageDetails), service, commit)
		}
		reference := fmt.Sprintf("%s/myapp/%s@%s", state.Registry, service, images.ImageDetails[0].ImageDigest)
		var described struct {
			Services []struct{ TaskDefinition string }
		}
		ecs(t, state, "ecs", "AmazonEC2ContainerServiceV20141113.DescribeServices", map[string]any{
			"cluster": "myapp-local", "services": []string{service},
		}, &described)
		var definition struct {
			TaskDefinition struct {
				ContainerDefinitions []struct{ Name, Image string }
			}
		}
		ecs(t, state, "ecs", "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition", map[string]any{
			"taskDefinition": described.Services[0].TaskDefinition,
		}, &definition)
		for _, container := range definition.TaskDefinition.ContainerDefinitions {
			if container.Image != reference {
				t.Errorf("container %s of %s runs %s, want %s", container.Name, service, container.Image, reference)
			}
		}
		// The engine has built it, and the registry holds it: it comes back by its digest after the local copy is gone.
		tag := fmt.Sprintf("%s/myapp/%s:%s", state.Registry, service, commit)
		run(t, c.dir, "docker", "image", "inspect", "--format", "{{.Id}}", tag)
	}
}

// ecs calls a JSON operation of the emulated API.
func ecs(t *testing.T, state cloud.State, service, target string, input, output any) {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, state.Endpoint+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", target)
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %s: %s", target, err, response.Status, answer)
	}
	if err := json.Unmarshal(answer, output); err != nil {
		t.Fatalf("%s: %v: %s", target, err, answer)
	}
}

// TestKilled kills `up` with no warning, again and again, each time later; then one up must converge, with nothing doubled.
func TestKilled(t *testing.T) {
	whole := clone(t)
	whole.local(t, "up")
	want := kinds(whole.inventory(t))

	c := clone(t)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		command := exec.CommandContext(ctx, c.bin, "up")
		command.Dir = c.dir
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		command.Stdout, command.Stderr = t.Output(), t.Output()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(2+round*12+random.IntN(10)) * time.Second
		t.Logf("round %d: killing up after %s", round, after)
		time.Sleep(after)
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait()
		cancel()
	}
	c.local(t, "up")
	if got := kinds(c.inventory(t)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after the kills the cloud holds %v, want %v", got, want)
	}
	if again := c.local(t, "up"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	c.local(t, "down")
}
