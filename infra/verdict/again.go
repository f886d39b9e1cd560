package verdict

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// retry has ECS begin again with a deployment that failed in an earlier run. ECS has given it up for good, and with nothing changed
// nobody would ask for another, though the cause may have been mended outside the program: a quota, a password, a database.
func (c *hearing) retry(ctx context.Context, failed string) error {
	c.retried, c.renewed = failed, time.Now().Add(c.propagation)
	_, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{
		Cluster: &c.service.Cluster, Service: &c.service.Name, ForceNewDeployment: true,
	})
	if err != nil {
		return fmt.Errorf("ask ECS to begin again: %w", err)
	}
	return nil
}
