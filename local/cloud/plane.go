package cloud

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	dockerregistry "github.com/docker/docker/api/types/registry"
	engine "github.com/docker/docker/client"

	"slipway/local/awsapi"
	"slipway/local/balancer"
	"slipway/local/database"
	"slipway/local/dockerengine"
	"slipway/local/faults"
	"slipway/local/tasks"
)

// plane is the data plane: what moto keeps is really carried out by it.
type plane struct {
	docker       *engine.Client
	containers   *containers
	balancing    *balancing
	certificates *certificates
	databases    *databases
	scheduling   *scheduling
	stop         context.CancelFunc
	watching     sync.WaitGroup
}

type planeOptions struct {
	Options
	moto     string // endpoint
	state    State
	password string // of the registry
	faults   *faults.Set
}

// authorityFile holds, in PEM, what signs the certificates of load balancers: what a client must be told to trust.
const authorityFile = "ca.pem"

// closeTimeout bounds the end of all tasks and servers.
const closeTimeout = 30 * time.Second

func newPlane(ctx context.Context, opts planeOptions) (*plane, error) {
	docker, err := dockerengine.Connect()
	if err != nil {
		return nil, err
	}
	owner := ownerOf(opts.Dir)
	if err := tasks.Sweep(ctx, docker, owner); err != nil { // a killed life's
		return nil, err
	}
	config, network := awsapi.Config(opts.moto), "slipway-"+opts.state.ID[:12]
	runner, err := tasks.New(ctx, tasks.Options{
		Docker: docker, Cloud: opts.state.ID, Owner: owner, Network: network, Pause: opts.Pause,
		SecretsManager: secretsmanager.NewFromConfig(config), Logs: cloudwatchlogs.NewFromConfig(config),
		Registry: func() dockerregistry.AuthConfig {
			return dockerregistry.AuthConfig{Username: registryUser, Password: opts.password, ServerAddress: opts.state.Registry}
		},
		API:      strings.TrimPrefix(opts.state.Endpoint, "http://"),
		DiskFull: func() bool { return opts.faults.Has(faults.DiskFull) },
	})
	if err != nil {
		return nil, err
	}
	servers, err := database.New(database.Options{
		Docker: docker, Cloud: opts.state.ID, Owner: owner, Network: network, Image: opts.Postgres, Log: opts.Log,
	})
	if err != nil {
		return nil, errors.Join(err, runner.Close(ctx))
	}
	listening, err := balancer.New(opts.Log)
	if err != nil {
		return nil, errors.Join(err, runner.Close(ctx))
	}
	if err := os.WriteFile(filepath.Join(opts.Dir, authorityFile), listening.CertificateAuthority(), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the certificate authority: %w", err), runner.Close(ctx), listening.Close())
	}
	acm := &certificates{api: emulatorOf(opts.moto), issued: map[string]bool{}}
	planeCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &plane{
		docker: docker, stop: stop,
		containers: newContainers(ecs.NewFromConfig(config), runner, listening, alarms{client{opts.moto}}),
		balancing:  &balancing{api: elb.NewFromConfig(config), names: acm.namesOf, plane: listening}, certificates: acm,
		databases: &databases{
			api: rds.NewFromConfig(config), secrets: secretsmanager.NewFromConfig(config), servers: servers, faults: opts.faults, ctx: planeCtx,
			creating: map[string]bool{}, ailing: map[string]condition{}, insights: map[string]bool{}, snapshots: map[string]database.Snapshot{},
			surplus: map[string]string{},
		},
	}
	p.scheduling = newScheduling(scheduler.NewFromConfig(config), p.containers)
	p.watching.Go(func() {
		for {
			select {
			case <-planeCtx.Done():
				return
			case <-listening.Changed(): // the health of a target
				p.containers.scheduler.Wake()
			}
		}
	})
	return p, nil
}

// ownerOf is how the Docker Engine's things are told to be those of the cloud in a folder.
func ownerOf(dir string) string {
	if absolute, err := filepath.Abs(dir); err == nil {
		return absolute
	}
	return dir
}

// amenderOf returns what completes moto's answer to a call, or nothing where moto knows best.
func (p *plane) amenderOf(c call) func(context.Context, []byte) ([]byte, error) {
	switch c.service {
	case "acm":
		return func(ctx context.Context, body []byte) ([]byte, error) {
			return p.certificates.amend(ctx, c.operation, body)
		}
	case "ecs":
		return func(ctx context.Context, body []byte) ([]byte, error) {
			return p.containers.amend(ctx, c.operation, body)
		}
	case "elasticloadbalancing":
		return func(ctx context.Context, body []byte) ([]byte, error) {
			return p.balancing.amend(ctx, c.operation, c.form, body)
		}
	case "scheduler":
		return func(ctx context.Context, body []byte) ([]byte, error) {
			return p.scheduling.amend(ctx, c.operation, body)
		}
	case "rds":
		return func(ctx context.Context, body []byte) ([]byte, error) {
			return p.databases.amend(ctx, c.operation, c.form, body)
		}
	}
	return nil
}

// close ends everything that runs, and leaves nothing in the Docker Engine.
func (p *plane) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	p.stop()
	p.watching.Wait()
	p.scheduling.clock.Close()
	if err := errors.Join(p.databases.servers.Close(ctx), p.containers.close(ctx), p.balancing.plane.Close()); err != nil {
		log.Printf("end the data plane: %v", err)
	}
	p.databases.working.Wait()
	_ = p.docker.Close()
}
