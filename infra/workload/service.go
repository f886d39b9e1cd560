package workload

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
)

// ServiceArgs are the inputs of a Service, and of a ScheduledTask.
type ServiceArgs struct {
	Row       config.Service
	Stack     Surroundings
	Image     pulumi.StringInput // by digest
	Revision  string
	Platform  string // of the image, such as linux/arm64
	Cluster   *Cluster
	VPCID     pulumi.StringInput
	SubnetIDs pulumi.StringArrayInput // private
	Edge      EdgeAccess
	Database  DatabaseInputs // used where Row.Database
	// Namespace is the ARN of that of Service Connect, used where Row.ByConnect().
	Namespace pulumi.StringInput
	// Calls are the internal services that Row.Calls names.
	Calls []Peer
	// ScheduleGroup is the name of the stack's, used where the row is scheduled.
	ScheduleGroup pulumi.StringInput
	Secrets       SecretInputs // that Row.Secrets names
	// BoundaryARN is the policy that bounds what the service's roles can do.
	BoundaryARN pulumi.StringInput
	// After holds what a task needs before it can start: routes and endpoints.
	After []pulumi.Resource
	// Released resolves when the services before this one run their release well, and fails where they do not: then the
	// service's task definition, and so the service, is not touched. Nil to wait for none.
	Released pulumi.ResourceArrayInput
	// Watch declares what watches the service, given how CloudWatch names its target group (targetgroup/NAME/ID; nil for none), and returns the
	// names of the alarms that take its releases back. Nil where nothing watches it.
	Watch func(targetGroup pulumi.StringInput) (pulumi.StringArray, error)
	// Watched are the names of alarms that took its releases back in the last run, and do no more where Watch has none.
	Watched []string
}

// Surroundings is what all services of one stack share.
type Surroundings struct {
	Prefix           string // of names: APP-STACK
	Partition        string
	Account          string
	Region           string
	RegistryAccount  string // of the ECR repositories, 12 digits
	RepositoryPrefix string // of ECR repositories
	LogRoot          string // first part of log group names
	LogRetentionDays int
	RetainTasks      bool // keep replaced task definitions registered: a service cannot return to one that is not
	DeployMinutes    int  // how long a service may take to end
	Sleep            Sleep
	DrainSeconds     int // how long a target that leaves may finish its requests
	IdleSeconds      int // how long the load balancer keeps an idle connection
}

// arn is the ARN of a resource in the stack's region.
func (s Surroundings) arn(service, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", s.Partition, service, s.Region, s.Account, resource)
}

// EdgeAccess is where requests come from.
type EdgeAccess struct {
	ListenerARN        pulumi.StringInput
	LoadBalancerSuffix pulumi.StringInput // end of the load balancer's ARN
	SecurityGroupID    pulumi.StringInput
}

// SecretInputs are the secrets that a service's containers get.
type SecretInputs struct {
	ARNs   pulumi.StringMap // by the variable that holds the value
	KeyARN string           // of the customer key that encrypts them; empty for none
	// Filled resolves when they have values, and fails where one has none; nil where there are no secrets.
	Filled pulumi.ResourceArrayInput
}

// Service is one Fargate service: behind the load balancer, called by others through Service Connect, or a worker.
type Service struct {
	pulumi.ResourceState

	Name              pulumi.StringOutput
	LogGroup          pulumi.StringOutput
	TaskDefinitionARN pulumi.StringOutput // that the service was asked to run; known once it was
	TargetGroupARN    pulumi.StringOutput // empty where the load balancer does not know the service
	SecurityGroupID   pulumi.StringOutput
	TargetGroupSuffix pulumi.StringInput // how CloudWatch names the target group (targetgroup/NAME/ID); nil where there is none
	Running           pulumi.Resource    // stands once the tasks run
}

// rowType is the type of the component that a row comes to.
const rowType = "slipway:workload:Service"

// NewService declares a Service.
func NewService(ctx *pulumi.Context, name string, args ServiceArgs, opts ...pulumi.ResourceOption) (*Service, error) {
	s := &Service{}
	if err := ctx.RegisterComponentResource(rowType, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	b := &serviceBuilder{ctx: ctx, name: name, args: args, parent: pulumi.Parent(s)}
	parts, err := b.parts()
	if err != nil {
		return nil, err
	}
	target, routes := (*lb.TargetGroup)(nil), []pulumi.Resource(nil)
	s.TargetGroupARN = pulumi.String("").ToStringOutput()
	if args.Row.Kind() == config.Public {
		if target, routes, err = b.route(); err != nil {
			return nil, err
		}
		s.TargetGroupARN, s.TargetGroupSuffix = target.Arn, target.ArnSuffix
	}
	alarms, err := b.deploymentAlarms(s.TargetGroupSuffix)
	if err != nil {
		return nil, err
	}
	service, err := b.service(parts, target, alarms, slices.Concat(routes, parts.ready))
	if err != nil {
		return nil, err
	}
	if err := b.scale(service, target); err != nil {
		return nil, err
	}
	s.Running = service
	s.Name, s.LogGroup, s.SecurityGroupID = service.Name, parts.logs.Name, parts.group.ToStringOutput()
	s.TaskDefinitionARN = pulumi.All(service.ID(), parts.definition.Arn).ApplyT(func(all []any) string { return all[1].(string) }).(pulumi.StringOutput)
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"name": s.Name, "taskDefinitionArn": s.TaskDefinitionARN})
}

// taskParts is what a row's tasks are made from, whatever starts them.
type taskParts struct {
	group           pulumi.StringInput // security group
	logs            *cloudwatch.LogGroup
	execution, task *iam.Role
	definition      *ecs.TaskDefinition
	ready           []pulumi.Resource // what must stand before the first task starts
}

func (b *serviceBuilder) parts() (taskParts, error) {
	group, flows, err := b.securityGroup()
	if err != nil {
		return taskParts{}, err
	}
	logs, err := cloudwatch.NewLogGroup(b.ctx, b.name, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(b.args.Stack.LogRoot + "/" + b.name),
		RetentionInDays: pulumi.Int(b.args.Stack.LogRetentionDays),
	}, b.parent)
	if err != nil {
		return taskParts{}, fmt.Errorf("services.%s: declare its log group: %w", b.name, err)
	}
	execution, task, policies, err := b.roles(logs)
	if err != nil {
		return taskParts{}, err
	}
	definition, err := b.taskDefinition(logs, execution, task)
	if err != nil {
		return taskParts{}, err
	}
	return taskParts{
		group: group, logs: logs, execution: execution, task: task, definition: definition,
		ready: slices.Concat(flows, policies, b.args.After, []pulumi.Resource{b.args.Cluster.Capacity}),
	}, nil
}

// serviceBuilder carries what every child of one Service needs.
type serviceBuilder struct {
	ctx    *pulumi.Context
	name   string
	args   ServiceArgs
	parent pulumi.ResourceOption
}

func (b *serviceBuilder) tags() pulumi.StringMap {
	return pulumi.StringMap{"Name": pulumi.String(b.args.Stack.Prefix + "-" + b.name)}
}

func (b *serviceBuilder) taskDefinition(logs *cloudwatch.LogGroup, execution, task *iam.Role) (*ecs.TaskDefinition, error) {
	row, stack := b.args.Row, b.args.Stack
	db := b.args.Database
	if !row.Database { // or the service would wait for a database that it does not use
		db = DatabaseInputs{}
	}
	scratch := row.Exec && row.ReadOnlyRoot
	// The one place where values become JSON: all that is known only after other resources exist meets here.
	containers := pulumi.All(b.args.Image, logs.Name, orEmpty(db.Host), orEmpty(db.SecretARN), orEmpty(db.App.SecretARN),
		b.args.Secrets.ARNs.ToStringMapOutput()).ApplyT(
		func(all []any) (string, error) {
			return ContainerDefinitions(Task{
				Service: row, Image: all[0].(string), Revision: b.args.Revision, Region: stack.Region, LogGroup: all[1].(string),
				Secrets:     all[5].(map[string]string),
				IdleSeconds: stack.IdleSeconds, Database: db.known(all[2].(string), all[3].(string), all[4].(string)),
				Addresses:      b.addresses(),
				ScratchVolumes: scratch,
			})
		}).(pulumi.StringOutput)
	args := &ecs.TaskDefinitionArgs{
		Family:                  pulumi.String(stack.Prefix + "-" + b.name),
		RequiresCompatibilities: pulumi.StringArray{pulumi.String("FARGATE")},
		NetworkMode:             pulumi.String("awsvpc"),
		Cpu:                     pulumi.String(fmt.Sprint(row.CPU)),
		Memory:                  pulumi.String(fmt.Sprint(row.Memory)),
		ExecutionRoleArn:        execution.Arn,
		TaskRoleArn:             task.Arn,
		RuntimePlatform: ecs.TaskDefinitionRuntimePlatformArgs{
			OperatingSystemFamily: pulumi.String("LINUX"),
			CpuArchitecture:       pulumi.String(architectures[b.args.Platform]),
		},
		ContainerDefinitions: containers,
		SkipDestroy:          pulumi.Bool(stack.RetainTasks),
		Tags:                 b.tags(),
	}
	if scratch {
		args.Volumes = scratchVolumes()
	}
	opts := []pulumi.ResourceOption{b.parent}
	for _, condition := range []pulumi.ResourceArrayInput{b.args.Released, b.args.Secrets.Filled} {
		if condition != nil {
			opts = append(opts, pulumi.DependsOnInputs(condition))
		}
	}
	definition, err := ecs.NewTaskDefinition(b.ctx, b.name, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("services.%s: declare its task definition: %w", b.name, err)
	}
	return definition, nil
}

// architectures maps Docker's names of platforms to those of ECS.
var architectures = map[string]string{"linux/amd64": "X86_64", "linux/arm64": "ARM64"}

func orEmpty(s pulumi.StringInput) pulumi.StringInput {
	if s == nil {
		return pulumi.String("")
	}
	return s
}

func (b *serviceBuilder) service(parts taskParts, target *lb.TargetGroup, alarms ecs.ServiceAlarmsPtrInput,
	after []pulumi.Resource,
) (*ecs.Service, error) {
	row, stack := b.args.Row, b.args.Stack
	wait := fmt.Sprintf("%dm", stack.DeployMinutes)
	opts := []pulumi.ResourceOption{
		b.parent,
		// The listener's rules must stand first, or ECS finds a target group with no load balancer; so must the ways to the
		// database and to AWS's APIs, and the roles' policies, which on the way down must go last, or tasks stick in draining.
		pulumi.DependsOn(after),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: wait, Update: wait, Delete: wait}),
	}
	if b.sized() { // then the number of tasks is not ours to set, but for the first
		opts = append(opts, pulumi.IgnoreChanges([]string{"desiredCount"}))
	}
	args := &ecs.ServiceArgs{
		Name:           pulumi.String(b.name),
		Cluster:        b.args.Cluster.ARN,
		TaskDefinition: parts.definition.Arn,
		DesiredCount:   pulumi.Int(row.Count),
		// Another strategy then begins a deployment; without, the provider would replace the service for it.
		CapacityProviderStrategies: strategy(row),
		ForceNewDeployment:         pulumi.Bool(true),
		// New tasks are healthy before old ones go: a release takes nothing away while it is under way.
		DeploymentMinimumHealthyPercent: pulumi.Int(100),
		DeploymentMaximumPercent:        pulumi.Int(200),
		DeploymentCircuitBreaker: ecs.ServiceDeploymentCircuitBreakerArgs{
			Enable: pulumi.Bool(true), Rollback: pulumi.Bool(true),
		},
		Alarms: alarms,
		// Not the provider's wait: it takes a release that ECS took back for a success, and one that cannot start at all keeps it
		// until its time is up. Package verdict waits.
		WaitForSteadyState:   pulumi.Bool(false),
		EnableExecuteCommand: pulumi.Bool(row.Exec),
		// The provider's default is to leave tasks where a lost zone has pushed them.
		AvailabilityZoneRebalancing: pulumi.String("ENABLED"),
		EnableEcsManagedTags:        pulumi.Bool(true),
		PropagateTags:               pulumi.String("SERVICE"),
		NetworkConfiguration: ecs.ServiceNetworkConfigurationArgs{
			Subnets:        b.args.SubnetIDs,
			SecurityGroups: pulumi.StringArray{parts.group},
			AssignPublicIp: pulumi.Bool(false),
		},
		ServiceConnectConfiguration: b.connect(parts.logs),
		Tags:                        b.tags(),
	}
	if target != nil {
		args.HealthCheckGracePeriodSeconds = pulumi.Int(row.HealthGraceSeconds) // ECS takes one with a load balancer alone
		args.LoadBalancers = ecs.ServiceLoadBalancerArray{ecs.ServiceLoadBalancerArgs{
			TargetGroupArn: target.Arn,
			ContainerName:  pulumi.String(b.name),
			ContainerPort:  pulumi.Int(row.Port),
		}}
	}
	service, err := ecs.NewService(b.ctx, b.name, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("services.%s: declare the service: %w", b.name, err)
	}
	return service, nil
}
