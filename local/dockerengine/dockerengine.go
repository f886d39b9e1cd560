// Package dockerengine reaches the Docker Engine of this machine.
package dockerengine

import (
	"fmt"

	"github.com/docker/docker/client"
)

// Connect makes a client of the engine that the environment names, which speaks the newest version of its API that both know. The
// engine is not asked yet whether it answers. The caller closes the client.
func Connect() (*client.Client, error) {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("reach the Docker Engine: %w", err)
	}
	return docker, nil
}
