package dockerplugin

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/docker/docker/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc"
)

// openSession opens the connection back to this process by which BuildKit asks for credentials. It takes none from the request for a
// build, and without them has no layer of an earlier image. The session has an id, and lasts until end is called.
func openSession(ctx context.Context, docker *client.Client, i image) (id string, end func(), err error) {
	opened, err := session.NewSession(ctx, "")
	if err != nil {
		return "", nil, fmt.Errorf("open a session with BuildKit: %w", err)
	}
	host, _, _ := strings.Cut(i.server, "/")
	opened.Allow(credentials{host: host, username: i.username, password: i.password})
	go func() {
		// Where it fails, the build goes on as for nobody: layers that cannot be had are made.
		_ = opened.Run(ctx, func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return docker.DialHijack(ctx, "/session", proto, meta)
		})
	}()
	return opened.ID(), func() { _ = opened.Close() }, nil
}

// credentials are for one registry, and no other learns them.
type credentials struct {
	auth.UnimplementedAuthServer
	host, username, password string
}

// Register implements session.Attachable.
func (c credentials) Register(server *grpc.Server) { auth.RegisterAuthServer(server, c) }

// Credentials implements auth.AuthServer. An empty answer makes BuildKit ask the registry as nobody.
func (c credentials) Credentials(_ context.Context, request *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	if request.GetHost() != c.host {
		return &auth.CredentialsResponse{}, nil
	}
	return &auth.CredentialsResponse{Username: c.username, Secret: c.password}, nil
}
