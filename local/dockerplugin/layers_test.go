package dockerplugin

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/moby/go-archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/vishvananda/netlink"

	"slipway/local/tools"
)

// measureAll is the variable by which the test builds the frontend, too.
const measureAll = "SLIPWAY_MEASURE_LAYERS"

// engineStart is how long an engine may take until it answers.
const engineStart = time.Minute

// sampleService is a service of the sample app, and what a build of it may use again.
type sampleService struct {
	name, argument, base string
	source, comment      string // a file, and what a line of comment in it begins with
	again                int    // layers on top of the base image's that a change of the source leaves as they are
	onDemand             bool   // for the figures only
}

var sampleServices = []sampleService{
	// The working folder and the dependencies.
	{name: "backend", argument: "PYTHON_IMAGE", base: "slipway-base/python:3", source: "app/__init__.py", comment: "# ", again: 2},
	// The working folder alone: what a build of Next.js leaves holds no dependencies that could be told from the source.
	{name: "frontend", argument: "NODE_IMAGE", base: "slipway-base/node:22", source: "app/page.tsx", comment: "// ", again: 1, onDemand: true},
}

// TestLayersFromRegistry holds what a build on a fresh machine takes from the image of the commit before when one source file has
// changed. Each build has an engine that has never built anything. The third image has the second to draw on, which was itself made so.
func TestLayersFromRegistry(t *testing.T) {
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		t.Skip("an engine of the test's own needs root, and dockerd on this machine")
	}
	cache, err := tools.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := (tools.Cache{Dir: cache, Out: t.Output()}).BaseImages(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, service := range sampleServices {
		t.Run(service.name, func(t *testing.T) {
			if service.onDemand && os.Getenv(measureAll) == "" {
				t.Skipf("takes minutes; %s=1 runs it", measureAll)
			}
			base, kept := service.save(t)
			dir, name := service.copy(t), registry(t)+"/myapp/"+service.name
			var first []string
			earlier := []any{}
			for _, tag := range []string{"1", "2", "3"} {
				layers := buildAfresh(t, base, service.inputs(dir, name+":"+tag, earlier))
				if tag == "1" {
					first = layers
				} else if got, want := common(first, layers), kept+service.again; got != want {
					t.Errorf("image %s begins with %d layers of image 1, want %d: %v, and %v", tag, got, want, layers, first)
				}
				earlier = slices.Insert(earlier, 0, any(name+":"+tag)) // the newest first, as in the program
				service.change(t, dir, tag)
			}
		})
	}
}

// save writes the service's base image into a file, and counts its layers.
func (s sampleService) save(t *testing.T) (file string, layers int) {
	t.Helper()
	engine := docker(t)
	found, err := engine.ImageInspect(t.Context(), s.base)
	if err != nil {
		t.Fatal(err)
	}
	content, err := engine.ImageSave(t.Context(), []string{s.base})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	file = filepath.Join(t.TempDir(), "base.tar")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, content); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return file, len(found.RootFS.Layers)
}

// copy is a folder with what a build of the service is sent.
func (s sampleService) copy(t *testing.T) string {
	t.Helper()
	folder, dir := filepath.Join("..", "..", s.name), t.TempDir()
	content, _, err := contextArchive(folder, filepath.Join(folder, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	if err := archive.Untar(content, dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// change adds a line of comment to the service's source.
func (s sampleService) change(t *testing.T, dir, line string) {
	t.Helper()
	name := filepath.Join(dir, s.source)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, string(content)+s.comment+line+"\n")
}

// inputs are those that the program declares, for an image that may draw on earlier ones.
func (s sampleService) inputs(dir, name string, earlier []any) resource.PropertyMap {
	properties := inputs(name, dir, password)
	build := properties["build"].ObjectValue()
	build["network"] = resource.NewStringProperty("host")
	build["args"] = resource.NewPropertyValue(map[string]any{s.argument: s.base, "BUILDKIT_INLINE_CACHE": "1"})
	build["cacheFrom"] = resource.NewPropertyValue(map[string]any{"images": earlier})
	return properties
}

// buildAfresh builds and pushes with an engine that has nothing but a base image, and returns the layers of what it made.
func buildAfresh(t *testing.T, base string, properties resource.PropertyMap) (layers []string) {
	t.Helper()
	name := properties["imageName"].StringValue()
	t.Run("image "+name[len(name)-1:], func(t *testing.T) {
		startEngine(t)
		engine := docker(t)
		content, err := os.Open(base)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = content.Close() }()
		loaded, err := engine.ImageLoad(t.Context(), content)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = loaded.Body.Close() }()
		if err := messages(loaded.Body, func(message) {}); err != nil {
			t.Fatal(err)
		}
		p, began := &provider{}, time.Now()
		if _, err := p.Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn, Properties: check(t, p, properties)}); err != nil {
			t.Fatal(err)
		}
		t.Logf("built and pushed in %.1f s", time.Since(began).Seconds())
		made, err := engine.ImageInspect(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		layers = made.RootFS.Layers
	})
	if layers == nil {
		t.FailNow()
	}
	return layers
}

// ownBridge makes a bridge for an engine of the test's own, and returns its name. An engine that is told to have none takes docker0 away, which is
// the machine's engine's.
func ownBridge(t *testing.T) string {
	t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("swtest%d", os.Getpid())}}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatalf("make bridge %s: %v", bridge.Name, err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(bridge); err != nil {
			t.Errorf("take bridge %s away: %v", bridge.Name, err)
		}
	})
	address, err := netlink.ParseAddr(freeAddress(t))
	if err == nil {
		err = netlink.AddrAdd(bridge, address)
	}
	if err == nil {
		err = netlink.LinkSetUp(bridge)
	}
	if err != nil {
		t.Fatalf("set up bridge %s: %v", bridge.Name, err)
	}
	return bridge.Name
}

// freeAddress is one for a bridge, of a network for documentation that no interface of this machine is in: nothing that matters is reached by it.
func freeAddress(t *testing.T) string {
	t.Helper()
	taken, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"198.51.100.1/30", "203.0.113.1/30", "192.0.2.1/30"} {
		ip, _, err := net.ParseCIDR(address)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(taken, func(a net.Addr) bool {
			network, is := a.(*net.IPNet)
			return is && network.Contains(ip)
		}) {
			return address
		}
	}
	t.Fatalf("each network for documentation is in use here: %v", taken)
	return ""
}

// startEngine starts a Docker Engine with nothing in it, and makes it the test's. It shares nothing with the machine's own, has no network
// and touches no packet filter: builds use the host's network.
func startEngine(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine-") // a socket's path may not be as long as a test's folder
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	in := func(name string) string { return filepath.Join(dir, name) }
	// In Docker's own store: containerd's can be shared with the machine's engine, and the official plugin does not do with it.
	write(t, in("config.json"), `{"features": {"containerd-snapshotter": false}}`)
	log, err := os.Create(in("log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	host := "unix://" + in("socket")
	command := exec.CommandContext(t.Context(), "dockerd", "--config-file", in("config.json"), "--host", host, "--data-root", in("data"),
		"--exec-root", in("exec"), "--pidfile", in("pid"), "--containerd-namespace", filepath.Base(dir),
		"--containerd-plugins-namespace", filepath.Base(dir)+"-plugins", "--bridge", ownBridge(t), "--iptables=false", "--ip6tables=false",
		"--ip-forward=false", "--ip-masq=false")
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) } // it ends its own containerd then
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() }) // the test's context has ended
	t.Setenv("DOCKER_HOST", host)
	engine := docker(t)
	for deadline := time.Now().Add(engineStart); ; time.Sleep(100 * time.Millisecond) {
		_, err := engine.Ping(context.Background())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(in("log"))
			t.Fatalf("the engine does not answer: %v\n%s", err, said)
		}
	}
}

// common counts the layers with which both images begin.
func common(one, other []string) int {
	n := 0
	for n < min(len(one), len(other)) && one[n] == other[n] {
		n++
	}
	return n
}
