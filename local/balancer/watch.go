package balancer

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// watch acts when nothing has moved for the idle timeout: within a request on the connection to its target, and
// between two on the client's.
type watch struct {
	idle  time.Duration
	mu    sync.Mutex
	over  bool
	timer *time.Timer
}

// newWatch starts a watch. expired runs at most once, and not after stop.
func newWatch(idle time.Duration, expired func()) *watch {
	w := &watch{idle: idle}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(idle, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			w.over = true
			expired()
		}
	})
	return w
}

func (w *watch) moved() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(w.idle)
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// watched is a connection that tells the watch of the moment what comes on it.
type watched struct {
	net.Conn
	watch atomic.Pointer[watch]
}

// Read implements net.Conn.
func (c *watched) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.watch.Load().moved()
	}
	return n, err
}

// targetConn is a connection to a target. The watch is that of the request that has it, and is told what goes out as well.
type targetConn struct{ watched }

// Write implements net.Conn.
func (c *targetConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 {
		c.watch.Load().moved()
	}
	return n, err
}
