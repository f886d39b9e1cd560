package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/local/awsapi"
	"slipway/local/cloud"
)

// leftovers is what the cloud's API shows beyond what it did at birth.
func (e Engine) leftovers(ctx context.Context, running cloud.State) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(e.cloudDir(), running.ID+"-"+birth))
	if err != nil {
		return nil, fmt.Errorf("read what the cloud held at birth: %w", err)
	}
	var before []string
	if err := json.Unmarshal(content, &before); err != nil {
		return nil, fmt.Errorf("understand what the cloud held at birth: %w", err)
	}
	now, err := cloud.Inventory(ctx, running.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("ask the cloud what it holds: %w", err)
	}
	return slices.DeleteFunc(now, func(item string) bool { return slices.Contains(before, item) }), nil
}

// strays lists what the cloud holds and no state of it knows: a creation whose answer was lost is carried out twice, and only
// the second is noted. On AWS such things go on costing until somebody finds them. Task definitions do not, and nothing can use one
// that no state knows: they are deregistered, and told of.
func (e Engine) strays(ctx context.Context, running cloud.State) ([]string, error) {
	state := e.stateDir(running)
	before, err := locked(state)
	if err != nil {
		return nil, err
	}
	held, err := e.leftovers(ctx, running)
	if err != nil {
		return nil, err
	}
	known, err := readStates(state)
	if err != nil {
		return nil, err
	}
	strays := slices.DeleteFunc(held, known.has)
	if len(strays) == 0 {
		return nil, nil
	}
	// What a run of another stack has just made stands in no state yet.
	if after, err := locked(state); err != nil || len(before)+len(after) > 0 {
		return nil, err
	}
	api := ecs.NewFromConfig(awsapi.Config(running.Endpoint))
	for _, line := range strays {
		arn, is := definition(line)
		if !is {
			continue
		}
		_, _ = fmt.Fprintf(e.Out, "engine: deregistering %s, which no state knows: its registration was not noted, and nothing uses it\n", arn)
		if _, err := api.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
			return nil, fmt.Errorf("deregister %s: %w", arn, err)
		}
	}
	return slices.DeleteFunc(strays, func(line string) bool { _, is := definition(line); return is }), nil
}

// definition is the ARN of a task definition, where a line of the inventory is one.
func definition(line string) (arn string, is bool) {
	return strings.CutPrefix(line, "ecs taskDefinitionArns ")
}

// states are what the stacks of a cloud know.
type states struct {
	text     string   // of all
	retained []string // families of task definitions that stay registered when others take their place
}

func readStates(dir string) (states, error) {
	var all states
	files, err := filepath.Glob(filepath.Join(dir, ".pulumi", "stacks", Project, "*.json"))
	if err != nil {
		return states{}, fmt.Errorf("look for states: %w", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return states{}, fmt.Errorf("read state %s: %w", file, err)
		}
		if err := all.add(content); err != nil {
			return states{}, fmt.Errorf("understand state %s: %w", file, err)
		}
	}
	return all, nil
}

func (s *states) add(content []byte) error {
	var state struct {
		Checkpoint struct {
			Latest struct {
				Resources []struct {
					Type   string
					Inputs struct {
						Family      string
						SkipDestroy bool
					}
				}
			}
		}
	}
	if err := json.Unmarshal(content, &state); err != nil {
		return err
	}
	s.text += string(content)
	for _, resource := range state.Checkpoint.Latest.Resources {
		if resource.Type == "aws:ecs/taskDefinition:TaskDefinition" && resource.Inputs.SkipDestroy {
			s.retained = append(s.retained, resource.Inputs.Family)
		}
	}
	return nil
}

// Things that AWS makes for others, beside what was asked for.
var madeByAWS = []string{"DescribeNetworkInterfaces", "DescribeDBSnapshots"}

// has says whether a line of the inventory is in a state, or is nothing that a state would know. Rules of a security group go by their
// group where that is a network's default one, whose rules nobody declares. RDS's secrets belong to an instance, which has a line of its
// own.
func (s *states) has(line string) bool {
	fields := strings.Fields(line)
	if _, retained := s.retains(line); retained {
		return true
	}
	switch {
	case slices.Contains(madeByAWS, fields[1]), strings.HasPrefix(fields[2], "rds!"):
		return true
	case fields[1] == "taskDefinitionArns":
		return strings.Contains(s.text, `"`+fields[2]+`"`) // whole: revision 1 is not 12
	case strings.Contains(s.text, fields[2]):
		return true
	}
	return len(fields) == 5 && regexp.MustCompile(`"defaultSecurityGroupId": ?"`+regexp.QuoteMeta(fields[4])+`"`).MatchString(s.text)
}

// retains says whether a line is a task definition that stays registered, as the way back: no state keeps it.
func (s *states) retains(line string) (arn string, retained bool) {
	arn, is := definition(line)
	family, _, _ := strings.Cut(path.Base(arn), ":")
	return arn, is && slices.Contains(s.retained, family)
}
