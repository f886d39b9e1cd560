package e2e

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// running is what a service of the stack local runs.
type running struct {
	image      string // with its digest
	definition string // ARN
	tasks      []string
}

func (c checkout) running(t *testing.T, service string) running {
	t.Helper()
	services := c.services(t)
	i := slices.IndexFunc(services, func(s ecstypes.Service) bool { return aws.ToString(s.ServiceName) == service })
	return running{
		image:      c.outputs(t, "local").Images[service],
		definition: aws.ToString(services[i].TaskDefinition),
		tasks:      c.tasks(t, service),
	}
}

// tasks are the ARNs of the tasks that a service runs, sorted.
func (c checkout) tasks(t *testing.T, service string) []string {
	t.Helper()
	client, cluster := ecs.NewFromConfig(awsapi.Config(c.state(t).Endpoint)), c.outputs(t, "local").Cluster
	found, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &service})
	if err != nil || len(found.TaskArns) == 0 {
		t.Fatalf("the tasks of the %s: %v, %v", service, found, err)
	}
	slices.Sort(found.TaskArns)
	return found.TaskArns
}

// reaches commits a change of a file of one service and releases it: that service gets another image, task definition and tasks, and
// the other one keeps its own.
func (c checkout) reaches(t *testing.T, service, other, file, content string) {
	t.Helper()
	was, kept := c.running(t, service), c.running(t, other)
	c.change(t, file, content)
	log := c.local(t, "up")
	want := []string{"aws:ecs:Service", "aws:ecs:TaskDefinition", "docker:index:Image"}
	if touched := changes(log); !slices.Equal(touched, want) {
		t.Errorf("a commit of the %s changed %v, want %v:\n%s", service, touched, want, log)
	}
	is := c.running(t, service)
	if is.image == was.image || is.definition == was.definition || slices.ContainsFunc(is.tasks, func(task string) bool { return slices.Contains(was.tasks, task) }) {
		t.Errorf("a commit of the %s turned what it runs from %+v into %+v", service, was, is)
	}
	if after := c.running(t, other); after.image != kept.image || after.definition != kept.definition || !slices.Equal(after.tasks, kept.tasks) {
		t.Errorf("a commit of the %s turned what the %s runs from %+v into %+v", service, other, kept, after)
	}
}
