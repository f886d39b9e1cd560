package database

import (
	"context"
	"fmt"
)

// server is one DB instance.
type server struct {
	Instance
	admin     string             // password of rdsadmin
	container string             // its id; empty until it is made
	cancel    context.CancelFunc // ends Create
	operation turn               // of what changes the server, one at a time
	gate      turn               // of what starts a process in the container, and of the time for which it is paused
	state     string             // guarded by Servers.mu, as is container
	stopSlow  func()             // guarded by operation
}

func check(instance Instance) error {
	switch {
	case instance.ID == "" || instance.Host == "" || instance.User == "":
		return fmt.Errorf("a DB instance needs an identifier, a host and a master user; got %+v", instance)
	case instance.Port < 1150 || instance.Port > 65535:
		// The bounds are those of CreateDBInstance's parameter Port.
		return fmt.Errorf("port %d of DB instance %s: give one from 1150 to 65535", instance.Port, instance.ID)
	case instance.StorageMiB < 64:
		return fmt.Errorf("%d MiB of storage of DB instance %s are too few for PostgreSQL; give 64 or more", instance.StorageMiB, instance.ID)
	}
	return nil
}

func (s *Servers) add(server *server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("create DB instance %s: %w", server.ID, errClosed)
	}
	if s.servers[server.ID] != nil {
		return fmt.Errorf("DB instance %s exists already; delete it first", server.ID)
	}
	s.servers[server.ID] = server
	return nil
}

func (s *Servers) find(id string) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if server := s.servers[id]; server != nil {
		return server, nil
	}
	return nil, fmt.Errorf("there is no DB instance %s; create it first", id)
}

// operate does something to an instance while nobody else does.
func (s *Servers) operate(ctx context.Context, id, what string, do func(*server) error) error {
	server, err := s.find(id)
	if err != nil {
		return err
	}
	if err := server.operation.take(ctx); err != nil {
		return fmt.Errorf("%s DB instance %s: %w", what, id, err)
	}
	defer server.operation.give()
	if again, err := s.find(id); err != nil || again != server {
		return fmt.Errorf("%s DB instance %s: it was deleted meanwhile", what, id)
	}
	if err := do(server); err != nil {
		return fmt.Errorf("%s DB instance %s: %w", what, id, err)
	}
	return nil
}

// set notes a state; deleting is the last one.
func (s *Servers) set(server *server, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if server.state != Deleting {
		server.state = state
	}
}

func (s *Servers) tell(server *server, format string, args ...any) {
	_, _ = fmt.Fprintf(s.opts.Log, "rds: DB instance "+server.ID+": "+format+"\n", args...)
}

func (i Instance) database() string {
	if i.Database == "" {
		return "postgres"
	}
	return i.Database
}

// turn is held by one at a time; it is given in the order in which it was asked for.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
