package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"slipway/ops/cost"
	"slipway/ops/deliver"
	"slipway/ops/drift"
	"slipway/ops/enginejson"
	"slipway/ops/report"
	"slipway/ops/review"
)

// callTimeout bounds a call of GitHub, Slack or Pulumi Cloud.
const callTimeout = 30 * time.Second

func client() *http.Client { return &http.Client{Timeout: callTimeout} }

// happened is what the last run of the stack did, where it was. A state that is out of reach leaves the outputs empty, which the
// summary says: it is written when things go wrong.
func happened(ctx context.Context, d *desk) (report.Summary, error) {
	s := report.Summary{Stack: d.cli.Stack, Result: os.Getenv("RESULT"), Job: report.JobFromEnv(os.Getenv)}
	if text, err := d.cli.Read(ctx, "stack", "output", "--stack", d.cli.Stack, "--json"); err != nil {
		fmt.Fprintf(os.Stderr, "slipway: %v\n", err)
	} else if s.Outputs, err = report.ReadOutputs(bytes.NewReader(text)); err != nil {
		return s, err
	}
	var err error
	s.Runs, err = report.ReadRuns(d.Runs)
	return s, err
}

func summarize(ctx context.Context, d *desk) error {
	s, err := happened(ctx, d)
	if err != nil {
		return err
	}
	text := report.Markdown(s)
	fmt.Print(text)
	return errors.Join(
		report.Append(os.Getenv("GITHUB_STEP_SUMMARY"), text),
		report.Append(os.Getenv("GITHUB_OUTPUT"), report.OutputURL(s.Outputs)),
	)
}

// notify never fails: a release that runs is not a failure because Slack is away.
func notify(ctx context.Context, d *desk) error {
	webhook := os.Getenv("SLACK_WEBHOOK_URL")
	if webhook == "" {
		fmt.Println("slipway: SLACK_WEBHOOK_URL is not set, so nobody is told")
		return nil
	}
	s, err := happened(ctx, d)
	if err == nil {
		err = report.Slack(ctx, client(), webhook, report.Message{Summary: s})
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "slipway: Slack was not told: %v\n", err)
		return nil
	}
	fmt.Println("slipway: Slack was told")
	return nil
}

func findDrift(ctx context.Context, d *desk) error {
	run := report.Run{Action: "drift", Stack: d.cli.Stack, Started: time.Now(), Result: report.Success}
	changes, err := driftOf(ctx, d)
	if err == nil && len(changes) > 0 {
		err = fmt.Errorf("%[1]s; `make refresh STACK=%[2]s` and then `make up STACK=%[2]s` put the cloud right, or write what is meant into the configuration",
			drift.Line(changes), d.cli.Stack)
	}
	if err != nil {
		run.Result, run.Reason = report.Failure, err.Error()
	}
	run.Ended = time.Now()
	text := drift.Markdown(d.cli.Stack, changes)
	if err == nil || len(changes) > 0 {
		fmt.Print(text)
		err = errors.Join(err, report.Append(os.Getenv("GITHUB_STEP_SUMMARY"), text))
	}
	return errors.Join(err, report.NoteRun(d.Runs, run))
}

// refresh takes no claim on the state: a person types it, and no job does.
func refresh(ctx context.Context, d *desk) error {
	text, err := d.cli.Read(ctx, drift.RefreshArgs(d.cli.Stack)...)
	_, _ = os.Stdout.Write(text)
	return err
}

func driftOf(ctx context.Context, d *desk) ([]drift.Change, error) {
	text, err := d.cli.Read(ctx, drift.Args(d.cli.Stack)...)
	if err != nil {
		return nil, err
	}
	return drift.Parse(bytes.NewReader(text))
}

func printReview(ctx context.Context, d *desk) error {
	text, err := d.cli.Read(ctx, "preview", "--stack", d.cli.Stack, "--json", "--show-sames", "--non-interactive")
	if len(text) == 0 {
		return err
	}
	// A preview that fails says why in its JSON, too.
	preview, readErr := enginejson.ReadPreview(bytes.NewReader(text))
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	prices, pricesErr := cost.Prices()
	if pricesErr != nil {
		return errors.Join(err, pricesErr)
	}
	comment, reviewErr := review.Comment(preview, review.Options{Stack: d.cli.Stack, Prices: prices})
	if reviewErr != nil {
		return errors.Join(err, reviewErr)
	}
	fmt.Println(comment)
	return err
}

func comment(ctx context.Context, d *desk) error {
	text, err := os.ReadFile(d.file)
	if err != nil {
		return fmt.Errorf("read the review: %w; `make comment` writes it", err)
	}
	comments := report.Comments{Client: client(), Job: report.JobFromEnv(os.Getenv), Token: os.Getenv("GITHUB_TOKEN")}
	return comments.Put(ctx, report.Heading(deliver.Project, d.cli.Stack), string(text))
}

func forked(context.Context, *desk) error {
	text := report.Fork(report.JobFromEnv(os.Getenv))
	fmt.Print(text)
	return report.Append(os.Getenv("GITHUB_STEP_SUMMARY"), text)
}

// printCost estimates what stands, as the state has it.
func printCost(ctx context.Context, d *desk) error {
	text, err := d.cli.Read(ctx, "stack", "export", "--stack", d.cli.Stack)
	if err != nil {
		return err
	}
	resources, err := enginejson.ReadExport(bytes.NewReader(text))
	if err != nil {
		return err
	}
	prices, err := cost.Prices()
	if err != nil {
		return err
	}
	estimate, err := prices.Estimate(cost.RegionOf(resources), resources)
	if err != nil {
		return err
	}
	fmt.Print(estimate.Text())
	return nil
}
