package deliver

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"slipway/infra/config"
)

// Values are a stack's values as the CLI hands them to a program, from the files at top: the defaults of Pulumi.yaml below the
// stack's own, everything as text, by whole keys such as aws:region.
func Values(top, stack string) (map[string]string, error) {
	var project struct {
		Config map[string]struct{ Default any } `yaml:"config"`
	}
	var own struct {
		Config map[string]any `yaml:"config"`
	}
	// In Pulumi Cloud a stack can be named with its organization, which its file is not.
	file := "Pulumi." + path.Base(stack) + ".yaml"
	for name, into := range map[string]any{"Pulumi.yaml": &project, file: &own} {
		content, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			return nil, fmt.Errorf("read the stack's configuration: %w; run at the top of the checkout, and name a stack that it knows", err)
		}
		if err := yaml.Unmarshal(content, into); err != nil {
			return nil, fmt.Errorf("understand %s: %w", name, err)
		}
	}
	values := map[string]any{}
	for key, declared := range project.Config {
		if declared.Default != nil {
			values[key] = declared.Default
		}
	}
	maps.Copy(values, own.Config)
	texts := map[string]string{}
	for key, value := range values {
		text, isText := value.(string)
		if !isText {
			encoded, err := json.Marshal(value)
			if err != nil {
				return nil, fmt.Errorf("render %s: %w", key, err)
			}
			text = string(encoded)
		}
		texts[key] = text
	}
	return texts, nil
}

// Settings is a stack's configuration as its files have it, for what runs before the stack exists. The region is that of
// aws:region; empty where the stack leaves it to the environment.
func Settings(top, stack string) (cfg *config.Config, region string, err error) {
	values, err := Values(top, stack)
	if err != nil {
		return nil, "", err
	}
	ours := fileSource{}
	for key, value := range values {
		if name, ok := strings.CutPrefix(key, Project+":"); ok {
			ours[name] = value
		}
	}
	cfg, err = config.Load(ours, stack)
	return cfg, values["aws:region"], err
}

// fileSource is config's source from files.
type fileSource map[string]string

// Get implements config.Source.
func (f fileSource) Get(key string) (string, bool) {
	value, ok := f[key]
	return value, ok
}

// Keys implements config.Source.
func (f fileSource) Keys() ([]string, bool) { return slices.Collect(maps.Keys(f)), true }
