// The path lets this module import the provider's internal packages.
module github.com/hashicorp/terraform-provider-aws/slipway

go 1.26.3

godebug tlsmlkem=0

require (
	github.com/hashicorp/terraform-provider-aws v1.60.1-0.20260602190131-5f2286d6d836
	github.com/pulumi/pulumi-terraform-bridge/v3 v3.137.0
)

// The build lays a trimmed copy of the provider beside its copy of this folder.
replace github.com/hashicorp/terraform-provider-aws => ../provider

// The bridge's own fork, as its go.mod asks for.
replace github.com/hashicorp/terraform-plugin-sdk/v2 => github.com/pulumi/terraform-plugin-sdk/v2 v2.0.0-20260318212141-5525259d096b
