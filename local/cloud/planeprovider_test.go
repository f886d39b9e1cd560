package cloud_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	declared "github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/local/awsapi"
	"slipway/local/mototest"
)

// waiting declares a service of one task, named as its cluster, that the provider is to wait for, and that the circuit breaker watches.
// A task is well by its own check: without one, ECS counts no task that has run.
func (f *fixture) waiting(subnets, groups []string, variables map[string]string) pulumi.RunFunc {
	environment := []map[string]string{}
	for name, value := range variables {
		environment = append(environment, map[string]string{"name": name, "value": value})
	}
	return func(ctx *pulumi.Context) error {
		containers, err := json.Marshal([]map[string]any{{
			"name": "app", "image": f.image, "essential": true, "stopTimeout": 2, "environment": environment,
			"healthCheck": map[string]any{
				"command":  []string{"CMD", "python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health')"},
				"interval": 5, "timeout": 4, "retries": 2,
			},
			"logConfiguration": map[string]any{"logDriver": "awslogs", "options": map[string]string{
				"awslogs-group": f.cluster, "awslogs-region": awsapi.Region, "awslogs-stream-prefix": "plane",
			}},
		}})
		if err != nil {
			return err
		}
		definition, err := declared.NewTaskDefinition(ctx, "app", &declared.TaskDefinitionArgs{
			Family: pulumi.String(f.cluster), ContainerDefinitions: pulumi.String(containers), NetworkMode: pulumi.String("awsvpc"),
			Cpu: pulumi.String("512"), Memory: pulumi.String("1024"), RequiresCompatibilities: pulumi.StringArray{pulumi.String("FARGATE")},
			SkipDestroy: pulumi.Bool(true), // a release that is taken back runs the old definition
		})
		if err != nil {
			return err
		}
		const most = "2m"
		_, err = declared.NewService(ctx, "app", &declared.ServiceArgs{
			Name: pulumi.String(f.cluster), Cluster: pulumi.String(f.cluster), TaskDefinition: definition.Arn,
			DesiredCount: pulumi.Int(1), LaunchType: pulumi.String("FARGATE"),
			WaitForSteadyState: pulumi.Bool(true),
			DeploymentCircuitBreaker: declared.ServiceDeploymentCircuitBreakerArgs{
				Enable: pulumi.Bool(true), Rollback: pulumi.Bool(true),
			},
			NetworkConfiguration: declared.ServiceNetworkConfigurationArgs{
				Subnets: pulumi.ToStringArray(subnets), SecurityGroups: pulumi.ToStringArray(groups),
			},
		}, pulumi.Timeouts(&pulumi.CustomTimeouts{Create: most, Update: most, Delete: most}))
		ctx.Export("definition", definition.Arn)
		return err
	}
}

// TestFalseSuccess holds that a program that has the provider wait for a steady state is told that a release went well which ECS took
// back: the provider's versions 5.x, as whose the one here judges, ask for one deployment and enough running tasks alone.
// Later ones ask for the outcome of the service deployment, which the cloud tells.
func TestFalseSuccess(t *testing.T) {
	f := share(t)
	subnets, groups := f.subnets(), f.inVPC("DescribeSecurityGroups", "groupId")[:1]
	good := f.waiting(subnets, groups, map[string]string{"REVISION": "good"})
	stack := mototest.StackIn(t, f.state.Endpoint, "test", good, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // the tools are made where the cache has none
	defer cancel()
	up := func(what string) (definition string, changes map[string]int) {
		t.Helper()
		result, err := stack.Up(ctx, optup.SuppressProgress())
		if err != nil {
			t.Fatalf("the %s release fails: %v\n%s", what, err, result.StdOut)
		}
		return result.Outputs["definition"].Value.(string), *result.Summary.ResourceChanges
	}
	w := web{fixture: f}
	first, _ := up("good")
	// What a release is taken back to is a deployment that was completed.
	if s := w.settle(); s.Deployments[0].RolloutState != ecstypes.DeploymentRolloutStateCompleted {
		t.Fatalf("the good release: %+v", s.Deployments[0])
	}

	began := time.Now()
	stack.Workspace().SetProgram(f.waiting(subnets, groups, map[string]string{
		"REVISION": "bad", "EXIT_AFTER": "0.5", "EXIT_CODE": "3", "HEALTHY_AFTER": "60",
	}))
	second, changes := up("bad")
	if second == first || changes["update"] != 1 {
		t.Errorf("the bad release changed %v, and its definition is %s", changes, second)
	}
	// The provider's versions 6.x ask for this as well, and fail.
	released := w.deployments()[0]
	for asked, want := range map[*ecstypes.CreatedAt]int{{After: &began}: 1, {Before: &began}: 1, {}: 2, {After: &began, Before: &began}: 0} {
		listed, err := f.ecs.ListServiceDeployments(ctx, &awsecs.ListServiceDeploymentsInput{Cluster: &f.cluster, Service: &f.cluster, CreatedAt: asked})
		f.ok(err)
		if got := len(listed.ServiceDeployments); got != want || asked.After != nil && want > 0 &&
			aws.ToString(listed.ServiceDeployments[0].ServiceDeploymentArn) != aws.ToString(released.ServiceDeploymentArn) {
			t.Errorf("%d releases are told, want %d, of those after %v, before %v", got, want, asked.After, asked.Before)
		}
	}
	revisions, err := f.ecs.DescribeServiceRevisions(ctx, &awsecs.DescribeServiceRevisionsInput{
		ServiceRevisionArns: []string{aws.ToString(released.TargetServiceRevision.Arn)},
	})
	f.ok(err)
	if got := aws.ToString(revisions.ServiceRevisions[0].TaskDefinition); got != second ||
		released.Status != ecstypes.ServiceDeploymentStatusRollbackSuccessful {
		t.Errorf("the release of %s is %s", got, released.Status)
	}
	if s := w.service(); aws.ToString(s.TaskDefinition) != first || !stable(s) {
		t.Errorf("%d of %d tasks of %s run", s.RunningCount, s.DesiredCount, aws.ToString(s.TaskDefinition))
	}
	for _, task := range f.list(ecstypes.DesiredStatusRunning) {
		if aws.ToString(task.TaskDefinitionArn) != first || !slices.Contains(f.wrote(aws.ToString(task.TaskArn)), "revision good") {
			t.Errorf("a task of %s runs", aws.ToString(task.TaskDefinitionArn))
		}
	}
	if _, err := stack.Destroy(ctx, optdestroy.SuppressProgress()); err != nil {
		t.Error(err)
	}
}
