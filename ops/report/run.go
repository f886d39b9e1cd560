package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Results of a run, in GitHub's words for the status of a job.
const (
	Success   = "success"
	Failure   = "failure"
	Cancelled = "cancelled"
)

// Run is what a command did to a stack. A command that changes a stack writes it to a file, and the summary and the message
// read it from there, in a later process.
type Run struct {
	Action   string `json:"action"` // such as up, restore, rollback
	Stack    string `json:"stack"`
	Result   string `json:"result"`             // one of the constants above
	Revision string `json:"revision,omitempty"` // that was asked for, which is not the one that runs where Result is a failure
	Reason   string `json:"reason,omitempty"`   // of a failure, in words; may have several lines
	// Untouched is a failure that came before anything was changed, as the refusal of a release does.
	Untouched bool      `json:"untouched,omitempty"`
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended"`
}

// Took is how long the run lasted, and 0 where that is not known.
func (r Run) Took() time.Duration {
	if r.Started.IsZero() || r.Ended.Before(r.Started) {
		return 0
	}
	return r.Ended.Sub(r.Started)
}

// RunsPath is where the runs of a stack are kept below the top of the checkout.
func RunsPath(top, stack string) string { return filepath.Join(top, "out", "runs-"+stack+".json") }

// Restore is the action that goes with the run before it, whose failure it mends.
const Restore = "restore"

// NoteRun writes a run to the file, which is created with its folder. A restore is noted after the run that it mends; any
// other begins the file anew.
func NoteRun(path string, run Run) error {
	var runs []Run
	if run.Action == Restore {
		var err error
		if runs, err = ReadRuns(path); err != nil {
			return err
		}
	}
	content, err := json.MarshalIndent(append(runs, run), "", "  ")
	if err != nil {
		return fmt.Errorf("render the run: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of the runs: %w", err)
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("note the run: %w", err)
	}
	return nil
}

// ReadRuns reads the runs of a file, oldest first: one, and a restore after it. A file that is not there holds none.
func ReadRuns(path string) ([]Run, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the runs: %w", err)
	}
	var runs []Run
	if err := json.Unmarshal(content, &runs); err != nil {
		return nil, fmt.Errorf("understand %s: %w", path, err)
	}
	return runs, nil
}
