package cloud

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// listInput is ListServiceDeployments' input, with times as the protocol has them: seconds since 1970.
type listInput struct {
	ecs.ListServiceDeploymentsInput
	CreatedAt struct{ After, Before *float64 } // in the place of the SDK's
}

// takes is whether something of that time is asked for.
func (i listInput) takes(created *time.Time) bool {
	seconds := float64(created.UnixMicro()) / float64(time.Second/time.Microsecond)
	return (i.CreatedAt.After == nil || seconds > *i.CreatedAt.After) && (i.CreatedAt.Before == nil || seconds < *i.CreatedAt.Before)
}

func (c *containers) listServiceDeployments(input listInput) (any, error) {
	arn, err := c.serviceARN(input.Cluster, input.Service)
	if err != nil {
		return nil, err
	}
	briefs := []ecstypes.ServiceDeploymentBrief{}
	for _, d := range c.scheduler.Deployments(arn) {
		if len(input.Status) > 0 && !slices.Contains(input.Status, d.Status) || !input.takes(d.CreatedAt) {
			continue
		}
		briefs = append(briefs, ecstypes.ServiceDeploymentBrief{
			ServiceDeploymentArn: d.ServiceDeploymentArn, ServiceArn: d.ServiceArn, ClusterArn: d.ClusterArn, CreatedAt: d.CreatedAt,
			StartedAt: d.StartedAt, FinishedAt: d.FinishedAt, Status: d.Status, StatusReason: d.StatusReason,
			TargetServiceRevisionArn: d.TargetServiceRevision.Arn,
		})
	}
	return map[string]any{"serviceDeployments": awsapi.Render(briefs)}, nil
}

func (c *containers) describeServiceDeployments(input ecs.DescribeServiceDeploymentsInput) (any, error) {
	found, missing := describeBelow(c, input.ServiceDeploymentArns, c.scheduler.Deployments,
		func(d ecstypes.ServiceDeployment) *string { return d.ServiceDeploymentArn })
	return map[string]any{"serviceDeployments": found, "failures": missing}, nil
}

func (c *containers) describeServiceRevisions(input ecs.DescribeServiceRevisionsInput) (any, error) {
	found, missing := describeBelow(c, input.ServiceRevisionArns, c.scheduler.Revisions,
		func(r ecstypes.ServiceRevision) *string { return r.ServiceRevisionArn })
	return map[string]any{"serviceRevisions": found, "failures": missing}, nil
}

// describeBelow renders the things of those ARNs among all that their services have, and names those that are not there.
func describeBelow[Thing any](c *containers, arns []string, all func(service string) []Thing, arnOf func(Thing) *string) (found, missing []any) {
	found, missing = []any{}, []any{}
	for _, arn := range arns {
		things := all(c.scheduler.Owner(arn))
		if at := slices.IndexFunc(things, func(thing Thing) bool { return aws.ToString(arnOf(thing)) == arn }); at >= 0 {
			found = append(found, awsapi.Render(things[at]))
		} else {
			missing = append(missing, map[string]string{"arn": arn, "reason": "MISSING"})
		}
	}
	return found, missing
}

// serviceARN finds a service that is given by name or ARN.
func (c *containers) serviceARN(cluster, service *string) (string, error) {
	arn := aws.ToString(service)
	if !strings.HasPrefix(arn, "arn:") {
		arn = c.scheduler.Find(clusterName(aws.ToString(cluster)), arn)
	}
	if _, known := c.scheduler.View(arn); known {
		return arn, nil
	}
	return "", refusal{"ServiceNotFoundException", "Service not found."}
}
