module slipway

go 1.26

require (
	github.com/pulumi/pulumi-aws/sdk/v6 v6.83.2
	github.com/pulumi/pulumi-docker/sdk/v4 v4.11.2
	github.com/pulumi/pulumi/sdk/v3 v3.259.0
)
