package config_test

import (
	"strings"
	"testing"

	"slipway/infra/config"
)

func TestPriority(t *testing.T) {
	const lowest, highest = 1, 50000 // what a listener takes
	patterns := []string{
		"/*", "/", "/?", "*", "/api", "/api*", "/api/*", "/api/v2/*", "/api/?/items", "/admin",
		"/" + strings.Repeat("a", 127), "/" + strings.Repeat("a", 126) + "*",
	}
	seen := map[int]string{}
	for _, pattern := range patterns {
		p := config.Priority(pattern)
		if p < lowest || p > highest {
			t.Errorf("%s has priority %d", pattern, p)
		}
		if other, taken := seen[p]; taken {
			t.Errorf("%s and %s share priority %d", pattern, other, p)
		}
		seen[p] = pattern
	}
	for _, order := range [][2]string{
		{"/api/v2/*", "/api/*"},
		{"/api/*", "/*"},
		{"/admin", "/*"},
		{"/", "/*"},
		{"/?", "/*"},
		{"/api", "/api*"},
		{"/api/*", "/api*"},
		{"/api/v2/items", "/api/v2/*"},
		{"/api/*/items", "/api/*"},
	} {
		if config.Priority(order[0]) >= config.Priority(order[1]) {
			t.Errorf("%s does not come before %s", order[0], order[1])
		}
	}
}
