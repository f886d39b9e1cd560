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
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"slipway/local/cloud"
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
		if json.Unmarshal(content, &lock) == nil && lock.Pid != 0 {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", lock.Pid)); err == nil {
				return nil
			}
		}
		_, _ = fmt.Fprintf(out, "engine: removing the lock of process %d, which is gone\n", lock.Pid)
		return os.Remove(path)
	})
}

// birth is the name of the file that keeps what a new cloud holds before the stack: a default VPC, for one.
const birth = "inventory-at-birth.json"

// cloud ensures that the servers run, and notes at a birth what the cloud holds by itself.
func (e Engine) cloud(ctx context.Context, k kit) (cloud.State, error) {
	if err := os.MkdirAll(e.cloudDir(), 0o700); err != nil {
		return cloud.State{}, fmt.Errorf("make the cloud's folder: %w", err)
	}
	args := append([]string{"cloud", e.cloudDir(), "--"}, k.moto...)
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

// Inventory is what the cloud's API shows now, one line each; empty lines are never part of it.
func (e Engine) Inventory(ctx context.Context) ([]string, error) {
	running, ok := cloud.Running(ctx, e.cloudDir())
	if !ok {
		return nil, fmt.Errorf("no embedded cloud runs for %s; start it with `make up`", strings.TrimSuffix(e.Top, "/"))
	}
	return cloud.Inventory(ctx, running.Endpoint)
}
