package chaos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/local/cloud"
	"slipway/local/faults"
)

const impatience = 75 * time.Second // after which a person would end a disturbed step

// disturb runs the tool with a fault that begins once there is a cloud, and a kill after a while. It notes how it ended, and whether the
// fault came about.
func (w *worker) disturb(ctx context.Context, s step, words []string, p plan, o *Outcome) {
	command := exec.Command(w.options.Bin, words...) //nolint:noctx // killed below, as hard as the plan wants it
	command.Dir = w.dir
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		o.Violations = append(o.Violations, "could not start: "+err.Error())
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	faulty, cancel := context.WithCancel(ctx)
	defer cancel()
	met := make(chan bool, 1)
	if p.faultStep == s {
		go func() { met <- w.inflict(faulty, p.fault) }()
	} else {
		met <- o.Met
	}
	end, why := impatience, "impatient"
	if p.killStep == s {
		end, why = p.killAfter, "killed"
	}
	var verdict string
	select {
	case err := <-ended:
		verdict = "unharmed"
		if err != nil {
			verdict = "failed"
		}
	case <-time.After(end):
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		who := p.victim
		if why == "impatient" {
			who = toolCLI // a CLI that waits for what will not come would hold everybody up
		}
		w.kill(ctx, who)
		<-ended
		verdict = why
	}
	cancel()
	o.Met = <-met // waited for: a late fault would be met by what is not to be disturbed
	_, _ = fmt.Fprintf(w.log, "\n--- disturbed: %s, ended %s: %s\n", words[0], time.Now().Format(time.TimeOnly), verdict)
	w.log.Write(out.Bytes())
	o.explain(out.String())
	o.Disturbed = append(o.Disturbed, string(s)+" "+verdict)
}

// inflict puts a fault in force once the cloud runs, and says whether it came about before ctx ended: one of calls was met as soon as it is
// not listed as it was drawn. It asks all the while, since a cloud that has ended cannot tell, and once more at the end.
func (w *worker) inflict(ctx context.Context, fault faults.Fault) bool {
	var in cloud.State
	runs := func() (ok bool) { in, ok = cloud.Running(ctx, w.cloudDir()); return ok }
	if !until(ctx, runs) || cloud.AddFault(ctx, in.Endpoint, fault) != nil { // the cloud may end at this moment
		return false
	}
	if !fault.OfCall() {
		return true
	}
	ask := context.WithoutCancel(ctx)
	met := func() bool {
		now, ok := cloud.Running(ask, w.cloudDir())
		if !ok || now.ID != in.ID { // another one has never had the fault
			return false
		}
		listed, err := cloud.Faults(ask, now.Endpoint)
		return err == nil && !slices.Contains(listed, fault)
	}
	return until(ctx, met) || met()
}

// kill kills what is left of a run, beside the tool.
func (w *worker) kill(ctx context.Context, who victim) {
	if who == tool {
		return
	}
	if content, err := os.ReadFile(filepath.Join(w.dir, ".slipway", "pulumi.pid")); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && executable(pid) == "pulumi" {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if who == machine {
		if state, ok := cloud.Running(ctx, w.cloudDir()); ok {
			_ = syscall.Kill(state.PID, syscall.SIGKILL)
		}
	}
}

// executable is the base name of what a process runs, or nothing: the id may be another's by now.
func executable(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

func (w *worker) clearFaults(ctx context.Context) {
	if state, ok := cloud.Running(ctx, w.cloudDir()); ok {
		_ = cloud.ClearFaults(ctx, state.Endpoint) // it may end at this moment
	}
}
