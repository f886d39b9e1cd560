package locks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Store is where a backend keeps its files. Keys are slash-separated and relative to the backend's top.
type Store interface {
	// List names the files below a folder, in no order; a folder that is not there has none.
	List(ctx context.Context, folder string) ([]string, error)
	Read(ctx context.Context, key string) ([]byte, error)
	Write(ctx context.Context, key string, content []byte) error
	// Delete removes one file. That it is gone already is no error.
	Delete(ctx context.Context, key string) error
}

// Stack names a stack as the backend does.
type Stack struct{ Project, Name string }

// lockFolder is where the CLI keeps the locks of a stack; claimFolder is ours.
func (s Stack) lockFolder() string  { return path.Join(".pulumi/locks/organization", s.Project, s.Name) }
func (s Stack) claimFolder() string { return path.Join(".slipway/claims", s.Project, s.Name) }

// Lock is one lock of a stack.
type Lock struct {
	Key   string    `json:"-"`        // of its file, or of the update; unique to the CLI that took it
	PID   int       `json:"pid"`      // 0 where the backend does not say
	User  string    `json:"username"` // of the machine, or of Pulumi Cloud
	Host  string    `json:"hostname"` // empty where the backend does not say
	Taken time.Time `json:"timestamp"`
}

// String names the lock as the CLI does.
func (l Lock) String() string {
	if l.Host == "" {
		return fmt.Sprintf("%s since %s", l.User, l.Taken.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s@%s (process %d) since %s", l.User, l.Host, l.PID, l.Taken.UTC().Format(time.RFC3339))
}

// Claim says which run may hold a stack's lock.
type Claim struct {
	Key        string    `json:"-"`
	Repository string    `json:"repository"` // OWNER/NAME
	Run        int64     `json:"run"`        // GITHUB_RUN_ID
	Attempt    int       `json:"attempt"`    // GITHUB_RUN_ATTEMPT; 0 where the backend does not say
	Host       string    `json:"host"`       // of the machine, as the lock has it
	Started    time.Time `json:"started"`    // before the CLI was
}

// String names the run.
func (c Claim) String() string {
	if c.Attempt == 0 {
		return fmt.Sprintf("run %d of %s", c.Run, c.Repository)
	}
	return fmt.Sprintf("run %d, attempt %d, of %s", c.Run, c.Attempt, c.Repository)
}

// NewClaim is the claim of the run that this process is part of; ok is false outside of GitHub Actions, where nobody could
// be asked whether we live. getenv is os.Getenv, host os.Hostname's.
func NewClaim(getenv func(string) string, host string, now time.Time) (claim Claim, ok bool, err error) {
	if getenv("GITHUB_ACTIONS") != "true" {
		return Claim{}, false, nil
	}
	run, runErr := strconv.ParseInt(getenv("GITHUB_RUN_ID"), 10, 64)
	attempt, attemptErr := strconv.Atoi(getenv("GITHUB_RUN_ATTEMPT"))
	if err := errors.Join(runErr, attemptErr); err != nil {
		return Claim{}, false, fmt.Errorf("GITHUB_RUN_ID, GITHUB_RUN_ATTEMPT: %w", err)
	}
	return Claim{Repository: getenv("GITHUB_REPOSITORY"), Run: run, Attempt: attempt, Host: host, Started: now}, true, nil
}

// Files are the locks of a backend of Pulumi's own kind, and the claims that we leave beside them.
type Files struct{ Store Store }

// Leave writes a claim, and returns it with its key. A run that dies leaves it behind.
func (f Files) Leave(ctx context.Context, stack Stack, claim Claim) (Claim, error) {
	content, err := json.Marshal(claim)
	if err != nil {
		return claim, fmt.Errorf("render the claim: %w", err)
	}
	claim.Key = path.Join(stack.claimFolder(), fmt.Sprintf("%d-%d-%d.json", claim.Run, claim.Attempt, claim.Started.UnixNano()))
	if err := f.Store.Write(ctx, claim.Key, content); err != nil {
		return claim, fmt.Errorf("leave a claim beside the state: %w", err)
	}
	return claim, nil
}

// Forget takes a claim away.
func (f Files) Forget(ctx context.Context, claim Claim) error { return f.Store.Delete(ctx, claim.Key) }

// Free implements Backend: it deletes the lock's own file.
func (f Files) Free(ctx context.Context, _ Stack, lock Lock) error {
	return f.Store.Delete(ctx, lock.Key)
}

// Locks implements Backend.
func (f Files) Locks(ctx context.Context, stack Stack) ([]Lock, error) {
	var all []Lock
	err := f.each(ctx, stack.lockFolder(), func(key string, content []byte) error {
		all = append(all, Lock{Key: key})
		return json.Unmarshal(content, &all[len(all)-1])
	})
	slices.SortFunc(all, func(a, b Lock) int { return a.Taken.Compare(b.Taken) })
	return all, err
}

// Claims implements Backend.
func (f Files) Claims(ctx context.Context, stack Stack) ([]Claim, error) {
	var all []Claim
	err := f.each(ctx, stack.claimFolder(), func(key string, content []byte) error {
		all = append(all, Claim{Key: key})
		return json.Unmarshal(content, &all[len(all)-1])
	})
	slices.SortFunc(all, func(a, b Claim) int { return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.Key, b.Key)) })
	return all, err
}

// each reads every JSON file of a folder. One that goes away meanwhile is left out.
func (f Files) each(ctx context.Context, folder string, read func(key string, content []byte) error) error {
	keys, err := f.Store.List(ctx, folder)
	if err != nil {
		return fmt.Errorf("list %s of the backend: %w", folder, err)
	}
	for _, key := range keys {
		if path.Ext(key) != ".json" || path.Dir(key) != folder { // beside each file a local backend keeps its attributes
			continue
		}
		content, err := f.Store.Read(ctx, key)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s of the backend: %w", key, err)
		}
		if err := read(key, content); err != nil {
			return fmt.Errorf("understand %s of the backend: %w", key, err)
		}
	}
	return nil
}

// ErrGone is what a Store's Read gives for a file that is not there.
var ErrGone = errors.New("there is no such file")
