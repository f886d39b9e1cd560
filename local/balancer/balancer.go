package balancer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"reflect"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/authority"
)

// offset is added to every listener's port where ports below 1024 may not be bound.
const offset = 8000

// Balancer carries out load balancers. Its methods may be called at the same time.
type Balancer struct {
	log       *log.Logger
	offset    int
	authority *authority.Authority
	changed   chan struct{}
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	running   sync.WaitGroup // goroutines and connections of clients

	mu           sync.Mutex // guards all below, and all fields of groups and targets
	closed       bool
	applied      *Config
	refused      error // what Apply answered for applied
	retry        bool  // a port could not be bound, and may be free the next time
	addresses    map[string]*address
	listeners    map[netip.AddrPort]*listener
	groups       map[string]*group
	certificates map[string]*tls.Certificate // by the ARNs of those that they stand for
}

// New makes a balancer without load balancers. It tells log of requests that it could not have answered by a target.
func New(log io.Writer) (*Balancer, error) {
	signer, err := authority.New("Slipway ACM CA")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	moved, err := movedBy(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &Balancer{
		log: newLog(log), offset: moved, authority: signer, changed: make(chan struct{}, 1), ctx: ctx, cancel: cancel,
		addresses: map[string]*address{}, listeners: map[netip.AddrPort]*listener{}, groups: map[string]*group{},
		certificates: map[string]*tls.Certificate{},
	}, nil
}

func newLog(to io.Writer) *log.Logger { return log.New(to, "load balancer: ", 0) }

// Changed receives after targets have changed their states. Changes that come before one is received are received as
// one.
func (b *Balancer) Changed() <-chan struct{} { return b.changed }

func (b *Balancer) notify() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Host is the address under which the load balancer of an (emulator's) DNS name is reached, as it stands in a URL: a
// loopback address of its own, with port 8080 where port 80 may not be bound, as then every port is moved by 8000. It
// is stable from the first call until the load balancer, once applied, is applied no more. It is empty when no
// address could be reserved, which is logged, and after Close.
func (b *Balancer) Host(dnsName string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ""
	}
	at, err := b.addressOf(dnsName)
	if err != nil {
		b.log.Print(err)
		return ""
	}
	if b.offset == 0 {
		return at.ip.String()
	}
	return netip.AddrPortFrom(at.ip, uint16(80+b.offset)).String() //nolint:gosec // 8080
}

func (b *Balancer) addressOf(dnsName string) (*address, error) {
	if at, ok := b.addresses[dnsName]; ok {
		return at, nil
	}
	at, err := reserve(b.ctx)
	if err != nil {
		return nil, fmt.Errorf("give %s an address: %w", dnsName, err)
	}
	b.addresses[dnsName] = at
	return at, nil
}

// Apply carries out cfg, which must not be changed afterwards. A listener that stays keeps its socket and
// connections, and has its rules replaced at once. A listener that is gone is closed with its connections; checks of
// groups that are gone end. The error says what of cfg is not carried out, and why; all the rest is. Nothing is done
// where cfg is what was applied last.
func (b *Balancer) Apply(cfg Config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("apply load balancers: the balancer is closed; make a new one")
	}
	if b.applied != nil && !b.retry && reflect.DeepEqual(*b.applied, cfg) {
		return b.refused
	}
	b.retry = false
	problems := b.applyGroups(cfg)
	problems = append(problems, b.applyBalancers(cfg.Balancers)...)
	b.applied, b.refused = &cfg, errors.Join(problems...)
	return b.refused
}

func (b *Balancer) applyBalancers(balancers []LoadBalancer) []error {
	var problems []error
	problem := func(balancer LoadBalancer, err error) {
		problems = append(problems, fmt.Errorf("load balancer %s: %w", aws.ToString(balancer.LoadBalancerName), err))
	}
	type wanted struct {
		balancer LoadBalancer
		table    *table
	}
	tables := map[netip.AddrPort]wanted{}
	named := map[string]bool{}
	for _, balancer := range balancers {
		name := aws.ToString(balancer.DNSName)
		at, err := b.addressOf(name)
		if err != nil {
			problem(balancer, err)
			continue
		}
		named[name], at.registered = true, true
		if balancer.Type != types.LoadBalancerTypeEnumApplication && balancer.Type != "" {
			problem(balancer, fmt.Errorf("its type %s is not there, only application is; its listeners stay closed",
				balancer.Type))
			continue
		}
		options, refused := optionsOf(balancer.Attributes)
		for _, err := range refused {
			problem(balancer, err)
		}
		for _, found := range balancer.Listeners {
			port := int(aws.ToInt32(found.Port)) + b.offset
			security, err := b.securityOf(found)
			if err != nil {
				problem(balancer, fmt.Errorf("listener on port %d: %w; it stays closed", aws.ToInt32(found.Port), err))
				continue
			}
			if port > 65535 {
				problem(balancer, fmt.Errorf("listener on port %d: ports are moved by %d, as port 80 may not be bound, which "+
					"leaves no room for it; use a port up to %d, or run as root", port-b.offset, b.offset, 65535-b.offset))
				continue
			}
			table, refused := b.compile(found, port, options, security)
			for _, err := range refused {
				problem(balancer, fmt.Errorf("listener on port %d: %w", aws.ToInt32(found.Port), err))
			}
			tables[netip.AddrPortFrom(at.ip, uint16(port))] = wanted{balancer, table} //nolint:gosec // held to be in range
		}
	}
	for socket, listener := range b.listeners {
		if _, ok := tables[socket]; !ok {
			_ = listener.close()
			delete(b.listeners, socket)
		}
	}
	for name, at := range b.addresses {
		if at.registered && !named[name] {
			_ = at.reservation.Close()
			delete(b.addresses, name)
		}
	}
	for socket, want := range tables {
		if listener, ok := b.listeners[socket]; ok {
			listener.table.Store(want.table)
			continue
		}
		listener, err := b.listen(socket, want.table)
		if err != nil {
			b.retry = true
			problem(want.balancer, err)
			continue
		}
		b.listeners[socket] = listener
	}
	return problems
}

// Close closes all listeners and connections, ends all checks and draining, and waits until nothing of it runs any
// more.
func (b *Balancer) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.cancel()
	var problems []error
	for _, listener := range b.listeners {
		problems = append(problems, listener.close())
	}
	for _, group := range b.groups {
		b.removeGroup(group)
	}
	for _, at := range b.addresses {
		problems = append(problems, at.reservation.Close())
	}
	b.mu.Unlock()
	b.running.Wait()
	return errors.Join(problems...)
}
