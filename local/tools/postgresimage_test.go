package tools

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPostgresImage holds that the image has the servers of its major version, built with OpenSSL and ICU, and the user
// that runs them, and that it is made once.
func TestPostgresImage(t *testing.T) {
	dir, err := DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cache := Cache{Dir: dir, Out: t.Output()}
	if err := EnsureDocker(ctx, t.Output()); err != nil {
		t.Fatal(err)
	}
	name, err := cache.PostgresImage(ctx, "17")
	if err != nil {
		t.Fatal(err)
	}
	// The words that configure was called with stand in the executable itself; pg_config, which prints them, is not in
	// every image.
	out, err := exec.CommandContext(ctx, "docker", "run", "--rm", "--network", "none", "--user", "postgres", name, "sh", "-ec", `
cd /usr/lib/postgresql/*/bin
./postgres --version
./initdb --version
grep --text --only-matching --max-count 1 -e --with-icu postgres
grep --text --only-matching --max-count 1 -e '--with-\(ssl=\)\?openssl' postgres
id --user --name`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"postgres (PostgreSQL) 17.", "initdb (PostgreSQL) 17.", "--with-icu", "openssl", "\npostgres\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the image lacks %q; it says:\n%s", want, out)
		}
	}
	id := func() string {
		id, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", name)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := id()
	if again, err := cache.PostgresImage(ctx, "17"); err != nil || again != name {
		t.Errorf("the second time gives %q, %v", again, err)
	}
	if id() != before {
		t.Error("the image was made anew")
	}
}

// TestPostgresImageRefuses holds that a version that is none is refused before anything is made of it.
func TestPostgresImageRefuses(t *testing.T) {
	cache := Cache{Dir: t.TempDir(), Out: t.Output()}
	for _, major := range []string{"", "17.2", "latest", "17; true", "017"} {
		if name, err := cache.PostgresImage(t.Context(), major); err == nil {
			t.Errorf("%q gives %s", major, name)
		}
	}
}
