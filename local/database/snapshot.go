package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Snapshot is a copy of all that an instance holds, of its storage as it stands. It is in memory, and small as the storage is.
type Snapshot struct {
	files string // a compressed tar archive
	admin string // password of rdsadmin in it
}

const (
	takeScript    = `tar -C / -cz --exclude=postmaster.pid ` + dataVolume + `/db ` + storageVolume + `/base 2>/dev/null`
	restoreScript = `rm -rf ` + dataVolume + `/db ` + storageVolume + `/base
tar -C / -xz`
)

// Take copies an instance as it is at one moment, for which the server ends as by Down, and starts again: sessions break. RDS, which
// copies disks, lets an instance in one zone stand still for a moment.
func (s *Servers) Take(ctx context.Context, id string) (Snapshot, error) {
	taken := Snapshot{}
	err := s.operate(ctx, id, "take a snapshot of", func(server *server) error {
		taken.admin = server.admin
		return s.whileDown(ctx, server, func() (err error) {
			taken.files, err = s.run(ctx, server, nil, takeScript)
			return err
		})
	})
	return taken, err
}

// Restore gives an instance that was just made what a snapshot holds, and the master user, whose name must be that of the snapshot,
// this password. Where that fails, the status stays failed until Delete: nobody may take an empty instance for a restored one.
func (s *Servers) Restore(ctx context.Context, id string, taken Snapshot, password string) error {
	verifier, err := scramVerifier(password)
	if err != nil {
		return fmt.Errorf("take the master password of DB instance %s: %w", id, err)
	}
	return s.operate(ctx, id, "restore a snapshot into", func(server *server) error {
		err := s.whileDown(ctx, server, func() error {
			_, err := s.run(ctx, server, strings.NewReader(taken.files), restoreScript)
			server.admin = taken.admin
			return err
		})
		if err == nil {
			err = s.asAdmin(ctx, server, "ALTER ROLE "+identifier(server.User)+" PASSWORD '"+verifier+"'")
		}
		if err != nil {
			s.set(server, Failed)
		}
		return err
	})
}

// whileDown does something while the server does not run, and has it run again, whatever comes of that.
func (s *Servers) whileDown(ctx context.Context, server *server, do func() error) error {
	if err := s.asAdmin(ctx, server, "CHECKPOINT"); err != nil { // so that the next start has little to recover
		return err
	}
	if _, err := s.run(ctx, server, nil, downScript); err != nil {
		return err
	}
	err := do()
	_, again := s.run(ctx, server, nil, upScript)
	if again != nil {
		again = errors.Join(again, s.lastWords(ctx, server))
	}
	return errors.Join(err, again)
}
