module slipway/local

go 1.26

require (
	github.com/pulumi/pulumi/sdk/v3 v3.259.0
	slipway v0.0.0
)

replace slipway => ../
