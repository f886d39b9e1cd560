package deliver

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"slipway/infra/config"
)

// Settings is a stack's configuration as its files have it, for what runs before the stack exists. The region is that of
// aws:region; empty where the stack leaves it to the environment.
func Settings(top, stack string) (cfg *config.Config, region string, err error) {
	var project struct {
		Config map[string]struct{ Default any } `yaml:"config"`
	}
	var own struct {
		Config map[string]any `yaml:"config"`
	}
	for name, into := range map[string]any{"Pulumi.yaml": &project, "Pulumi." + stack + ".yaml": &own} {
		content, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			return nil, "", fmt.Errorf("read the stack's configuration: %w; run at the top of the checkout, and name a stack that it knows", err)
		}
		if err := yaml.Unmarshal(content, into); err != nil {
			return nil, "", fmt.Errorf("understand %s: %w", name, err)
		}
	}
	texts := fileSource{}
	set := func(key string, value any) error {
		text, ok := value.(string)
		if !ok {
			encoded, err := json.Marshal(value)
			if err != nil {
				return fmt.Errorf("render %s: %w", key, err)
			}
			text = string(encoded)
		}
		if name, ours := strings.CutPrefix(key, Project+":"); ours {
			texts[name] = text
		}
		if key == "aws:region" {
			region = text
		}
		return nil
	}
	for key, declared := range project.Config {
		if declared.Default == nil {
			continue
		}
		if err := set(key, declared.Default); err != nil {
			return nil, "", err
		}
	}
	for key, value := range own.Config {
		if err := set(key, value); err != nil {
			return nil, "", err
		}
	}
	cfg, err = config.Load(texts, stack)
	return cfg, region, err
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
