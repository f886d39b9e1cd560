package infra

import (
	"fmt"
	"strings"
	"testing"

	"slipway/infra/infratest"
)

// TestSpot holds how tasks are spread between capacity on demand and spare one, and that a service can go from one to the other in
// place.
func TestSpot(t *testing.T) {
	for row, want := range map[string]string{
		`{}`:                                  "FARGATE base 0 weight 1",
		`{"spotPercent": 70}`:                 "FARGATE base 1 weight 30, FARGATE_SPOT base 0 weight 70",
		`{"spotPercent": 70, "spotBase": 3}`:  "FARGATE base 3 weight 30, FARGATE_SPOT base 0 weight 70",
		`{"spotPercent": 100, "spotBase": 0}`: "FARGATE_SPOT base 0 weight 1",
		`{"spotPercent": 0, "spotBase": 5}`:   "FARGATE base 0 weight 1",
	} {
		resources, err := declare(t, "staging", rows(`{"backend": `+row+`}`))
		if err != nil {
			t.Fatal(err)
		}
		service := named(t, resources, "aws:ecs/service:Service", "backend")
		if got := spread(service); got != want {
			t.Errorf("%s: %s, want %s", row, got, want)
		}
		if input(service, "launchType").HasValue() {
			t.Errorf("%s: it has a launch type besides, which ECS refuses", row)
		}
		// Without this the provider replaces a service whose strategy changes.
		if !input(service, "forceNewDeployment").BoolValue() {
			t.Errorf("%s: another strategy would replace the service", row)
		}
	}
}

// spread is a service's capacity in words.
func spread(service infratest.Resource) string {
	var items []string
	for _, value := range input(service, "capacityProviderStrategies").ArrayValue() {
		item := value.ObjectValue()
		items = append(items, fmt.Sprintf("%s base %v weight %v",
			item["capacityProvider"].StringValue(), item["base"].NumberValue(), item["weight"].NumberValue()))
	}
	return strings.Join(items, ", ")
}
