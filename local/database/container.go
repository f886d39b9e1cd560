package database

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/jackc/pgx/v5/pgconn"
)

// Labels of every container.
const (
	labelCloud = "slipway.cloud"
	labelOwner = "slipway.owner"
)

// The container's writable file systems, all in memory and of bounded size, so that a full disk is real and the host's
// is not touched. What databases and queries fill, PostgreSQL's folder base, has its own. Beside it are the
// write-ahead log and the small files that PostgreSQL writes at each checkpoint and start: if it cannot, it ends at
// once, and does not start again before there is room.
const (
	storageVolume = "/rdsdbstorage"
	dataVolume    = "/rdsdbdata"
	runVolume     = "/run/slipway" // settings, key, and what says whether the server should run
	dataMiB       = 256            // four times max_wal_size
	memoryMiB     = 512            // beside the storage, which counts too
)

// mainScript is the container's first process. It runs the server while there is a file up, and says by a file down
// that it does not; where the server ends by itself it starts it again, as RDS does.
const mainScript = `cd ` + runVolume + `
bin=$(echo /usr/lib/postgresql/*/bin)
while :; do
	if [ -e up ]; then
		rm -f down
		"$bin/postgres" -D ` + dataVolume + `/db
		[ ! -e up ] || sleep 1
	else
		: >down
		sleep 0.2
	fi
done`

// isReady holds once the server accepts connections, by the word that its pid file has for pg_ctl. A server that was
// killed leaves its file, so the process counts too.
const (
	pidFile = dataVolume + "/db/postmaster.pid"
	isReady = `[ "$(sed -n 8p ` + pidFile + ` 2>/dev/null | tr -d ' ')" = ready ] && kill -0 "$(head -n 1 ` + pidFile + `)" 2>/dev/null`
)

// awaitReady waits for that, 30 seconds at most.
const awaitReady = `
tries=0
until ` + isReady + `; do
	tries=$((tries + 1))
	[ $tries -le 600 ] || { echo 'PostgreSQL does not get ready' >&2; exit 1; }
	sleep 0.05
done`

// setupScript takes the settings as a tar archive and makes the database cluster. The locale is RDS's, en_US.UTF-8,
// where the image has it; else ICU's en-US, whose order is close to it; else, before PostgreSQL 15, that of code
// points. Segments of the write-ahead log are small since each idle session can keep a deleted one open, and its space
// taken.
const setupScript = `umask 077
cd ` + runVolume + `
tar -x
bin=$(echo /usr/lib/postgresql/*/bin)
if locale -a | grep -qix 'en_US.utf-\?8'; then
	set -- --locale=en_US.UTF-8
elif "$bin/initdb" --help | grep -q icu-locale; then
	set -- --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US
else
	set -- --locale=C.UTF-8
fi
"$bin/initdb" -D ` + dataVolume + `/db --username=` + admin + ` --pwfile=password \
	--auth=scram-sha-256 --encoding=UTF8 --wal-segsize=1 --no-sync "$@" >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
rm password
mv ` + dataVolume + `/db/base ` + storageVolume + `/base
ln -s ` + storageVolume + `/base ` + dataVolume + `/db/base
echo "include '` + runVolume + `/rds.conf'" >>` + dataVolume + `/db/postgresql.conf
: >up` + awaitReady

// statusScript prints whether the server is ready, and the free bytes of the storage.
const statusScript = `
if ` + isReady + `; then echo ready; else echo starting; fi
echo $(($(stat -f -c '%a * %S' ` + storageVolume + `)))`

// bridgeScript joins its input and output to the server's port on loopback, after a plus sign that says it is
// connected. Whichever side ends, the other does.
const bridgeScript = `exec 3<>/dev/tcp/127.0.0.1/$0 4<&0 || exit
printf +
{ cat <&4 >&3; kill $$; } >/dev/null 2>&1 &
exec cat <&3`

// settings are those that differ from PostgreSQL's own. RDS derives the sizes from the instance class; here they are
// small.
func settings(port, slowMillis int) string {
	return fmt.Sprintf(`listen_addresses = '*'
port = %d
unix_socket_directories = ''
hba_file = '%[2]s/pg_hba.conf'
ssl = on
ssl_cert_file = '%[2]s/server.crt'
ssl_key_file = '%[2]s/server.key'
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = 32MB
min_wal_size = 32MB
max_wal_size = 64MB
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = %[3]d
`, port, runVolume, cmp.Or(slowMillis, -1))
}

// clientAuthentication is pg_hba.conf. With rds.force_ssl, RDS has lines of type hostssl in place of host (Amazon RDS
// User Guide, "Requiring an SSL connection to a PostgreSQL DB instance"). rdsadmin is let in on the container's
// loopback alone.
func clientAuthentication(forceTLS bool) string {
	kind := "host"
	if forceTLS {
		kind = "hostssl"
	}
	return "hostssl all " + admin + " 127.0.0.1/32 scram-sha-256\n" +
		"host all " + admin + " all reject\n" +
		kind + " all all all scram-sha-256\n"
}

// create does the work of Create.
func (s *Servers) create(ctx context.Context, server *server, password, verifier string) error {
	image, err := s.opts.Image(ctx, server.Major)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	if err := s.startContainer(ctx, server, image); err != nil {
		return err
	}
	files, err := s.files(server)
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, server, files, setupScript); err != nil {
		return errors.Join(fmt.Errorf("start PostgreSQL: %w", err), s.lastWords(ctx, server))
	}
	if err := s.asAdmin(ctx, server, roles(server.Instance, verifier)...); err != nil {
		return err
	}
	conn, err := s.connect(ctx, server, server.User, password, server.database())
	if err != nil {
		return fmt.Errorf("connect as the master user: %w", err)
	}
	return conn.Close(ctx)
}

func (s *Servers) startContainer(ctx context.Context, server *server, image string) error {
	found, err := s.opts.Docker.ImageInspect(ctx, image)
	if err != nil {
		return fmt.Errorf("look at the image: %w", err)
	}
	mounts := map[string]string{
		storageVolume: fmt.Sprintf("size=%dm", server.StorageMiB),
		dataVolume:    fmt.Sprintf("size=%dm", dataMiB),
		runVolume:     "size=1m",
	}
	for path := range found.Config.Volumes { // else the engine makes a volume of each, with no label of ours
		mounts[path] = "size=1m"
	}
	memory := int64(server.StorageMiB+memoryMiB) << 20
	processes := int64(512)
	made, err := s.opts.Docker.ContainerCreate(ctx, &container.Config{
		Image: image, User: "postgres", Entrypoint: []string{"sh", "-c", mainScript},
		Labels:     map[string]string{labelCloud: s.opts.Cloud, labelOwner: s.opts.Owner},
		StopSignal: "SIGKILL", // nothing outlives the container
	}, &container.HostConfig{
		NetworkMode: container.NetworkMode(s.opts.Network), Tmpfs: mounts, ReadonlyRootfs: true,
		CapDrop: []string{"ALL"}, SecurityOpt: []string{"no-new-privileges"},
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "4m"}},
		Resources: container.Resources{
			Memory: memory, MemorySwap: memory, CPUPeriod: 100_000, CPUQuota: 200_000, PidsLimit: &processes,
		},
	}, &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		s.opts.Network: {Aliases: []string{server.Host}},
	}}, nil, "slipway-rds-"+s.opts.Cloud+"-"+server.ID)
	if err != nil {
		return fmt.Errorf("make the container: %w", err)
	}
	s.mu.Lock()
	server.container = made.ID
	s.mu.Unlock()
	if err := s.opts.Docker.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	return nil
}

// files is the archive that setupScript takes. What is secret reaches the container this way alone: not by its
// environment, its arguments or its labels, which anybody who asks the engine can read.
func (s *Servers) files(server *server) (io.Reader, error) {
	certificate, key, err := s.authority.Issue(server.Host)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for name, content := range map[string]string{
		"server.crt": string(certificate), "server.key": string(key), "password": server.admin,
		"pg_hba.conf": clientAuthentication(server.ForceTLS), "rds.conf": settings(server.Port, server.SlowMillis),
	} {
		err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: time.Now()})
		if err == nil {
			_, err = io.WriteString(writer, content)
		}
		if err != nil {
			return nil, fmt.Errorf("pack the server's settings: %w", err)
		}
	}
	return &archive, writer.Close()
}

// remove ends an instance's container and what it held, even if ctx has ended.
func (s *Servers) remove(ctx context.Context, server *server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	server.stopSlow()
	id, err := s.containerOf(server)
	if err != nil {
		return nil // there is nothing to remove
	}
	err = s.opts.Docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove the container: %w", err)
	}
	return nil
}

func (s *Servers) containerOf(server *server) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if server.container == "" {
		return "", errors.New("it has no container yet; try again when it is available")
	}
	return server.container, nil
}

// lastWords is the end of the server's log, as an error.
func (s *Servers) lastWords(ctx context.Context, server *server) error {
	id, err := s.containerOf(server)
	if err != nil {
		return err
	}
	log, err := s.opts.Docker.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "20"})
	if err != nil {
		return fmt.Errorf("read PostgreSQL's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	var text strings.Builder
	if _, err := stdcopy.StdCopy(&text, &text, io.LimitReader(log, 64<<10)); err != nil {
		return fmt.Errorf("read PostgreSQL's log: %w", err)
	}
	return fmt.Errorf("PostgreSQL's last words:\n%s", text.String())
}

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
