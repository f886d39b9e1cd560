// Package bootstraptest tests slipway/ops/bootstrap against the AWS emulator and the Pulumi CLI, both of which only this
// module knows how to come by.
package bootstraptest
