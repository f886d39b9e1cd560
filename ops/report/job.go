package report

import (
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Job is where a command runs: a job of GitHub Actions, or the zero value for a person's machine.
type Job struct {
	Workflow   string // name of the workflow, such as deploy
	Repository string // OWNER/NAME
	Actor      string // who started the run
	RunURL     string // page of the run
	Ref        string // branch or tag, without refs/heads/
	API        string // base of GitHub's API
	Pull       int    // number of the pull request; 0 where there is none
}

// JobFromEnv reads a Job from the variables that GitHub Actions sets; getenv is os.Getenv, or a test's.
func JobFromEnv(getenv func(string) string) Job {
	if getenv("GITHUB_ACTIONS") != "true" {
		return Job{}
	}
	job := Job{
		Workflow:   getenv("GITHUB_WORKFLOW"),
		Repository: getenv("GITHUB_REPOSITORY"),
		Actor:      getenv("GITHUB_ACTOR"),
		Ref:        getenv("GITHUB_REF_NAME"),
		API:        getenv("GITHUB_API_URL"),
	}
	if page, err := url.JoinPath(getenv("GITHUB_SERVER_URL"), job.Repository, "actions/runs", getenv("GITHUB_RUN_ID")); err == nil {
		job.RunURL = page
	}
	// A pull request's ref is refs/pull/NUMBER/merge.
	if _, err := fmt.Sscanf(getenv("GITHUB_REF"), "refs/pull/%d/merge", &job.Pull); err != nil {
		job.Pull = 0
	}
	return job
}

// Append adds text to the file that GitHub names in a variable, such as GITHUB_STEP_SUMMARY; path is its value. Where it is
// empty, outside of a job, nothing is written.
func Append(path, text string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close()
		return fmt.Errorf("append to %s: %w", path, err)
	}
	return f.Close()
}

// OutputURL is the line for GITHUB_OUTPUT that names the stack's URL, which the page of the environment links to. What is no
// plain http URL is left out: a line's end in it would set other outputs.
func OutputURL(o Outputs) string {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.ContainsAny(o.URL, "\r\n") {
		return ""
	}
	return "url=" + o.URL + "\n"
}
