package cloud_test

import (
	"context"
	"strconv"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/cloud"
	"slipway/local/tasks"
	"slipway/local/tools"
)

// TestNothingLeft holds that a cloud that ends takes all that it runs with it, and that the next one removes what a killed
// one has left.
func TestNothingLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	docker := connect(t)
	left := func() []string {
		t.Helper()
		all, err := leftOver(t.Context(), docker, tasks.LabelOwner+"="+dir)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	// populate starts a cloud in which a service, a task with a volume and a database run.
	populate := func() *fixture {
		t.Helper()
		state := ensure(t, dir)
		f := newFixture(t, state, push(t, state))
		t.Cleanup(func() { _ = tools.ForgetImages(context.Background(), state.Registry) })
		f.createDatabase("db")
		f.serve(f.define("REVISION=one"), 1)
		made, err := f.ecs.RegisterTaskDefinition(t.Context(), &awsecs.RegisterTaskDefinitionInput{
			Family: aws.String("volume"), NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
			RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
			Volumes:                 []ecstypes.Volume{{Name: aws.String("scratch")}},
			ContainerDefinitions: []ecstypes.ContainerDefinition{{
				Name: aws.String("app"), Image: &f.image,
				MountPoints: []ecstypes.MountPoint{{SourceVolume: aws.String("scratch"), ContainerPath: aws.String("/scratch")}},
			}},
		})
		f.ok(err)
		f.run(aws.ToString(made.TaskDefinition.TaskDefinitionArn))
		// Two containers of each task, one of the database, a volume and a network.
		await(t, "all of it runs", func() bool { return len(left()) == 7 })
		return f
	}
	t.Cleanup(func() {
		if err := cloud.Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})

	ended := populate().state
	if err := syscall.Kill(ended.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the cloud's process has ended", func() bool { return !alive(strconv.Itoa(ended.PID)) })
	if all := left(); len(all) > 0 {
		t.Errorf("the cloud has ended, and left %v", all)
	}

	killed := populate().state
	if err := syscall.Kill(killed.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the cloud's process has ended", func() bool { return !alive(strconv.Itoa(killed.PID)) })
	if all := left(); len(all) != 7 {
		t.Errorf("the cloud was killed, and of 7 things there are %v", all)
	}
	next := ensure(t, dir)
	if all, err := leftOver(t.Context(), docker, tasks.LabelCloud+"="+killed.ID); err != nil || len(all) > 0 {
		t.Errorf("the next cloud, %s, has left %v of the killed one, %v", next.ID, all, err)
	}
}
