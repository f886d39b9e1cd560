// Package engine runs the program in the embedded cloud: with the real Pulumi CLI and engine, by the same function that
// main.go calls.
package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/local/cloud"
	"slipway/local/faults"
	"slipway/local/tools"
	"slipway/ops/deliver"
)

// Project is the name in Pulumi.yaml.
const Project = "slipway"

// DefaultStack is the stack of `make up`. Any other can be tried in the embedded cloud too: its values are its own, and
// only the endpoint is not AWS's.
const DefaultStack = "local"

// Engine converges the stack of one checkout.
type Engine struct {
	Top     string         // the checkout; absolute
	Stack   string         // whose Pulumi.<stack>.yaml applies
	Cache   tools.Cache    // what is built once and shared by all checkouts
	Out     io.Writer      // progress, line by line
	Program pulumi.RunFunc // what main.go runs
	Self    string         // our own executable, which the cloud's servers are started from
	// Revision is a release to run again, by its commit; it stands for what the stack's configuration says. Empty for that.
	Revision string
}

// dir holds what belongs to this checkout's cloud: its servers' files, and the stack's state.
func (e Engine) dir() string { return filepath.Join(e.Top, ".slipway") }

// cloudDir is the folder of the cloud's servers.
func (e Engine) cloudDir() string { return filepath.Join(e.dir(), "cloud") }

// Up converges the stack and returns the counts of the engine's operations by kind, and the stack's outputs.
func (e Engine) Up(ctx context.Context) (auto.UpResult, error) {
	session, err := e.open(ctx)
	if err != nil {
		return auto.UpResult{}, err
	}
	if err := session.handOver(ctx, e.Revision); err != nil {
		return auto.UpResult{}, err
	}
	session.callAs("up")
	if err := e.begin(ctx, session); err != nil {
		return auto.UpResult{}, err
	}
	var printed bytes.Buffer
	out := io.MultiWriter(e.Out, &printed)
	options := []optup.Option{optup.ProgressStreams(out), optup.ErrorProgressStreams(out), optup.SuppressOutputs()}
	if e.Revision != "" {
		file, err := deliver.Pin(ctx, e.Top, e.Stack, e.Revision)
		if err != nil {
			return auto.UpResult{}, err
		}
		defer func() { _ = os.Remove(file) }()
		options = append(options, optup.ConfigFile(file))
	}
	result, err := session.stack.Up(ctx, options...)
	if err != nil {
		e.noteMet(printed.String())
		return result, brief("up", err)
	}
	if strays, err := e.strays(ctx, session.cloud); err != nil {
		return result, err
	} else if len(strays) > 0 {
		_, _ = fmt.Fprintf(e.Out, "engine: the cloud holds what no state knows (%s); the next run starts over with an empty cloud\n", strings.Join(strays, ", "))
	}
	return result, e.finish()
}

// Preview says what Up would change.
func (e Engine) Preview(ctx context.Context) (auto.PreviewResult, error) {
	session, err := e.open(ctx)
	if err != nil {
		return auto.PreviewResult{}, err
	}
	if err := session.handOver(ctx, ""); err != nil {
		return auto.PreviewResult{}, err
	}
	session.callAs("preview")
	result, err := session.stack.Preview(ctx, optpreview.ProgressStreams(e.Out), optpreview.ErrorProgressStreams(e.Out))
	return result, brief("preview", err)
}

// Down destroys the stack, asks the cloud's API what is left, and ends the cloud. What is left is returned as an error: a
// cloud that is thrown away would hide what a real account would go on paying for.
func (e Engine) Down(ctx context.Context) error {
	if _, running := cloud.Running(ctx, e.cloudDir()); !running {
		_, _ = fmt.Fprintln(e.Out, "engine: no embedded cloud is running for this checkout; nothing to take down")
		return os.RemoveAll(e.dir())
	}
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	session.callAs("down")
	// The Automation API destroys without the preview that the CLI begins with, and would take down all but what is
	// protected before it fails.
	var preview bytes.Buffer
	if _, err := session.stack.PreviewDestroy(ctx, optdestroy.ProgressStreams(&preview), optdestroy.ErrorProgressStreams(&preview)); err != nil {
		_, _ = preview.WriteTo(e.Out)
		return brief("down", err)
	}
	if err := e.begin(ctx, session); err != nil {
		return err
	}
	known, err := readStates(e.stateDir(session.cloud))
	if err != nil {
		return err
	}
	_, err = session.stack.Destroy(ctx, optdestroy.ProgressStreams(e.Out), optdestroy.ErrorProgressStreams(e.Out))
	if err != nil {
		return brief("down", err)
	}
	left, err := e.leftovers(ctx, session.cloud)
	if err != nil {
		return err
	}
	left = slices.DeleteFunc(left, func(line string) bool {
		arn, retained := known.retains(line)
		if retained {
			_, _ = fmt.Fprintf(e.Out, "engine: %s stays registered, as clusterRetainTaskDefinitions has it\n", arn)
		}
		return retained
	})
	if err := e.endCloud(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(e.dir()); err != nil {
		return fmt.Errorf("remove the cloud's files: %w", err)
	}
	if len(left) > 0 {
		return fmt.Errorf("the stack is destroyed, but the API still shows what it did not have at birth: %v", left)
	}
	_, _ = fmt.Fprintln(e.Out, "engine: the API shows nothing that was not there at birth; the embedded cloud is stopped")
	return nil
}

// brief cuts the SDK's error, which repeats all that the CLI printed, down to its first line: it was shown while it came.
func brief(action string, err error) error {
	if err == nil {
		return nil
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("%s failed: %s; what pulumi said stands above", action, first)
}

// Outputs returns the outputs of the last converged stack.
func (e Engine) Outputs(ctx context.Context) (auto.OutputMap, error) {
	session, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	return session.stack.Outputs(ctx)
}

// endCloud ends the cloud, if it runs, and with it the names under which the Docker Engine knows its registry's images.
func (e Engine) endCloud(ctx context.Context) error {
	running, ok := cloud.Running(ctx, e.cloudDir())
	if !ok {
		return nil
	}
	if err := cloud.Stop(ctx, e.cloudDir()); err != nil {
		return err
	}
	if err := tools.ForgetImages(ctx, running.Registry); err != nil {
		_, _ = fmt.Fprintf(e.Out, "engine: images of the ended registry stay with the Docker Engine: %v\n", err)
	}
	return nil
}

// Stop ends the embedded cloud as it is, and a CLI that an interrupted run left behind. The cloud's memory goes with it, and
// so does the stack's state.
func (e Engine) Stop(ctx context.Context) error {
	if err := endLeftCLI(ctx, e.dir()); err != nil {
		return err
	}
	endLeftPlugins(e.dir())
	if err := e.endCloud(ctx); err != nil {
		return err
	}
	return os.RemoveAll(e.dir())
}

// Fault lists the faults in force in the running cloud where no word is given, ends them all for the word clear, and else
// puts the one in force that the words name.
func (e Engine) Fault(ctx context.Context, words []string) ([]faults.Fault, error) {
	endpoint, err := e.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(words) == 0:
	case words[0] == "clear":
		err = cloud.ClearFaults(ctx, endpoint)
	default:
		var fault faults.Fault
		if fault, err = faults.Parse(words); err == nil {
			err = cloud.AddFault(ctx, endpoint, fault)
		}
	}
	if err != nil {
		return nil, err
	}
	return cloud.Faults(ctx, endpoint)
}

// Endpoint is the address of AWS's API in the running cloud.
func (e Engine) Endpoint(ctx context.Context) (string, error) {
	running, ok := cloud.Running(ctx, e.cloudDir())
	if !ok {
		return "", e.notRunning()
	}
	return running.Endpoint, nil
}

func (e Engine) notRunning() error {
	return fmt.Errorf("no embedded cloud runs for %s; start it with `make up`", strings.TrimSuffix(e.Top, "/"))
}
