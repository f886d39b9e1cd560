package infra

import (
	"encoding/json"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// stackConfig reads one stack's configuration, in the namespace of the project.
type stackConfig struct{ ctx *pulumi.Context }

// Get returns the raw value of a key of the project's namespace.
func (s stackConfig) Get(key string) (string, bool) {
	return s.ctx.GetConfig(s.ctx.Project() + ":" + key)
}

// Keys lists the keys of the project's namespace that are set. The SDK cannot list them; the language host hands all of
// them over in a variable, and where there is none the answer is not known.
func (s stackConfig) Keys() ([]string, bool) {
	var all map[string]string
	if json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &all) != nil {
		return nil, false
	}
	var keys []string
	for name := range all {
		if key, ours := strings.CutPrefix(name, s.ctx.Project()+":"); ours {
			keys = append(keys, key)
		}
	}
	return keys, true
}
