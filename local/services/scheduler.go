// Package services is ECS's service scheduler: it keeps the asked number of tasks running, replaces them by a rolling
// update within the minimum and maximum healthy percent, and takes a failing release back by the deployment circuit
// breaker or by alarms. It runs nothing itself: a Platform runs tasks, and Targets are what a load balancer knows of them.
//
// Sources: Amazon ECS Developer Guide, "Deploy Amazon ECS services by replacing tasks", "How the Amazon ECS deployment
// circuit breaker detects failures", "How CloudWatch alarms detect Amazon ECS deployment failures", "Amazon ECS service event messages"; API Reference, Deployment, ServiceDeployment.
package services

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/local/awsapi"
)

// Task is a running task.
type Task interface {
	Status() ecstypes.Task
	IP() string // empty until it has one
	Stop(code ecstypes.TaskStopCode, reason string)
}

// Launch is what a Platform needs to start one task of a service.
type Launch struct {
	ID         string // 32 hex digits
	Cluster    string // ARN
	Definition ecstypes.TaskDefinition
	Group      string // service:NAME
	StartedBy  string // id of the deployment
	Connect    *ecstypes.ServiceConnectConfiguration
	Activate   func(ctx context.Context, ip string) error
	Deactivate func(ctx context.Context)
	Changed    func()
}

// Platform runs tasks. Start returns at once; the task goes on by itself. Primary is told of each revision that becomes a service's
// primary one, by a deployment or by a rollback, in that order; it must not call the Scheduler.
type Platform interface {
	Start(Launch) Task
	Primary(Config)
}

// Targets are the target groups of a load balancer.
type Targets interface {
	Register(group, ip string, port int) error
	Deregister(group, ip string, port int) <-chan struct{} // closed once the deregistration delay has passed
	Health(group string) []elbtypes.TargetHealthDescription
}

// Config is what a service was asked for.
type Config struct {
	ARN, Name, Cluster string // Cluster is an ARN
	Definition         ecstypes.TaskDefinition
	Desired            int
	MinimumPercent     int // minimumHealthyPercent
	MaximumPercent     int
	Breaker, Rollback  bool     // of the deployment circuit breaker
	Alarms             []string // names of those that watch a deployment; none where that is off
	AlarmRollback      bool
	LoadBalancers      []ecstypes.LoadBalancer
	Grace              time.Duration // healthCheckGracePeriodSeconds
	Network            *ecstypes.NetworkConfiguration
	Connect            *ecstypes.ServiceConnectConfiguration
	Capacity           []ecstypes.CapacityProviderStrategyItem // shown, and no more: every task runs on this machine
}

// revised is the configuration with another revision: what ServiceRevision has of it. The rest is the service's own.
func (c Config) revised(to Config) Config {
	c.Definition, c.LoadBalancers, c.Network, c.Connect, c.Capacity = to.Definition, to.LoadBalancers, to.Network, to.Connect, to.Capacity
	return c
}

// differs says whether a deployment is due to get to another configuration. What is empty and what is absent is the same.
func (c Config) differs(to Config) bool {
	parts := func(c Config) any {
		return []any{
			aws.ToString(c.Definition.TaskDefinitionArn), awsapi.Render(c.LoadBalancers), awsapi.Render(c.Network), awsapi.Render(c.Connect),
		}
	}
	return !reflect.DeepEqual(parts(c), parts(to))
}

// launchType is what ECS shows of a service that has no strategy of capacity providers.
func (c Config) launchType() ecstypes.LaunchType {
	if len(c.Capacity) > 0 {
		return ""
	}
	return ecstypes.LaunchTypeFargate
}

// Scheduler keeps services as they were asked for.
type Scheduler struct {
	platform Platform
	targets  Targets
	alarms   Alarms
	mu       sync.Mutex
	services map[string]*service // by ARN
	running  sync.WaitGroup
	ctx      context.Context
	stop     context.CancelFunc
}

// tick is how often a service is looked at, beside each time that one of its tasks changes.
const tick = time.Second

// New makes a Scheduler; Close ends it.
func New(platform Platform, targets Targets, alarms Alarms) *Scheduler {
	ctx, stop := context.WithCancel(context.Background())
	return &Scheduler{platform: platform, targets: targets, alarms: alarms, services: map[string]*service{}, ctx: ctx, stop: stop}
}

// Close ends the scheduler. Tasks are the Platform's, and go on.
func (s *Scheduler) Close() {
	s.stop()
	s.running.Wait()
}

// Put creates a service or updates it. A new deployment begins where the task definition, the network, the load balancers or
// Service Connect differ, or where one is forced.
func (s *Scheduler) Put(config Config, force bool) {
	if found := s.find(config.ARN); found != nil && !found.isOver() {
		found.update(config, force)
		return
	}
	made := newService(s, config)
	s.mu.Lock()
	s.services[config.ARN] = made
	s.mu.Unlock()
	s.running.Go(func() { made.loop(s.ctx) })
}

// Delete stops the service's tasks; the service is over when the last has stopped.
func (s *Scheduler) Delete(arn string) {
	if found := s.find(arn); found != nil {
		found.delete()
	}
}

// Wake has all services looked at now: the health of a target has changed.
func (s *Scheduler) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.services {
		one.wake()
	}
}

// View is what DescribeServices tells of a service.
type View struct {
	Deleted        bool
	Draining       bool   // deleted, and tasks still stop
	Config         Config // of the primary deployment
	Desired        int
	Running        int
	Pending        int
	Deployments    []ecstypes.Deployment
	Events         []ecstypes.ServiceEvent // the newest first
	CurrentARN     string                  // of the current service deployment; empty in the steady state
	RevisionARN    string                  // of the primary deployment
	RevisionCounts []ecstypes.ServiceCurrentRevisionSummary
}

// View returns what DescribeServices tells, and whether the service is known.
func (s *Scheduler) View(arn string) (View, bool) {
	found := s.find(arn)
	if found == nil {
		return View{}, false
	}
	return found.view(), true
}

// Deployments returns the service deployments of a service, the newest first. They go with the service.
func (s *Scheduler) Deployments(arn string) []ecstypes.ServiceDeployment {
	found := s.find(arn)
	if found == nil {
		return nil
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	if found.hasEnded() {
		return nil
	}
	all := make([]ecstypes.ServiceDeployment, 0, len(found.records))
	for _, record := range slices.Backward(found.records) {
		all = append(all, found.describe(record))
	}
	return all
}

// Revisions returns all revisions of a service, the oldest first.
func (s *Scheduler) Revisions(arn string) []ecstypes.ServiceRevision {
	found := s.find(arn)
	if found == nil {
		return nil
	}
	found.mu.Lock()
	defer found.mu.Unlock()
	return slices.Clone(found.revisions)
}

// Find returns the ARN of a service of a cluster, by their names, or nothing.
func (s *Scheduler) Find(cluster, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for arn := range s.services {
		if strings.HasSuffix(arn, ":service/"+cluster+"/"+name) {
			return arn
		}
	}
	return ""
}

// Owner returns the ARN of the service that a service deployment or revision belongs to, by its ARN, or nothing. Such an ARN
// ends with CLUSTER/SERVICE/ID.
func (s *Scheduler) Owner(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) != 4 {
		return ""
	}
	return s.Find(parts[1], parts[2])
}

func (s *Scheduler) find(arn string) *service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[arn]
}

// NewID makes an id as ECS gives them to tasks: 32 hex digits.
func NewID() string {
	var bytes [16]byte
	_, _ = rand.Read(bytes[:]) // crypto/rand never fails
	return hex.EncodeToString(bytes[:])
}

// decimalID is an id as ECS gives them to deployments: 19 digits.
func decimalID() string {
	limit := big.NewInt(9e18)
	number, _ := rand.Int(rand.Reader, limit) // crypto/rand never fails
	return fmt.Sprintf("%019d", number)
}
