package database

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"time"
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
