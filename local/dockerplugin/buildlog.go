package dockerplugin

import (
	"encoding/json"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/proto"
)

// tailLines is how much of a failed build's log its error shows.
const tailLines = 40

// tail keeps the last lines that a build printed. BuildKit sends them as protocol buffers, the older builder as text.
type tail struct{ lines []string }

// traceID marks messages that hold a BuildKit status.
const traceID = "moby.buildkit.trace"

// add takes in one message and returns what to show of it now, if anything.
func (t *tail) add(m message) string {
	if m.ID != traceID {
		return t.text(m.Stream)
	}
	var encoded []byte
	var status control.StatusResponse
	if json.Unmarshal(m.Aux, &encoded) != nil || proto.Unmarshal(encoded, &status) != nil {
		return ""
	}
	shown := ""
	for _, vertex := range status.GetVertexes() {
		if vertex.GetStarted() != nil && vertex.GetCompleted() == nil {
			shown = vertex.GetName()
		}
	}
	for _, log := range status.GetLogs() {
		t.text(string(log.GetMsg()))
	}
	return shown
}

func (t *tail) text(printed string) string {
	last := ""
	for line := range strings.Lines(printed) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			t.lines = append(t.lines, line)
			last = line
		}
	}
	if extra := len(t.lines) - tailLines; extra > 0 {
		t.lines = t.lines[extra:]
	}
	return last
}

// String is the kept lines.
func (t *tail) String() string { return strings.Join(t.lines, "\n") }
