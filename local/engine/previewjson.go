package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// previewStep and previewDocument are what `pulumi preview --json --show-sames` prints, as far as whoever reads a preview needs it. The
// CLI cannot print that here: the program runs in this process, and the Automation API takes the CLI's output for its own.
type previewStep struct {
	Op             string                          `json:"op"`
	URN            string                          `json:"urn"`
	OldState       *apitype.StepEventStateMetadata `json:"oldState,omitempty"`
	NewState       *apitype.StepEventStateMetadata `json:"newState,omitempty"`
	DiffReasons    []string                        `json:"diffReasons,omitempty"`
	ReplaceReasons []string                        `json:"replaceReasons,omitempty"`
	DetailedDiff   map[string]apitype.PropertyDiff `json:"detailedDiff,omitempty"`
}

type previewDocument struct {
	Config        map[string]string      `json:"config,omitempty"`
	Steps         []previewStep          `json:"steps"`
	Diagnostics   []previewDiagnostic    `json:"diagnostics,omitempty"`
	ChangeSummary map[apitype.OpType]int `json:"changeSummary"`
}

type previewDiagnostic struct {
	URN      string `json:"urn,omitempty"`
	Message  string `json:"message"`
	Severity string `json:"severity"`
}

// PreviewJSON writes what Up would change as the CLI's own document. A preview that fails says why in it, too.
func (e Engine) PreviewJSON(ctx context.Context, out io.Writer) error {
	session, err := e.open(ctx)
	if err != nil {
		return err
	}
	if err := session.handOver(ctx, ""); err != nil {
		return err
	}
	session.callAs("preview")
	config, err := session.config(ctx)
	if err != nil {
		return err
	}
	document := previewDocument{Config: map[string]string{}}
	for key, value := range config {
		if !value.Secret {
			document.Config[key] = value.Value
		}
	}
	stream := make(chan events.EngineEvent)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for event := range stream {
			document.add(event)
		}
	}()
	_, err = session.stack.Preview(ctx, optpreview.ProgressStreams(io.Discard), optpreview.ErrorProgressStreams(io.Discard), optpreview.EventStreams(stream))
	<-read // the Automation API closes the stream
	if encodeErr := json.NewEncoder(out).Encode(document); encodeErr != nil {
		return fmt.Errorf("render the preview: %w", encodeErr)
	}
	return brief("preview", err)
}

// partial are the operations that a replacement consists of, which the CLI leaves out beside the replacement itself.
var partial = []apitype.OpType{apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpReadReplacement, apitype.OpDiscardReplaced}

func (d *previewDocument) add(event events.EngineEvent) {
	switch {
	case event.ResourcePreEvent != nil:
		step := event.ResourcePreEvent.Metadata
		if slices.Contains(partial, step.Op) {
			return
		}
		d.Steps = append(d.Steps, previewStep{
			Op: string(step.Op), URN: step.URN, OldState: step.Old, NewState: step.New,
			DiffReasons: step.Diffs, ReplaceReasons: step.Keys, DetailedDiff: step.DetailedDiff,
		})
	case event.DiagnosticEvent != nil:
		d.Diagnostics = append(d.Diagnostics, previewDiagnostic{
			URN: event.DiagnosticEvent.URN, Message: event.DiagnosticEvent.Message, Severity: event.DiagnosticEvent.Severity,
		})
	case event.SummaryEvent != nil:
		d.ChangeSummary = event.SummaryEvent.ResourceChanges
	}
}
