package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/infra/releases"
	"slipway/local/cloud"
)

// container is what a task definition asks of one container, as far as Docker can do the same.
type container struct {
	Name, Image, User      string
	ReadonlyRootFilesystem bool
	Environment            []struct{ Name, Value string }
	PortMappings           []struct{ ContainerPort int }
	HealthCheck            *struct{ Command []string }
	LinuxParameters        struct{ InitProcessEnabled bool }
}

// checkImages holds what the registry, the API and the task definitions say of the checked out commit against each other,
// fetches the images from the registry after the engine's own copies are gone, and runs them as the task definitions ask. The
// services are those whose images have just been built.
func (c checkout) checkImages(t *testing.T, built ...string) {
	t.Helper()
	state := c.state(t)
	login(t, state)
	for _, service := range built {
		var images struct {
			ImageDetails []struct {
				ImageDigest string
				ImageTags   []string
			}
		}
		mark := "local." + c.head(t)
		call(t, state, "ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeImages", map[string]any{
			"repositoryName": "myapp/" + service, "imageIds": []any{map[string]string{"imageTag": mark}},
		}, &images)
		if len(images.ImageDetails) != 1 {
			t.Fatalf("ECR shows %d images of %s marked %s", len(images.ImageDetails), service, mark)
		}
		source := releases.Source(images.ImageDetails[0].ImageTags)
		if !strings.HasPrefix(source, c.source(t, service)) {
			t.Errorf("%s runs %s, and its folder is of commit %s", service, source, c.source(t, service))
		}
		reference := fmt.Sprintf("%s/myapp/%s@%s", state.Registry, service, images.ImageDetails[0].ImageDigest)
		containers := definition(t, state, "myapp-local", service)
		for _, one := range containers {
			if one.Image != reference {
				t.Errorf("container %s of %s runs %s, want %s", one.Name, service, one.Image, reference)
			}
		}
		tag := fmt.Sprintf("%s/myapp/%s:%s", state.Registry, service, source)
		run(t, c.dir, "docker", "image", "inspect", "--format", "{{.Id}}", tag) // the engine has built it
		run(t, c.dir, "docker", "image", "rm", "--force", tag)
		run(t, c.dir, "docker", "pull", "--quiet", reference) // and the registry holds it
		i := slices.IndexFunc(containers, func(one container) bool { return one.Name == service })
		containers[i].serve(t, source)
	}
}

// healthPaths are the paths that the load balancer asks, and what answers where there is no database.
var healthPaths = map[string]map[string]int{
	"frontend": {"/healthz": http.StatusOK, "/": http.StatusOK},
	"backend":  {"/api/healthz": http.StatusOK, "/api/readyz": http.StatusServiceUnavailable},
}

// serve runs the container alone, with the user, the root file system and the variables of its task definition, and asks
// it what the load balancer would; then it must end by itself when told to.
func (c container) serve(t *testing.T, commit string) {
	t.Helper()
	args := []string{"run", "--detach", "--user", c.User}
	if c.ReadonlyRootFilesystem {
		args = append(args, "--read-only")
	}
	if c.LinuxParameters.InitProcessEnabled {
		args = append(args, "--init")
	}
	for _, variable := range c.Environment {
		if variable.Name == "DATABASE_HOST" {
			variable.Value = "127.0.0.1" // there is none, which is to be noticed at once
		}
		args = append(args, "--env", variable.Name+"="+variable.Value)
	}
	id := run(t, ".", "docker", append(args, c.Image)...)
	t.Cleanup(func() { quietly("docker", "rm", "--force", id) })
	address := run(t, ".", "docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", id)
	for path, want := range healthPaths[c.Name] {
		url := fmt.Sprintf("http://%s:%d%s", address, c.PortMappings[0].ContainerPort, path)
		code, body := get(t, id, url)
		if code != want {
			t.Errorf("%s answers %d, want %d: %s", url, code, want, body)
		}
		if path == "/" && !strings.Contains(body, commit[:12]) {
			t.Errorf("the page does not say that it is %s:\n%s", commit, body)
		}
	}
	c.keepsAlive(t, id)
	run(t, ".", "docker", append([]string{"exec", id}, c.HealthCheck.Command[1:]...)...) // without its leading CMD
	run(t, ".", "docker", "stop", "--time", "30", id)
	if code := run(t, ".", "docker", "inspect", "--format", "{{.State.ExitCode}}", id); code == "137" {
		t.Errorf("%s did not end on SIGTERM and was killed:\n%s", c.Name, quietly("docker", "logs", id))
	}
	run(t, ".", "docker", "rm", id) // else its image could not go with the registry
}

// keepsAlive holds that the server was started to keep idle connections as long as the task definition says: uvicorn by an
// argument, Next.js by a variable of milliseconds.
func (c container) keepsAlive(t *testing.T, id string) {
	t.Helper()
	i := slices.IndexFunc(c.Environment, func(v struct{ Name, Value string }) bool { return v.Name == "KEEP_ALIVE_SECONDS" })
	if i < 0 {
		t.Fatalf("%s is not told how long to keep connections", c.Name)
	}
	seconds := c.Environment[i].Value
	pids := strings.Fields(run(t, ".", "docker", "top", id, "-o", "pid"))
	var started strings.Builder
	for _, pid := range pids[1:] { // below a heading
		for _, name := range []string{"cmdline", "environ"} {
			content, err := os.ReadFile(filepath.Join("/proc", pid, name))
			if err == nil {
				started.WriteString(strings.ReplaceAll(string(content), "\x00", " "))
			}
		}
	}
	if text := started.String(); !strings.Contains(text, "--timeout-keep-alive "+seconds) && !strings.Contains(text, "KEEP_ALIVE_TIMEOUT="+seconds+"000") {
		t.Errorf("%s does not keep connections for %s seconds: %s", c.Name, seconds, text)
	}
}

// get asks until the server answers.
func get(t *testing.T, id, url string) (int, string) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			body, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, string(body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v; the container says:\n%s", err, quietly("docker", "logs", id))
		}
	}
}

// definition is the containers of the task definition that a service runs.
func definition(t *testing.T, state cloud.State, cluster, service string) []container {
	t.Helper()
	const ecs = "AmazonEC2ContainerServiceV20141113."
	var described struct {
		Services []struct{ TaskDefinition string }
	}
	call(t, state, "ecs", ecs+"DescribeServices", map[string]any{"cluster": cluster, "services": []string{service}}, &described)
	if len(described.Services) != 1 {
		t.Fatalf("cluster %s has %d services %s", cluster, len(described.Services), service)
	}
	var found struct {
		TaskDefinition struct{ ContainerDefinitions []container }
	}
	call(t, state, "ecs", ecs+"DescribeTaskDefinition", map[string]any{"taskDefinition": described.Services[0].TaskDefinition}, &found)
	return found.TaskDefinition.ContainerDefinitions
}

// login gives the Docker CLI the registry's credentials, in a file of the test's own.
func login(t *testing.T, state cloud.State) {
	t.Helper()
	token, _ := registryToken(t, state)
	dir := t.TempDir()
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, state.Registry, token)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}

// registryToken is what ECR hands out for its registry: the token, and the password that stands in it in base64.
func registryToken(t *testing.T, state cloud.State) (token, password string) {
	t.Helper()
	var answer struct {
		AuthorizationData []struct{ AuthorizationToken string }
	}
	call(t, state, "ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", map[string]any{}, &answer)
	token = answer.AuthorizationData[0].AuthorizationToken
	decoded, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	_, password, _ = strings.Cut(string(decoded), ":")
	return token, password
}
