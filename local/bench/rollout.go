package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"golang.org/x/sync/errgroup"

	"slipway/infra/config"
	"slipway/local/awsapi"
)

const (
	copies         = 3 // of a service with each kind of settings, which are updated at the same time
	rolloutTimeout = 20 * time.Minute
	cleanUpTimeout = time.Minute
	copied         = "frontend" // the service of the stack that the copies are made from
)

// settings are those that decide how long a rolling update takes.
type settings struct {
	name                 string
	interval, timeout    int32 // of the load balancer's check, seconds
	healthy, unhealthy   int32 // checks
	deregistration       int   // seconds
	containerHealthCheck func(ecstypes.HealthCheck) ecstypes.HealthCheck
}

// awsDefaults are what AWS takes where nothing is said (ELB guide, "Health checks for Application Load Balancer target groups"
// and "Target group attributes"; ECS API, HealthCheck).
var awsDefaults = settings{
	name: "AWS's defaults", interval: 30, timeout: 5, healthy: 5, unhealthy: 2, deregistration: 300,
	containerHealthCheck: func(check ecstypes.HealthCheck) ecstypes.HealthCheck {
		return ecstypes.HealthCheck{Command: check.Command, Interval: aws.Int32(30), Timeout: aws.Int32(5), Retries: aws.Int32(3)}
	},
}

// rollout measures a rolling update with the program's settings and with AWS's defaults, on one data plane and at the same
// time: of copies of a service that the program has registered, from the update until the old tasks have stopped.
func (b bench) rollout(ctx context.Context) error {
	r, err := newRollout(ctx, b)
	if err != nil {
		return err
	}
	kinds := []settings{r.program, awsDefaults} // in the order of results
	defer r.cleanUp()
	for i, kind := range kinds {
		for n := range copies {
			if err := r.create(ctx, kind, fmt.Sprintf("bench-%d-%d", i, n)); err != nil {
				return err
			}
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, service := range r.services {
		group.Go(func() error { return r.await(groupCtx, service) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	results := make([]time.Duration, len(r.services))
	group, groupCtx = errgroup.WithContext(ctx)
	for i, service := range r.services {
		group.Go(func() error {
			start := time.Now()
			_, err := r.ecs.UpdateService(groupCtx, &ecs.UpdateServiceInput{Cluster: &r.cluster, Service: &service, ForceNewDeployment: true})
			if err != nil {
				return fmt.Errorf("update %s: %w", service, err)
			}
			if err := r.await(groupCtx, service); err != nil {
				return err
			}
			results[i] = time.Since(start)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	ours, theirs := results[:copies], results[copies:]
	b.row("rolling update, "+r.program.name, ours, 0)
	b.row("rolling update, "+awsDefaults.name, theirs, 0)
	b.print("%-58s %9.1f\n", "  times faster", median(theirs).Seconds()/median(ours).Seconds())
	return nil
}

// rollouts is the stack's service and its copies.
type rollouts struct {
	ecs        *ecs.Client
	elb        *elb.Client
	out        io.Writer
	cluster    string
	program    settings
	service    ecstypes.Service
	definition ecstypes.TaskDefinition
	group      elbtypes.TargetGroup
	listener   string

	services, groups, rules, definitions []string // that were made
}

func newRollout(ctx context.Context, b bench) (*rollouts, error) {
	endpoint, err := b.engine.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	outputs, err := b.engine.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	r := &rollouts{ecs: ecs.NewFromConfig(awsapi.Config(endpoint)), elb: elb.NewFromConfig(awsapi.Config(endpoint)), out: b.out}
	r.cluster, _ = outputs["cluster"].Value.(string)
	described, err := r.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &r.cluster, Services: []string{copied}})
	if err != nil || len(described.Services) != 1 || len(described.Services[0].LoadBalancers) != 1 {
		return nil, fmt.Errorf("find service %s with its load balancer: %w", copied, errors.Join(err, errors.New("the stack has another form")))
	}
	r.service = described.Services[0]
	definition, err := r.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: r.service.TaskDefinition})
	if err != nil {
		return nil, fmt.Errorf("read the task definition of %s: %w", copied, err)
	}
	r.definition = *definition.TaskDefinition
	groups, err := r.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{
		TargetGroupArns: []string{aws.ToString(r.service.LoadBalancers[0].TargetGroupArn)},
	})
	if err != nil {
		return nil, fmt.Errorf("read the target group of %s: %w", copied, err)
	}
	r.group = groups.TargetGroups[0]
	listeners, err := r.elb.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: aws.String(r.group.LoadBalancerArns[0])})
	if err != nil {
		return nil, fmt.Errorf("read the listener of %s: %w", copied, err)
	}
	r.listener = aws.ToString(listeners.Listeners[0].ListenerArn)
	deregistration, err := defaultDeregistration()
	if err != nil {
		return nil, err
	}
	r.program = settings{
		name:     "this program's settings",
		interval: aws.ToInt32(r.group.HealthCheckIntervalSeconds), timeout: aws.ToInt32(r.group.HealthCheckTimeoutSeconds),
		healthy: aws.ToInt32(r.group.HealthyThresholdCount), unhealthy: aws.ToInt32(r.group.UnhealthyThresholdCount),
		deregistration:       deregistration, // the local stack's own is shorter
		containerHealthCheck: func(check ecstypes.HealthCheck) ecstypes.HealthCheck { return check },
	}
	return r, nil
}

// defaultDeregistration is the default of edgeDeregistrationSeconds.
func defaultDeregistration() (int, error) {
	field, _ := reflect.TypeFor[config.Edge]().FieldByName("DeregistrationSeconds")
	seconds, err := strconv.Atoi(field.Tag.Get("default"))
	if err != nil {
		return 0, fmt.Errorf("read the default of edgeDeregistrationSeconds: %w", err)
	}
	return seconds, nil
}

// create makes a copy of the service with other settings.
func (r *rollouts) create(ctx context.Context, kind settings, name string) error {
	group, err := r.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &name, VpcId: r.group.VpcId, TargetType: r.group.TargetType, Protocol: r.group.Protocol, Port: r.group.Port,
		HealthCheckPath: r.group.HealthCheckPath, Matcher: r.group.Matcher, HealthCheckIntervalSeconds: &kind.interval,
		HealthCheckTimeoutSeconds: &kind.timeout, HealthyThresholdCount: &kind.healthy, UnhealthyThresholdCount: &kind.unhealthy,
	})
	if err != nil {
		return fmt.Errorf("make target group %s: %w", name, err)
	}
	arn := group.TargetGroups[0].TargetGroupArn
	r.groups = append(r.groups, *arn)
	_, err = r.elb.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: arn, Attributes: []elbtypes.TargetGroupAttribute{
		{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String(fmt.Sprint(kind.deregistration))},
	}})
	if err != nil {
		return fmt.Errorf("set the deregistration delay of %s: %w", name, err)
	}
	rule, err := r.elb.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: &r.listener, Priority: aws.Int32(int32(1 + len(r.rules))), //nolint:gosec // a handful
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/" + name}}},
		Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: arn}},
	})
	if err != nil {
		return fmt.Errorf("route to %s: %w", name, err)
	}
	r.rules = append(r.rules, *rule.Rules[0].RuleArn)
	containers := slices.Clone(r.definition.ContainerDefinitions)
	for i, container := range containers {
		if container.HealthCheck != nil {
			check := kind.containerHealthCheck(*container.HealthCheck)
			containers[i].HealthCheck = &check
		}
	}
	d := r.definition
	registered, err := r.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: &name, ContainerDefinitions: containers, Cpu: d.Cpu, Memory: d.Memory, NetworkMode: d.NetworkMode, Volumes: d.Volumes,
		ExecutionRoleArn: d.ExecutionRoleArn, TaskRoleArn: d.TaskRoleArn, RequiresCompatibilities: d.RequiresCompatibilities,
	})
	if err != nil {
		return fmt.Errorf("register the tasks of %s: %w", name, err)
	}
	r.definitions = append(r.definitions, *registered.TaskDefinition.TaskDefinitionArn)
	s := r.service
	_, err = r.ecs.CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: &r.cluster, ServiceName: &name, TaskDefinition: registered.TaskDefinition.TaskDefinitionArn, DesiredCount: aws.Int32(1),
		LaunchType: s.LaunchType, CapacityProviderStrategy: s.CapacityProviderStrategy, NetworkConfiguration: s.NetworkConfiguration, DeploymentConfiguration: s.DeploymentConfiguration,
		LoadBalancers: []ecstypes.LoadBalancer{{
			TargetGroupArn: arn, ContainerName: s.LoadBalancers[0].ContainerName, ContainerPort: s.LoadBalancers[0].ContainerPort,
		}},
		HealthCheckGracePeriodSeconds: s.HealthCheckGracePeriodSeconds,
	})
	if err != nil {
		return fmt.Errorf("make service %s: %w", name, err)
	}
	r.services = append(r.services, name)
	return nil
}

// await waits until a service has one deployment, completed.
func (r *rollouts) await(ctx context.Context, service string) error {
	ctx, cancel := context.WithTimeout(ctx, rolloutTimeout)
	defer cancel()
	for {
		described, err := r.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &r.cluster, Services: []string{service}})
		if err != nil {
			return fmt.Errorf("look at %s: %w", service, err)
		}
		deployments := described.Services[0].Deployments
		if len(deployments) == 1 && deployments[0].RolloutState == ecstypes.DeploymentRolloutStateCompleted {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not steady after %s: %w", service, rolloutTimeout, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// cleanUp removes the copies, also after an interruption.
func (r *rollouts) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTimeout)
	defer cancel()
	var problems []error
	note := func(_ any, err error) { problems = append(problems, err) }
	for _, service := range r.services {
		note(r.ecs.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: &r.cluster, Service: &service, Force: aws.Bool(true)}))
	}
	for _, rule := range r.rules {
		note(r.elb.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: &rule}))
	}
	for _, group := range r.groups {
		note(r.elb.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &group}))
	}
	for _, definition := range r.definitions {
		note(r.ecs.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &definition}))
	}
	if err := errors.Join(problems...); err != nil {
		_, _ = fmt.Fprintf(r.out, "bench: copies of %s are left; `make stop` ends them: %v\n", copied, err)
	}
}
