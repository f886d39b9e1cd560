package tasks

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"slipway/local/awsapi"
)

// Limits of PutLogEvents (CloudWatch Logs API reference), and of the awslogs driver (moby/moby,
// daemon/logger/awslogs/cloudwatchlogs.go).
const (
	maxBatchBytes  = 1 << 20
	maxBatchEvents = 10_000
	eventOverhead  = 26                      // bytes that count for each event beside its text
	maxEventBytes  = 256<<10 - eventOverhead // longer lines become several events
	publishEvery   = time.Second             // the driver waits 5 s
	publishTimeout = 30 * time.Second
	defaultBuffer  = 10 << 20 // bytes; ECS's default of max-buffer-size
)

// validateLogger makes sure of the container's log stream. Words: Fargate's, as its users report them.
func (t *Task) validateLogger(ctx context.Context, d ecstypes.ContainerDefinition) (*logStream, error) {
	if d.LogConfiguration == nil {
		return nil, nil //nolint:nilnil // no log is asked for
	}
	const invalid = "ResourceInitializationError: failed to validate logger args: "
	s, err := newLogStream(t.runner.opts.Logs, d, t.spec.ID)
	if err != nil {
		return nil, errors.New(invalid + err.Error())
	}
	if err := s.create(ctx, d.LogConfiguration.Options["awslogs-create-group"] == "true"); err != nil {
		return nil, fmt.Errorf(
			"%screate stream has been retried 1 times: failed to create Cloudwatch log stream: %s: exit status 1",
			invalid,
			apiWords(err),
		)
	}
	return s, nil
}

// logStream ships what a container writes to its stream of CloudWatch Logs, as Docker's awslogs driver does. It holds a
// bounded number of bytes: when the service is slower than the container, further lines are lost in mode non-blocking,
// ECS's default, and make the container wait in mode blocking.
type logStream struct {
	client        *cloudwatchlogs.Client
	group, stream string
	blocking      bool
	max           int // bytes held

	mu      sync.Mutex
	changed *sync.Cond
	events  []cwtypes.InputLogEvent
	held    int // bytes of events and of what is being published
	lost    int // events
	ended   bool
}

func newLogStream(client *cloudwatchlogs.Client, d ecstypes.ContainerDefinition, taskID string) (*logStream, error) {
	options := d.LogConfiguration.Options
	for _, name := range []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix"} {
		if options[name] == "" {
			return nil, fmt.Errorf("unable to get awslogs driver arguments: %s is required", name)
		}
	}
	if options["awslogs-region"] != awsapi.Region {
		return nil, fmt.Errorf(
			"awslogs-region is %s, and the embedded cloud has %s alone",
			options["awslogs-region"],
			awsapi.Region,
		)
	}
	s := &logStream{
		client: client, group: options["awslogs-group"],
		stream:   options["awslogs-stream-prefix"] + "/" + aws.ToString(d.Name) + "/" + taskID,
		blocking: options["mode"] == "blocking", max: defaultBuffer,
	}
	s.changed = sync.NewCond(&s.mu)
	if size := options["max-buffer-size"]; size != "" {
		var err error
		if s.max, err = bytesOf(size); err != nil {
			return nil, fmt.Errorf("max-buffer-size: %w", err)
		}
	}
	return s, nil
}

// bytesOf reads sizes such as 25m.
func bytesOf(size string) (int, error) {
	shift, number := 0, strings.TrimSuffix(strings.ToLower(size), "b")
	if i := strings.IndexAny(number, "kmg"); i >= 0 && i == len(number)-1 {
		shift, number = map[byte]int{'k': 10, 'm': 20, 'g': 30}[number[i]], number[:i]
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a size such as 25m", size)
	}
	return n << shift, nil
}

func (s *logStream) create(ctx context.Context, group bool) error {
	create := func() error {
		_, err := s.client.CreateLogStream(
			ctx,
			&cloudwatchlogs.CreateLogStreamInput{LogGroupName: &s.group, LogStreamName: &s.stream},
		)
		return ifNew(err)
	}
	err := create()
	if missing := (*cwtypes.ResourceNotFoundException)(nil); !group || !errors.As(err, &missing) {
		return err
	}
	_, err = s.client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &s.group})
	if err := ifNew(err); err != nil { // another container of the task may have been faster
		return err
	}
	return create()
}

func ifNew(err error) error {
	if there := (*cwtypes.ResourceAlreadyExistsException)(nil); errors.As(err, &there) {
		return nil
	}
	return err
}

// follow attaches to a container that has not started, so that nothing is missed. It returns what ends when the
// container has, or when ctx does, and all it wrote is published.
func (s *logStream) follow(ctx context.Context, c *taskContainer) (<-chan struct{}, error) {
	output, err := c.task.runner.opts.Docker.ContainerAttach(
		ctx,
		c.id,
		container.AttachOptions{Stream: true, Stdout: true, Stderr: true},
	)
	if err != nil {
		return nil, err
	}
	var work sync.WaitGroup
	work.Go(func() {
		defer output.Close()
		defer context.AfterFunc(ctx, output.Close)()
		var lines sync.WaitGroup
		stdout, stderr := s.lines(&lines), s.lines(&lines)
		_, _ = stdcopy.StdCopy(stdout, stderr, output.Reader)
		_, _ = stdout.Close(), stderr.Close()
		lines.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = true
		s.changed.Broadcast()
	})
	work.Go(func() { s.publish(ctx) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		work.Wait()
	}()
	return done, nil
}

func (s *logStream) addEvent(text string) {
	size := len(text) + eventOverhead
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.blocking && s.held > 0 && s.held+size > s.max {
		s.changed.Wait()
	}
	if s.held > 0 && s.held+size > s.max {
		s.lost++
		return
	}
	s.held += size
	// The moment is taken under the lock: events of one stream must be in order.
	s.events = append(s.events, cwtypes.InputLogEvent{Message: &text, Timestamp: aws.Int64(time.Now().UnixMilli())})
	s.changed.Broadcast()
}

// publish sends batches until the container has ended and nothing is held. A batch that the service refuses is lost, as
// the driver loses it, and told of in our own log.
func (s *logStream) publish(ctx context.Context) {
	for {
		s.mu.Lock()
		for len(s.events) == 0 && !s.ended {
			s.changed.Wait()
		}
		if len(s.events) == 0 {
			if s.lost > 0 {
				log.Printf(
					"tasks: %s of %s lost %d events: CloudWatch Logs was slower than the container",
					s.stream,
					s.group,
					s.lost,
				)
			}
			s.mu.Unlock()
			return
		}
		size, n := 0, 0
		for ; n < len(s.events) && n < maxBatchEvents; n++ {
			next := len(*s.events[n].Message) + eventOverhead
			if size+next > maxBatchBytes {
				break
			}
			size += next
		}
		batch, full := s.events[:n:n], n < len(s.events)
		s.events = s.events[n:]
		s.mu.Unlock()

		put, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
		_, err := s.client.PutLogEvents(
			put,
			&cloudwatchlogs.PutLogEventsInput{LogGroupName: &s.group, LogStreamName: &s.stream, LogEvents: batch},
		)
		cancel()
		if err != nil {
			log.Printf("tasks: %d events for %s of %s are lost: %s", n, s.stream, s.group, apiWords(err))
		}
		s.mu.Lock()
		s.held -= size
		s.changed.Broadcast()
		wait := !full && !s.ended
		s.mu.Unlock()
		if wait {
			s.gather()
		}
	}
}

// gather waits for more events to publish together, though no longer than publishEvery or until the container has
// ended.
func (s *logStream) gather() {
	over := false
	timer := time.AfterFunc(publishEvery, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		over = true
		s.changed.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !over && !s.ended {
		s.changed.Wait()
	}
}
