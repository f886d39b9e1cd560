// Package enginetest makes the engine's documents of the committed stacks for tests, by running the program against a recorder: they
// are never older than the program.
package enginetest

import (
	"bytes"
	"testing"

	"slipway/infra"
	"slipway/infra/infratest"
	"slipway/ops/enginejson"
)

// Export is what `pulumi stack export` would print of a stack that is committed in the repository at top, an absolute path. Values of
// change replace the stack's, by keys such as networkNat. It moves the test into a checkout of its own.
func Export(t *testing.T, top, stack string, change map[string]string) []byte {
	t.Helper()
	settings := infratest.Settings(t, top, stack)
	for key, value := range change {
		settings[infratest.Project+":"+key] = value
	}
	infratest.DockerOf(t, "linux/arm64", "linux/amd64")
	infratest.Checkout(t, "frontend", "backend")
	recorder := &infratest.Recorder{}
	if err := infratest.Preview(t, infra.Deploy, stack, settings, recorder); err != nil {
		t.Fatalf("run the program as %s with %v: %v", stack, change, err)
	}
	export, err := infratest.Export(recorder.Resources())
	if err != nil {
		t.Fatal(err)
	}
	return export
}

// Resources are those of Export.
func Resources(t *testing.T, top, stack string, change map[string]string) []enginejson.Resource {
	t.Helper()
	resources, err := enginejson.ReadExport(bytes.NewReader(Export(t, top, stack, change)))
	if err != nil {
		t.Fatal(err)
	}
	return resources
}
