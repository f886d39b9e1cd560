package tasks

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// TestSlowLogs holds that when CloudWatch Logs is slower than a container, no more than max-buffer-size is held: lines
// are lost in mode non-blocking, which is the default, and wait in mode blocking.
func TestSlowLogs(t *testing.T) {
	for _, test := range []struct {
		mode  string
		waits bool
	}{{"", false}, {"non-blocking", false}, {"blocking", true}} {
		t.Run("mode "+test.mode, func(t *testing.T) {
			release := make(chan struct{})
			slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				<-release
				_, _ = w.Write([]byte("{}"))
			}))
			defer slow.Close()
			s, err := newLogStream(cloudwatchlogs.NewFromConfig(awsapi.Config(slow.URL)), ecstypes.ContainerDefinition{
				Name: aws.String("app"), LogConfiguration: &ecstypes.LogConfiguration{Options: map[string]string{
					"awslogs-group": "g", "awslogs-region": awsapi.Region, "awslogs-stream-prefix": "p", "mode": test.mode, "max-buffer-size": "1k",
				}},
			}, "id")
			if err != nil {
				t.Fatal(err)
			}
			var publishing sync.WaitGroup
			publishing.Go(func() { s.publish(t.Context()) })
			written := make(chan struct{})
			go func() {
				defer close(written)
				for range 20 {
					s.add(strings.Repeat("x", 100))
				}
			}()
			if test.waits {
				select {
				case <-written:
					t.Error("the container did not wait")
				case <-time.After(200 * time.Millisecond):
				}
			} else {
				<-written
			}
			s.mu.Lock()
			if s.held > s.max || !test.waits && s.lost != 12 {
				t.Errorf("%d bytes are held, %d lines are lost", s.held, s.lost)
			}
			s.mu.Unlock()
			close(release)
			<-written
			s.mu.Lock()
			s.ended = true
			s.changed.Broadcast()
			if test.waits && s.lost > 0 {
				t.Errorf("%d lines are lost", s.lost)
			}
			s.mu.Unlock()
			publishing.Wait()
		})
	}
}

// TestBytesOf holds which sizes are understood.
func TestBytesOf(t *testing.T) {
	for size, want := range map[string]int{"100": 100, "25m": 25 << 20, "1KB": 1 << 10, "1g": 1 << 30, "": 0, "m": 0, "-1m": 0, "1.5m": 0} {
		if got, err := bytesOf(size); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %d, %v", size, got, err)
		}
	}
}
