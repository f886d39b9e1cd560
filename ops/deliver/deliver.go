// Package deliver is what people and workflows do with releases of a stack: release, go back, list what can be gone back to. How
// the engine is reached is behind an interface, so that the same commands serve AWS, by the plain CLI, and the embedded cloud.
package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"slipway/infra/releases"
	"slipway/infra/revision"
	"slipway/ops/report"
)

// Stack is a stack, and the engine that converges it.
type Stack interface {
	Name() string
	// Up converges the stack, and judges the release. A release that is named is run again, for now; empty for what the
	// configuration says. What the engine prints goes to out; the error may have more than one line.
	Up(ctx context.Context, release string, out io.Writer) error
	// Outputs are the stack's outputs by name: those of the last release that ran well. None before there was one.
	Outputs(ctx context.Context) (map[string]any, error)
	// Services are the names of those that a release has; an error where the checkout does not know its commit.
	Services(ctx context.Context, release string) ([]string, error)
	// AWS reaches the stack's account in a region.
	AWS(ctx context.Context, region string) (aws.Config, error)
}

// Outputs are the outputs that are read here.
type Outputs struct {
	Revision     string // the release
	Region       string
	Registry     string            // account of the repositories
	Repositories map[string]string // by service
}

func outputsOf(ctx context.Context, s Stack) (Outputs, error) {
	raw, err := s.Outputs(ctx)
	if err != nil {
		return Outputs{}, err
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return Outputs{}, fmt.Errorf("render the stack's outputs: %w", err)
	}
	var o Outputs
	if err := json.Unmarshal(text, &o); err != nil {
		return Outputs{}, fmt.Errorf("understand the stack's outputs: %w", err)
	}
	if o.Revision == "" {
		return Outputs{}, fmt.Errorf("no release of %s has run well yet, so there is nothing to go back to; look at why `make up STACK=%[1]s` failed", s.Name())
	}
	return o, nil
}

// Desk is where commands run: what they print, and where they note what they did, for the summary.
type Desk struct {
	Out  io.Writer
	Runs string // file, see report.RunsPath; empty to note nothing
	// Job is whether this is a job of GitHub Actions, in which a restore follows the run that failed.
	Job bool
}

// raced is what a registry says to the second of two jobs that built one commit at the same time. ECR's registry spoke of the
// repository for years, and speaks of the tag now; its API has an error of its own.
var raced = regexp.MustCompile(`(?i)cannot be overwritten because the (?:tag|repository) is immutable|ImageTagAlreadyExists`)

// Raced says whether what the engine printed tells of such a job. The image is there then, and the next run takes it.
func Raced(printed string) bool { return raced.MatchString(printed) }

// Up releases what the configuration says.
func (d Desk) Up(ctx context.Context, s Stack) error { return d.run(ctx, s, "up", "") }

// Rollback runs a release again that ran well in the stack, or in the one that it promotes from.
func (d Desk) Rollback(ctx context.Context, s Stack, release string) error {
	if _, err := revision.Named(release); err != nil {
		return fmt.Errorf("%w; `make releases STACK=%s` lists what can be gone back to", err, s.Name())
	}
	return d.run(ctx, s, "rollback", release)
}

// Restore runs the release again that ran well last: after one that failed, it makes the stack whole, its state too. In a job it leaves
// alone what the run before has left alone: the checkout's program and configuration would go out with the restored release, though
// that run was refused.
func (d Desk) Restore(ctx context.Context, s Stack) error {
	if d.Job {
		runs, err := report.ReadRuns(d.Runs)
		if err != nil {
			return err
		}
		if len(runs) > 0 && runs[len(runs)-1].Untouched {
			_, _ = fmt.Fprintf(d.Out, "slipway: the run that failed had changed nothing in %s yet, so there is nothing to restore\n", s.Name())
			return nil
		}
	}
	o, err := outputsOf(ctx, s)
	if err != nil {
		return err
	}
	if _, err := revision.Named(o.Revision); err != nil { // of a dirty tree
		return fmt.Errorf("the release that ran well last cannot be named again: %w", err)
	}
	_, _ = fmt.Fprintf(d.Out, "slipway: restoring release %s of %s\n", o.Revision, s.Name())
	return d.run(ctx, s, report.Restore, o.Revision)
}

// run converges the stack and notes how it went.
func (d Desk) run(ctx context.Context, s Stack, action, release string) error {
	run := report.Run{Action: action, Stack: s.Name(), Revision: release, Started: time.Now()}
	printed := &tail{}
	err := s.Up(ctx, release, io.MultiWriter(d.Out, printed))
	late := err != nil && ctx.Err() == nil && Raced(printed.String())
	if late {
		_, _ = fmt.Fprintln(d.Out, "slipway: another job has pushed the same image meanwhile; going on with its image")
		printed = &tail{}
		err = s.Up(ctx, release, io.MultiWriter(d.Out, printed))
	}
	run.Ended, run.Result = time.Now(), report.Success
	switch {
	case ctx.Err() != nil:
		run.Result, run.Reason = report.Cancelled, ctx.Err().Error()
	case err != nil:
		run.Result, run.Reason = report.Failure, diagnosis(printed.String())
		run.Untouched = !late && untouched(printed.String())
	}
	if d.Runs == "" {
		return err
	}
	return errors.Join(err, report.NoteRun(d.Runs, run))
}

// had are the repositories in which a release must be marked to have run well: those of the services that it has, as its commit says. Where
// the checkout does not know the commit, those of all services that run now.
func (d Desk) had(ctx context.Context, s Stack, o Outputs, release string) []string {
	services, err := s.Services(ctx, release)
	var known []string
	for _, service := range services {
		if repository, now := o.Repositories[service]; now {
			known = append(known, repository)
		}
	}
	if err != nil || len(known) == 0 {
		return slices.Sorted(maps.Values(o.Repositories))
	}
	return known
}

// Releases lists what a stack can go back to, the newest first, and marks what runs.
func (d Desk) Releases(ctx context.Context, s Stack) error {
	o, err := outputsOf(ctx, s)
	if err != nil {
		return err
	}
	cfg, err := s.AWS(ctx, o.Region)
	if err != nil {
		return err
	}
	ledger := releases.Ledger{Client: ecr.NewFromConfig(cfg), Account: o.Registry}
	repositories := make([]string, 0, len(o.Repositories))
	for _, repository := range o.Repositories {
		repositories = append(repositories, repository)
	}
	all, err := ledger.List(ctx, repositories)
	if err != nil {
		return err
	}
	return table(d.Out, s.Name(), o, all, func(release string) []string { return d.had(ctx, s, o, release) })
}
