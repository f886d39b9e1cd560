package locks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"slipway/ops/rest"
)

// GitHub answers for Runs, with a token that may read a repository's Actions.
type GitHub struct {
	Client     *http.Client
	API        string // GITHUB_API_URL
	Repository string // OWNER/NAME that the token is for; empty where nobody has named it
	Token      string // empty where there is none, which is an error once there is something to ask
}

// State implements Runs. A run of another repository, or one that GitHub does not know any more, is an error: nothing says
// that it is dead.
func (g GitHub) State(ctx context.Context, claim Claim) (State, error) {
	switch {
	case g.Repository == "":
		return State{}, errors.New("no repository is known; set githubOwner and githubRepository in the stack's file, or export GITHUB_REPOSITORY as OWNER/NAME")
	case claim.Repository != g.Repository:
		return State{}, fmt.Errorf("it belongs to %s, and our token to %s", claim.Repository, g.Repository)
	case g.Token == "":
		return State{}, fmt.Errorf("there is no token to ask GitHub with; sign in by `gh auth login`, or export GITHUB_TOKEN, one that may read the Actions of %s", g.Repository)
	}
	words := []string{"repos", g.Repository, "actions/runs", fmt.Sprint(claim.Run)}
	if claim.Attempt > 0 {
		words = append(words, "attempts", fmt.Sprint(claim.Attempt))
	}
	page, err := url.JoinPath(g.API, words...)
	if err != nil {
		return State{}, fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return State{}, err
	}
	request.Header.Set("Authorization", "Bearer "+g.Token)
	request.Header.Set("Accept", "application/vnd.github+json")
	content, err := rest.Do(g.Client, request, "GitHub")
	if err != nil {
		return State{}, err
	}
	var run struct {
		Status  string    `json:"status"`
		Updated time.Time `json:"updated_at"`
		Started time.Time `json:"run_started_at"` // of the attempt
	}
	if err := json.Unmarshal(content, &run); err != nil {
		return State{}, fmt.Errorf("understand GitHub's answer: %w", err)
	}
	if run.Status == "" || run.Updated.IsZero() {
		return State{}, fmt.Errorf("GitHub's answer has no status: %.200s", content)
	}
	// A run is started again when it has completed. What began before this attempt did is of an earlier one.
	if claim.Attempt == 0 && run.Started.After(claim.Started) {
		return State{Completed: true, At: run.Started}, nil
	}
	return State{Completed: run.Status == "completed", At: run.Updated}, nil
}
