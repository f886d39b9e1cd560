package balancer

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
)

// reservePort is the UDP port whose binding reserves a loopback address among the balancers of a machine. Nothing is
// read from it.
const reservePort = 18080

// address is a loopback address that belongs to one load balancer.
type address struct {
	ip          netip.Addr
	reservation net.PacketConn
	registered  bool // its load balancer has been in a Config
}

// reserve draws addresses until one is free. 127.0.0.0/16 is left out: others expect 127.0.0.1, 127.0.0.11 or
// 127.0.0.53 there.
func reserve(ctx context.Context) (*address, error) {
	var failed error
	for range 100 {
		var drawn [3]byte
		if _, err := rand.Read(drawn[:]); err != nil {
			return nil, fmt.Errorf("draw random bytes: %w", err)
		}
		ip := netip.AddrFrom4([4]byte{127, 1 + drawn[0]%254, drawn[1], 1 + drawn[2]%254})
		var sockets net.ListenConfig
		reservation, err := sockets.ListenPacket(ctx, "udp4", netip.AddrPortFrom(ip, reservePort).String())
		if err == nil {
			return &address{ip: ip, reservation: reservation}, nil
		}
		failed = err
	}
	return nil, fmt.Errorf("reserve a loopback address: %w; the machine must have all of 127.0.0.0/8, as Linux does, and "+
		"UDP port %d must be free", failed, reservePort)
}

// movedBy is by how much ports are moved: by nothing where port 80 can be bound.
func movedBy(ctx context.Context) (int, error) {
	probe, err := reserve(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = probe.reservation.Close() }()
	var sockets net.ListenConfig
	socket, err := sockets.Listen(ctx, "tcp4", netip.AddrPortFrom(probe.ip, 80).String())
	if err != nil {
		return offset, nil // that it fails is the answer
	}
	_ = socket.Close()
	return 0, nil
}
