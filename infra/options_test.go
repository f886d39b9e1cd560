package infra

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/infra/goldentest"
	"slipway/infra/infratest"
)

const anyKey = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"

// optional is what staging has not, switched on: but for what edge.golden, watched.golden and kinds.golden show.
var optional = map[string]string{
	"clusterContainerInsights": "enhanced", "clusterSleepSchedule": "cron(0 20 ? * MON-FRI *)", "clusterWakeSchedule": "cron(0 7 ? * MON-FRI *)",
	"clusterTimeZone":   "Europe/Berlin",
	"registryKmsKeyArn": anyKey, "secretsKmsKeyArn": anyKey,
	"databaseAppUser": "", "databaseMaxStorageGb": "100", "databaseMultiAz": "true", "databaseSlowMs": "500", "databaseLogs": "true",
	"databasePerformanceInsights": "true", "databaseBackupWindow": "03:00-04:00", "databaseMaintenanceWindow": "sun:04:30-sun:05:30",
	"databaseSnapshot": "by-hand", "edgeDeletionProtection": "true",
	"serviceOverrides": `{
		"backend": {"maxCount": 6, "scaleMemoryPercent": 70, "scaleRequests": 600, "spotPercent": 50, "secrets": {"API_KEY": "api"}},
		"frontend": {"exec": true, "readOnlyRoot": false, "command": ["node", "other.js"], "target": "other", "stopSeconds": 60}
	}`,
}

// TestOptions holds what options change and add, against a file that a person has read. What the rest of the stack is stands in
// staging.golden, and what the deploy role may do for them is there already.
func TestOptions(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "options.golden"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := declare(t, "staging", nil)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, resource := range plain {
		known[infratest.Render([]infratest.Resource{resource})] = true
	}
	resources, err := declare(t, "staging", optional)
	if err != nil {
		t.Fatal(err)
	}
	goldentest.Expect(t, golden, infratest.Render(slices.DeleteFunc(resources, func(r infratest.Resource) bool {
		return known[infratest.Render([]infratest.Resource{r})]
	})))
	for _, r := range resources {
		if strings.HasPrefix(r.Parent, "slipway:identity:") && !known[infratest.Render([]infratest.Resource{r})] {
			t.Errorf("an option changes %s %s, which the deploy role cannot change itself", r.Type, r.Name)
		}
	}
}

// TestTopicKey holds that a key encrypts the topics where one is named, and none where not.
func TestTopicKey(t *testing.T) {
	for key, settings := range map[string]map[string]string{
		"":     {"alarms": "true"},
		anyKey: {"alarms": "true", "alarmsKmsKeyArn": anyKey},
	} {
		resources, err := declare(t, "staging", settings)
		if err != nil {
			t.Fatal(err)
		}
		topics := of(t, resources, "aws:sns/topic:Topic")
		if len(topics) != 2 {
			t.Errorf("there are %d topics, want that of alarms and that of stopped tasks", len(topics))
		}
		for _, topic := range topics {
			got := ""
			if value := input(topic, "kmsMasterKeyId"); value.IsString() {
				got = value.StringValue()
			}
			if got != key {
				t.Errorf("topic %s is encrypted by %q, want %q", topic.Name, got, key)
			}
		}
	}
}
