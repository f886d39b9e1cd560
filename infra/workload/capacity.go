package workload

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra/config"
)

// What tasks run on: Fargate on demand, and what AWS has to spare of it, which it may take back after two minutes' notice.
const (
	onDemand = "FARGATE"
	spare    = "FARGATE_SPOT"
)

// capacity lets the cluster's services choose between both. It costs nothing by itself.
func (c *Cluster) capacity(ctx *pulumi.Context, name string) error {
	providers, err := ecs.NewClusterCapacityProviders(ctx, name, &ecs.ClusterCapacityProvidersArgs{
		ClusterName:       c.Name,
		CapacityProviders: pulumi.StringArray{pulumi.String(onDemand), pulumi.String(spare)},
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("give the cluster its capacity: %w", err)
	}
	c.Capacity = providers
	return nil
}

// strategy is how a row's tasks are spread: its first ones on demand, and of all others a share on spare capacity. A service has
// one even where that share is nothing. Without, its launch type would say the same; but the provider replaces a service that goes from one to
// the other, by deleting it first.
func strategy(row config.Service) ecs.ServiceCapacityProviderStrategyArray {
	item := func(provider string, base, weight int) ecs.ServiceCapacityProviderStrategyArgs {
		return ecs.ServiceCapacityProviderStrategyArgs{
			CapacityProvider: pulumi.String(provider), Base: pulumi.Int(base), Weight: pulumi.Int(weight),
		}
	}
	switch row.SpotPercent {
	case 0:
		return ecs.ServiceCapacityProviderStrategyArray{item(onDemand, 0, 1)}
	case 100:
		return ecs.ServiceCapacityProviderStrategyArray{item(spare, 0, 1)}
	}
	return ecs.ServiceCapacityProviderStrategyArray{
		item(onDemand, row.SpotBase, 100-row.SpotPercent), item(spare, 0, row.SpotPercent),
	}
}
