package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"slipway/infra/config"
)

// files are the two that hold a stack's configuration: the project's, with the defaults, and the stack's own.
type files struct {
	project struct {
		Config map[string]struct{ Default any } `yaml:"config"`
	}
	own map[string]any // with all that stands in it
}

// values are those of the stack's own file.
func (f files) values() map[string]any {
	values, _ := f.own["config"].(map[string]any)
	return values
}

// readFiles reads both by their names, from the checkout or from a commit.
func readFiles(read func(name string) ([]byte, error), stack string) (files, error) {
	var all files
	own := "Pulumi." + Bare(stack) + ".yaml"
	for name, into := range map[string]any{"Pulumi.yaml": &all.project, own: &all.own} {
		content, err := read(name)
		if err != nil {
			return files{}, fmt.Errorf("read the stack's configuration: %w", err)
		}
		if err := yaml.Unmarshal(content, into); err != nil {
			return files{}, fmt.Errorf("understand %s: %w", name, err)
		}
	}
	if all.values() == nil {
		return files{}, fmt.Errorf("%s has no config", own)
	}
	return all, nil
}

// commit reads files of a commit, which the clone must hold.
func commit(ctx context.Context, top, release string) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		command := exec.CommandContext(ctx, "git", "show", release+":./"+name)
		command.Dir = top
		content, err := command.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			known := exec.CommandContext(ctx, "git", "rev-parse", "--quiet", "--verify", release+"^{commit}")
			known.Dir = top
			if known.Run() != nil {
				return nil, fmt.Errorf("this clone has no commit %s; `git fetch origin %[1]s` gets it where the repository has", release)
			}
			return nil, fmt.Errorf("commit %s has no %s: %s", release, name, strings.TrimSpace(string(exit.Stderr)))
		}
		if err != nil {
			return nil, fmt.Errorf("git show: %w", err)
		}
		return content, nil
	}
}

// value is one key's: the stack's own, or the default; nil for neither.
func (f files) value(key string) any {
	if value, set := f.values()[key]; set {
		return value
	}
	return f.project.Config[key].Default
}

// rows are those of the services, each with the stack's overrides laid over it.
func (f files) rows() (map[string]map[string]any, error) {
	rows, err := objects(servicesKey, f.value(servicesKey))
	if err != nil {
		return nil, err
	}
	overrides, err := objects(overridesKey, f.value(overridesKey))
	if err != nil {
		return nil, err
	}
	for name, override := range overrides {
		if row, there := rows[name]; there { // else the program says so
			maps.Copy(row, override)
		}
	}
	return rows, nil
}

// objects reads a value that holds an object of objects: YAML, or the text of JSON that `pulumi config set` writes.
func objects(key string, value any) (map[string]map[string]any, error) {
	text, isText := value.(string)
	if !isText {
		encoded, err := yaml.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", key, err)
		}
		text = string(encoded)
	}
	all := map[string]map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("%s is no object of rows: %w", key, err)
	}
	for name, row := range all {
		if row == nil { // nothing behind the name
			all[name] = map[string]any{}
		}
	}
	return all, nil
}

// Values are a stack's values as the CLI hands them to a program, from the files at top: the defaults of Pulumi.yaml below the
// stack's own, everything as text, by whole keys such as aws:region.
func Values(top, stack string) (map[string]string, error) {
	read, err := readFiles(workTree(top), stack)
	if err != nil {
		return nil, err
	}
	keys := maps.Clone(read.values())
	for key, declared := range read.project.Config {
		if _, set := keys[key]; !set && declared.Default != nil {
			keys[key] = declared.Default
		}
	}
	texts := map[string]string{}
	for key, value := range keys {
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
	cfg, err = config.Load(ours, Bare(stack))
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
