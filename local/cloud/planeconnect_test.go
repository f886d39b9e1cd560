package cloud_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"slipway/local/awsapi"
)

// wellAtOnce is a check that passes: with none, a task counts after 40 s only.
var wellAtOnce = &ecstypes.HealthCheck{Command: []string{"CMD-SHELL", "true"}, Interval: aws.Int32(5), Timeout: aws.Int32(2), Retries: aws.Int32(1)}

// connect creates a service of one task in a namespace of the cluster's name, with what it offers there.
func (f *fixture) connect(name, definition string, offers ...ecstypes.ServiceConnectService) {
	f.t.Helper()
	_, err := f.ecs.CreateService(f.t.Context(), &awsecs.CreateServiceInput{
		Cluster: &f.cluster, ServiceName: &name, TaskDefinition: &definition, DesiredCount: aws.Int32(1), LaunchType: ecstypes.LaunchTypeFargate,
		NetworkConfiguration: &ecstypes.NetworkConfiguration{
			AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
				Subnets: f.subnets(), SecurityGroups: f.inVPC("DescribeSecurityGroups", "groupId")[:1],
			},
		},
		ServiceConnectConfiguration: &ecstypes.ServiceConnectConfiguration{Enabled: true, Namespace: &f.cluster, Services: offers},
	})
	f.ok(err)
	await(f.t, name+" is stable", func() bool {
		found, err := f.ecs.DescribeServices(f.t.Context(), &awsecs.DescribeServicesInput{Cluster: &f.cluster, Services: []string{name}})
		f.ok(err)
		return stable(found.Services[0]) && found.Services[0].Deployments[0].RolloutState == ecstypes.DeploymentRolloutStateCompleted
	})
}

// tasksOf lists the tasks of a service that run.
func (f *fixture) tasksOf(service string) []string {
	f.t.Helper()
	listed, err := f.ecs.ListTasks(f.t.Context(), &awsecs.ListTasksInput{Cluster: &f.cluster, ServiceName: &service})
	f.ok(err)
	return listed.TaskArns
}

// TestServiceConnect holds that a task reaches the services of its namespace that were there before it, under their names and on the
// port that each of their tasks has, that the API tells of it as it was asked for, and that what is gone does not answer.
func TestServiceConnect(t *testing.T) {
	f := share(t)
	server := f.defineWith(func(c *ecstypes.ContainerDefinition) {
		c.PortMappings[0].Name, c.HealthCheck = aws.String("http"), wellAtOnce
	}, "REVISION=internal")
	f.connect("inner", server, ecstypes.ServiceConnectService{
		PortName: aws.String("http"), DiscoveryName: aws.String("inner"),
		ClientAliases: []ecstypes.ServiceConnectClientAlias{{DnsName: aws.String("inner"), Port: aws.Int32(80)}},
	})
	caller := f.defineWith(func(c *ecstypes.ContainerDefinition) {
		c.HealthCheck = wellAtOnce
		c.Command = []string{"python3", "-u", "-c", `
import time, urllib.request
while True:
    try: print("got", urllib.request.urlopen("http://inner/health").read().decode())
    except OSError as e: print("got", getattr(e, "code", e))
    time.sleep(.2)`}
	})
	f.connect("caller", caller)
	task := f.tasksOf("caller")[0]
	said := func(line string) func() bool {
		return func() bool {
			lines := f.wrote(task)
			return len(lines) > 0 && lines[len(lines)-1] == line
		}
	}
	await(t, "the caller is answered", said("got internal"))
	// A release that listens elsewhere is reached by the callers that were there before it.
	moved := f.defineWith(func(c *ecstypes.ContainerDefinition) {
		c.PortMappings[0].Name, c.PortMappings[0].ContainerPort = aws.String("http"), aws.Int32(serverPort+1)
	}, "REVISION=moved", fmt.Sprint("PORT=", serverPort+1))
	_, err := f.ecs.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: &f.cluster, Service: aws.String("inner"), TaskDefinition: &moved})
	f.ok(err)
	await(t, "the caller is answered by the release", said("got moved"))
	described, err := f.ecs.DescribeServices(t.Context(), &awsecs.DescribeServicesInput{Cluster: &f.cluster, Services: []string{"inner"}})
	f.ok(err)
	if got := described.Services[0].Deployments[0].ServiceConnectConfiguration; got == nil || aws.ToString(got.Namespace) != f.cluster || len(got.Services) != 1 {
		t.Errorf("the API shows %+v", got)
	}
	_, err = f.ecs.DeleteService(t.Context(), &awsecs.DeleteServiceInput{Cluster: &f.cluster, Service: aws.String("inner"), Force: aws.Bool(true)})
	f.ok(err)
	await(t, "nobody answers any more", said("got 503"))
}

// TestServiceConnectUnable holds that an offer that no port stands behind is refused.
func TestServiceConnectUnable(t *testing.T) {
	f := share(t)
	definition := f.define()
	_, err := f.ecs.CreateService(t.Context(), &awsecs.CreateServiceInput{
		Cluster: &f.cluster, ServiceName: aws.String("inner"), TaskDefinition: &definition, LaunchType: ecstypes.LaunchTypeFargate, DesiredCount: aws.Int32(1),
		NetworkConfiguration: &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
			Subnets: f.subnets(), SecurityGroups: f.inVPC("DescribeSecurityGroups", "groupId")[:1],
		}},
		ServiceConnectConfiguration: &ecstypes.ServiceConnectConfiguration{Enabled: true, Services: []ecstypes.ServiceConnectService{{PortName: aws.String("http")}}},
	})
	if err == nil || !strings.Contains(err.Error(), `no port named "http"`) {
		t.Errorf("got %v", err)
	}
}

// TestSchedule holds that a schedule starts what it names as long as it is there and enabled, and that how it ended can be asked.
func TestSchedule(t *testing.T) {
	f := share(t)
	api := scheduler.NewFromConfig(awsapi.Config(f.state.Endpoint))
	ctx, group := t.Context(), aws.String(f.cluster)
	_, err := api.CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: group})
	f.ok(err)
	clusters, err := f.ecs.DescribeClusters(ctx, &awsecs.DescribeClustersInput{Clusters: []string{f.cluster}})
	f.ok(err)
	target := func(definition string) *schedulertypes.Target {
		return &schedulertypes.Target{
			Arn: clusters.Clusters[0].ClusterArn, RoleArn: aws.String("arn:aws:iam::123456789012:role/schedule"),
			EcsParameters: &schedulertypes.EcsParameters{TaskDefinitionArn: &definition, TaskCount: aws.Int32(1), LaunchType: schedulertypes.LaunchTypeFargate},
		}
	}
	off := &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff}
	first, second := f.define("EXIT_AFTER=0.1", "EXIT_CODE=7"), f.define("EXIT_AFTER=0.1", "EXIT_CODE=8")
	_, err = api.CreateSchedule(ctx, &scheduler.CreateScheduleInput{
		Name: aws.String("report"), GroupName: group, ScheduleExpression: aws.String("rate(1 minute)"), FlexibleTimeWindow: off, Target: target(first),
	})
	f.ok(err)
	codes := func() []int32 {
		listed, err := f.ecs.ListTasks(ctx, &awsecs.ListTasksInput{Cluster: &f.cluster, DesiredStatus: ecstypes.DesiredStatusStopped})
		f.ok(err)
		if len(listed.TaskArns) == 0 {
			return nil
		}
		found, err := f.ecs.DescribeTasks(ctx, &awsecs.DescribeTasksInput{Cluster: &f.cluster, Tasks: listed.TaskArns})
		f.ok(err)
		var all []int32
		for _, task := range found.Tasks {
			if code := task.Containers[0].ExitCode; code != nil {
				all = append(all, *code)
			}
		}
		return all
	}
	await(t, "the first run has ended", func() bool { return slices.Equal(codes(), []int32{7}) })
	_, err = api.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		Name: aws.String("report"), GroupName: group, ScheduleExpression: aws.String("rate(1 minute)"), FlexibleTimeWindow: off, Target: target(second),
	})
	f.ok(err)
	await(t, "the other release has run", func() bool { return slices.Contains(codes(), 8) })
	_, err = api.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("report"), GroupName: group})
	f.ok(err)
	_, err = api.DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: group})
	f.ok(err)
}

// TestRollbackRestores holds that a rollback returns to the network, the load balancers and the part in Service Connect of the release
// before, that callers reach it as they did, and that another desired count afterwards begins no deployment.
func TestRollbackRestores(t *testing.T) {
	f := share(t)
	define := func(check string, variables ...string) string {
		return f.defineWith(func(c *ecstypes.ContainerDefinition) {
			c.PortMappings[0].Name = aws.String("http")
			c.HealthCheck = &ecstypes.HealthCheck{Command: []string{"CMD-SHELL", check}, Interval: aws.Int32(5), Timeout: aws.Int32(2), Retries: aws.Int32(1)}
		}, variables...)
	}
	offer := func(port int32) ecstypes.ServiceConnectService {
		return ecstypes.ServiceConnectService{
			PortName: aws.String("http"), DiscoveryName: aws.String("inner"),
			ClientAliases: []ecstypes.ServiceConnectClientAlias{{DnsName: aws.String("inner"), Port: aws.Int32(port)}},
		}
	}
	inner := aws.String("inner")
	service := func() ecstypes.Service {
		found, err := f.ecs.DescribeServices(t.Context(), &awsecs.DescribeServicesInput{Cluster: &f.cluster, Services: []string{*inner}})
		f.ok(err)
		return found.Services[0]
	}
	deployments := func() []ecstypes.ServiceDeploymentBrief {
		listed, err := f.ecs.ListServiceDeployments(t.Context(), &awsecs.ListServiceDeploymentsInput{Cluster: &f.cluster, Service: inner})
		f.ok(err)
		return listed.ServiceDeployments
	}
	f.connect(*inner, define("true", "REVISION=internal"), offer(80))
	before := service()
	bad := define("false", "EXIT_AFTER=0.1")
	_, err := f.ecs.UpdateService(t.Context(), &awsecs.UpdateServiceInput{
		Cluster: &f.cluster, Service: inner, TaskDefinition: &bad,
		NetworkConfiguration: &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{
			Subnets: f.subnets()[:1], SecurityGroups: f.inVPC("DescribeSecurityGroups", "groupId")[:1],
		}},
		ServiceConnectConfiguration: &ecstypes.ServiceConnectConfiguration{Enabled: true, Namespace: &f.cluster, Services: []ecstypes.ServiceConnectService{offer(81)}},
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{
			DeploymentCircuitBreaker: &ecstypes.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
	})
	f.ok(err)
	await(t, "the release is rolled back", func() bool {
		return deployments()[0].Status == ecstypes.ServiceDeploymentStatusRollbackSuccessful
	})
	isAsBefore := func(when string, now ecstypes.Service) {
		t.Helper()
		if got := now.NetworkConfiguration.AwsvpcConfiguration.Subnets; len(got) != len(before.NetworkConfiguration.AwsvpcConfiguration.Subnets) {
			t.Errorf("%s the service shows the subnets %v", when, got)
		}
		d := now.Deployments[0]
		if port := aws.ToInt32(d.ServiceConnectConfiguration.Services[0].ClientAliases[0].Port); port != 80 || len(now.Deployments) != 1 {
			t.Errorf("%s it offers port %d, and has %d deployments", when, port, len(now.Deployments))
		}
	}
	isAsBefore("after the rollback", service())
	_, err = f.ecs.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: &f.cluster, Service: inner, DesiredCount: aws.Int32(2)})
	f.ok(err)
	await(t, "two tasks run", func() bool { return service().RunningCount == 2 })
	isAsBefore("with another count", service())
	if got := len(deployments()); got != 2 {
		t.Errorf("another desired count has made %d service deployments", got-2)
	}
	f.connect("caller", f.defineWith(func(c *ecstypes.ContainerDefinition) {
		c.HealthCheck = wellAtOnce
		c.Command = []string{"python3", "-u", "-c", `import time, urllib.request
print("got", urllib.request.urlopen("http://inner/health").read().decode())
time.sleep(3600)`}
	}))
	await(t, "a caller is answered", func() bool { return slices.Contains(f.wrote(f.tasksOf("caller")[0]), "got internal") })
}
