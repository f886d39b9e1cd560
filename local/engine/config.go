package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
	"slipway/ops/deliver"
)

// Config is the stack's configuration, as the program reads it.
func (e Engine) Config(ctx context.Context) (*config.Config, error) {
	session, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	all, err := session.config(ctx)
	if err != nil {
		return nil, err
	}
	return config.Load(values(all), e.Stack)
}

func (s *session) config(ctx context.Context) (auto.ConfigMap, error) {
	all, err := s.stack.GetAllConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the stack's configuration: %w", err)
	}
	return all, nil
}

// handOver sets the environment of the program, which the Automation API runs in this process: the whole configuration, in the
// variable in which a language host hands it over, or the program could not find unknown keys; and the way to the embedded
// cloud, which the program asks how its release went. A revision stands for the configuration's.
func (s *session) handOver(ctx context.Context, revision string) error {
	all, err := s.config(ctx)
	if err != nil {
		return err
	}
	texts := map[string]string{}
	for key, value := range all {
		texts[key] = value.Value
	}
	if revision != "" {
		texts[deliver.RevisionKey] = revision
	}
	encoded, err := json.Marshal(texts)
	if err != nil {
		return fmt.Errorf("render the stack's configuration: %w", err)
	}
	environment := awsEnvironment(s.cloud.Endpoint)
	environment[pulumi.EnvConfig] = string(encoded)
	for name, value := range environment {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set the program's environment: %w", err)
		}
	}
	return nil
}

// values is a stack's configuration as a source of config's.
type values auto.ConfigMap

// Get implements config.Source.
func (v values) Get(key string) (string, bool) {
	value, ok := v[Project+":"+key]
	return value.Value, ok
}

// Keys implements config.Source.
func (v values) Keys() ([]string, bool) {
	var keys []string
	for name := range v {
		if key, ours := strings.CutPrefix(name, Project+":"); ours {
			keys = append(keys, key)
		}
	}
	return keys, true
}
