package database

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// slowCycle is how long a slowed server runs and stands still, together.
const slowCycle = 500 * time.Millisecond

// downScript ends the server without a checkpoint, by SIGQUIT (PostgreSQL's documentation, "Shutting Down the Server":
// Immediate Shutdown), and without grace after 10 seconds. It returns once mainScript has seen it gone.
const downScript = `cd ` + runVolume + `
rm -f up down
tries=0
until [ -e down ]; do
	tries=$((tries + 1))
	[ $tries -le 200 ] || { echo 'PostgreSQL does not end' >&2; exit 1; }
	signal=QUIT
	[ $tries -le 100 ] || signal=KILL
	pid=$(head -n 1 ` + pidFile + ` 2>/dev/null) && kill -s $signal "$pid" 2>/dev/null || :
	sleep 0.1
done`

const upScript = `: >` + runVolume + `/up` + awaitReady

// The fill file takes every block that is left. What other files have of blocks that they do not use yet stays theirs.
const (
	fillFile   = storageVolume + "/fill"
	fillScript = `dd if=/dev/zero of=` + fillFile + ` bs=64k 2>/dev/null || :
[ "$(stat -f -c %a ` + storageVolume + `)" = 0 ] || { echo 'the storage is not full' >&2; exit 1; }`
	freeScript = `rm -f ` + fillFile
)

// Down ends the server process as a crash does: sessions break, connections are refused, the status is stopped. What
// was committed survives.
func (s *Servers) Down(ctx context.Context, id string) error {
	return s.operate(ctx, id, "end the server of", func(server *server) error {
		if _, err := s.run(ctx, server, nil, downScript); err != nil {
			return err
		}
		s.set(server, Stopped)
		return nil
	})
}

// Up starts the server process that Down ended, and returns once it has recovered and accepts connections. While it
// starts, the status is rebooting. It does nothing to a server that runs. It fails, and the status is failed, where
// PostgreSQL is not ready within 30 seconds; the server is tried on, and Up can be called again.
func (s *Servers) Up(ctx context.Context, id string) error {
	return s.operate(ctx, id, "start the server of", func(server *server) error {
		s.set(server, Rebooting)
		if _, err := s.run(ctx, server, nil, upScript); err != nil {
			s.set(server, Failed)
			return errors.Join(err, s.lastWords(ctx, server))
		}
		s.set(server, Available)
		return nil
	})
}

// Slow lets the server run only for a part of each half second, such as 0.2, and stand still for the rest, with all
// its sessions. 1 ends it. It goes on until then, over Down and Up. A short script of ours, such as Status's, is let
// through.
func (s *Servers) Slow(ctx context.Context, id string, duty float64) error {
	if !(duty > 0 && duty <= 1) {
		return fmt.Errorf("slow DB instance %s: a server cannot run for %v of the time; give more than 0, at most 1", id, duty)
	}
	return s.operate(ctx, id, "slow", func(server *server) error {
		container, err := s.containerOf(server)
		if err != nil {
			return err
		}
		server.stopSlow()
		server.stopSlow = func() {}
		if duty == 1 {
			return nil
		}
		cycle, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		if !s.start(func() {
			defer close(ended)
			if err := s.cycle(cycle, server, container, duty); err != nil {
				s.tell(server, "it is slowed no more: %v", err)
			}
		}) {
			cancel()
			return errClosed
		}
		server.stopSlow = func() {
			cancel()
			<-ended
		}
		return nil
	})
}

// cycle pauses and unpauses the container until ctx ends. It always leaves it unpaused.
func (s *Servers) cycle(ctx context.Context, server *server, container string, duty float64) error {
	running := time.Duration(duty * float64(slowCycle))
	for wait(ctx, running) && server.gate.take(ctx) == nil {
		err := s.pause(ctx, container, slowCycle-running)
		server.gate.give()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Servers) pause(ctx context.Context, container string, duration time.Duration) error {
	// Not ended half-way: nobody could tell whether the container is paused then.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := s.opts.Docker.ContainerPause(whole, container); err != nil {
		return fmt.Errorf("pause the container: %w", err)
	}
	wait(ctx, duration)
	if err := s.opts.Docker.ContainerUnpause(whole, container); err != nil {
		return fmt.Errorf("unpause the container: %w; it stands still until Delete", err)
	}
	return nil
}

// wait tells whether a time has passed before ctx ended.
func wait(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// FillDisk fills the storage until not a block is left. From then on PostgreSQL refuses what needs more space, with
// SQLSTATE 53100, and goes on reading; the status is storage-full. The server does not end by that, and starts again
// on full storage, since its log and its own small files are not on it. Pages that it has only promised their place by
// then, as those of a new database, get it first, by a checkpoint.
func (s *Servers) FillDisk(ctx context.Context, id string) error {
	return s.operate(ctx, id, "fill the storage of", func(server *server) error {
		if s.Status(id) == Available {
			if err := s.asAdmin(ctx, server, "CHECKPOINT"); err != nil {
				return err
			}
		}
		_, err := s.run(ctx, server, nil, fillScript)
		return err
	})
}

// FreeDisk gives back what FillDisk took.
func (s *Servers) FreeDisk(ctx context.Context, id string) error {
	return s.operate(ctx, id, "free the storage of", func(server *server) error {
		_, err := s.run(ctx, server, nil, freeScript)
		return err
	})
}
