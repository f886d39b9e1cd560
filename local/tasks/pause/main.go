// Command pause is process 1 of the container that owns a task's network namespace, as the pause container of ECS's
// awsvpc mode does. Beside waiting it gives the namespace the link-local address at which Fargate answers for metadata
// and credentials, and forwards each connection to a Unix socket that the task's runner serves on the other side of a
// bind mount. So it does on loopback addresses, for what the task reaches by Service Connect.
//
// Each argument is PORT=SOCKET, at the link-local address, or ADDRESS:PORT=SOCKET. It ends at SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
)

const (
	address        = "169.254.170.2"
	maxConnections = 256 // at one time and port; more wait in the kernel's queue
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pause:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, forwards []string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	link, err := netlink.ParseAddr(address + "/32")
	if err != nil {
		return fmt.Errorf("understand %s: %w", address, err)
	}
	if err := netlink.AddrAdd(lo, link); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("give %s to the loopback interface: %w; the container needs NET_ADMIN", address, err)
	}
	failed := make(chan error, len(forwards))
	for _, one := range forwards {
		at, socket, ok := strings.Cut(one, "=")
		if !ok {
			return fmt.Errorf("%q is not PORT=SOCKET", one)
		}
		if !strings.Contains(at, ":") {
			at = net.JoinHostPort(address, at)
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", at)
		if err != nil {
			return fmt.Errorf("listen for tasks: %w", err)
		}
		go func() { failed <- forward(ctx, listener, socket) }()
	}
	fmt.Println("ready") // the runner starts the task's containers once it reads this
	select {
	case <-ctx.Done():
		return nil // the kernel closes what is open
	case err := <-failed:
		return err
	}
}

// forward serves one port until accepting fails.
func forward(ctx context.Context, listener net.Listener, socket string) error {
	slots := make(chan struct{}, maxConnections)
	for {
		slots <- struct{}{}
		from, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accept on %s: %w", listener.Addr(), err)
		}
		go func() {
			defer func() { <-slots }()
			defer func() { _ = from.Close() }()
			to, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err != nil {
				fmt.Fprintln(os.Stderr, "pause: reach the task's runner:", err)
				return
			}
			defer func() { _ = to.Close() }()
			join(from, to)
		}()
	}
}

// join copies both ways until both sides have ended.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			if half, ok := way[1].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // tells the other side that no more comes, and lets its answer through
			}
		})
	}
	both.Wait()
}
