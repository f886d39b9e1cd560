package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"slipway/local/awsapi"
)

// In a task's network namespace the pause container listens on Fargate's link-local address, and forwards to these Unix
// sockets. So the host listens on no address that a container could reach.
const (
	linkLocal      = "http://169.254.170.2"
	metadataSocket = "metadata" // port 80
	apiSocket      = "api"      // port 4566: AWS's API, which AWS_ENDPOINT_URL names
	maxConnections = 256        // of a task and socket, at one time

	credentialsLife = 6 * time.Hour
)

// endpoint serves one task's sockets.
type endpoint struct {
	task   *Task
	dir    string
	server *http.Server
	api    net.Listener
	// upstreams serve what the task reaches by Service Connect.
	upstreams []*http.Server
	ctx       context.Context
	cancel    context.CancelFunc
	group     sync.WaitGroup
}

func (t *Task) listen() (*endpoint, error) {
	e := &endpoint{task: t, dir: filepath.Join(t.runner.sockets, t.shortID())}
	e.ctx, e.cancel = context.WithCancel(t.runner.ctx)
	if err := os.Mkdir(e.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the task's sockets: %w", err)
	}
	metadata, err := net.Listen("unix", filepath.Join(e.dir, metadataSocket)) //nolint:noctx // closed with the server
	if err != nil {
		return nil, fmt.Errorf("listen for metadata: %w", err)
	}
	api, err := net.Listen("unix", filepath.Join(e.dir, apiSocket)) //nolint:noctx // closed with the endpoint
	if err != nil {
		_ = metadata.Close()
		return nil, fmt.Errorf("listen for calls of AWS's API: %w", err)
	}
	e.server = &http.Server{Handler: e.routes(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	e.api = netutil.LimitListener(api, maxConnections)
	e.group.Go(func() { _ = e.server.Serve(netutil.LimitListener(metadata, maxConnections)) })
	e.group.Go(e.forward)
	for i, upstream := range t.spec.Upstreams {
		if err := e.serveUpstream(upstreamSocket(i), upstream.Handler); err != nil {
			return nil, errors.Join(err, e.close())
		}
	}
	return e, nil
}

// upstreamAddress is where a task finds one of its upstreams: Service Connect's are 127.255.0.1 and those after it.
func upstreamAddress(i int) string {
	first := netip.AddrFrom4([4]byte{127, 255, 0, 1})
	for range i {
		first = first.Next()
	}
	return first.String()
}

func upstreamSocket(i int) string { return fmt.Sprintf("upstream-%d", i) }

// serveUpstream answers what the task sends to one of its upstreams.
func (e *endpoint) serveUpstream(socket string, handler http.Handler) error {
	listener, err := net.Listen("unix", filepath.Join(e.dir, socket)) //nolint:noctx // closed with its server
	if err != nil {
		return fmt.Errorf("listen for calls of another service: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: 5 * time.Minute}
	e.upstreams = append(e.upstreams, server)
	e.group.Go(func() { _ = server.Serve(netutil.LimitListener(listener, maxConnections)) })
	return nil
}

func (e *endpoint) close() error {
	e.cancel()
	err := errors.Join(e.server.Close(), e.api.Close())
	for _, server := range e.upstreams {
		err = errors.Join(err, server.Close())
	}
	e.group.Wait()
	return errors.Join(err, os.RemoveAll(e.dir))
}

// forward passes each connection on to AWS's API as it is.
func (e *endpoint) forward() {
	for {
		from, err := e.api.Accept()
		if err != nil {
			return // closed
		}
		e.group.Go(func() {
			defer func() { _ = from.Close() }()
			to, err := new(net.Dialer).DialContext(e.ctx, "tcp", e.task.runner.opts.API)
			if err != nil {
				return // the task sees a closed connection, as of a service that is down
			}
			defer func() { _ = to.Close() }()
			defer context.AfterFunc(e.ctx, func() { _ = errors.Join(from.Close(), to.Close()) })()
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				_, _ = io.Copy(from, to)
				_ = from.Close() // ends the other way, too
			}()
			_, _ = io.Copy(to, from)
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			<-answered
		})
	}
}

// routes are the paths of the "Amazon ECS task metadata endpoint version 4 for tasks on Fargate" and the container
// credentials' (AWS SDKs and tools reference guide, "Container credential provider").
func (e *endpoint) routes() http.Handler {
	mux := http.NewServeMux()
	for _, version := range []string{"v3", "v4"} {
		of := func(pattern string, answer func(context.Context, *taskContainer) (any, error)) {
			mux.HandleFunc("GET /"+version+"/{id}"+pattern, func(w http.ResponseWriter, r *http.Request) {
				c := e.task.byRuntimeID(r.PathValue("id"))
				if c == nil {
					reply(
						w,
						http.StatusNotFound,
						"V4 container metadata handler: unable to get container ID from request",
					)
					return
				}
				body, err := answer(r.Context(), c)
				if err != nil {
					reply(w, http.StatusInternalServerError, "Unable to get container stats: "+err.Error())
					return
				}
				reply(w, http.StatusOK, body)
			})
		}
		of("", func(_ context.Context, c *taskContainer) (any, error) { return e.task.metadataOf(c), nil })
		of("/task", func(context.Context, *taskContainer) (any, error) { return e.task.metadata(), nil })
		of("/stats", func(ctx context.Context, c *taskContainer) (any, error) { return c.stats(ctx) })
		of("/task/stats", func(ctx context.Context, _ *taskContainer) (any, error) {
			all := map[string]any{}
			for _, c := range e.task.containers {
				stats, err := c.stats(ctx)
				if err != nil {
					return nil, err
				}
				all[c.runtimeID] = stats
			}
			return all, nil
		})
	}
	mux.HandleFunc("GET /v2/credentials/{id}", e.credentials)
	return mux
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (e *endpoint) credentials(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != e.task.credentialsID || e.task.spec.Definition.TaskRoleArn == nil {
		reply(w, http.StatusBadRequest, map[string]any{
			"code": "InvalidIdInRequest", "message": "CredentialsV2Request: ID not found",
			"HTTPErrorCode": http.StatusBadRequest,
		})
		return
	}
	found, err := awsapi.Config("").Credentials.Retrieve(r.Context())
	if err != nil {
		reply(w, http.StatusInternalServerError, err.Error())
		return
	}
	reply(w, http.StatusOK, map[string]string{
		"RoleArn":     *e.task.spec.Definition.TaskRoleArn,
		"AccessKeyId": found.AccessKeyID, "SecretAccessKey": found.SecretAccessKey,
		"Token": found.SessionToken, "Expiration": now().Add(credentialsLife).Format(time.RFC3339),
	})
}
