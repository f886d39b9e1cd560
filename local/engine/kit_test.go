package engine

import (
	"os"
	"strings"
	"testing"

	"slipway/local/dockerplugin"
	"slipway/local/tools"
)

// TestVersions holds that the plugins are those of the SDK packages that the program imports.
func TestVersions(t *testing.T) {
	content, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for module, version := range map[string]string{"pulumi-aws/sdk/v6": tools.AWSVersion, "pulumi-docker/sdk/v4": tools.DockerVersion} {
		if !strings.Contains(string(content), "github.com/pulumi/"+module+" v"+version+"\n") {
			t.Errorf("the program does not use version %s of %s", version, module)
		}
	}
	if dockerplugin.Version != tools.DockerVersion {
		t.Errorf("the stand-in says that it is %s, want %s", dockerplugin.Version, tools.DockerVersion)
	}
}
