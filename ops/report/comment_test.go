package report_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"slipway/ops/report"
)

// pull is a pull request of the GitHub API: its comments in order.
type pull struct {
	t        *testing.T
	comments []map[string]any
	writes   []string
}

func (p *pull) add(login, body string) {
	p.comments = append(p.comments, map[string]any{"id": len(p.comments) + 1, "body": body, "user": map[string]string{"login": login}})
}

func (p *pull) body(id int) string { return p.comments[id-1]["body"].(string) }

func (p *pull) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer token" {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	var sent struct{ Body string }
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			p.t.Error(err)
		}
		p.writes = append(p.writes, r.Method+" "+r.URL.Path)
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/repos/o/r/issues/5/comments":
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		from := min((page-1)*100, len(p.comments))
		_ = json.NewEncoder(w).Encode(p.comments[from:min(from+100, len(p.comments))])
	case r.Method == http.MethodPost && r.URL.Path == "/repos/o/r/issues/5/comments":
		p.add("github-actions[bot]", sent.Body)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPatch:
		id, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/repos/o/r/issues/comments/"))
		p.comments[id-1]["body"] = sent.Body
	default:
		http.NotFound(w, r)
	}
}

func serve(t *testing.T) (*pull, report.Comments) {
	t.Helper()
	p := &pull{t: t}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, report.Comments{Client: server.Client(), Token: "token", Job: report.Job{API: server.URL, Repository: "o/r", Pull: 5}}
}

var heading = report.Heading("slipway", "staging")

// folded is a comment as pulumi/actions v7.0.0 writes it.
func folded(text string) string {
	return heading + "\n\n<details>\n<summary>Pulumi report</summary>\n\n<pre>\n" + text + "\n</pre>\n\n</details>"
}

func put(t *testing.T, c report.Comments, review string) {
	t.Helper()
	if err := c.Put(context.Background(), heading, review); err != nil {
		t.Fatal(err)
	}
}

func TestReviewLeadsTheComment(t *testing.T) {
	p, comments := serve(t)
	p.add("ann", heading+"\nsomebody quotes the comment")
	for i := range 120 {
		p.add("ben", fmt.Sprintf("remark %d", i))
	}
	p.add("github-actions[bot]", folded("first"))
	id := len(p.comments)
	put(t, comments, "**replaces the database**")
	body := p.body(id)
	if !strings.HasPrefix(body, heading+"\n") || !strings.Contains(body, "<summary>Pulumi report</summary>") {
		t.Errorf("pulumi/actions would not find its comment again:\n%s", body)
	}
	if at, fold := strings.Index(body, "**replaces"), strings.Index(body, "<details>"); at < 0 || at > fold {
		t.Errorf("the review does not lead:\n%s", body)
	}
	put(t, comments, "nothing stateful")
	if body := p.body(id); strings.Contains(body, "**replaces") || strings.Count(body, "slipway:review -->") != 2 {
		t.Errorf("the review was not replaced:\n%s", body)
	}
	p.comments[id-1]["body"] = folded("second") // what the action does on the next push
	put(t, comments, "again")
	if body := p.body(id); !strings.Contains(body, "again") || !strings.Contains(body, "second") {
		t.Errorf("after the next push:\n%s", body)
	}
	if p.body(1) != heading+"\nsomebody quotes the comment" || len(p.comments) != id {
		t.Error("somebody else's comment was edited, or one was added")
	}
}

func TestReviewOfItsOwn(t *testing.T) {
	p, comments := serve(t)
	p.add("github-actions[bot]", folded(strings.Repeat("x", 64900)))
	put(t, comments, strings.Repeat("y", 500))
	put(t, comments, strings.Repeat("z", 500))
	if len(p.comments) != 2 || !strings.Contains(p.body(2), "zzz") || strings.Contains(p.body(2), "yyy") {
		t.Errorf("%d comments, writes %v; want the review once, in a comment of its own", len(p.comments), p.writes)
	}
}

func TestCommentErrors(t *testing.T) {
	_, comments := serve(t)
	comments.Token = "wrong"
	if err := comments.Put(context.Background(), heading, "x"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v; want GitHub's answer", err)
	}
	comments.Job.Pull = 0
	if err := comments.Put(context.Background(), heading, "x"); err == nil || !strings.Contains(err.Error(), "GITHUB_REF") {
		t.Errorf("%v; want one about the missing pull request", err)
	}
}
