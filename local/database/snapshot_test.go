package database

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/jackc/pgx/v5"
)

// TestSnapshot holds that a snapshot brings back tables, their owner and other roles with their passwords, as of its moment.
func TestSnapshot(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "from")
	conn := f.connectHost(t, instance, password)
	for _, statement := range []string{
		"CREATE TABLE items (name text)", "INSERT INTO items VALUES ('before')",
		"CREATE ROLE client", "CREATE ROLE client_a LOGIN PASSWORD 'its own' IN ROLE client", "GRANT SELECT ON items TO client",
	} {
		do(t, conn, statement)
	}
	taken, err := f.Take(t.Context(), "from")
	if err != nil {
		t.Fatal(err)
	}
	if got := ask[int64](t, f.connectHost(t, instance, password), "SELECT count(*) FROM items"); got != 1 {
		t.Errorf("the instance holds %d items after its snapshot was taken", got)
	}
	do(t, f.connectHost(t, instance, password), "INSERT INTO items VALUES ('after')")
	restored := f.create(t, "to")
	if err := f.Restore(t.Context(), "to", taken, "another"); err != nil {
		t.Fatal(err)
	}
	master := f.connectHost(t, restored, "another")
	if got := ask[string](t, master, "SELECT string_agg(name, ',') FROM items"); got != "before" {
		t.Errorf("the items are %s", got)
	}
	do(t, master, "ALTER TABLE items ADD COLUMN more text") // it is its owner
	config := master.Config().Copy()
	config.User, config.Password = "client_a", "its own"
	client, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(t.Context()) }()
	if got := ask[int64](t, client, "SELECT count(*) FROM items"); got != 1 {
		t.Errorf("the other user sees %d items", got)
	}
	// An instance that did not get what it is to hold is not to be taken for one that holds it.
	if err := f.Down(t.Context(), "to"); err != nil {
		t.Fatal(err)
	}
	if err := f.Restore(t.Context(), "to", taken, "another"); err == nil || f.Status("to") != Failed {
		t.Errorf("after a restore that failed the instance is %s: %v", f.Status("to"), err)
	}
	if _, err := f.Take(t.Context(), "nowhere"); err == nil {
		t.Error("an instance that is not there has a snapshot")
	}
}

// TestSlowStatements holds that the server's log tells of statements that take long, where a parameter says so, and of no others.
func TestSlowStatements(t *testing.T) {
	f := newFixture(t)
	instance := f.create(t, "slow", func(i *Instance) { i.SlowMillis = 200 })
	conn := f.connectHost(t, instance, password)
	do(t, conn, "SELECT 'quick'")
	do(t, conn, "SELECT 'lazy', pg_sleep(0.3)")
	said := func() string {
		logs, err := f.docker.ContainerLogs(t.Context(), f.container(t, "slow").ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = logs.Close() }()
		content, err := io.ReadAll(logs)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	text := said()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(text, "'lazy'") && time.Now().Before(end); text = said() {
		time.Sleep(50 * time.Millisecond) // the engine has the words a little after the client has its answer
	}
	if !strings.Contains(text, "'lazy'") || strings.Contains(text, "'quick'") {
		t.Errorf("the log says:\n%s", text)
	}
	if off := f.create(t, "off"); ask[string](t, f.connectHost(t, off, password), "SHOW log_min_duration_statement") != "-1" {
		t.Error("without the parameter statements are logged")
	}
}
