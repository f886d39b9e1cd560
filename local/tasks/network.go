package tasks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

const (
	pauseMemory  = 64 << 20 // bytes; the program needs some 10 MiB
	addressTries = 10
	probeWait    = 200 * time.Millisecond
)

// EnsureNetwork returns the bridge network of a name, after making it where it is not there. Its subnet is free and
// asked for by name: only then does the Docker Engine let containers choose an address, which a task's host name needs.
func EnsureNetwork(
	ctx context.Context,
	docker *client.Client,
	name string,
	labels map[string]string,
) (network.Inspect, error) {
	for range addressTries {
		found, err := docker.NetworkInspect(ctx, name, network.InspectOptions{})
		if err == nil || !errdefs.IsNotFound(err) {
			return found, wrap(err, "look for the network "+name)
		}
		// A first network learns which subnet the engine thinks free, and makes room for the one that asks for it.
		probe, err := docker.NetworkCreate(ctx, name+"-probe", network.CreateOptions{Driver: "bridge", Labels: labels})
		if errdefs.IsConflict(err) { // somebody else is making it
			pauseFor(ctx, probeWait)
			continue
		}
		if err != nil {
			return network.Inspect{}, fmt.Errorf(
				"find a free subnet: %w; remove networks that are not used: docker network prune",
				err,
			)
		}
		free, err := docker.NetworkInspect(ctx, probe.ID, network.InspectOptions{})
		if err := errors.Join(err, docker.NetworkRemove(context.WithoutCancel(ctx), probe.ID)); err != nil {
			return network.Inspect{}, fmt.Errorf("find a free subnet: %w", err)
		}
		_, err = docker.NetworkCreate(ctx, name, network.CreateOptions{
			Driver: "bridge", Labels: labels, IPAM: &network.IPAM{Driver: "default", Config: free.IPAM.Config},
		})
		if err != nil && !errdefs.IsConflict(err) && !strings.Contains(err.Error(), "overlap") { // taken meanwhile
			return network.Inspect{}, fmt.Errorf("make the network %s: %w", name, err)
		}
	}
	return network.Inspect{}, fmt.Errorf("make the network %s: others were faster at every try; try again", name)
}

func addressesOf(found network.Inspect) (subnet netip.Prefix, gateway netip.Addr, err error) {
	for _, config := range found.IPAM.Config {
		if subnet, err = netip.ParsePrefix(config.Subnet); err == nil && subnet.Addr().Is4() {
			gateway, err = netip.ParseAddr(config.Gateway)
			return subnet.Masked(), gateway, wrap(err, "understand the gateway of the network "+found.Name)
		}
	}
	return subnet, gateway, fmt.Errorf(
		"the network %s has no IPv4 subnet; remove it, and a fitting one is made",
		found.Name,
	)
}

// address draws a host address of the subnet, so that one that was just left is not taken again at once.
func (r *Runner) address() netip.Addr {
	size := uint32(1) << (32 - r.subnet.Bits())
	for {
		four := r.subnet.Addr().As4()
		base := uint32(four[0])<<24 | uint32(four[1])<<16 | uint32(four[2])<<8 | uint32(four[3])
		// Neither the network's own address nor that of broadcasts.
		n := base + 1 + rand.Uint32N(size-2) //nolint:gosec // need not be secret
		drawn := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		if drawn != r.gateway {
			return drawn
		}
	}
}

// hostname is the name that AWS gives to an address in us-east-1 (Amazon EC2 user guide, "EC2 instance hostnames and
// domains").
func hostname(ip netip.Addr) string {
	return "ip-" + strings.ReplaceAll(ip.String(), ".", "-") + ".ec2.internal"
}

// provision starts the task's pause container, and with it the network namespace with its address.
func (t *Task) provision(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	var err error
	for range addressTries {
		ip := t.runner.address()
		if err = t.startPause(ctx, ip); err == nil {
			t.change(func() { t.ip, t.connected = ip, now() })
			return nil
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	return err
}

func (t *Task) startPause(ctx context.Context, ip netip.Addr) error {
	docker := t.runner.opts.Docker
	config := &container.Config{
		Image: t.runner.opts.Pause, Hostname: hostname(ip), Labels: t.labels("~internal~ecs~pause"),
		Cmd:          []string{"80=/run/slipway/" + metadataSocket, "4566=/run/slipway/" + apiSocket},
		AttachStdout: true, AttachStderr: true,
	}
	config.Labels[labelSockets] = t.runner.sockets
	var hosts []string
	for i, upstream := range t.spec.Upstreams {
		config.Cmd = append(config.Cmd, fmt.Sprintf("%s:%d=/run/slipway/%s", upstreamAddress(i), upstream.Port, upstreamSocket(i)))
		hosts = append(hosts, upstream.Name+":"+upstreamAddress(i)) // which all containers of the task see
	}
	host := &container.HostConfig{
		Binds:          []string{t.endpoint.dir + ":/run/slipway"},
		ExtraHosts:     hosts,
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		// The last lets it into the sockets' folder where the runner is not root.
		CapAdd:      []string{"NET_ADMIN", "NET_BIND_SERVICE", "DAC_OVERRIDE"},
		SecurityOpt: []string{"no-new-privileges"},
		LogConfig:   container.LogConfig{Type: "none"},
		NetworkMode: container.NetworkMode(t.runner.opts.Network),
		Resources:   container.Resources{Memory: pauseMemory},
	}
	networks := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		t.runner.opts.Network: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: ip.String()}},
	}}
	made, err := docker.ContainerCreate(ctx, config, host, networks, nil, t.containerName("pause"))
	if err != nil {
		return fmt.Errorf("make the pause container: %w", err)
	}
	err = t.awaitPause(ctx, made.ID)
	if err != nil {
		t.runner.remove(context.WithoutCancel(ctx), made.ID)
		return err
	}
	t.pause = made.ID
	if found, err := docker.ContainerInspect(ctx, made.ID); err == nil {
		if settings := found.NetworkSettings.Networks[t.runner.opts.Network]; settings != nil {
			t.mac = settings.MacAddress
		}
	}
	return nil
}

// awaitPause starts the pause container and returns once it listens.
func (t *Task) awaitPause(ctx context.Context, id string) error {
	docker := t.runner.opts.Docker
	output, err := docker.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("listen to the pause container: %w", err)
	}
	defer output.Close()
	defer context.AfterFunc(ctx, output.Close)()
	if err := docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start the pause container: %w", err)
	}
	var said []string
	for lines := bufio.NewScanner(output.Reader); lines.Scan(); {
		_, line, _ := strings.Cut(lines.Text(), "pause: ") // after the frame's header of eight bytes
		if said = append(said, line); strings.HasSuffix(lines.Text(), "ready") {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the pause container ended: %s", strings.Join(said, "; "))
}

// inUse tells that a network cannot be removed because something is attached to it.
func inUse(err error) bool { return strings.Contains(err.Error(), "active endpoints") }

// wrap says what was being done when err happened, if it did.
func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
