package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/jackc/pgx/v5/pgconn"
)

// Query carries out SQL in the instance's database as the superuser rdsadmin, from inside the container, and returns
// the rows as psql's unaligned output has them: columns parted by |, a line for each row, nothing for NULL. It is for
// tests and operators. Errors of PostgreSQL are of type *pgconn.PgError.
func (s *Servers) Query(ctx context.Context, id, sql string) (string, error) {
	server, err := s.find(id)
	if err != nil {
		return "", err
	}
	conn, err := s.connect(ctx, server, admin, server.admin, server.database())
	if err != nil {
		return "", fmt.Errorf("query DB instance %s: %w", id, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", fmt.Errorf("query DB instance %s: %w", id, err)
	}
	var out strings.Builder
	for _, result := range results {
		for _, row := range result.Rows {
			for i, column := range row {
				if i > 0 {
					_ = out.WriteByte('|')
				}
				_, _ = out.Write(column)
			}
			_ = out.WriteByte('\n')
		}
	}
	return out.String(), nil
}

// bridgeScript joins its input and output to the server's port on loopback, after a plus sign that says it is
// connected. Whichever side ends, the other does.
const bridgeScript = `exec 3<>/dev/tcp/127.0.0.1/$0 4<&0 || exit
printf +
{ cat <&4 >&3; kill $$; } >/dev/null 2>&1 &
exec cat <&3`

// exec starts a process in the container, as the user postgres. The caller holds the gate, and closes what is
// returned.
func (s *Servers) exec(ctx context.Context, server *server, command ...string) (string, types.HijackedResponse, error) {
	id, err := s.containerOf(server)
	if err != nil {
		return "", types.HijackedResponse{}, err
	}
	made, err := s.opts.Docker.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: command, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return "", types.HijackedResponse{}, fmt.Errorf("start a process in the container: %w", err)
	}
	streams, err := s.opts.Docker.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return "", types.HijackedResponse{}, fmt.Errorf("start a process in the container: %w", err)
	}
	return made.ID, streams, nil
}

// run carries out a shell script in the container and returns what it printed. An error has what it said on that.
func (s *Servers) run(ctx context.Context, server *server, input io.Reader, script string) (string, error) {
	if err := server.gate.take(ctx); err != nil {
		return "", err
	}
	defer server.gate.give()
	id, streams, err := s.exec(ctx, server, "sh", "-ec", script)
	if err != nil {
		return "", err
	}
	defer streams.Close()
	defer context.AfterFunc(ctx, streams.Close)()
	if input != nil {
		if _, err := io.Copy(streams.Conn, input); err != nil {
			return "", fmt.Errorf("send a script its input: %w", err)
		}
	}
	if err := streams.CloseWrite(); err != nil {
		return "", fmt.Errorf("end a script's input: %w", err)
	}
	var out, problems strings.Builder
	if _, err := stdcopy.StdCopy(&out, &problems, streams.Reader); err != nil {
		return "", fmt.Errorf("read what a script prints: %w", errors.Join(ctx.Err(), err))
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	ended, err := s.opts.Docker.ContainerExecInspect(ctx, id)
	if err != nil {
		return "", fmt.Errorf("ask how a script ended: %w", err)
	}
	if ended.ExitCode != 0 {
		return "", fmt.Errorf("a script in the container ended with code %d: %s", ended.ExitCode, strings.TrimSpace(problems.String()))
	}
	return out.String(), nil
}

// connect opens a session of the instance's server, over TLS and with its certificate checked. It goes through a
// process in the container, so that it works wherever the engine is, and as rdsadmin.
func (s *Servers) connect(ctx context.Context, server *server, user, password, database string) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig("sslmode=disable") // a config can be made in no other way; all of it is set here
	if err != nil {
		return nil, fmt.Errorf("prepare a session: %w; look at the variables PG* of the environment", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.authority.Certificate())
	config.Host, config.Port = server.Host, uint16(server.Port) //nolint:gosec // Create has checked the port
	config.User, config.Password, config.Database = user, password, database
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: server.Host, MinVersion: tls.VersionTLS12}
	config.Fallbacks, config.RuntimeParams = nil, map[string]string{"application_name": "slipway"}
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx, server) }
	return pgconn.ConnectConfig(ctx, config)
}

// dial is a connection to the server's port from within the container. Its goroutines end once it is closed.
func (s *Servers) dial(ctx context.Context, server *server) (net.Conn, error) {
	if err := server.gate.take(ctx); err != nil {
		return nil, err
	}
	defer server.gate.give()
	_, streams, err := s.exec(ctx, server, "bash", "-c", bridgeScript, fmt.Sprint(server.Port))
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	var problems strings.Builder
	ended := make(chan struct{})
	if !s.start(func() {
		defer close(ended)
		back := make(chan struct{})
		go func() {
			defer close(back)
			_, _ = io.Copy(streams.Conn, theirs)
			streams.Close()
		}()
		_, _ = stdcopy.StdCopy(theirs, &problems, streams.Reader)
		_ = theirs.Close()
		<-back
	}) {
		streams.Close()
		return nil, errClosed
	}
	stop := context.AfterFunc(ctx, func() { _ = ours.Close() })
	_, err = io.ReadFull(ours, make([]byte, 1)) // the plus sign
	if !stop() || err != nil {
		_ = ours.Close()
		<-ended
		return nil, fmt.Errorf("reach port %d in the container: %w: %s", server.Port, errors.Join(ctx.Err(), err), strings.TrimSpace(problems.String()))
	}
	return ours, nil
}
