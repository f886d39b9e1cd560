// Package observe declares who looks on: alarms on what users and operators would notice, a topic that tells people of them, and
// a dashboard. What is an alarm is a table (table.go).
package observe

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args are the inputs of an Observe.
type Args struct {
	Stack      string // by which commands name it
	Prefix     string // of names: APP-STACK
	Partition  string
	Account    string
	Region     string
	Alarms     bool // else there is the dashboard alone
	Rollback   bool // whether alarms take releases back
	Dashboard  bool
	Tell       Tell
	Thresholds Thresholds
	Database   DatabaseArgs
	Cluster    ClusterArgs
	// ScheduleGroup is the name of the stack's group of schedules; empty where nothing is scheduled.
	ScheduleGroup string
	// LoadBalancer is the load balancer's part in the dimensions of a metric: app/NAME/ID.
	LoadBalancer pulumi.StringInput
	// BoundaryARN is the policy that bounds what a role can do.
	BoundaryARN pulumi.StringInput
}

// Tell is who is told when an alarm goes off, and when it is over.
type Tell struct {
	Email          []string
	SlackWorkspace string // id; empty for nobody in Slack
	SlackChannel   string // id
	KeyARN         string // that encrypts the topic; empty for none
}

// Thresholds are from when on something is wrong.
type Thresholds struct {
	ErrorPercent  int // of a minute's requests
	LeastRequests int // in a minute, for errors to count
	LatencyMs     int // of the slowest twentieth
	CPUPercent    int
	MemoryPercent int
	Connections   int // to the database
}

// DatabaseArgs is what the rows of the database need to know of it.
type DatabaseArgs struct {
	Identifier string // of the instance
	StorageGiB int
	Burstable  bool // its class has credits
}

// ClusterArgs is the cluster whose tasks are watched.
type ClusterArgs struct {
	Name string
	ARN  pulumi.StringInput
}

// Observe is what looks on. A nil one looks at nothing.
type Observe struct {
	pulumi.ResourceState

	ctx     *pulumi.Context
	args    Args
	parent  pulumi.ResourceOption
	topic   *sns.Topic         // nil without alarms
	counter *counter           // likewise
	shared  pulumi.StringArray // names of alarms of the whole stack that take a release back
	rows    []row              // declared so far, which the dashboard shows
	groups  []string           // names of log groups likewise
}

// New declares an Observe with what watches the stack as a whole; Watch adds services, and WatchTask scheduled tasks. With neither alarms nor a dashboard it is
// nil, and registers nothing.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Observe, error) {
	if !args.Alarms && !args.Dashboard {
		return nil, nil
	}
	o := &Observe{ctx: ctx, args: args}
	if err := ctx.RegisterComponentResource("slipway:observe:Observe", name, o, opts...); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	o.parent = pulumi.Parent(o)
	if args.Alarms {
		if err := o.tell(); err != nil {
			return nil, err
		}
		if err := o.stopped(); err != nil {
			return nil, err
		}
	}
	var err error
	o.shared, err = o.watch(args.stackRows())
	return o, err
}

// Service is what is watched of one service.
type Service struct {
	Name     string
	LogGroup string // name
	// GraceSeconds is how long after their start tasks may fail the load balancer's checks.
	GraceSeconds int
	// Serves says that at least one task is meant to run at any time; not so of a service that sleeps, or has a count of 0.
	Serves bool
}

// Watch returns what declares the alarms of one service, given the target group's part in the dimensions of a metric
// (targetgroup/NAME/ID; nil where requests come from no load balancer): it returns the names of those that take a release of the
// service back. It is nil where there is nothing to declare.
func (o *Observe) Watch(service Service) func(targetGroup pulumi.StringInput) (pulumi.StringArray, error) {
	if o == nil {
		return nil
	}
	return func(targetGroup pulumi.StringInput) (pulumi.StringArray, error) {
		o.groups = append(o.groups, service.LogGroup)
		names, err := o.watch(o.args.serviceRows(service, targetGroup))
		if targetGroup != nil {
			names = append(names, o.shared...)
		}
		return names, err
	}
}

// WatchServing declares the alarm of a service of the load balancer's that nobody serves any more. It comes after the service runs:
// before that it would go off in every first run, which waits for the database.
func (o *Observe) WatchServing(service Service, targetGroup pulumi.StringInput, running pulumi.Resource) error {
	if o == nil || !service.Serves || targetGroup == nil {
		return nil
	}
	_, err := o.watch([]row{o.args.servingRow(service, targetGroup)}, pulumi.DependsOn([]pulumi.Resource{running}))
	return err
}

// Done declares the dashboard of all that is watched by then.
func (o *Observe) Done() error {
	if o == nil {
		return nil
	}
	if o.args.Dashboard {
		if err := o.dashboard(); err != nil {
			return err
		}
	}
	outputs := pulumi.Map{}
	if o.topic != nil {
		outputs["topicArn"] = o.topic.Arn
	}
	return o.ctx.RegisterResourceOutputs(o, outputs)
}
