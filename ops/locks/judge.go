package locks

import (
	"context"
	"fmt"
	"time"
)

const (
	// Grace is how long a run must have been completed before its lock counts as stale. GitHub gives up a runner that it
	// cannot hear, and such a machine may go on for a while.
	Grace = 10 * time.Minute
	// Puzzling is the age at which a lock that nobody claims needs a person: the longest job ends in less.
	Puzzling = 3 * time.Hour
)

// State is what GitHub says of one attempt of a run.
type State struct {
	Completed bool
	At        time.Time // when it completed, or later
}

// Runs asks for the state of the attempt that a claim names.
type Runs func(ctx context.Context, claim Claim) (State, error)

// Verdict says whether a lock may go.
type Verdict struct {
	Lock   Lock
	Stale  bool
	Known  bool   // whether a run claims the lock
	Reason string // in words, for the log
}

// Judge says whether a lock is stale. That a run cannot be asked about is an error, and the lock then stays.
func Judge(ctx context.Context, lock Lock, claims []Claim, runs Runs, now time.Time) (Verdict, error) {
	verdict := Verdict{Lock: lock}
	for _, claim := range claims {
		if claim.Host != lock.Host || lock.Taken.Before(claim.Started) || lock.Taken.Sub(claim.Started) > Puzzling {
			continue
		}
		state, err := runs(ctx, claim)
		if err != nil {
			return verdict, fmt.Errorf("ask whether %s lives: %w", claim, err)
		}
		if state.Completed && lock.Taken.After(state.At) {
			continue // it was over when the lock was taken
		}
		verdict.Known = true
		switch {
		case !state.Completed:
			return keep(verdict, "%s is alive", claim), nil
		case now.Before(state.At.Add(Grace)):
			return keep(verdict, "%s completed less than %v ago; its lock can go at %s", claim, Grace,
				state.At.Add(Grace).UTC().Format(time.TimeOnly)), nil
		}
		verdict.Reason = fmt.Sprintf("%s completed at %s", claim, state.At.UTC().Format(time.RFC3339))
	}
	if !verdict.Known {
		return keep(verdict, "no run claims it: a person's, or one that could not leave a claim"), nil
	}
	verdict.Stale = true
	return verdict, nil
}

func keep(v Verdict, format string, args ...any) Verdict {
	v.Stale, v.Reason = false, fmt.Sprintf(format, args...)
	return v
}
