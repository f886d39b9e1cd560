package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Message is what Slack is told.
type Message struct {
	Summary
}

// Text is the message in Slack's mark-up.
func (m Message) Text() string {
	var b strings.Builder
	icon := map[string]string{Success: ":white_check_mark:", Failure: ":x:"}[m.result()]
	fmt.Fprintf(&b, "%s *%s*: %s", orElse(icon, ":warning:"), escape(m.Stack), escape(strings.ReplaceAll(headline(m.Summary), "**", "")))
	if m.Outputs.Revision != "" {
		fmt.Fprintf(&b, "\n`%s` is running", escape(short(m.Outputs.Revision)))
		if m.Outputs.URL != "" {
			fmt.Fprintf(&b, " at %s", escape(m.Outputs.URL))
		}
	}
	for _, run := range m.Runs {
		if run.Result != Success && run.Reason != "" {
			line, _, _ := strings.Cut(strings.TrimSpace(run.Reason), "\n")
			fmt.Fprintf(&b, "\n> %s", escape(line))
		}
	}
	if m.Job.RunURL != "" {
		fmt.Fprintf(&b, "\n<%s|%s of %s by %s>", m.Job.RunURL, escape(m.Job.Workflow), escape(m.Job.Ref), escape(m.Job.Actor))
	}
	return b.String()
}

// escape keeps Slack from reading a name as a link or as a call to everybody in the channel.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// Slack posts a message to an incoming webhook. The webhook is a secret: whoever has it can post. So no error names it.
func Slack(ctx context.Context, client *http.Client, webhook string, m Message) error {
	if u, err := url.Parse(webhook); err != nil || u.Host == "" || (u.Scheme != "https" && !loopback(u)) {
		return errors.New("SLACK_WEBHOOK_URL is not an https URL")
	}
	body, err := json.Marshal(map[string]string{"text": m.Text()})
	if err != nil {
		return fmt.Errorf("render the message: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, webhook, bytes.NewReader(body))
	if err != nil {
		return errors.New("SLACK_WEBHOOK_URL cannot be posted to")
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("post to Slack: %w", withoutURL(err))
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return fmt.Errorf("slack answered %d: %s", response.StatusCode, strings.ReplaceAll(string(answer), webhook, "..."))
	}
	return nil
}

func loopback(u *url.URL) bool { return u.Scheme == "http" && u.Hostname() == "127.0.0.1" }

// withoutURL takes off the layer of an error of net/http that names the URL.
func withoutURL(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
