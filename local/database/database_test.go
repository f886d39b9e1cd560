package database

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"slipway/local/dockerengine"
	"slipway/local/tools"
)

const password = "Correct horse+battery%staple"

// fixture is Servers on a Docker network of their own.
type fixture struct {
	*Servers
	docker *client.Client
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	dir, err := tools.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := tools.EnsureDocker(t.Context(), t.Output()); err != nil {
		t.Fatal(err)
	}
	docker, err := dockerengine.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	name := "slipway-test-" + strings.ToLower(rand.Text()[:12])
	if _, err := docker.NetworkCreate(t.Context(), name, network.CreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := docker.NetworkRemove(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	servers, err := New(Options{
		Docker: docker, Cloud: name, Owner: t.TempDir(), Network: name,
		Image: tools.Cache{Dir: dir, Out: t.Output()}.PostgresImage, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return fixture{Servers: servers, docker: docker}
}

// create makes an instance that is like those of the program's stacks, after changes.
func (f fixture) create(t *testing.T, id string, changes ...func(*Instance)) Instance {
	t.Helper()
	instance := Instance{
		ID: id, Host: id + ".cabcdefghijk.us-east-1.rds.amazonaws.com", Port: 5432,
		Database: "app", User: "app-user", Major: "17", ForceTLS: true, StorageMiB: 160,
	}
	for _, change := range changes {
		change(&instance)
	}
	if err := f.Create(t.Context(), instance, password); err != nil {
		t.Fatal(err)
	}
	return instance
}

func (f fixture) container(t *testing.T, id string) container.InspectResponse {
	t.Helper()
	found, err := f.docker.ContainerInspect(t.Context(), "slipway-rds-"+f.opts.Cloud+"-"+id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// dialHost opens a session from this machine, at the container's address, as a client on the network would.
func (f fixture) dialHost(t *testing.T, instance Instance, mode, secret string) (*pgx.Conn, error) {
	t.Helper()
	address := f.container(t, instance.ID).NetworkSettings.Networks[f.opts.Network].IPAddress
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d sslmode=%s connect_timeout=10", address, instance.Port, mode))
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password, config.Database = instance.User, secret, instance.database()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

func (f fixture) connectHost(t *testing.T, instance Instance, secret string) *pgx.Conn {
	t.Helper()
	conn, err := f.dialHost(t, instance, "require", secret)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func ask[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var answer T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func do(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// codeOf is the SQLSTATE of an error.
func codeOf(err error) string {
	if problem := (*pgconn.PgError)(nil); errors.As(err, &problem) {
		return problem.Code
	}
	return fmt.Sprintf("none: %v", err)
}

// TestRoles holds that the master user has what RDS gives it, and no more.
func TestRoles(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "roles")
	conn := f.connectHost(t, instance, password)
	if version := ask[string](t, conn, "SHOW server_version"); !strings.HasPrefix(version, "17.") {
		t.Errorf("the server is PostgreSQL %s", version)
	}
	for sql, want := range map[string]bool{
		"SELECT rolsuper FROM pg_roles WHERE rolname = current_user":                                             false,
		"SELECT rolcreatedb AND rolcreaterole AND NOT rolreplication FROM pg_roles WHERE rolname = current_user": true,
		"SELECT pg_has_role('rds_superuser', 'MEMBER')":                                                          true,
		"SELECT pg_has_role('rdsadmin', 'MEMBER')":                                                               false,
		"SELECT rolsuper FROM pg_roles WHERE rolname = 'rdsadmin'":                                               true,
		"SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = 'app'":                   true,
		"SELECT ssl AND version >= 'TLSv1.2' FROM pg_stat_ssl WHERE pid = pg_backend_pid()":                      true,
		"SELECT 'a' < 'B'": true, // the order of a language, not of code points
	} {
		if got := ask[bool](t, conn, sql); got != want {
			t.Errorf("%s: %v", sql, got)
		}
	}
	for _, sql := range []string{
		"CREATE TABLE note (text text)",
		"INSERT INTO note VALUES ('one')",
		"CREATE ROLE reader LOGIN PASSWORD 'reader'",
		"GRANT rds_superuser TO reader",
		"CREATE DATABASE other",
		"CREATE EXTENSION pgcrypto",
	} {
		do(t, conn, sql)
	}
	for _, sql := range []string{
		"SELECT * FROM pg_authid",
		"ALTER ROLE rdsadmin PASSWORD 'mine'",
		"ALTER SYSTEM SET fsync = off",
		"COPY note TO PROGRAM 'cat'",
		"SELECT pg_read_file('/run/slipway/server.key')",
	} {
		if _, err := conn.Exec(t.Context(), sql); codeOf(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	out, err := f.Query(t.Context(), "roles", "SELECT current_user, NULL; SELECT text FROM note")
	if err != nil || out != "rdsadmin|\none\n" {
		t.Errorf("a query of the superuser gives %q, %v", out, err)
	}
	if _, err := f.Query(t.Context(), "roles", "SELECT 1/0"); codeOf(err) != "22012" {
		t.Errorf("a wrong query gives %v", err)
	}
}

// TestConnections holds who is let in, and how: over TLS alone where it is forced, with the right password, never as
// rdsadmin, and with a certificate of the instance's own address.
func TestConnections(t *testing.T) {
	f := newFixture(t)
	forced := f.create(t, "forced")
	free := f.create(t, "free", func(i *Instance) { i.ForceTLS, i.Port, i.Database, i.User = false, 6543, "", "postgres1" })
	rdsadmin := forced
	rdsadmin.User, rdsadmin.Database = "rdsadmin", "postgres"
	server, err := f.find("forced")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		what, mode, password string
		instance             Instance
		code                 string
	}{
		{"TLS", "require", password, forced, ""},
		{"no TLS where it is forced", "disable", password, forced, "28000"},
		{"no TLS where it is not forced", "disable", password, free, ""},
		{"TLS where it is not forced", "require", password, free, ""},
		{"a wrong password", "require", password + "x", forced, "28P01"},
		{"no password", "require", "", forced, "28P01"},
		{"rdsadmin, with its password", "require", server.admin, rdsadmin, "28000"},
	} {
		_, err := f.dialHost(t, one.instance, one.mode, one.password)
		if one.code == "" && err != nil || one.code != "" && codeOf(err) != one.code {
			t.Errorf("%s: %v", one.what, err)
		}
	}

	// The address is found on the network, from another container.
	free2, err := f.find("free")
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.run(t.Context(), free2, nil, "getent hosts "+forced.Host)
	address := f.container(t, "forced").NetworkSettings.Networks[f.opts.Network].IPAddress
	if fields := strings.Fields(out); err != nil || len(fields) == 0 || fields[0] != address {
		t.Errorf("%s is %q, %v; it should be %s", forced.Host, out, err, address)
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(f.CertificateAuthority()) {
		t.Fatal("there is no certificate authority")
	}
	for _, one := range []struct {
		what string
		with *tls.Config
		ok   bool
	}{
		{"its own name", &tls.Config{RootCAs: roots, ServerName: forced.Host}, true},
		{"another's name", &tls.Config{RootCAs: roots, ServerName: free.Host}, false},
		{"the machine's authorities", &tls.Config{ServerName: forced.Host}, false},
	} {
		config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d sslmode=require connect_timeout=10", address, forced.Port))
		if err != nil {
			t.Fatal(err)
		}
		config.User, config.Password, config.Database, config.TLSConfig = forced.User, password, "app", one.with
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			_ = conn.Close(t.Context())
		}
		var untrusted *tls.CertificateVerificationError
		if one.ok != (err == nil) || !one.ok && !errors.As(err, &untrusted) {
			t.Errorf("%s: %v", one.what, err)
		}
	}
}

// TestSetPassword holds that after a rotation new sessions need the new password and old ones live on.
func TestSetPassword(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "rotated")
	old := f.connectHost(t, instance, password)
	const next = `another'one$$"\`
	if err := f.SetPassword(t.Context(), "rotated", next); err != nil {
		t.Fatal(err)
	}
	if ask[int](t, old, "SELECT 1") != 1 {
		t.Error("the old session is broken")
	}
	f.connectHost(t, instance, next)
	if _, err := f.dialHost(t, instance, "require", password); codeOf(err) != "28P01" {
		t.Errorf("the old password gives %v", err)
	}
	for _, wrong := range []string{"", "pässword", "tab\t"} {
		if err := f.SetPassword(t.Context(), "rotated", wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if err := f.SetPassword(t.Context(), "none", next); err == nil {
		t.Error("an instance that is not there takes a password")
	}
}

// TestDown holds that a server that is down refuses connections, breaks its sessions and has not shut down in order,
// and that what was committed is there when it is up again.
func TestDown(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "down")
	conn := f.connectHost(t, instance, password)
	do(t, conn, "CREATE TABLE kept AS SELECT * FROM generate_series(1, 1000)")
	// PostgreSQL empties unlogged tables when it recovers from a crash, and only then.
	do(t, conn, "CREATE UNLOGGED TABLE lost AS SELECT * FROM generate_series(1, 1000)")
	if err := f.Down(t.Context(), "down"); err != nil {
		t.Fatal(err)
	}
	if state := f.Status("down"); state != Stopped {
		t.Errorf("the status is %s", state)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session lives on")
	}
	if _, err := f.dialHost(t, instance, "require", password); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new session gives %v", err)
	}
	if _, err := f.Query(t.Context(), "down", "SELECT 1"); err == nil || !strings.Contains(err.Error(), "Connection refused") {
		t.Errorf("a query gives %v", err)
	}
	if err := f.Down(t.Context(), "down"); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for range 2 { // the second time there is nothing to do
		if err := f.Up(t.Context(), "down"); err != nil {
			t.Fatal(err)
		}
	}
	if state := f.Status("down"); state != Available {
		t.Errorf("the status is %s", state)
	}
	conn = f.connectHost(t, instance, password)
	if kept := ask[int](t, conn, "SELECT count(*) FROM kept"); kept != 1000 {
		t.Errorf("%d rows of 1000 survived", kept)
	}
	if lost := ask[int](t, conn, "SELECT count(*) FROM lost"); lost != 0 {
		t.Error("the server was shut down in order")
	}
}

// TestCrash holds that a server that ends by itself is not taken for one that runs, and starts again by itself.
func TestCrash(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "crash")
	server, err := f.find("crash")
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.run(t.Context(), server, nil, `pid=$(head -n 1 `+pidFile+`)
kill -s KILL "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done`+statusScript)
	if err != nil || !strings.HasPrefix(out, "starting\n") {
		t.Errorf("of a server that was killed, the status is made of %q, %v", out, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := f.dialHost(t, instance, "require", password)
		if err == nil && ask[int](t, conn, "SELECT 1") == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not come back: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if state := f.Status("crash"); state != Available {
		t.Errorf("the status is %s", state)
	}
	if err := f.docker.ContainerRemove(t.Context(), server.container, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if state := f.Status("crash"); state != Failed {
		t.Errorf("without its container, the status is %s", state)
	}
}

// TestSlow holds that a slowed server takes longer for the same work, that operators still reach it, and that it is as
// fast as before afterwards.
func TestSlow(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "slow")
	conn := f.connectHost(t, instance, password)
	took := func() time.Duration {
		start := time.Now()
		ask[int](t, conn, "SELECT count(*) FROM generate_series(1, 3000000)")
		return time.Since(start)
	}
	before := min(took(), took())
	if err := f.Slow(t.Context(), "slow", 0.2); err != nil {
		t.Fatal(err)
	}
	slowed := took()
	if state := f.Status("slow"); state != Available {
		t.Errorf("the status is %s", state)
	}
	if out, err := f.Query(t.Context(), "slow", "SELECT 1"); err != nil || out != "1\n" {
		t.Errorf("a query gives %q, %v", out, err)
	}
	if err := f.Slow(t.Context(), "slow", 1); err != nil {
		t.Fatal(err)
	}
	after := min(took(), took(), took())
	t.Logf("before %s, slowed %s, after %s", before, slowed, after)
	if slowed < 2*before {
		t.Errorf("a query took %s before, and %s slowed", before, slowed)
	}
	if after > slowed*2/3 {
		t.Errorf("a query took %s slowed, and %s afterwards", slowed, after)
	}
	if f.container(t, "slow").State.Paused {
		t.Error("the container is paused")
	}
	for _, duty := range []float64{0, -1, 1.1} {
		if err := f.Slow(t.Context(), "slow", duty); err == nil {
			t.Errorf("a part of %v is taken", duty)
		}
	}
	if err := f.Slow(t.Context(), "slow", 0.1); err != nil { // Close ends it
		t.Fatal(err)
	}
}

// TestFillDisk holds that full storage refuses writes in PostgreSQL's words and still answers reads, over checkpoints
// and a crash, that nothing is lost, and that storage is bounded without FillDisk too.
func TestFillDisk(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "full")
	conn := f.connectHost(t, instance, password)
	const insert = "INSERT INTO filler SELECT repeat(md5(n::text), 32) FROM generate_series(1, 4000) n" // some 4 MiB
	do(t, conn, "CREATE TABLE filler (text text)")
	do(t, conn, "ALTER TABLE filler ALTER text SET STORAGE plain")
	do(t, conn, insert)
	rows := func() int { return ask[int](t, conn, "SELECT count(*) FROM filler") }
	if err := f.FillDisk(t.Context(), "full"); err != nil {
		t.Fatal(err)
	}
	if state := f.Status("full"); state != StorageFull {
		t.Errorf("the status is %s", state)
	}
	_, err := conn.Exec(t.Context(), insert)
	if codeOf(err) != "53100" {
		t.Errorf("an insert gives %v", err)
	}
	t.Logf("an insert gives: %v", err)
	if got := rows(); got != 4000 {
		t.Errorf("%d rows of 4000 are read", got)
	}
	if _, err := f.Query(t.Context(), "full", "CHECKPOINT"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(f.Down(t.Context(), "full"), f.Up(t.Context(), "full")); err != nil {
		t.Fatal(err)
	}
	conn = f.connectHost(t, instance, password)
	if _, err := conn.Exec(t.Context(), insert); codeOf(err) != "53100" {
		t.Errorf("after a crash, an insert gives %v", err)
	}
	if err := f.FreeDisk(t.Context(), "full"); err != nil {
		t.Fatal(err)
	}
	if state := f.Status("full"); state != Available {
		t.Errorf("the status is %s", state)
	}
	do(t, conn, insert)
	if got := rows(); got != 8000 {
		t.Errorf("there are %d rows of 8000", got)
	}
	var full error
	for range 100 {
		if _, full = conn.Exec(t.Context(), insert); full != nil {
			break
		}
	}
	if state := f.Status("full"); codeOf(full) != "53100" || state != StorageFull {
		t.Errorf("400 MiB in storage of 160 give %v, and the status %s", full, state)
	}
	do(t, conn, "DROP TABLE filler")
	do(t, conn, "CREATE TABLE filler (text text)")
	if state := f.Status("full"); state != Available {
		t.Errorf("the status is %s", state)
	}
}

// TestSecrets holds that no secret can be read from the engine: not from the container, nor from its log.
func TestSecrets(t *testing.T) {
	f := newFixture(t)
	f.create(t, "secret")
	if err := f.SetPassword(t.Context(), "secret", "rotated-password"); err != nil {
		t.Fatal(err)
	}
	server, err := f.find("secret")
	if err != nil {
		t.Fatal(err)
	}
	found := f.container(t, "secret")
	inspected, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := f.docker.ContainerLogs(t.Context(), found.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	var log bytes.Buffer
	if _, err := stdcopy.StdCopy(&log, &log, logs); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log.Bytes(), []byte("ready to accept connections")) {
		t.Errorf("the log is not the server's: %s", log.Bytes())
	}
	key, err := f.run(t.Context(), server, nil, "sed -n 2p /run/slipway/server.key")
	if err != nil || len(key) < 32 {
		t.Fatalf("the key's second line is %q, %v", key, err)
	}
	left, err := f.run(t.Context(), server, nil, "ls /run/slipway")
	if err != nil || slices.Contains(strings.Fields(left), "password") {
		t.Errorf("in the container are %s, %v", left, err)
	}
	for _, secret := range []string{password, "rotated-password", server.admin, strings.TrimSpace(key), "SCRAM-SHA-256$"} {
		for where, text := range map[string][]byte{"inspect": inspected, "log": log.Bytes()} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s shows %q", where, secret)
			}
		}
	}
	if len(found.NetworkSettings.Ports) > 0 {
		for port, bindings := range found.NetworkSettings.Ports {
			if len(bindings) > 0 {
				t.Errorf("port %s is published at %v", port, bindings)
			}
		}
	}
}

// TestDelete holds that two instances live beside each other, that one goes without the other, that nothing of it is
// left in the engine, and that its id can be used again.
func TestDelete(t *testing.T) {
	f := newFixture(t)
	one, two := f.create(t, "one"), f.create(t, "two")
	do(t, f.connectHost(t, one, password), "CREATE TABLE only_here ()")
	conn := f.connectHost(t, two, password)
	if !ask[bool](t, conn, "SELECT to_regclass('only_here') IS NULL") {
		t.Error("two instances share a database")
	}
	if err := f.Create(t.Context(), one, password); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("the same instance again: %v", err)
	}
	for _, mount := range f.container(t, "one").Mounts {
		if mount.Type != "tmpfs" {
			t.Errorf("it has a mount %+v", mount)
		}
	}
	if err := f.Delete(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if state := f.Status("one"); state != "" {
		t.Errorf("the status is %s", state)
	}
	left, err := f.docker.ContainerList(t.Context(), container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", labelCloud+"="+f.opts.Cloud), filters.Arg("label", labelOwner+"="+f.opts.Owner)),
	})
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0].Names[0], "-two") {
		t.Errorf("there are %+v, %v", left, err)
	}
	if ask[int](t, conn, "SELECT 1") != 1 {
		t.Error("the other instance is broken")
	}
	if err := f.Delete(t.Context(), "one"); err == nil {
		t.Error("what is not there was deleted")
	}
	f.create(t, "one")
}

// TestImageOfItsOwnMind holds that an image's own command, entrypoint and volumes, as the public image has them, do not
// count.
func TestImageOfItsOwnMind(t *testing.T) {
	f := newFixture(t)
	plain, err := f.opts.Image(t.Context(), "17")
	if err != nil {
		t.Fatal(err)
	}
	made, err := f.docker.ContainerCreate(t.Context(), &container.Config{Image: plain, Cmd: []string{"true"}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.docker.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{}) })
	name := f.opts.Cloud + ":latest"
	if _, err := f.docker.ContainerCommit(t.Context(), made.ID, container.CommitOptions{
		Reference: name,
		Changes:   []string{"VOLUME /var/lib/postgresql/data", `ENTRYPOINT ["docker-entrypoint.sh"]`, `CMD ["postgres"]`, "USER root"},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := f.Close(context.Background())
		if _, problem := f.docker.ImageRemove(context.Background(), name, image.RemoveOptions{}); err != nil || problem != nil {
			t.Error(err, problem)
		}
	})
	f.opts.Image = func(context.Context, string) (string, error) { return name, nil }
	instance := f.create(t, "other")
	f.connectHost(t, instance, password)
	found := f.container(t, "other")
	if len(found.Config.Cmd) > 0 {
		t.Errorf("its command is %q", found.Config.Cmd)
	}
	for _, mount := range found.Mounts {
		if mount.Type != "tmpfs" {
			t.Errorf("it has a mount %+v", mount)
		}
	}
}

// TestCreateFails holds that what cannot be created says why, is failed until it is deleted, and leaves no container;
// and that a Delete ends a Create that is under way.
func TestCreateFails(t *testing.T) {
	f := newFixture(t)
	good := Instance{ID: "bad", Host: "bad.example", Port: 5432, Database: "app", User: "app", Major: "17"}
	for what, change := range map[string]func(*Instance){
		"no id":           func(i *Instance) { i.ID = "" },
		"no host":         func(i *Instance) { i.Host = "" },
		"no user":         func(i *Instance) { i.User = "" },
		"a port too low":  func(i *Instance) { i.Port = 80 },
		"a port too high": func(i *Instance) { i.Port = 70000 },
		"tiny storage":    func(i *Instance) { i.StorageMiB = 63 },
	} {
		bad := good
		change(&bad)
		if err := f.Create(t.Context(), bad, password); err == nil || f.Status(bad.ID) != "" {
			t.Errorf("%s: %v, %s", what, err, f.Status(bad.ID))
		}
	}
	bad := good
	bad.User = "pg_mine" // PostgreSQL keeps such names for itself
	if err := f.Create(t.Context(), bad, password); codeOf(err) != "42939" {
		t.Errorf("a reserved name gives %v", err)
	}
	if state := f.Status("bad"); state != Failed {
		t.Errorf("the status is %s", state)
	}
	containers := func() int {
		left, err := f.docker.ContainerList(t.Context(), container.ListOptions{
			All: true, Filters: filters.NewArgs(filters.Arg("label", labelCloud+"="+f.opts.Cloud)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(left)
	}
	if n := containers(); n != 0 {
		t.Errorf("%d containers are left", n)
	}
	if err := f.Delete(t.Context(), "bad"); err != nil {
		t.Error(err)
	}

	imaged := make(chan struct{})
	f.opts.Image = func(ctx context.Context, _ string) (string, error) {
		close(imaged)
		<-ctx.Done()
		return "", ctx.Err()
	}
	created := make(chan error)
	go func() { created <- f.Create(t.Context(), good, password) }()
	<-imaged
	if state := f.Status("bad"); state != Creating {
		t.Errorf("the status is %s", state)
	}
	if err := f.Delete(t.Context(), "bad"); err != nil {
		t.Error(err)
	}
	if err := <-created; !errors.Is(err, context.Canceled) {
		t.Errorf("the creation ends with %v", err)
	}
	if state := f.Status("bad"); state != "" {
		t.Errorf("the status is %s", state)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := f.Create(t.Context(), good, password); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestBridge holds that a session through the container ends on both sides when either ends, so that none is left over.
func TestBridge(t *testing.T) {
	f := newFixture(t)
	f.create(t, "bridge")
	server, err := f.find("bridge")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := f.Query(ctx, "bridge", "SELECT pg_sleep(60)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a query that takes too long gives %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it ended after %s", took)
	}
	bridges := func() string {
		t.Helper()
		out, err := f.run(t.Context(), server, nil, `for process in /proc/[0-9]*; do cat $process/comm 2>/dev/null || :; done | grep -c -e '^cat$' -e '^bash$' || :`)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	conn, err := f.dial(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	if n := bridges(); n == "0" {
		t.Error("there is no process of an open bridge")
	}
	_ = conn.Close() // without a word, as when a process is killed
	deadline := time.Now().Add(20 * time.Second)
	for {
		sessions, err := f.Query(t.Context(), "bridge", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slipway' AND pid <> pg_backend_pid()")
		if err != nil {
			t.Fatal(err)
		}
		left := bridges()
		if sessions == "0\n" && left == "0" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s sessions and %s processes are left", strings.TrimSpace(sessions), left)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
