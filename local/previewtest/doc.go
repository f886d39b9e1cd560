// Package previewtest tests slipway/ops/enginejson, ops/cost and ops/review on what the real CLI and the real AWS provider print.
package previewtest
