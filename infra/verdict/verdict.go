// Package verdict judges a release by what runs. Pulumi's provider counts a service as steady when as many tasks run as
// should, which is also true after ECS has taken a release back; this package asks which task definition they run, whether
// the load balancer finds them healthy, and when they do not, why.
package verdict

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// Service is one service whose release is judged.
type Service struct {
	Name           string
	Cluster        string        // name
	TaskDefinition string        // ARN: what was asked for
	TargetGroup    string        // ARN; empty where the load balancer does not know the service
	Checked        bool          // whether a load balancer or a container's own check tells the health of its tasks
	LogGroup       string        // name; each container's streams begin with its name
	Least, Most    int           // tasks that it may have; what ECS says between them is right
	Patience       time.Duration // after which a service that is not steady has failed
}

// Failed is a release that does not run.
type Failed struct {
	Service string
	Reason  string   // one line
	Details []string // why, as far as AWS tells: lines, indented where they belong to the one above
}

// Error is the reason and, on lines of their own, the details.
func (f *Failed) Error() string {
	return fmt.Sprintf("services.%s: %s", f.Service, strings.Join(append([]string{f.Reason}, f.Details...), "\n  "))
}

// Judge asks AWS.
type Judge struct {
	ecs         *ecs.Client
	elb         *elb.Client
	logs        *cloudwatchlogs.Client
	pause       time.Duration // between two looks
	propagation time.Duration // that ECS may go on showing what it knew before it was asked for something else
	trial       time.Duration // that a task must have run whose health nothing checks
}

// New is a Judge that asks with a configuration's credentials, in its region.
func New(config aws.Config) *Judge {
	return &Judge{
		ecs: ecs.NewFromConfig(config), elb: elb.NewFromConfig(config), logs: cloudwatchlogs.NewFromConfig(config),
		pause: 2 * time.Second, propagation: 20 * time.Second, trial: 15 * time.Second,
	}
}

// Await returns when the service runs exactly what was asked for: one deployment of that task definition, completed, with
// all its tasks running and all their targets healthy, or, where nothing checks their health, running for a while. It returns a *Failed as soon as ECS has given the release up, and at
// the latest when patience ends; any other error is AWS's, which could not be asked.
func (j *Judge) Await(ctx context.Context, service Service) error {
	start := time.Now()
	c := &hearing{Judge: j, service: service, sick: map[string]string{}, began: start.Add(-recently), believed: start.Add(j.propagation)}
	deadline := start.Add(service.Patience)
	for first := true; ; first = false {
		state, err := c.look(ctx, first)
		if err != nil {
			return fmt.Errorf("services.%s: ask AWS how the release went: %w", service.Name, err)
		}
		switch {
		case state.settled:
			return nil
		case state.failed != "":
			return c.verdict(ctx, state.failed)
		case time.Now().After(deadline):
			return c.verdict(ctx, fmt.Sprintf("the release is not steady after %s: %s", service.Patience, state.waiting))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(j.pause):
		}
	}
}

// recently is how long before the hearing ECS may have been asked, clocks that differ included.
const recently = 30 * time.Second

// hearing is what is known of one release.
type hearing struct {
	*Judge
	service  Service
	began    time.Time         // from when on events are of this release
	believed time.Time         // from when on ECS is believed that it runs something else; at once after it has shown what was asked for
	sick     map[string]string // targets that were unhealthy when last seen, and how
	retried  string            // id of a deployment that had failed before the hearing began; empty for none
	renewed  time.Time         // from when on ECS is believed that it shows retried and not its successor
	resized  time.Time         // until when ECS is not asked again for another number of tasks
}

// state is one look at a service. At most one of settled and failed is set.
type state struct {
	settled bool
	failed  string // why ECS has given up
	waiting string // what is not as it should be yet
}

// look asks how the service is. What it finds failed at the first look had failed before the hearing, and is begun again.
func (c *hearing) look(ctx context.Context, first bool) (state, error) {
	found, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &c.service.Cluster, Services: []string{c.service.Name},
	})
	if err != nil {
		return state{}, err
	}
	if len(found.Services) != 1 || aws.ToString(found.Services[0].Status) != "ACTIVE" {
		return state{failed: fmt.Sprintf("cluster %s has no active service of this name; somebody may have deleted it", c.service.Cluster)}, nil
	}
	service := found.Services[0]
	primary, asked := deployments(service, c.service.TaskDefinition)
	if primary == nil {
		return state{waiting: "ECS shows no deployment yet"}, nil
	}
	if asked != nil {
		c.believed = time.Time{}
	}
	outside, err := c.bound(ctx, service)
	if err != nil {
		return state{}, err
	}
	targets, err := c.targets(ctx)
	if err != nil {
		return state{}, err
	}
	ends, err := c.ends(ctx)
	if err != nil {
		return state{}, err
	}
	running := aws.ToString(primary.TaskDefinition)
	switch {
	case running != c.service.TaskDefinition && time.Now().Before(c.believed):
		return state{waiting: fmt.Sprintf("ECS still shows %s", short(running))}, nil
	case running != c.service.TaskDefinition:
		return state{failed: fmt.Sprintf("%s was asked for, and ECS went back to %s", short(c.service.TaskDefinition), short(running))}, nil
	case primary.RolloutState == ecstypes.DeploymentRolloutStateFailed && first:
		return state{waiting: "it had failed before, and is tried again"}, c.retry(ctx, aws.ToString(primary.Id))
	case aws.ToString(primary.Id) == c.retried && time.Now().Before(c.renewed):
		return state{waiting: "ECS still shows the deployment that had failed before"}, nil
	case primary.RolloutState == ecstypes.DeploymentRolloutStateFailed:
		return state{failed: fmt.Sprintf("%s does not start, and there is no earlier deployment to go back to", short(running))}, nil
	case outside != "":
		return state{waiting: outside}, nil
	case ends != "": // before what follows: such a deployment may be in progress for good
		return state{failed: ends}, nil
	case primary.RolloutState == ecstypes.DeploymentRolloutStateInProgress:
		return state{waiting: fmt.Sprintf("its deployment is in progress, %d of %d tasks run", primary.RunningCount, primary.DesiredCount)}, nil
	case len(service.Deployments) > 1:
		return state{waiting: "tasks of the deployment before are still there"}, nil
	case service.RunningCount != service.DesiredCount || service.PendingCount > 0:
		return state{waiting: fmt.Sprintf("%d of %d tasks run", service.RunningCount, service.DesiredCount)}, nil
	case c.service.TargetGroup != "" && (targets.unhealthy > 0 || targets.healthy < int(service.DesiredCount)):
		return state{waiting: fmt.Sprintf("%d of %d targets are healthy", targets.healthy, service.DesiredCount)}, nil
	case !c.service.Checked:
		return c.tried(ctx)
	}
	return state{settled: true}, nil
}

// deployments are the primary one, and the newest of a task definition; nil where there is none.
func deployments(service ecstypes.Service, definition string) (primary, asked *ecstypes.Deployment) {
	for i := range service.Deployments {
		d := &service.Deployments[i]
		if aws.ToString(d.Status) == "PRIMARY" {
			primary = d
		}
		if asked == nil && aws.ToString(d.TaskDefinition) == definition {
			asked = d
		}
	}
	return primary, asked
}

type targetCounts struct{ healthy, unhealthy int }

// targets counts the targets that are not leaving, and remembers how the unhealthy ones are: a task that is stopped for it
// takes its target along.
func (c *hearing) targets(ctx context.Context) (targetCounts, error) {
	if c.service.TargetGroup == "" {
		return targetCounts{}, nil
	}
	found, err := c.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &c.service.TargetGroup})
	if err != nil {
		return targetCounts{}, err
	}
	var counts targetCounts
	for _, target := range found.TargetHealthDescriptions {
		name := fmt.Sprintf("%s:%d", aws.ToString(target.Target.Id), aws.ToInt32(target.Target.Port))
		switch health := target.TargetHealth; health.State {
		case elbtypes.TargetHealthStateEnumHealthy:
			counts.healthy++
			delete(c.sick, name)
		case elbtypes.TargetHealthStateEnumDraining:
		default:
			counts.unhealthy++
			if health.State == elbtypes.TargetHealthStateEnumUnhealthy {
				c.sick[name] = strings.TrimSuffix(fmt.Sprintf("%s: %s", health.Reason, aws.ToString(health.Description)), ": ")
			}
		}
	}
	return counts, nil
}

// short is the last part of a task definition's ARN: family and revision.
func short(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// verdict gathers what AWS knows of why a release failed. What cannot be asked is said, and hides nothing else.
func (c *hearing) verdict(ctx context.Context, reason string) error {
	failed := &Failed{Service: c.service.Name, Reason: reason}
	for _, gather := range []func(context.Context) ([]string, error){c.deployment, c.tasks, c.unhealthy} {
		lines, err := gather(ctx)
		failed.Details = append(failed.Details, lines...)
		if err != nil {
			if ctx.Err() != nil {
				return errors.Join(failed, ctx.Err())
			}
			failed.Details = append(failed.Details, fmt.Sprintf("and AWS could not be asked for more: %v", err))
		}
	}
	return failed
}

// unhealthy lists the targets that were unhealthy when they were last seen.
func (c *hearing) unhealthy(context.Context) ([]string, error) {
	lines := make([]string, 0, len(c.sick))
	for name, how := range c.sick {
		lines = append(lines, fmt.Sprintf("target %s was unhealthy: %s", name, how))
	}
	slices.Sort(lines)
	return lines, nil
}
