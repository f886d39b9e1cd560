package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/local/chaos"
)

// TestChaos is the short version of `make chaos`: two runs of up, release, rollback and down, each with a fault and a kill. They are chosen:
// answers of registrations are lost in a rollback and tasks in a release, the tool is killed in a release and the engine in the first up, and
// the one cloud keeps its data throughout.
func TestChaos(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	report, err := chaos.Soak(t.Context(), chaos.Options{
		Bin: os.Getenv("SLIPWAY_LOCAL"), Source: top, First: 7, Runs: 2, Seed: 1, Workers: 2, Limit: 4 * time.Minute, Out: t.Output(),
		Logs: t.ArtifactDir(),
	})
	t.Log(report)
	if err != nil {
		t.Error(err)
	}
}
