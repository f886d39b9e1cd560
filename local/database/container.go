package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
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
