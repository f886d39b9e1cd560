package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"slipway/local/awsapi"
	"slipway/local/cloud"
)

// session is a stack in a running cloud.
type session struct {
	stack auto.Stack
	cloud cloud.State
}

// callAs signs the CLI's calls by the name of an operation: the record of calls then tells what it needs of AWS.
func (s *session) callAs(operation string) {
	s.stack.Workspace().SetEnvVar("AWS_ACCESS_KEY_ID", awsapi.RunKey(operation))
	_ = os.Setenv("AWS_ACCESS_KEY_ID", awsapi.RunKey(operation)) // for the program, which runs in this process; a plain name and value cannot fail
}

// open makes everything ready that a run of the engine needs, and puts in order what an interrupted run left.
func (e Engine) open(ctx context.Context) (*session, error) {
	// The program reads the checkout by relative paths, as under the plain CLI, which starts it in its folder.
	if err := os.Chdir(e.Top); err != nil {
		return nil, fmt.Errorf("enter the checkout: %w", err)
	}
	kit, err := e.equip(ctx)
	if err != nil {
		return nil, err
	}
	cli := command{bin: kit.pulumi, version: kit.version, dir: e.dir()}
	if err := cli.awaitOther(ctx, e.Out); err != nil {
		return nil, err
	}
	endLeftPlugins(e.dir())
	running, err := e.cloud(ctx, kit)
	if err != nil {
		return nil, err
	}
	opened, err := e.stack(ctx, cli, running)
	if err != nil {
		return nil, err
	}
	why, err := e.beyondRepair(ctx, opened)
	if err != nil || why == "" {
		return opened, err
	}
	// On AWS a person would have to look for these things. Here the cloud is thrown away with its state, and nothing is doubled.
	_, _ = fmt.Fprintf(e.Out, "engine: %s; starting over with an empty cloud\n", why)
	if err := errors.Join(e.endCloud(ctx), os.RemoveAll(e.stateDir(running)), removeIfThere(filepath.Join(e.dir(), unfinishedFile))); err != nil {
		return nil, err
	}
	if running, err = e.cloud(ctx, kit); err != nil {
		return nil, err
	}
	return e.stack(ctx, cli, running)
}

// beyondRepair says why a run could not bring the cloud and its state together, or nothing.
func (e Engine) beyondRepair(ctx context.Context, s *session) (string, error) {
	creating, err := interrupted(ctx, s.stack)
	if err != nil {
		return "", err
	}
	if len(creating) > 0 {
		return fmt.Sprintf("the last run was killed while it created %v", creating), nil
	}
	if met := e.lastMet(); met != "" {
		return fmt.Sprintf("the last run met what no state knows (%s)", met), nil
	}
	strays, err := e.strays(ctx, s.cloud)
	if err != nil || len(strays) == 0 {
		return "", err
	}
	return fmt.Sprintf("the cloud holds what no state knows (%s)", strings.Join(strays, ", ")), nil
}

func (e Engine) stateDir(running cloud.State) string {
	return filepath.Join(e.dir(), "state-"+running.ID)
}

// stack selects the stack, or makes it, in a state that belongs to this life of the cloud.
func (e Engine) stack(ctx context.Context, cli command, running cloud.State) (*session, error) {
	state := e.stateDir(running)
	old, err := filepath.Glob(filepath.Join(e.dir(), "state-*"))
	if err != nil {
		return nil, fmt.Errorf("look for old states: %w", err)
	}
	for _, dir := range old {
		if dir == state {
			continue
		}
		_, _ = fmt.Fprintln(e.Out, "engine: the cloud of the last run is gone, with all that it held; this one begins empty")
		// Nothing is left to be finished.
		if err := errors.Join(os.RemoveAll(dir), removeIfThere(filepath.Join(e.dir(), unfinishedFile))); err != nil {
			return nil, fmt.Errorf("remove the state of an earlier cloud: %w", err)
		}
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the state: %w", err)
	}
	if err := errors.Join(freeLocks(state, e.Out), mendState(state, e.Out)); err != nil {
		return nil, err
	}
	environment := awsEnvironment(running.Endpoint)
	maps.Copy(environment, map[string]string{
		"PULUMI_BACKEND_URL":                          "file://" + state,
		"PULUMI_CONFIG_PASSPHRASE":                    "", // the state holds no secret but the registry password of this cloud
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true", // what is needed is placed; nothing is downloaded
	})
	stack, err := auto.UpsertStackInlineSource(ctx, e.Stack, Project, e.Program,
		auto.WorkDir(e.Top),
		auto.Pulumi(cli),
		auto.PulumiHome(filepath.Join(e.dir(), "home")),
		auto.EnvVars(environment))
	if err != nil {
		return nil, fmt.Errorf("open stack %s: %w", e.Stack, err)
	}
	return &session{stack: stack, cloud: running}, nil
}

// awsEnvironment is the environment that leads AWS's SDKs to an endpoint, and nowhere else.
func awsEnvironment(endpoint string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL":            endpoint,
		"AWS_ACCESS_KEY_ID":           awsapi.Housekeeping, // until callAs says otherwise
		"AWS_SECRET_ACCESS_KEY":       "test",
		"AWS_SESSION_TOKEN":           "",
		"AWS_PROFILE":                 "",
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_CONFIG_FILE":             os.DevNull, // nothing of the user's AWS set-up may lead elsewhere
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
}
