package services_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/local/services"
)

// TestCapacity holds that a strategy of capacity providers is shown with the deployments that were begun with it, in the place of
// a launch type.
func TestCapacity(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *world, s *services.Scheduler) {
		s.Put(config("good:1", 1), false)
		settle(t, s)
		spot := config("good:1", 1)
		spot.Capacity = []ecstypes.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 1}}
		s.Put(spot, true)
		view, _ := s.View(arn)
		for i, want := range []string{"FARGATE_SPOT", ""} {
			d := view.Deployments[i]
			shown := ""
			if len(d.CapacityProviderStrategy) > 0 {
				shown = aws.ToString(d.CapacityProviderStrategy[0].CapacityProvider)
			}
			if shown != want || (d.LaunchType == ecstypes.LaunchTypeFargate) != (want == "") {
				t.Errorf("deployment %d has the launch type %q and the provider %q, want %q", i, d.LaunchType, shown, want)
			}
		}
		settle(t, s)
	})
}
