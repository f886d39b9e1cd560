package infra

import (
	"fmt"

	"slipway/infra/config"
	"slipway/infra/held"
)

// hsts is the header of that name which the load balancer puts on every answer, in place of the application's; empty for none.
// One that the last run has declared stays there, since the provider takes none away: browsers are then told to forget it.
func hsts(stood held.State, settings config.Edge) string {
	if settings.HSTSSeconds > 0 {
		return fmt.Sprintf("max-age=%d", settings.HSTSSeconds)
	}
	if settings.Domain == "" {
		return ""
	}
	for _, outputs := range stood.Of("aws:lb/listener:Listener") {
		if before, _ := outputs["routingHttpResponseStrictTransportSecurityHeaderValue"].(string); before != "" {
			return "max-age=0"
		}
	}
	return ""
}
