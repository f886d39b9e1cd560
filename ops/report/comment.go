package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"slipway/ops/rest"
)

const (
	bot        = "github-actions[bot]" // whose comments are ours to edit
	begin, end = "<!-- slipway:review -->", "<!-- /slipway:review -->"
	maxComment = 65000 // GitHub refuses more than 65,536 characters
	perPage    = 100
)

// Comments puts reviews on a pull request.
type Comments struct {
	Client *http.Client
	Job    Job
	Token  string // may write to pull requests
}

// comment is GitHub's, as far as it matters here.
type comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	User struct {
		Login string `json:"login"`
	} `json:"user"`
}

// Heading is the first line of the comment that pulumi/actions v7 leaves for a preview, by which it finds it again.
func Heading(project, stack string) string {
	return fmt.Sprintf("#### :tropical_drink: `preview` on %s/%s", project, stack)
}

// Put lets the comment of pulumi/actions lead with the review: that comment folds the whole preview away, and what matters
// must not need a click. The text goes below the heading, so that the action still finds its comment and edits it on the
// next push. Where there is no such comment, or it would grow too long, the review gets a comment of its own.
func (c Comments) Put(ctx context.Context, heading, review string) error {
	if c.Job.Pull == 0 {
		return errors.New("this is not a job of a pull request: GITHUB_REF is not refs/pull/NUMBER/merge")
	}
	comments, err := c.list(ctx)
	if err != nil {
		return err
	}
	block := begin + "\n" + strings.TrimSpace(review) + "\n" + end
	var own int64
	for i := len(comments) - 1; i >= 0; i-- { // the newest: the action looks at one page only, and may have begun again
		found := comments[i]
		if found.User.Login != bot {
			continue // a heading can be typed by anybody
		}
		if strings.HasPrefix(found.Body, heading) {
			if body := insert(found.Body, block); len(body) <= maxComment {
				return c.send(ctx, http.MethodPatch, fmt.Sprintf("issues/comments/%d", found.ID), body)
			}
		}
		if own == 0 && strings.HasPrefix(found.Body, begin) {
			own = found.ID
		}
	}
	if own != 0 {
		return c.send(ctx, http.MethodPatch, fmt.Sprintf("issues/comments/%d", own), block)
	}
	return c.send(ctx, http.MethodPost, fmt.Sprintf("issues/%d/comments", c.Job.Pull), block)
}

// insert puts a block below the first line of a comment, in place of the one that is there.
func insert(body, block string) string {
	heading, rest, _ := strings.Cut(body, "\n")
	if before, after, ok := strings.Cut(rest, begin); ok {
		if _, after, ok := strings.Cut(after, end); ok {
			rest = before + after
		}
	}
	return heading + "\n\n" + block + "\n\n" + strings.TrimLeft(rest, "\n")
}

func (c Comments) list(ctx context.Context) ([]comment, error) {
	var all []comment
	for page := 1; ; page++ {
		path := fmt.Sprintf("issues/%d/comments?per_page=%d&page=%d", c.Job.Pull, perPage, page)
		answer, err := c.call(ctx, http.MethodGet, path, nil)
		if err != nil {
			return nil, fmt.Errorf("list the comments of pull request %d: %w", c.Job.Pull, err)
		}
		var some []comment
		if err := json.Unmarshal(answer, &some); err != nil {
			return nil, fmt.Errorf("understand the comments of pull request %d: %w", c.Job.Pull, err)
		}
		all = append(all, some...)
		if len(some) < perPage {
			return all, nil
		}
	}
}

func (c Comments) send(ctx context.Context, method, path, body string) error {
	encoded, err := json.Marshal(map[string]string{"body": body})
	if err != nil {
		return fmt.Errorf("render the comment: %w", err)
	}
	if _, err := c.call(ctx, method, path, encoded); err != nil {
		return fmt.Errorf("write the comment: %w", err)
	}
	return nil
}

func (c Comments) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	base, err := url.JoinPath(c.Job.API, "repos", c.Job.Repository)
	if err != nil {
		return nil, fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+"/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Accept", "application/vnd.github+json")
	return rest.Do(c.Client, request, "GitHub")
}
