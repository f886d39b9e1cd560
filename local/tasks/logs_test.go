package tasks

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/awsapi"
)

// stream is a container's, to a service at a URL.
func stream(t *testing.T, url string, options map[string]string) *logStream {
	t.Helper()
	options["awslogs-group"], options["awslogs-region"], options["awslogs-stream-prefix"] = "g", awsapi.Region, "p"
	s, err := newLogStream(cloudwatchlogs.NewFromConfig(awsapi.Config(url)), ecstypes.ContainerDefinition{
		Name: aws.String("app"), LogConfiguration: &ecstypes.LogConfiguration{Options: options},
	}, "id")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

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
			s := stream(t, slow.URL, map[string]string{"mode": test.mode, "max-buffer-size": "1k"})
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

// TestOtherEncodings holds that text which is not UTF-8 is counted as it is published, so that nothing is lost of it and no event grows
// beyond the service's limit, and that a character of a long line is not cut apart.
func TestOtherEncodings(t *testing.T) {
	for name, test := range map[string]struct {
		wrote string
		times int
		want  []string // of one line
	}{
		"shorter as UTF-8": {strings.Repeat("\xff", 900), 20, []string{"\uFFFD"}},
		"longer as UTF-8": {strings.Repeat("\xffa", 100_000), 1, []string{
			strings.Repeat("\uFFFDa", maxEventBytes/4), strings.Repeat("\uFFFDa", 100_000-maxEventBytes/4),
		}},
		"a long line": {strings.Repeat("ä", 200_000), 1, []string{
			strings.Repeat("ä", maxEventBytes/2), strings.Repeat("ä", 200_000-maxEventBytes/2),
		}},
		"a long line, by an odd byte": {"x" + strings.Repeat("ä", 200_000), 1, []string{
			"x" + strings.Repeat("ä", maxEventBytes/2-1), strings.Repeat("ä", 200_000-maxEventBytes/2+1),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var put struct{ LogEvents []struct{ Message string } }
				if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
					t.Error(err)
				}
				for _, event := range put.LogEvents {
					got = append(got, event.Message)
				}
				_, _ = w.Write([]byte("{}"))
			}))
			defer service.Close()
			s := stream(t, service.URL, map[string]string{"mode": "blocking", "max-buffer-size": "1k"})
			var lines, publishing sync.WaitGroup
			publishing.Go(func() { s.publish(t.Context()) })
			writer := s.lines(&lines)
			written := make(chan struct{})
			go func() {
				defer close(written)
				for range test.times {
					_, _ = writer.Write([]byte(test.wrote + "\n"))
				}
				_ = writer.Close()
				lines.Wait()
			}()
			select {
			case <-written:
			case <-time.After(20 * time.Second):
				t.Fatal("the container waits though there is room")
			}
			s.mu.Lock()
			s.ended = true
			s.changed.Broadcast()
			s.mu.Unlock()
			publishing.Wait()
			service.Close()
			if s.held != 0 || s.lost != 0 {
				t.Errorf("%d bytes are held, %d lines are lost", s.held, s.lost)
			}
			if want := slices.Repeat(test.want, test.times); !slices.Equal(got, want) {
				t.Errorf("got %d events, want %d", len(got), len(want))
				for _, one := range got {
					t.Logf("%d bytes: %.20q", len(one), one)
				}
			}
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
