package verdict

import (
	"strings"
	"testing"
)

// sized is a service that runs as many tasks as ECS wants.
func sized(tasks int) map[string]any {
	service := running(asked, "COMPLETED", tasks)
	service["desiredCount"] = tasks
	return service
}

// TestBounds holds that what ECS wants is right within the bounds, whatever set it, and that a service outside of them, asleep or
// left over from scaling, is brought back before it is judged.
func TestBounds(t *testing.T) {
	for name, c := range map[string]struct {
		least, most, found int
		want               string // of the request; empty for none
	}{
		"as declared":       {2, 2, 2, ""},
		"scaled":            {1, 4, 2, ""},
		"asleep":            {2, 4, 0, `"desiredCount":2`},
		"scaled no more":    {2, 2, 5, `"desiredCount":2`},
		"a lower most":      {1, 2, 5, `"desiredCount":2`},
		"meant to be none":  {0, 0, 0, ""},
		"meant to be ended": {0, 0, 1, `"desiredCount":0`},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := &cloud{targets: two()}
			if c.most == 0 {
				cloud.targets = ""
			}
			cloud.service = func(int) map[string]any {
				if len(cloud.began) == 0 {
					return sized(c.found)
				}
				return sized(min(max(c.found, c.least), c.most))
			}
			if err := within(t, cloud, c.least, c.most); err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(cloud.began) > 0 || c.want != "" && (len(cloud.began) != 1 || !strings.Contains(cloud.began[0], c.want)) {
				t.Errorf("it asked for %q, want %q", cloud.began, c.want)
			}
			for _, request := range cloud.began {
				if strings.Contains(request, "taskDefinition") || strings.Contains(request, "forceNewDeployment\":true") {
					t.Errorf("it asked for more than a number: %s", request)
				}
			}
		})
	}
}

// TestOutOfBounds holds that a service which never gets there has failed, and that it is said why.
func TestOutOfBounds(t *testing.T) {
	cloud := &cloud{targets: two(), service: func(int) map[string]any { return sized(0) }}
	err := within(t, cloud, 2, 4)
	if err == nil || !strings.Contains(err.Error(), "ECS wants 0 tasks, and was asked for 2") {
		t.Errorf("got %v", err)
	}
	if len(cloud.began) < 2 {
		t.Errorf("it asked %d times", len(cloud.began))
	}
}
