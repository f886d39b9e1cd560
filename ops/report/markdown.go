package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	shownDigits = 12   // of a commit and a digest: as many as git and Docker show
	longest     = 4000 // bytes of a reason: the last lines of a log, not the log
)

// Summary is all that Markdown tells.
type Summary struct {
	Stack   string
	Result  string // of the whole job, which may have failed after a run that went well; empty for that of the runs
	Outputs Outputs
	Runs    []Run // oldest first: an up that failed, and the restore after it
	Job     Job
}

// Markdown is the summary of a job: result, URL, revision, digests and durations first, reasons of failures after them.
func Markdown(s Summary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s %s: %s\n\n", mark(s.result()), s.Stack, headline(s))
	b.WriteString("| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, cell(value))
		}
	}
	row("URL", s.Outputs.URL)
	row("Running revision", commit(s))
	for _, service := range slices.Sorted(maps.Keys(s.Outputs.Images)) {
		row("Image of "+service, "`"+digest(s.Outputs.Images[service])+"`")
	}
	if s.Outputs.Cluster != "" {
		row("Cluster", fmt.Sprintf("`%s` in %s", s.Outputs.Cluster, orUnknown(s.Outputs.Region)))
	}
	for _, run := range s.Runs {
		row("`"+run.Action+"`", timing(run))
	}
	if s.Outputs.Revision == "" {
		b.WriteString("\nThe stack's outputs could not be read: it was never converged, or the state is out of reach.\n")
	}
	for _, run := range s.Runs {
		if run.Result != Success && run.Reason != "" {
			// A fence longer than any in the reason cannot be closed by it.
			fmt.Fprintf(&b, "\nWhy `%s` failed:\n\n%s\n%s\n%[2]s\n", run.Action, fence(run.Reason), shorten(run.Reason))
		}
	}
	return b.String()
}

// result is that of the job, or of the run that a restore may have mended.
func (s Summary) result() string {
	if s.Result == "" && len(s.Runs) > 0 {
		return s.Runs[0].Result
	}
	return s.Result
}

// headline says in one line what happened, a restore included.
func headline(s Summary) string {
	what := map[string]string{Success: "went well", Failure: "failed", Cancelled: "was cancelled"}[s.result()]
	if what == "" {
		what = "ended with " + orElse(s.result(), "an unknown result")
	}
	line := orElse(s.Job.Workflow, "run") + " " + what
	for _, run := range s.Runs {
		switch {
		case run.Action != Restore:
		case run.Result == Success:
			line += ", and the previous revision was restored"
		default:
			line += ", and **restoring the previous revision failed**"
		}
	}
	return line
}

func mark(result string) string {
	switch result {
	case Success:
		return "✅"
	case Failure:
		return "❌"
	}
	return "⚠️"
}

// commit links the running revision to its commit, where there is a page for it.
func commit(s Summary) string {
	revision := s.Outputs.Revision
	if revision == "" {
		return ""
	}
	sha, _, dirty := strings.Cut(revision, "-")
	page, _, ok := strings.Cut(s.Job.RunURL, "/actions/runs/")
	if !ok || dirty {
		return "`" + revision + "`"
	}
	return fmt.Sprintf("[`%s`](%s/commit/%s)", short(sha), page, sha)
}

// digest is a reference's digest without the registry's host, which names the account.
func digest(reference string) string {
	if _, after, ok := strings.Cut(reference, "@"); ok {
		return after
	}
	return reference
}

func timing(run Run) string {
	text := run.Result
	if took := run.Took(); took > 0 {
		text += " in " + seconds(took)
	}
	return text
}

func seconds(d time.Duration) string {
	d = d.Round(time.Second)
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}

func short(text string) string { return text[:min(len(text), shownDigits)] }

// shorten keeps the end of a long reason, where a log says what went wrong.
func shorten(reason string) string {
	reason = strings.TrimRight(reason, "\n")
	if len(reason) <= longest {
		return reason
	}
	return "...\n" + strings.ToValidUTF8(reason[len(reason)-longest:], "")
}

func fence(text string) string {
	f := "```"
	for strings.Contains(text, f) {
		f += "`"
	}
	return f
}

// cell keeps a value within its cell of a table.
func cell(value string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ").Replace(value)
}

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

func orUnknown(value string) string { return orElse(value, "an unknown region") }

// Fork is what the job of a pull request from a fork says instead of a review.
func Fork(job Job) string {
	who := "This pull request comes from a fork, or from Dependabot"
	if job.Pull > 0 {
		who = fmt.Sprintf("Pull request %d comes from a fork, or from Dependabot", job.Pull)
	}
	return "### No preview\n\n" + who + ". GitHub gives such runs neither a token for AWS nor secrets, and they get none by " +
		"other ways here. The offline parts ran: tests, linters, and the program against its golden graphs. A maintainer who has " +
		"read the changes can push them to a branch of this repository to have them previewed.\n"
}
