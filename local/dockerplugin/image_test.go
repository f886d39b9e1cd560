package dockerplugin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	imagetypes "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/types/known/structpb"

	"slipway/local/dockerengine"
	"slipway/local/tools"
)

const (
	urn      = "urn:pulumi:local::slipway::docker:index/image:Image::app"
	user     = "AWS"
	password = "not-to-be-seen"
)

// TestMain makes sure that a Docker Engine runs, as `make up` does.
func TestMain(m *testing.M) {
	if err := tools.EnsureDocker(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// registry serves an empty registry that asks for credentials, and returns its HOST:PORT.
func registry(t *testing.T) string {
	t.Helper()
	logrus.SetLevel(logrus.ErrorLevel) // the library's own; it would tell of every request
	config := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": t.TempDir()}}}
	config.HTTP.Secret = "test"
	config.Log.AccessLog.Disabled = true
	config.Log.Level = "error"
	app := handlers.NewApp(t.Context(), config)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		app.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// app is a folder with a Dockerfile of its own and the other files given.
func app(t *testing.T, dockerfile string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	write(t, filepath.Join(dir, "Dockerfile"), dockerfile)
	return dir
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func inputs(name, dir, secret string) resource.PropertyMap {
	return resource.PropertyMap{
		"imageName": resource.NewStringProperty(name),
		"build":     resource.NewPropertyValue(map[string]any{"context": dir, "dockerfile": filepath.Join(dir, "Dockerfile")}),
		"registry": resource.NewObjectProperty(resource.PropertyMap{
			"server": resource.NewStringProperty(name), "username": resource.NewStringProperty(user),
			"password": resource.MakeSecret(resource.NewStringProperty(secret)),
		}),
	}
}

func marshal(t *testing.T, properties resource.PropertyMap) *structpb.Struct {
	t.Helper()
	encoded, err := plugin.MarshalProperties(properties, marshalling)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// check passes inputs through Check, as the engine does before anything else.
func check(t *testing.T, p *provider, properties resource.PropertyMap) *structpb.Struct {
	t.Helper()
	checked, err := p.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn, News: marshal(t, properties)})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatalf("check: %v %v", err, checked.GetFailures())
	}
	return checked.GetInputs()
}

func docker(t *testing.T) *client.Client {
	t.Helper()
	c, err := dockerengine.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// forget removes an image from the engine after the test.
func forget(t *testing.T, name string) {
	t.Helper()
	c := docker(t)
	t.Cleanup(func() { _, _ = c.ImageRemove(context.Background(), name, imagetypes.RemoveOptions{Force: true}) })
}

// TestBuildAndPush holds that the engine builds, the registry keeps, and the outputs name what it keeps.
func TestBuildAndPush(t *testing.T) {
	host := registry(t)
	name := host + "/myapp/app:one"
	forget(t, name)
	dir := app(t, "FROM scratch\nARG WORD\nLABEL word=$WORD\nCOPY file /\n", map[string]string{"file": "1"})
	properties := inputs(name, dir, password)
	properties["build"].ObjectValue()["args"] = resource.NewPropertyValue(map[string]any{"WORD": "hello"})
	p := &provider{}
	created, err := p.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: check(t, p, properties)})
	if err != nil {
		t.Fatal(err)
	}
	outputs := created.GetProperties().AsMap()
	digest, _ := outputs["repoDigest"].(string)
	if !regexp.MustCompile(`^` + regexp.QuoteMeta(host) + `/myapp/app@sha256:[0-9a-f]{64}$`).MatchString(digest) {
		t.Errorf("repoDigest %q", digest)
	}
	if text := fmt.Sprint(outputs); strings.Contains(text, password) {
		t.Errorf("the password is an output: %s", text)
	}
	c := docker(t)
	found, err := c.ImageInspect(t.Context(), name)
	if err != nil || found.Config.Labels["word"] != "hello" {
		t.Errorf("the engine holds %+v, %v", found, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+host+"/v2/myapp/app/manifests/one", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	request.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got := response.Header.Get("Docker-Content-Digest"); !strings.HasSuffix(digest, "@"+got) {
		t.Errorf("the registry keeps %s, the output says %s", got, digest)
	}
}

func TestSkipPush(t *testing.T) {
	name := registry(t) + "/myapp/app:skipped"
	forget(t, name)
	properties := inputs(name, app(t, "FROM scratch\nCOPY file /\n", map[string]string{"file": "1"}), "wrong, and not asked")
	properties["skipPush"] = resource.NewBoolProperty(true)
	p := &provider{}
	if _, err := p.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: check(t, p, properties)}); err != nil {
		t.Error(err)
	}
}

// TestFailures holds what a person reads when a build or push fails.
func TestFailures(t *testing.T) {
	host := registry(t)
	for _, c := range []struct{ name, dockerfile, password, want string }{
		{"a wrong password", "FROM scratch\nCOPY file /\n", "wrong", "push " + host},
		{"a missing file", "FROM scratch\nCOPY nothing /\n", password, "nothing"},
		{"no Dockerfile syntax", "FORM scratch\n", password, "FORM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := host + "/myapp/app:bad"
			forget(t, name)
			p := &provider{}
			properties := check(t, p, inputs(name, app(t, c.dockerfile, map[string]string{"file": "1"}), c.password))
			_, err := p.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: properties})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Error("the error tells the password")
			}
		})
	}
}

func TestCheckFailures(t *testing.T) {
	p, dir := &provider{}, t.TempDir()
	checked, err := p.Check(t.Context(), &pulumirpc.CheckRequest{Urn: urn, News: marshal(t, inputs("a/b:c", dir, ""))})
	if err != nil || len(checked.GetFailures()) != 1 || !strings.Contains(checked.GetFailures()[0].GetReason(), "no Dockerfile") {
		t.Errorf("got %v, %v", checked, err)
	}
	other := "urn:pulumi:local::slipway::docker:index/container:Container::app"
	if _, err := p.Check(t.Context(), &pulumirpc.CheckRequest{Urn: other, News: marshal(t, nil)}); err == nil {
		t.Error("another resource was accepted")
	}
}

// TestDiff holds what counts as a change: files that a build would see, and settings; not credentials, times or what is
// ignored.
func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(t *testing.T, dir string, properties resource.PropertyMap)
		changed bool
	}{
		{"nothing", func(*testing.T, string, resource.PropertyMap) {}, false},
		{"a file", func(t *testing.T, dir string, _ resource.PropertyMap) { write(t, filepath.Join(dir, "file"), "2") }, true},
		{"a new file", func(t *testing.T, dir string, _ resource.PropertyMap) { write(t, filepath.Join(dir, "new"), "") }, true},
		{"an ignored file", func(t *testing.T, dir string, _ resource.PropertyMap) { write(t, filepath.Join(dir, "x.log"), "2") }, false},
		{"a file made executable", func(t *testing.T, dir string, _ resource.PropertyMap) {
			if err := os.Chmod(filepath.Join(dir, "file"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"a new password", func(_ *testing.T, _ string, properties resource.PropertyMap) {
			properties["registry"].ObjectValue()["password"] = resource.MakeSecret(resource.NewStringProperty("new"))
		}, false},
		{"a new tag", func(_ *testing.T, _ string, properties resource.PropertyMap) {
			properties["imageName"] = resource.NewStringProperty("host/app:two")
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &provider{}
			dir := app(t, "FROM scratch\n", map[string]string{"file": "1", ".dockerignore": "*.log\n"})
			properties := inputs("host/app:one", dir, "old")
			olds := check(t, p, properties)
			c.change(t, dir, properties)
			diff, err := p.Diff(t.Context(), &pulumirpc.DiffRequest{Urn: urn, OldInputs: olds, News: check(t, p, properties)})
			if err != nil {
				t.Fatal(err)
			}
			if got := diff.GetChanges() == pulumirpc.DiffResponse_DIFF_SOME; got != c.changed {
				t.Errorf("changed: %t (%v), want %t", got, diff.GetDiffs(), c.changed)
			}
			if len(diff.GetReplaces()) > 0 {
				t.Errorf("replaces %v", diff.GetReplaces())
			}
		})
	}
}

// TestServeEnds holds that the provider ends by itself when the engine that started it has died.
func TestServeEnds(t *testing.T) {
	engine := httptest.NewServer(http.NotFoundHandler())
	address := engine.Listener.Addr().String()
	engine.Close()
	ended := make(chan error, 1)
	go func() { ended <- Serve([]string{address}) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}
