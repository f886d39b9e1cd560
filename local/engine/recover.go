package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"slipway/local/cloud"
	"slipway/ops/deliver"
)

// interrupted lists the resources that a killed engine was creating.
func interrupted(ctx context.Context, stack auto.Stack) ([]string, error) {
	exported, err := stack.Export(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	var deployment apitype.DeploymentV3
	if len(exported.Deployment) > 0 {
		if err := json.Unmarshal(exported.Deployment, &deployment); err != nil {
			return nil, fmt.Errorf("understand the state: %w", err)
		}
	}
	var creating []string
	for _, operation := range deployment.PendingOperations {
		if operation.Type == apitype.OperationTypeCreating {
			creating = append(creating, operation.Resource.URN.Name())
		}
	}
	return creating, nil
}

// unfinishedFile is there while a run changes the cloud, and after one that did not come to its end.
const unfinishedFile = "unfinished"

// begin notes that a run begins. Where the last one did not come to its end, the cloud may be ahead of the state: a service that
// was asked to go cannot be updated any more. So the state is read from the cloud first.
func (e Engine) begin(ctx context.Context, s *session) error {
	file := filepath.Join(e.dir(), unfinishedFile)
	if _, err := os.Stat(file); err == nil {
		_, _ = fmt.Fprintln(e.Out, "engine: the last run did not come to its end; comparing its state with the cloud")
		if _, err := s.stack.Refresh(ctx, optrefresh.ProgressStreams(e.Out), optrefresh.ErrorProgressStreams(e.Out)); err != nil {
			return brief("refresh", err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return fmt.Errorf("note that a run begins: %w", err)
	}
	return nil
}

// finish notes that a run came to its end.
func (e Engine) finish() error { return removeIfThere(filepath.Join(e.dir(), unfinishedFile)) }

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// metFile keeps what the last `up` met and could not go on for.
const metFile = "met-what-exists"

// exists is how the services of AWS say that something is there already.
var exists = regexp.MustCompile(`(?i)[^\n]*(?:already ?exist|AlreadyAssociated|Duplicate|PriorityInUse|not idempotent|AlreadyOwned)[^\n]*`)

// met is a failed run's complaint that something exists already; empty where there is none. An image that another job has pushed is
// none: the next run takes it.
func met(printed string) string {
	for _, complaint := range exists.FindAllString(printed, -1) {
		if !deliver.Raced(complaint) {
			return strings.TrimSpace(complaint)
		}
	}
	return ""
}

// noteMet keeps that complaint for the next run.
func (e Engine) noteMet(printed string) {
	if complaint := met(printed); complaint != "" {
		_ = os.WriteFile(filepath.Join(e.dir(), metFile), []byte(complaint), 0o600) // else the next run fails as this one did
	}
}

// lastMet is that complaint. It holds for one run.
func (e Engine) lastMet() string {
	file := filepath.Join(e.dir(), metFile)
	complaint, _ := os.ReadFile(file)
	_ = os.Remove(file)
	return string(complaint)
}

// locked lists the locks that the state's stacks have. One that outlives freeLocks is of a run that goes on.
func locked(state string) ([]string, error) {
	return filepath.Glob(filepath.Join(state, ".pulumi", "locks", "*", "*", "*", "*.json"))
}

// mendState puts right what a CLI left half written that was killed, and says so. It writes the state itself in one go, and beside each
// file another, with its kind and checksum alone, that it does not: an empty one there keeps the CLI from reading the state.
func mendState(state string, out io.Writer) error {
	return filepath.WalkDir(filepath.Join(state, ".pulumi"), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".attrs" {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || json.Valid(content) { // the former where another stack's run goes on
			return nil
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "engine: removing %s, which a run that was killed left half written; it holds nothing of the state\n", filepath.Base(path))
		return removeIfThere(path)
	})
}

// freeLocks removes locks of the state whose process is gone, and says so. A lock whose process lives is left alone: the
// CLI then names its owner.
func freeLocks(state string, out io.Writer) error {
	return filepath.WalkDir(filepath.Join(state, ".pulumi", "locks"), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read lock %s: %w", path, err)
		}
		var lock struct {
			Pid int `json:"pid"`
		}
		// A lock that its writer did not finish names nobody, and nobody holds it.
		if json.Unmarshal(content, &lock) == nil && lives(lock.Pid) {
			return nil
		}
		_, _ = fmt.Fprintf(out, "engine: removing the lock of process %d, which is gone\n", lock.Pid)
		_ = os.Remove(path + ".attrs") // the file backend's note beside it, which locks nothing
		return os.Remove(path)
	})
}

// lives says whether a process has a program still. One that was killed has given it up, but stays in /proc until all its threads have
// ended and its parent, or who took its place, has noticed. Where it is another user's and nobody may look, it lives.
func lives(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return !errors.Is(err, fs.ErrNotExist)
}

// birth is the name of the file that keeps what a new cloud holds before the stack: a default VPC, for one.
const birth = "inventory-at-birth.json"

// cloud ensures that the servers run, and notes at a birth what the cloud holds by itself.
func (e Engine) cloud(ctx context.Context, k kit) (cloud.State, error) {
	if err := os.MkdirAll(e.cloudDir(), 0o700); err != nil {
		return cloud.State{}, fmt.Errorf("make the cloud's folder: %w", err)
	}
	args := append([]string{"cloud", e.cloudDir(), k.pause, "--"}, k.moto...)
	running, err := cloud.Ensure(ctx, e.Self, args, e.cloudDir())
	if err != nil {
		return cloud.State{}, err
	}
	file := filepath.Join(e.cloudDir(), running.ID+"-"+birth)
	if _, err := os.Stat(file); err == nil {
		return running, nil
	}
	held, err := cloud.Inventory(ctx, running.Endpoint)
	if err != nil {
		return cloud.State{}, fmt.Errorf("ask the new cloud what it holds: %w", err)
	}
	content, err := json.Marshal(held)
	if err != nil {
		return cloud.State{}, fmt.Errorf("render the inventory: %w", err)
	}
	temp := file + ".new" // a killed run must not leave half a list
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return cloud.State{}, fmt.Errorf("keep the inventory: %w", err)
	}
	return running, os.Rename(temp, file)
}
