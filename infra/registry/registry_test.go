package registry_test

import (
	"encoding/json"
	"testing"

	"slipway/infra/registry"
)

func TestLifecycle(t *testing.T) {
	document, err := registry.Lifecycle(500, 7)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Rules []struct {
			RulePriority int
			Selection    struct {
				TagStatus, CountType, CountUnit string
				TagPatternList                  []string
				CountNumber                     int
			}
			Action struct{ Type string }
		}
	}
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		t.Fatal(err)
	}
	if len(policy.Rules) != 2 {
		t.Fatalf("%d rules", len(policy.Rules))
	}
	untagged, tagged := policy.Rules[0], policy.Rules[1]
	if s := untagged.Selection; s.TagStatus != "untagged" || s.CountType != "sinceImagePushed" || s.CountUnit != "days" || s.CountNumber != 7 {
		t.Errorf("untagged images: %+v", s)
	}
	// A rule of any tag status must have the last priority, and one of tagged images must name patterns: ECR refuses others.
	if s := tagged.Selection; s.TagStatus != "tagged" || s.CountType != "imageCountMoreThan" || s.CountUnit != "" ||
		s.CountNumber != 500 || len(s.TagPatternList) != 1 || s.TagPatternList[0] != "*" {
		t.Errorf("tagged images: %+v", s)
	}
	if untagged.RulePriority >= tagged.RulePriority || untagged.Action.Type != "expire" || tagged.Action.Type != "expire" {
		t.Errorf("rules %+v", policy.Rules)
	}
}
