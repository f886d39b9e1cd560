package verdict

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// bound has ECS run no fewer tasks than the service's least and no more than its most, and says what is waited for; nothing where
// it does already. The engine leaves the number alone where something else sets it, and does not see what somebody else has
// set: a service that sleeps would be judged by tasks that it does not have, and one that has ceased to scale would stay as it was.
func (c *hearing) bound(ctx context.Context, service ecstypes.Service) (waiting string, err error) {
	desired := int(service.DesiredCount)
	wanted := min(max(desired, c.service.Least), c.service.Most)
	if desired == wanted {
		return "", nil
	}
	if time.Now().After(c.resized) {
		c.resized = time.Now().Add(c.propagation)
		_, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{
			Cluster: &c.service.Cluster, Service: &c.service.Name, DesiredCount: aws.Int32(int32(wanted)), //nolint:gosec // a row's count
		})
		if err != nil {
			return "", fmt.Errorf("ask ECS for %d tasks: %w", wanted, err)
		}
	}
	return fmt.Sprintf("ECS wants %d tasks, and was asked for %d", desired, wanted), nil
}
