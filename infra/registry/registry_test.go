package registry_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/infra/policy/policytest"
	"slipway/infra/registry"
)

// rule is what the tests read of a lifecycle rule.
type rule struct {
	RulePriority int
	Selection    struct {
		TagStatus, CountType, CountUnit string
		TagPatternList                  []string
		CountNumber                     int
	}
	Action struct{ Type string }
}

func lifecycle(t *testing.T, args registry.Args) []rule {
	t.Helper()
	document, err := registry.Lifecycle(args)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Rules []rule }
	if err := json.Unmarshal([]byte(document), &policy); err != nil {
		t.Fatal(err)
	}
	for i, rule := range policy.Rules {
		if rule.RulePriority != i+1 || rule.Action.Type != "expire" {
			t.Errorf("rule %d: %+v", i, rule)
		}
	}
	return policy.Rules
}

func TestLifecycle(t *testing.T) {
	rules := lifecycle(t, registry.Args{Stacks: []string{"production", "staging"}, KeepReleases: 100, KeepTagged: 200, UntaggedDays: 7})
	if s := rules[0].Selection; s.TagStatus != "untagged" || s.CountType != "sinceImagePushed" || s.CountUnit != "days" || s.CountNumber != 7 {
		t.Errorf("untagged images: %+v", s)
	}
	// A rule of tagged images must name patterns: ECR refuses others.
	for i, want := range []struct {
		pattern string
		count   int
	}{{"production.*", 100}, {"staging.*", 100}, {"*", 200}} {
		if s := rules[1+i].Selection; s.TagStatus != "tagged" || s.CountType != "imageCountMoreThan" || s.CountUnit != "" ||
			s.CountNumber != want.count || len(s.TagPatternList) != 1 || s.TagPatternList[0] != want.pattern {
			t.Errorf("images tagged %s: %+v", want.pattern, s)
		}
	}
	if len(rules) != 4 {
		t.Errorf("%d rules", len(rules))
	}
}

// image is an image in a repository under a lifecycle policy.
type image struct {
	name string // how the test calls it
	tags []string
}

// expire applies rules to images, the newest first, as ECR says that it does: each image belongs to the first rule that speaks
// of it.
func expire(rules []rule, images []image) []image {
	counts := map[int]int{}
	return slices.DeleteFunc(slices.Clone(images), func(i image) bool {
		for n, rule := range rules {
			if rule.Selection.TagStatus != "tagged" || !slices.ContainsFunc(i.tags, func(tag string) bool {
				begin, ok := strings.CutSuffix(rule.Selection.TagPatternList[0], "*")
				return ok && strings.HasPrefix(tag, begin)
			}) {
				continue
			}
			counts[n]++
			return counts[n] > rule.Selection.CountNumber
		}
		return false
	})
}

// TestNoFloodExpiresWhatRuns holds that what production runs stays, whatever staging releases and builds meanwhile, and so does
// what either can go back to.
func TestNoFloodExpiresWhatRuns(t *testing.T) {
	rules := lifecycle(t, registry.Args{Stacks: []string{"production", "staging"}, KeepReleases: 10, KeepTagged: 20, UntaggedDays: 7})
	images := []image{{"runs in production", []string{"1", "staging.1", "production.1"}}, {"ran in production before", []string{"0", "staging.0", "production.0"}}}
	for n := range 1000 {
		name := fmt.Sprint(n)
		images = append([]image{{"in staging " + name, []string{name, "staging." + name}}, {"failed " + name, []string{"f" + name}}}, images...)
		images = expire(rules, images)
	}
	kept := map[string]int{}
	for _, i := range images {
		first, _, _ := strings.Cut(i.name, " ")
		kept[first]++
	}
	if kept["runs"] != 1 || kept["ran"] != 1 || kept["in"] != 10 || kept["failed"] != 20 {
		t.Errorf("after a flood of 1000 releases there are %v", kept)
	}
}

// TestSharing holds that the accounts that run the images may pull and mark them and no more, and that nobody else may anything.
func TestSharing(t *testing.T) {
	document, err := registry.Sharing("aws", []string{"111122223333", "444455556666"})
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]bool{
		"ecr:BatchCheckLayerAvailability": true, "ecr:BatchGetImage": true, "ecr:GetDownloadUrlForLayer": true,
		"ecr:DescribeImages": true, "ecr:DescribeRepositories": true, "ecr:PutImage": true,
		"ecr:UploadLayerPart": false, "ecr:InitiateLayerUpload": false, "ecr:CompleteLayerUpload": false,
		"ecr:BatchDeleteImage": false, "ecr:DeleteRepository": false, "ecr:SetRepositoryPolicy": false,
	} {
		for account, runs := range map[string]bool{"111122223333": true, "444455556666": true, "777788889999": false} {
			verdict, err := policytest.Share(document, account, policytest.Request{Action: action})
			if err != nil || verdict.Allowed != (want && runs) {
				t.Errorf("%s by account %s: %s, %v", action, account, verdict, err)
			}
		}
	}
}
