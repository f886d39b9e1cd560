// Package database is the data plane of RDS for PostgreSQL in the embedded cloud: each DB instance is a real PostgreSQL
// server in a container of its own, set up as RDS sets one up.
package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"slipway/local/authority"
)

// What a DB instance's status can be, of RDS's words for it (Amazon RDS User Guide, "Viewing Amazon RDS DB instance
// status").
const (
	Creating    = "creating"
	Available   = "available"
	StorageFull = "storage-full"
	Stopped     = "stopped"
	Rebooting   = "rebooting"
	Deleting    = "deleting"
	Failed      = "failed"
)

const (
	createTimeout  = 2 * time.Minute  // of Create, once there is an image
	statusTimeout  = 5 * time.Second  // of a look at the server
	cleanupTimeout = 30 * time.Second // of what is carried out even after a caller's context has ended
)

var errClosed = errors.New("the cloud's servers are closed; start the cloud again")

// Instance describes a DB instance. Its words are CreateDBInstance's where there is one.
type Instance struct {
	ID         string // DBInstanceIdentifier
	Host       string // address of the endpoint, as clients on the Docker network look it up
	Port       int
	Database   string // DBName; empty for none beside postgres
	User       string // MasterUsername
	Major      string // major version of the engine, such as 17
	ForceTLS   bool   // parameter rds.force_ssl: connections without TLS are refused
	SlowMillis int    // parameter log_min_duration_statement; 0 for none
	StorageMiB int    // AllocatedStorage, in memory of this machine, without the write-ahead log; 0 for 512, and 64 at least
}

// Options are what New needs.
type Options struct {
	Docker       client.APIClient
	Cloud, Owner string // labels slipway.cloud and slipway.owner of every container
	Network      string // name of the Docker network that clients are on; it must exist
	// Image returns the name of an image of PostgreSQL of a major version, as tools.Cache.PostgresImage does.
	Image func(ctx context.Context, major string) (string, error)
	Log   io.Writer // where each instance's coming and failing is told, a line at a time
}

// Servers are the DB instances of one cloud. All methods can be called at the same time.
type Servers struct {
	opts      Options
	authority *authority.Authority
	ended     sync.WaitGroup // every goroutine

	mu      sync.Mutex
	closed  bool
	servers map[string]*server
}

// New returns Servers without any instance, with a certificate authority of their own.
func New(opts Options) (*Servers, error) {
	signer, err := authority.New("Slipway RDS CA")
	if err != nil {
		return nil, err
	}
	return &Servers{opts: opts, authority: signer, servers: map[string]*server{}}, nil
}

// CertificateAuthority is the certificate, in PEM, of what signs the servers' certificates. It is not Amazon's: clients
// that check the server (sslmode verify-ca and verify-full) with Amazon's bundle refuse it, those that only ask for TLS
// (require) do not (Amazon RDS User Guide, "Using SSL with a PostgreSQL DB instance").
func (s *Servers) CertificateAuthority() []byte { return s.authority.PEM() }

// Create starts a DB instance and returns once it accepts connections over TLS as its master user with this password,
// which must be of printable ASCII characters, as RDS asks. Where that fails, the status stays failed until Delete.
// Errors: the id is taken; the description is wrong; the image or the container cannot be made; PostgreSQL does not
// start, with the end of its log.
func (s *Servers) Create(ctx context.Context, instance Instance, password string) error {
	if instance.StorageMiB == 0 {
		instance.StorageMiB = 512
	}
	if err := check(instance); err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return fmt.Errorf("take the master password of DB instance %s: %w", instance.ID, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &server{
		Instance: instance, admin: rand.Text(), cancel: cancel, state: Creating,
		operation: newTurn(), gate: newTurn(), stopSlow: func() {},
	}
	if err := server.operation.take(ctx); err != nil {
		return err
	}
	defer server.operation.give()
	if err := s.add(server); err != nil {
		return err
	}
	start := time.Now()
	if err := s.create(ctx, server, password, verifier); err != nil {
		err = fmt.Errorf("create DB instance %s: %w", instance.ID, errors.Join(err, s.remove(ctx, server)))
		s.set(server, Failed)
		s.tell(server, "%v", err)
		return err
	}
	s.set(server, Available)
	s.tell(server, "PostgreSQL %s is available after %.1f s", instance.Major, time.Since(start).Seconds())
	return nil
}

// Known says whether there is an instance, in whatever state.
func (s *Servers) Known(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers[id] != nil
}

// Status is RDS's word for the state of an instance, or nothing for one that is not there. It looks at the server
// itself where it should be available: rebooting is one that ended by itself and starts again, storage-full one whose
// volume has less than 1 MiB left, and failed one whose container has gone.
func (s *Servers) Status(id string) string {
	s.mu.Lock()
	server := s.servers[id]
	if server == nil {
		s.mu.Unlock()
		return ""
	}
	state := server.state
	s.mu.Unlock()
	if state != Available {
		return state
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	out, err := s.run(ctx, server, nil, statusScript)
	if err != nil {
		container, err := s.containerOf(server)
		if err != nil {
			return Failed
		}
		found, err := s.opts.Docker.ContainerInspect(ctx, container)
		if errdefs.IsNotFound(err) || err == nil && !found.State.Running {
			return Failed
		}
		return state // the engine does not answer: that is not the server's state
	}
	var word string
	var free int64
	if _, err := fmt.Sscan(out, &word, &free); err != nil || word != "ready" {
		return Rebooting
	}
	if free < 1<<20 {
		return StorageFull
	}
	return Available
}

// SetPassword gives the master user another password, of printable ASCII characters. Sessions live on; new ones need
// the new one (Amazon RDS User Guide, "Modifying an Amazon RDS DB instance", setting "New master password").
func (s *Servers) SetPassword(ctx context.Context, id, password string) error {
	verifier, err := scramVerifier(password)
	if err != nil {
		return fmt.Errorf("take the master password of DB instance %s: %w", id, err)
	}
	return s.operate(ctx, id, "set the master password of", func(server *server) error {
		return s.asAdmin(ctx, server, "ALTER ROLE "+identifier(server.User)+" PASSWORD '"+verifier+"'")
	})
}

// Delete ends an instance, in whatever state, and all that it held. It fails if there is none, or its container cannot
// be removed; then it can be tried again.
func (s *Servers) Delete(ctx context.Context, id string) error {
	s.mu.Lock()
	if found := s.servers[id]; found != nil {
		found.state = Deleting
		found.cancel()
	}
	s.mu.Unlock()
	return s.operate(ctx, id, "delete", func(server *server) error {
		if err := s.remove(ctx, server); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.servers, id)
		return nil
	})
}

// Close deletes all instances and waits until nothing of them runs. No instance can be created any more.
func (s *Servers) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	var ids []string
	for id := range s.servers {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	var problems []error
	for _, id := range ids {
		problems = append(problems, s.Delete(ctx, id))
	}
	ended := make(chan struct{})
	go func() {
		s.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		problems = append(problems, ctx.Err())
	}
	return errors.Join(problems...)
}

// start runs f in a goroutine that Close waits for, unless it is too late for that.
func (s *Servers) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.ended.Go(f)
	}
	return !s.closed
}
