package infra

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"slipway/infra/infratest"
)

// commentedOut is a setting that stands in a stack's file for whoever wants it.
var commentedOut = regexp.MustCompile(`(?m)^  # ((?:aws|slipway):)`)

// TestCommentedOut holds that what is commented out in production's file can be switched on as it stands there: alarms that tell somebody,
// and take releases back.
func TestCommentedOut(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"Pulumi.yaml", "Pulumi.production.yaml"} {
		content, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		content = commentedOut.ReplaceAll(content, []byte("  $1"))
		if err := os.WriteFile(filepath.Join(root, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	infratest.Docker(t, false)
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{}
	if err := infratest.Run(t, program, "production", infratest.Settings(t, root, "production"), recorder); err != nil {
		t.Fatal(err)
	}
	resources := recorder.Resources()
	of(t, resources, alarmType)
	for _, told := range of(t, resources, "aws:sns/topicSubscription:TopicSubscription") {
		if input(told, "endpoint").StringValue() != "ops@example.com" {
			t.Errorf("told is %v", told.Inputs)
		}
	}
	for _, service := range of(t, resources, "aws:ecs/service:Service") {
		if names, enable, rollback := deployment(t, service); len(names) == 0 || !enable || !rollback {
			t.Errorf("%s: releases are taken back by %v: %t, %t", service.Name, names, enable, rollback)
		}
	}
}
