package locks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Backend is where a stack's state is locked: Files or Cloud.
type Backend interface {
	// Locks are those of a stack, oldest first.
	Locks(ctx context.Context, stack Stack) ([]Lock, error)
	// Claims say which runs may hold them, oldest first.
	Claims(ctx context.Context, stack Stack) ([]Claim, error)
	// Free ends the very lock that is given, and no other that was taken meanwhile.
	Free(ctx context.Context, stack Stack, lock Lock) error
	// Forget takes a claim away.
	Forget(ctx context.Context, claim Claim) error
}

// Cleaner frees stacks from stale locks.
type Cleaner struct {
	Backend Backend
	Runs    Runs
	Now     func() time.Time
	Out     io.Writer // is told about each lock, in one line
}

// Free ends the stale locks of a stack, and claims that no lock needs any more. A lock that stays is an error only where
// a person must look: where nobody claims it and it is older than Puzzling.
func (c Cleaner) Free(ctx context.Context, stack Stack) error {
	claims, err := c.Backend.Claims(ctx, stack) // before the locks, so that a lock is never newer than its claim
	if err != nil {
		return err
	}
	held, err := c.Backend.Locks(ctx, stack)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		c.say("%s: no lock", stack.Name)
	}
	var problems []error
	left := 0
	for _, lock := range held {
		verdict, err := Judge(ctx, lock, claims, c.Runs, c.Now())
		if err != nil {
			problems = append(problems, err)
			left++
			continue
		}
		if !verdict.Stale {
			left++
			c.say("%s: kept the lock of %s: %s", stack.Name, lock, verdict.Reason)
			if !verdict.Known && c.Now().Sub(lock.Taken) > Puzzling {
				problems = append(problems, fmt.Errorf("%s: the lock of %s is old, and %s; once you know that its process is dead, type "+
					"`pulumi cancel --stack %s`", stack.Name, lock, verdict.Reason, stack.Name))
			}
			continue
		}
		if err := c.Backend.Free(ctx, stack, lock); err != nil {
			problems = append(problems, fmt.Errorf("free the lock of %s: %w", lock, err))
			left++
			continue
		}
		c.say("%s: freed from the lock of %s: %s. Should the state name pending operations, the next `up` says which; look at AWS "+
			"before you clear them", stack.Name, lock, verdict.Reason)
	}
	if left == 0 {
		problems = append(problems, c.tidy(ctx, claims))
	}
	return errors.Join(problems...)
}

// tidy removes claims of runs that are dead. One that lives may be about to take a lock.
func (c Cleaner) tidy(ctx context.Context, claims []Claim) error {
	var problems []error
	for _, claim := range claims {
		state, err := c.Runs(ctx, claim)
		if err != nil {
			problems = append(problems, fmt.Errorf("ask whether %s lives: %w", claim, err))
			continue
		}
		if state.Completed && c.Now().After(state.At.Add(Grace)) {
			problems = append(problems, c.Backend.Forget(ctx, claim))
		}
	}
	return errors.Join(problems...)
}

func (c Cleaner) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Out, format+"\n", args...)
}
