package locks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway/ops/rest"
)

// Cloud is Pulumi Cloud as a backend.
type Cloud struct {
	Client       *http.Client
	API          string // PULUMI_BACKEND_URL
	Token        string // PULUMI_ACCESS_TOKEN
	Organization string // that owns the stack
}

// runPages begins the page of a run as the CLI composes it, on whatever server the run is.
const runPages = "https://github.com/"

// update is the service's view of an update, as far as it matters here.
type update struct {
	ID   string `json:"updateID"`
	Info struct {
		Result      string            `json:"result"`
		StartTime   int64             `json:"startTime"` // Unix, seconds
		Environment map[string]string `json:"environment"`
	} `json:"info"`
	RequestedBy struct {
		Name string `json:"githubLogin"`
	} `json:"requestedBy"`
}

// Locks implements Backend: the newest update holds the stack as long as it has no result.
func (c Cloud) Locks(ctx context.Context, stack Stack) ([]Lock, error) {
	newest, running, err := c.newest(ctx, stack)
	if err != nil || !running {
		return nil, err
	}
	return []Lock{{Key: newest.ID, User: newest.RequestedBy.Name, Taken: newest.started()}}, nil
}

// Claims implements Backend: the CLI tells the service in which run it is, though not in which attempt.
func (c Cloud) Claims(ctx context.Context, stack Stack) ([]Claim, error) {
	newest, running, err := c.newest(ctx, stack)
	if err != nil || !running {
		return nil, err
	}
	run, repository, ok := runOf(newest.Info.Environment)
	if !ok {
		return nil, nil
	}
	return []Claim{{Repository: repository, Run: run, Started: newest.started()}}, nil
}

// Free implements Backend: it cancels the update of the lock. `pulumi cancel` would take the one that is newest by then.
func (c Cloud) Free(ctx context.Context, stack Stack, lock Lock) error {
	_, err := c.call(ctx, http.MethodPost, stack, "update/"+url.PathEscape(lock.Key)+"/cancel")
	return err
}

// Forget implements Backend: the claim is part of the update.
func (c Cloud) Forget(context.Context, Claim) error { return nil }

func (u update) started() time.Time { return time.Unix(u.Info.StartTime, 0).UTC() }

// newest is the stack's newest update, and whether it runs.
func (c Cloud) newest(ctx context.Context, stack Stack) (update, bool, error) {
	content, err := c.call(ctx, http.MethodGet, stack, "updates?output-type=service&pageSize=1&page=1")
	if err != nil {
		return update{}, false, err
	}
	var answer struct{ Updates []update }
	if err := json.Unmarshal(content, &answer); err != nil {
		return update{}, false, fmt.Errorf("understand the service's updates: %w", err)
	}
	if len(answer.Updates) == 0 {
		return update{}, false, nil
	}
	switch u := answer.Updates[0]; u.Info.Result {
	case "succeeded", "failed":
		return u, false, nil
	case "in-progress", "not-started":
		if u.ID == "" || u.Info.StartTime == 0 {
			return u, false, fmt.Errorf("the newest update has no id or no start: %.200s", content)
		}
		return u, true, nil
	default:
		return u, false, fmt.Errorf("the newest update has the result %q, which is not known here", u.Info.Result)
	}
}

// runOf reads the run out of what the CLI tells about itself. A build of another system has no page of ours.
func runOf(environment map[string]string) (run int64, repository string, ok bool) {
	page, isOurs := strings.CutPrefix(environment["ci.build.url"], runPages)
	repository, id, isRun := strings.Cut(page, "/actions/runs/")
	run, err := strconv.ParseInt(id, 10, 64)
	return run, repository, isOurs && isRun && err == nil
}

func (c Cloud) call(ctx context.Context, method string, stack Stack, path string) ([]byte, error) {
	base, err := url.JoinPath(c.API, "api/stacks", c.Organization, stack.Project, stack.Name)
	if err != nil {
		return nil, fmt.Errorf("PULUMI_BACKEND_URL: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+"/"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "token "+c.Token)
	request.Header.Set("Accept", "application/vnd.pulumi+8")
	return rest.Do(c.Client, request, "Pulumi Cloud")
}
