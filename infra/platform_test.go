package infra

import (
	"strings"
	"testing"

	"slipway/infra/infratest"
)

// TestPlatform holds what images are built for and tasks run on: ARM64 unless something else is asked for, by the engine itself or
// by its emulator, and that what is not built asks no engine.
func TestPlatform(t *testing.T) {
	for name, c := range map[string]struct {
		asked          string // empty for the default
		engine         string
		emulated       []string
		platform, arch string
		hashed         bool // whether the tag says more than the commit
	}{
		"by default":                    {"", "linux/arm64", nil, "linux/arm64", "ARM64", false},
		"by an emulator":                {"", "linux/amd64", []string{"linux/arm64"}, "linux/arm64", "ARM64", false},
		"another one":                   {"linux/amd64", "linux/amd64", nil, "linux/amd64", "X86_64", true},
		"the engine's own":              {"native", "linux/amd64", nil, "linux/amd64", "X86_64", true},
		"the engine's own, the default": {"native", "linux/arm64", nil, "linux/arm64", "ARM64", false},
	} {
		t.Run(name, func(t *testing.T) {
			settings := infratest.Settings(t, top, "staging")
			if c.asked != "" {
				settings["slipway:imagesPlatform"] = c.asked
			}
			infratest.DockerOf(t, c.engine, c.emulated...)
			commit := infratest.Checkout(t, "frontend", "backend")
			recorder := &infratest.Recorder{}
			if err := infratest.Run(t, program, "staging", settings, recorder); err != nil {
				t.Fatal(err)
			}
			for _, image := range of(t, recorder.Resources(), "docker:index/image:Image") {
				if got := input(image, "build").ObjectValue()["platform"].StringValue(); got != c.platform {
					t.Errorf("%s is built for %s, want %s", image.Name, got, c.platform)
				}
				if hashed := !strings.HasSuffix(input(image, "imageName").StringValue(), ":"+commit); hashed != c.hashed {
					t.Errorf("%s is named %s", image.Name, input(image, "imageName").StringValue())
				}
			}
			for _, definition := range of(t, recorder.Resources(), "aws:ecs/taskDefinition:TaskDefinition") {
				if got := input(definition, "runtimePlatform").ObjectValue()["cpuArchitecture"].StringValue(); got != c.arch {
					t.Errorf("%s runs on %s, want %s", definition.Name, got, c.arch)
				}
			}
		})
	}
	settings := infratest.Settings(t, top, "production") // which builds nothing
	settings["slipway:imagesPlatform"] = "native"
	infratest.Docker(t, false)
	infratest.Checkout(t, "frontend", "backend")
	if err := infratest.Run(t, program, "production", settings, &infratest.Recorder{}); err == nil || !strings.Contains(err.Error(), "no Docker Engine answers") {
		t.Errorf("native with no engine: %v", err)
	}
	infratest.DockerOf(t, "linux/riscv64")
	if err := infratest.Run(t, program, "production", settings, &infratest.Recorder{}); err == nil || !strings.Contains(err.Error(), "which Fargate has not") {
		t.Errorf("native on a platform that Fargate has not: %v", err)
	}
}
