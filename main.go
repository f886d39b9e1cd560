// Slipway takes a Dockerized full-stack app from a git push to AWS ECS Fargate. What it declares is in infra.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway/infra"
)

func main() { pulumi.Run(infra.Deploy) }
