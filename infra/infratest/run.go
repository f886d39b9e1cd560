package infratest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"
)

// Project is the name in Pulumi.yaml.
const Project = "slipway"

// Declaration is what Pulumi.yaml says of one key.
type Declaration struct {
	Type        string
	Default     any
	Description string
}

// Declarations reads the keys that Pulumi.yaml in the folder root declares, without the project's name.
func Declarations(t testing.TB, root string) map[string]Declaration {
	t.Helper()
	var project struct {
		Config map[string]Declaration `yaml:"config"`
	}
	readYAML(t, filepath.Join(root, "Pulumi.yaml"), &project)
	declarations := map[string]Declaration{}
	for key, declaration := range project.Config {
		declarations[strings.TrimPrefix(key, Project+":")] = declaration
	}
	return declarations
}

// Settings reads the configuration of one stack from the files of the repository at root, as the CLI hands it to a
// program: the project's defaults below the stack's own values, everything as text.
func Settings(t testing.TB, root, stack string) map[string]string {
	t.Helper()
	var own struct {
		Config map[string]any `yaml:"config"`
	}
	readYAML(t, filepath.Join(root, "Pulumi."+stack+".yaml"), &own)
	settings := map[string]string{}
	for key, declaration := range Declarations(t, root) {
		if declaration.Default != nil {
			settings[Project+":"+key] = text(t, declaration.Default)
		}
	}
	for key, value := range own.Config {
		settings[key] = text(t, value)
	}
	return settings
}

func readYAML(t testing.TB, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
}

func text(t testing.TB, value any) string {
	t.Helper()
	if s, ok := value.(string); ok {
		return s
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("render %v: %v", value, err)
	}
	return string(encoded)
}

// Run runs a program as one stack with the given settings, against recorder. The environment carries the settings as the
// language host passes them.
func Run(t *testing.T, program pulumi.RunFunc, stack string, settings map[string]string, recorder *Recorder) error {
	t.Helper()
	return run(t, program, stack, settings, recorder, false)
}

// Preview is Run as a preview: nothing is judged, and the recorder still answers for all that an update would know.
func Preview(t *testing.T, program pulumi.RunFunc, stack string, settings map[string]string, recorder *Recorder) error {
	t.Helper()
	return run(t, program, stack, settings, recorder, true)
}

func run(t *testing.T, program pulumi.RunFunc, stack string, settings map[string]string, recorder *Recorder, preview bool) error {
	t.Helper()
	encoded, err := json.Marshal(settings)
	if err != nil {
		t.Fatalf("render the settings: %v", err)
	}
	t.Setenv(pulumi.EnvConfig, string(encoded))
	return pulumi.RunErr(program, pulumi.WithMocks(Project, stack, recorder), func(info *pulumi.RunInfo) {
		info.Config = settings
		info.DryRun = preview
	})
}

// Checkout makes a git repository with a folder and a Dockerfile for each service, one commit, the same at every run, and
// moves the test into it. It returns the commit.
func Checkout(t *testing.T, services ...string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, service := range services {
		if err := os.Mkdir(service, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(service, "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, variable := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+variable+"_NAME", "A")
		t.Setenv("GIT_"+variable+"_EMAIL", "a@example.com")
		t.Setenv("GIT_"+variable+"_DATE", "2026-01-01T00:00:00Z")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	git(t, "init", "--quiet", "--initial-branch=main")
	git(t, "add", "--all")
	git(t, "commit", "--quiet", "--message=one")
	return git(t, "rev-parse", "HEAD")[:40]
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Docker puts a `docker` command first on the PATH that answers as one with an engine of ARM64 does, or as one without.
func Docker(t *testing.T, answers bool) {
	t.Helper()
	if answers {
		DockerOf(t, "linux/arm64")
		return
	}
	dockerCLI(t, "echo 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
}

// DockerOf puts a `docker` command first on the PATH whose engine has a platform, and emulates others; an empty one among these
// says that there is no buildx plugin to tell.
func DockerOf(t *testing.T, platform string, emulated ...string) {
	t.Helper()
	buildx := fmt.Sprintf(`printf 'Name: default\nDriver: docker\n\nNodes:\nName: default\nPlatforms: %s\n'`,
		strings.Join(append([]string{platform, platform + "/v2"}, emulated...), ", "))
	if slices.Contains(emulated, "") {
		buildx = `echo "docker: 'buildx' is not a docker command." >&2; exit 1`
	}
	dockerCLI(t, `case "$1 $2" in
"version --format") echo `+platform+` ;;
"context show") echo default ;;
"buildx inspect") test "$3" = default || exit 1; `+buildx+` ;;
*) exit 1 ;;
esac
`)
}

func dockerCLI(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	t.Setenv("PATH", fmt.Sprintf("%s%c%s", dir, os.PathListSeparator, os.Getenv("PATH")))
}
