// Package cloud is the embedded cloud's servers: moto for AWS's API, a real OCI registry in ECR's place, and a front that
// has the data plane do what moto only keeps. All of it listens on loopback only.
package cloud

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"slipway/local/awsapi"
	"slipway/local/faults"
	"slipway/local/rpcv2"
)

const (
	stateFile    = "cloud.json"
	healthPath   = "/_slipway/health"
	startTimeout = 60 * time.Second
	poll         = 100 * time.Millisecond
)

// Options are what Run needs.
type Options struct {
	Dir   string    // where its files are kept; made where it is not there
	Moto  []string  // command that starts moto's server
	Log   io.Writer // where the servers' own words go
	Pause string    // image of the container that owns a task's network
	// Postgres returns the name of an image of PostgreSQL of a major version.
	Postgres func(ctx context.Context, major string) (string, error)
}

// State is one life of the cloud. It is kept in a file while the cloud runs.
type State struct {
	ID       string `json:"id"` // new at each birth
	PID      int    `json:"pid"`
	Endpoint string `json:"endpoint"` // of AWS's API
	Registry string `json:"registry"` // HOST:PORT, first part of image names
}

// Run serves until ctx ends. A birth is empty: moto keeps everything in memory, so the registry is emptied with it.
func Run(ctx context.Context, opts Options) error {
	log.SetOutput(opts.Log) // Pulumi's packages, where they are part of the executable, lead it to a log of their own, which is off
	log.SetFlags(log.LstdFlags)
	leave, err := serveAlone(opts.Dir)
	if err != nil {
		return err
	}
	defer leave()
	images := filepath.Join(opts.Dir, "registry")
	if err := os.RemoveAll(images); err != nil {
		return fmt.Errorf("empty the registry: %w", err)
	}
	if err := os.MkdirAll(images, 0o700); err != nil {
		return fmt.Errorf("make the registry's folder: %w", err)
	}
	moto, stopMoto, err := startMoto(ctx, opts)
	if err != nil {
		return err
	}
	defer stopMoto()
	id, err := random()
	if err != nil {
		return err
	}
	password, err := random()
	if err != nil {
		return err
	}
	frontListener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed with the server
	if err != nil {
		return fmt.Errorf("listen for AWS calls: %w", err)
	}
	registryListener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // likewise
	if err != nil {
		return fmt.Errorf("listen for images: %w", err)
	}
	state := State{
		ID: id, PID: os.Getpid(),
		Endpoint: "http://" + frontListener.Addr().String(), Registry: registryListener.Addr().String(),
	}
	set := &faults.Set{}
	plane, err := newPlane(ctx, planeOptions{Options: opts, moto: moto, state: state, password: password, faults: set})
	if err != nil {
		return err
	}
	defer plane.close()
	front, err := newFront(frontOptions{
		moto: moto, state: state, password: password, calls: filepath.Join(opts.Dir, "calls.jsonl"), plane: plane, faults: set,
	})
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	servers := []*http.Server{
		serve(frontListener, rpcv2.Handler(front), failed),
		serve(registryListener, newRegistry(ctx, images, password, client{endpoint: moto}, set), failed),
	}
	defer func() {
		for _, server := range servers {
			_ = server.Close()
		}
	}()
	file := filepath.Join(opts.Dir, stateFile)
	if err := writeState(file, state); err != nil {
		return err
	}
	defer func() { _ = os.Remove(file) }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

func serve(listener net.Listener, handler http.Handler, failed chan<- error) *http.Server {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve on %s: %w", listener.Addr(), err)
		}
	}()
	return server
}

// startMoto starts moto on a free port and waits until it answers. It dies with us, however we die.
func startMoto(ctx context.Context, opts Options) (endpoint string, stop func(), err error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "", nil, fmt.Errorf("find a free port: %w", err)
	}
	address := probe.Addr().(*net.TCPAddr)
	_ = probe.Close()
	args := append(append([]string{}, opts.Moto[1:]...), "-H", "127.0.0.1", "-p", fmt.Sprint(address.Port))
	command := exec.Command(opts.Moto[0], args...) //nolint:noctx // ended by stop, and by the kernel with us
	command.Stdout, command.Stderr = io.Discard, opts.Log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// It issues certificates at once: when they are valid is for us to say.
	command.Env = append(os.Environ(), "MOTO_ACCOUNT_ID="+awsapi.Account, "MOTO_ACM_VALIDATION_WAIT=0")
	if err := command.Start(); err != nil {
		return "", nil, fmt.Errorf("start moto: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop = func() { _ = command.Process.Kill() }
	endpoint = "http://" + address.String()
	deadline := time.After(startTimeout)
	for {
		if answers(ctx, endpoint+"/moto-api/data.json") {
			return endpoint, stop, nil
		}
		select {
		case err := <-ended:
			return "", nil, fmt.Errorf("moto ended at once: %w; its words are in %s", err, filepath.Join(opts.Dir, logFile))
		case <-deadline:
			stop()
			return "", nil, fmt.Errorf("moto did not answer within %s; its words are in %s", startTimeout, filepath.Join(opts.Dir, logFile))
		case <-ctx.Done():
			stop()
			return "", nil, ctx.Err()
		case <-time.After(poll):
		}
	}
}

func answers(ctx context.Context, url string) bool {
	_, err := get(ctx, url)
	return err == nil
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}

func random() (string, error) {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		return "", fmt.Errorf("draw random bytes: %w", err)
	}
	return hex.EncodeToString(bytes), nil
}

// writeState writes the whole file or nothing: others read it at any time.
func writeState(file string, state State) error {
	content, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("render the cloud's state: %w", err)
	}
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		return fmt.Errorf("keep the cloud's state: %w", err)
	}
	return os.Rename(file+".new", file)
}
