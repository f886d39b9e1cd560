// Package e2e runs the whole program in the embedded cloud, from a clean clone, by the commands of the README. Tests that mostly wait run two
// at a time; those that count requests, look at the whole machine or run two jobs themselves have it to themselves.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/local/cloud"
)

// checkout is a clean clone with an embedded cloud of its own.
type checkout struct {
	dir string
	bin string
}

// clone makes a checkout of the repository's HEAD that is taken down after the test.
func clone(t *testing.T) checkout {
	t.Helper()
	bin := os.Getenv("SLIPWAY_LOCAL")
	if bin == "" {
		t.Fatal("SLIPWAY_LOCAL names no executable; run this by `make test-embedded`")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	c := checkout{dir: filepath.Join(t.TempDir(), "clone"), bin: bin}
	run(t, top, "git", "clone", "--quiet", top, c.dir)
	run(t, c.dir, "git", "config", "user.name", "Test")
	run(t, c.dir, "git", "config", "user.email", "test@example.com")
	t.Cleanup(func() {
		command := exec.Command(bin, "stop") // the test's own context has ended
		command.Dir = c.dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("stop the cloud: %v\n%s", err, out)
		}
	})
	return c
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	var out bytes.Buffer
	command.Stdout, command.Stderr = io.MultiWriter(&out, t.Output()), io.MultiWriter(&out, t.Output())
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// local runs one of the commands behind the make targets.
func (c checkout) local(t *testing.T, command ...string) string {
	t.Helper()
	return run(t, c.dir, c.bin, command...)
}

// refused runs a command that must fail, and returns what it printed.
func (c checkout) refused(t *testing.T, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.bin, command...)
	cmd.Dir = c.dir
	out, err := cmd.CombinedOutput()
	_, _ = t.Output().Write(out)
	if err == nil {
		t.Fatalf("%v did not fail:\n%s", command, out)
	}
	return string(out)
}

func (c checkout) commit(t *testing.T) string {
	t.Helper()
	run(t, c.dir, "git", "commit", "--quiet", "--all", "--message", "change")
	return c.head(t)
}

// source is the commit that made a folder what it is.
func (c checkout) source(t *testing.T, folder string) string {
	t.Helper()
	return run(t, c.dir, "git", "log", "--max-count=1", "--format=%H", "--", folder)
}

func (c checkout) head(t *testing.T) string { return run(t, c.dir, "git", "rev-parse", "HEAD") }

// state is the running cloud.
func (c checkout) state(t *testing.T) cloud.State {
	t.Helper()
	state, ok := cloud.Running(t.Context(), filepath.Join(c.dir, ".slipway", "cloud"))
	if !ok {
		t.Fatal("no cloud runs")
	}
	return state
}

func (c checkout) inventory(t *testing.T) []string {
	t.Helper()
	held, err := cloud.Inventory(t.Context(), c.state(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// kinds is an inventory without generated names: how many things of each kind there are.
func kinds(inventory []string) map[string]int {
	counts := map[string]int{}
	for _, line := range inventory {
		counts[strings.Join(strings.Fields(line)[:2], " ")]++
	}
	return counts
}

var changedResource = regexp.MustCompile(`(?m)^ (?:\+|-|~|\+-|\+\+|--) +(\S+) (\S+) (?:created|updated|replaced|deleted)`)

// changes lists the types of the resources that an up touched.
func changes(log string) []string {
	types := map[string]bool{}
	for _, match := range changedResource.FindAllStringSubmatch(log, -1) {
		types[match[1]] = true
	}
	var sorted []string
	for t := range types {
		sorted = append(sorted, t)
	}
	slices.Sort(sorted)
	return sorted
}

// building fits what the engine prints when it has an image built, by whichever plugin.
var building = regexp.MustCompile(`docker:index:Image \S+ creating`)

// TestStack goes through the life of a stack: up, up again, a new commit of each service, another value, down.
func TestStack(t *testing.T) {
	c := clone(t)
	before := listeners(t)
	first := c.local(t, "up")
	if strings.Contains(first, "unchanged") || !strings.Contains(first, "created") {
		t.Errorf("the first up did not create everything:\n%s", first)
	}
	for address := range listeners(t) {
		if !before[address] {
			t.Errorf("something listens on %s, which is not loopback", address)
		}
	}
	c.checkImages(t, "backend", "frontend")
	c.checkSecrets(t, first)
	c.checkPage(t)

	second := c.local(t, "up")
	if touched := changes(second); len(touched) > 0 || !regexp.MustCompile(`(?m)^ +\d+ unchanged$`).MatchString(second) {
		t.Errorf("a second up changed %v:\n%s", touched, second)
	}

	c.reaches(t, "backend", "frontend", "backend/app/__init__.py", "\"\"\"Another revision.\"\"\"\n")
	c.checkImages(t, "backend")
	c.reaches(t, "frontend", "backend", "frontend/app/style.css", c.read(t, "frontend/app/style.css")+"/* Another revision. */\n")
	c.checkImages(t, "frontend")

	// A value changes, and nothing but the way out with it: endpoints take the place of the NAT gateway.
	run(t, c.dir, "sed", "-i", "s/^config:/config:\\n  slipway:networkNat: none/", "Pulumi.local.yaml")
	c.commit(t)
	third := c.local(t, "up")
	want := []string{
		"aws:ec2:Eip", "aws:ec2:NatGateway", "aws:ec2:Route", "aws:ec2:SecurityGroup", "aws:ec2:VpcEndpoint", "aws:vpc:SecurityGroupIngressRule",
	}
	if touched := changes(third); !slices.Equal(touched, want) {
		t.Errorf("another way out changed %v, want %v:\n%s", touched, want, third)
	}
	if held := kinds(c.inventory(t)); held["ec2 DescribeNatGateways"] != 0 || held["ec2 DescribeVpcEndpoints"] != 6 {
		t.Errorf("the cloud holds %v, want no NAT gateway and 6 endpoints", held)
	}
	if again := c.local(t, "up"); len(changes(again)) > 0 {
		t.Errorf("the new way out had not converged:\n%s", again)
	}

	last := c.local(t, "down") // fails where the API shows a leftover
	if !strings.Contains(last, "the API shows nothing that was not there at birth") {
		t.Errorf("down does not say what it asked the API:\n%s", last)
	}
}

// TestKilled kills `up` with no warning, again and again, each time later, in every second round the Pulumi CLI with it,
// as a machine that loses its power would; then one up must converge, with nothing doubled.
func TestKilled(t *testing.T) {
	t.Parallel()
	whole := clone(t)
	whole.local(t, "up")
	want := kinds(whole.inventory(t))

	c := clone(t)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		command := exec.CommandContext(ctx, c.bin, "up")
		command.Dir = c.dir
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		command.Stdout, command.Stderr = t.Output(), t.Output()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(2+round*5+random.IntN(5)) * time.Second
		t.Logf("round %d: killing up after %s", round, after)
		time.Sleep(after)
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		if round%2 == 1 {
			c.killCLI(t)
		}
		_ = command.Wait()
		cancel()
	}
	c.local(t, "up")
	if got := kinds(c.inventory(t)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after the kills the cloud holds %v, want %v", got, want)
	}
	if again := c.local(t, "up"); len(changes(again)) > 0 {
		t.Errorf("the stack had not converged:\n%s", again)
	}
	c.local(t, "down")
}

// killCLI kills the Pulumi CLI of the checkout, which outlives its caller, if it runs.
func (c checkout) killCLI(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.dir, ".slipway", "pulumi.pid"))
	if err != nil {
		t.Logf("no CLI to kill: %v", err)
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil || filepath.Base(exe) != "pulumi" { // it has ended, and the id may be another's by now
		t.Logf("the CLI has ended already: %q, %v", exe, err)
		return
	}
	t.Logf("killing the CLI, process %d", pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
