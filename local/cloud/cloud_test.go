package cloud_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"slipway/local/cloud"
	"slipway/local/tools"
)

// What a cloud is started with, the same that `make up` uses.
var (
	moto  []string // command that starts the emulator
	pause string   // image
)

// TestMain also plays the daemon: Ensure starts this executable again with the folder and the emulator's command.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	if len(os.Args) > 4 && os.Args[1] == "serve" {
		cache := cache()
		err := cloud.Run(ctx, cloud.Options{
			Dir: os.Args[2], Pause: os.Args[3], Moto: os.Args[4:], Log: os.Stderr, Postgres: cache.PostgresImage,
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	stop()
	if err := equip(context.Background(), cache()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := endShared(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func cache() tools.Cache {
	dir, err := tools.DefaultDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return tools.Cache{Dir: dir, Out: os.Stderr}
}

func equip(ctx context.Context, cache tools.Cache) (err error) {
	if err := tools.EnsureDocker(ctx, os.Stderr); err != nil {
		return err
	}
	if err := cache.BaseImages(ctx); err != nil {
		return err
	}
	if pause, err = cache.PauseImage(ctx, ".."); err != nil {
		return err
	}
	moto, err = cache.Moto(ctx, "..")
	return err
}

func ensure(t *testing.T, dir string) cloud.State {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	state, err := cloud.Ensure(t.Context(), self, append([]string{"serve", dir, pause}, moto...), dir)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// start runs a cloud of the test's own.
func start(t *testing.T) cloud.State {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := cloud.Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return ensure(t, dir)
}

// call calls an operation of a service that speaks JSON.
func call(t *testing.T, state cloud.State, service, target string, input any) map[string]any {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	answer, code := send(t, state, service, "application/x-amz-json-1.1", target, string(body))
	if code != http.StatusOK {
		t.Fatalf("%s: %d %s", target, code, answer)
	}
	var output map[string]any
	if err := json.Unmarshal([]byte(answer), &output); err != nil {
		t.Fatal(err)
	}
	return output
}

// query calls an operation of a service that speaks forms and XML.
func query(t *testing.T, state cloud.State, service, form string) string {
	t.Helper()
	answer, code := send(t, state, service, "application/x-www-form-urlencoded", "", form)
	if code != http.StatusOK {
		t.Fatalf("%s: %d %s", form, code, answer)
	}
	return answer
}

func send(t *testing.T, state cloud.State, service, contentType, target, body string) (string, int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, state.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=none")
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (string, int) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer), response.StatusCode
}

const ecr = "AmazonEC2ContainerRegistry_V20150921."

// client speaks to a registry with the credentials that ECR hands out.
type client struct {
	t              *testing.T
	state          cloud.State
	user, password string
}

func login(t *testing.T, state cloud.State) client {
	t.Helper()
	data := call(t, state, "ecr", ecr+"GetAuthorizationToken", map[string]any{})["authorizationData"].([]any)[0].(map[string]any)
	if endpoint := data["proxyEndpoint"]; endpoint != "http://"+state.Registry {
		t.Errorf("the registry is at %v", endpoint)
	}
	decoded, err := base64.StdEncoding.DecodeString(data["authorizationToken"].(string))
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := strings.Cut(string(decoded), ":")
	return client{t, state, user, password}
}

func (c client) send(method, path, contentType string, body []byte) (string, int) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.state.Registry+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.SetBasicAuth(c.user, c.password)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", manifestType)
	return do(c.t, request)
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
)

// push puts an image of one word under the tag "one", and returns the answer to its last step and the image's digest.
func (c client) push(repository, word string) (answer string, code int, digest string) {
	c.t.Helper()
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"word":"` + word + `"}}}`)
	configDigest := fmt.Sprintf("sha256:%x", sha256.Sum256(config))
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.state.Registry+"/v2/"+repository+"/blobs/uploads/", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	request.SetBasicAuth(c.user, c.password)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		return string(body), response.StatusCode, ""
	}
	location := strings.TrimPrefix(response.Header.Get("Location"), "http://"+c.state.Registry)
	if answer, code := c.send(http.MethodPut, location+"&digest="+configDigest, "application/octet-stream", config); code != http.StatusCreated {
		return answer, code, ""
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		manifestType, configType, configDigest, len(config))
	answer, code = c.send(http.MethodPut, "/v2/"+repository+"/manifests/one", manifestType, manifest)
	return answer, code, fmt.Sprintf("sha256:%x", sha256.Sum256(manifest))
}

func create(t *testing.T, state cloud.State, repository, mutability string) {
	t.Helper()
	made := call(t, state, "ecr", ecr+"CreateRepository", map[string]any{"repositoryName": repository, "imageTagMutability": mutability})
	uri := made["repository"].(map[string]any)["repositoryUri"]
	if uri != state.Registry+"/"+repository {
		t.Errorf("the repository is at %v", uri)
	}
}

// TestRegistry holds that the registry behaves as ECR's does, and that ECR's API shows what was pushed.
func TestRegistry(t *testing.T) {
	state := start(t)
	c := login(t, state)
	if answer, code, _ := c.push("myapp/unknown", "a"); code != http.StatusNotFound || !strings.Contains(answer, "NAME_UNKNOWN") {
		t.Errorf("a push to no repository: %d %s", code, answer)
	}
	create(t, state, "myapp/fixed", "IMMUTABLE")
	create(t, state, "myapp/moving", "MUTABLE")
	stranger := c
	stranger.password = "guess"
	if _, code, _ := stranger.push("myapp/fixed", "a"); code != http.StatusUnauthorized {
		t.Errorf("a push with a wrong password: %d", code)
	}
	answer, code, digest := c.push("myapp/fixed", "a")
	if code != http.StatusCreated {
		t.Fatalf("a push: %d %s", code, answer)
	}
	images := call(t, state, "ecr", ecr+"DescribeImages", map[string]any{"repositoryName": "myapp/fixed"})["imageDetails"].([]any)
	if len(images) != 1 || images[0].(map[string]any)["imageDigest"] != digest {
		t.Errorf("ECR shows %v, want one image of %s", images, digest)
	}
	for _, word := range []string{"a", "b"} { // ECR refuses even the same content
		if answer, code, _ := c.push("myapp/fixed", word); code != http.StatusBadRequest || !strings.Contains(answer, "tag is immutable") {
			t.Errorf("a second push of an immutable tag: %d %s", code, answer)
		}
	}
	if _, code := c.send(http.MethodGet, "/v2/myapp/fixed/manifests/"+digest, "", nil); code != http.StatusOK {
		t.Errorf("a pull by digest: %d", code)
	}
	for _, word := range []string{"a", "b"} {
		if answer, code, _ := c.push("myapp/moving", word); code != http.StatusCreated {
			t.Errorf("a push of a mutable tag: %d %s", code, answer)
		}
	}
}

// TestRegistryRace holds that of many that push one immutable tag at once, each with another image, one is taken and the others
// are refused.
func TestRegistryRace(t *testing.T) {
	state := start(t)
	c := login(t, state)
	create(t, state, "myapp/raced", "IMMUTABLE")
	var taken, refused atomic.Int32
	var pushes sync.WaitGroup
	for i := range 8 {
		pushes.Go(func() {
			switch answer, code, _ := c.push("myapp/raced", fmt.Sprint(i)); {
			case code == http.StatusCreated:
				taken.Add(1)
			case code == http.StatusBadRequest && strings.Contains(answer, "tag is immutable"):
				refused.Add(1)
			default:
				t.Errorf("push %d: %d %s", i, code, answer)
			}
		})
	}
	pushes.Wait()
	if taken.Load() != 1 || refused.Load() != 7 {
		t.Errorf("%d pushes were taken and %d refused, want 1 and 7", taken.Load(), refused.Load())
	}
	if images := call(t, state, "ecr", ecr+"DescribeImages", map[string]any{"repositoryName": "myapp/raced"})["imageDetails"].([]any); len(images) != 1 {
		t.Errorf("ECR shows %v, want one image", images)
	}
}

const ecs = "AmazonEC2ContainerServiceV20141113."

// TestInstances holds that every database instance has a resource id of its own, by which the provider finds it: two stacks
// of one account would otherwise take one for the other.
func TestInstances(t *testing.T) {
	state := start(t)
	const rds = "&Version=2014-10-31"
	ids := map[string]string{}
	for _, name := range []string{"one", "two"} {
		answer := query(t, state, "rds", "Action=CreateDBInstance&DBInstanceIdentifier="+name+
			"&DBInstanceClass=db.t4g.micro&Engine=postgres&AllocatedStorage=20&MasterUsername=app&ManageMasterUserPassword=true"+rds)
		ids[name] = tag(t, answer, "DbiResourceId")
	}
	for name, id := range ids {
		found := query(t, state, "rds", "Action=DescribeDBInstances&Filters.Filter.1.Name=dbi-resource-id&Filters.Filter.1.Values.Value.1="+id+rds)
		if got := tag(t, found, "DBInstanceIdentifier"); got != name || strings.Count(found, "<DBInstanceIdentifier>") != 1 {
			t.Errorf("%s of %s finds %s:\n%s", id, name, got, found)
		}
	}
}

// tag is the text of the first element of a name.
func tag(t *testing.T, answer, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(answer, "<"+name+">")
	value, _, _ := strings.Cut(rest, "<")
	if !found {
		t.Fatalf("no %s in %s", name, answer)
	}
	return value
}

// TestInventory holds that what is made shows, and what is deleted does not, though moto goes on listing some of it.
func TestInventory(t *testing.T) {
	state := start(t)
	list := func() []string {
		t.Helper()
		held, err := cloud.Inventory(t.Context(), state.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	birth := list()
	const ec2 = "&Version=2016-11-15"
	subnet := tag(t, query(t, state, "ec2", "Action=DescribeSubnets"+ec2), "subnetId")
	gateway := tag(t, query(t, state, "ec2", "Action=CreateNatGateway&ConnectivityType=private&SubnetId="+subnet+ec2), "natGatewayId")
	call(t, state, "ecs", ecs+"CreateCluster", map[string]any{"clusterName": "c"})
	create(t, state, "myapp/app", "IMMUTABLE")
	made := strings.Join(list(), "\n")
	for _, want := range []string{"DescribeNatGateways " + gateway, "ecs clusters arn:", "ecr repositories myapp/app", "DescribeNetworkInterfaces eni-"} {
		if !strings.Contains(made, want) {
			t.Errorf("the inventory does not show %s:\n%s", want, made)
		}
	}
	query(t, state, "ec2", "Action=DeleteNatGateway&NatGatewayId="+gateway+ec2)
	call(t, state, "ecs", ecs+"DeleteCluster", map[string]any{"cluster": "c"})
	call(t, state, "ecr", ecr+"DeleteRepository", map[string]any{"repositoryName": "myapp/app"})
	if end := list(); fmt.Sprint(end) != fmt.Sprint(birth) {
		t.Errorf("after all is deleted the inventory shows\n%v, at birth it was\n%v", end, birth)
	}
}

// TestAddressOfDeletedGateway holds that the address of a deleted NAT gateway is free for the next one.
func TestAddressOfDeletedGateway(t *testing.T) {
	state := start(t)
	const ec2 = "&Version=2016-11-15"
	subnet := tag(t, query(t, state, "ec2", "Action=DescribeSubnets"+ec2), "subnetId")
	address := tag(t, query(t, state, "ec2", "Action=AllocateAddress&Domain=vpc"+ec2), "allocationId")
	for range 2 {
		made := query(t, state, "ec2", "Action=CreateNatGateway&AllocationId="+address+"&SubnetId="+subnet+ec2)
		query(t, state, "ec2", "Action=DeleteNatGateway&NatGatewayId="+tag(t, made, "natGatewayId")+ec2)
	}
}

// TestLife holds that two callers share one cloud, that it is found again, ends, leaves nothing running and begins empty.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { _ = cloud.Stop(context.Background(), dir) })
	var group sync.WaitGroup
	states := make([]cloud.State, 3)
	for i := range states {
		group.Go(func() { states[i] = ensure(t, dir) })
	}
	group.Wait()
	for _, state := range states {
		if state != states[0] {
			t.Errorf("two clouds: %+v and %+v", state, states[0])
		}
	}
	create(t, states[0], "myapp/app", "IMMUTABLE")
	if err := cloud.Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, running := cloud.Running(t.Context(), dir); running {
		t.Error("it runs after Stop")
	}
	if err := cloud.Stop(t.Context(), dir); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	again := ensure(t, dir)
	if again.ID == states[0].ID {
		t.Error("a new life has the old id")
	}
	if found := call(t, again, "ecr", ecr+"DescribeRepositories", map[string]any{})["repositories"].([]any); len(found) > 0 {
		t.Errorf("a new cloud holds %v", found)
	}
}

// TestStarting holds that a cloud which a killed caller has started is waited for, and that no second one serves beside it.
func TestStarting(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { _ = cloud.Stop(context.Background(), dir) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	serve := func() *exec.Cmd {
		t.Helper()
		command := exec.CommandContext(context.Background(), self, append([]string{"serve", dir, pause}, moto...)...)
		command.Stderr = t.Output()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		return command
	}
	first := serve()
	go func() { _ = first.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if content, err := os.ReadFile(filepath.Join(dir, "serving")); err == nil && len(content) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no process says that it serves")
		}
	}
	if state := ensure(t, dir); state.PID != first.Process.Pid {
		t.Errorf("process %d serves, want the one that was starting, %d", state.PID, first.Process.Pid)
	}
	if err := serve().Wait(); err == nil {
		t.Error("a second cloud served in the same folder, and came to its end")
	}
}

// TestKilled holds that a killed cloud takes its emulator with it, and that the next one starts.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { _ = cloud.Stop(context.Background(), dir) })
	state := ensure(t, dir)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", state.PID, state.PID))
	if err != nil {
		t.Skipf("this kernel does not list children: %v", err)
	}
	if err := syscall.Kill(state.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, child := range strings.Fields(string(children)) {
		for time.Now().Before(deadline) && alive(child) {
			time.Sleep(20 * time.Millisecond)
		}
		if alive(child) {
			t.Errorf("process %s outlived the cloud", child)
		}
	}
	if again := ensure(t, dir); again.ID == state.ID {
		t.Error("the killed cloud is taken for running")
	}
}

// alive says whether a process runs; one that waits for its parent to notice its end does not.
func alive(pid string) bool {
	status, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return err == nil && !strings.Contains(string(status), ") Z ")
}

// TestLoopback holds that the cloud's addresses are this machine's own.
func TestLoopback(t *testing.T) {
	state := start(t)
	for _, address := range []string{strings.TrimPrefix(state.Endpoint, "http://"), state.Registry} {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("%s is no loopback address", address)
		}
	}
}

// TestBrokenMoto holds that an emulator that does not start is told of, with its own words.
func TestBrokenMoto(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, err = cloud.Ensure(t.Context(), self, []string{"serve", dir, pause, "sh", "-c", "echo broken on purpose >&2; exit 3"}, dir)
	if err == nil || !strings.Contains(err.Error(), "broken on purpose") || !strings.Contains(err.Error(), "moto ended at once") {
		t.Errorf("got %v", err)
	}
}
