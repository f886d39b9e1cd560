// Pulumi-resource-docker stands in for the official Docker provider plugin where that cannot be had.
package main

import (
	"fmt"
	"os"

	"slipway/local/dockerplugin"
)

func main() {
	if err := dockerplugin.Serve(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-docker: %v\n", err)
		os.Exit(1)
	}
}
