package infra

import (
	"slices"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

// TestRetired holds that a retired service leaves its repository and its secrets where the stack owns them, and nothing else; and that
// nothing is asked of its folder.
func TestRetired(t *testing.T) {
	for stack, want := range map[string][]string{
		"staging":    {"aws:ecr/lifecyclePolicy:LifecyclePolicy myapp/mailer", "aws:ecr/repository:Repository myapp/mailer", "aws:secretsmanager/secret:Secret mailer-key"},
		"production": {"aws:secretsmanager/secret:Secret mailer-key"}, // whose repositories are staging's
	} {
		t.Run(stack, func(t *testing.T) {
			settings := infratest.Settings(t, top, stack)
			settings["slipway:serviceOverrides"] = "{}"
			settings["slipway:services"] = `{
				"frontend": {"default": true, "port": 3000, "healthCommand": ["true"], "database": true, "migration": ["migrate"]},
				"mailer": {"retired": true, "secrets": {"KEY": "mailer-key"}, "cpu": 1}
			}`
			infratest.Docker(t, true)
			infratest.Checkout(t, "frontend")
			recorder := &infratest.Recorder{}
			if err := infratest.Run(t, program, stack, settings, recorder); err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, resource := range recorder.Resources() {
				if strings.Contains(resource.Name, "mailer") {
					left = append(left, resource.Type+" "+resource.Name)
				}
			}
			slices.Sort(left)
			if !slices.Equal(left, want) {
				t.Errorf("a retired service leaves %v, want %v", left, want)
			}
		})
	}
}
