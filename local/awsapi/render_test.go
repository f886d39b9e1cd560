package awsapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// TestRender holds that the SDK reads back what was rendered.
func TestRender(t *testing.T) {
	task := types.Task{
		TaskArn: aws.String("arn:aws:ecs:us-east-1:123456789012:task/c/1"), LastStatus: aws.String("STOPPED"),
		StopCode: types.TaskStopCodeEssentialContainerExited, StartedAt: aws.Time(time.UnixMilli(1700000000123).UTC()),
		Containers: []types.Container{{
			Name: aws.String("app"), ExitCode: aws.Int32(0), HealthStatus: types.HealthStatusHealthy,
			NetworkInterfaces: []types.NetworkInterface{{PrivateIpv4Address: aws.String("10.0.0.1")}},
		}},
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(map[string]any{"tasks": awsapi.Render([]types.Task{task})}); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	answer, err := ecs.NewFromConfig(awsapi.Config(server.URL)).DescribeTasks(context.Background(), &ecs.DescribeTasksInput{Tasks: []string{"1"}})
	if err != nil {
		t.Fatal(err)
	}
	got := answer.Tasks[0]
	if got.StartedAt == nil || !got.StartedAt.Equal(*task.StartedAt) {
		t.Errorf("a time is read back as %v", got.StartedAt)
	}
	got.StartedAt = task.StartedAt
	if a, b := awsapi.Render(got), awsapi.Render(task); !reflect.DeepEqual(a, b) {
		t.Errorf("read back:\n%v\nwant\n%v", a, b)
	}
}
