package tools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Moto returns the command that starts moto's server, by tools/serve_moto.py of the folder local, with no options yet. moto is
// installed into a virtual environment of its own, whose scripts are not used: they hold the path at which the environment
// was made, and break when it is moved to its final name.
func (c Cache) Moto(ctx context.Context, local string) ([]string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, fmt.Errorf("find python3: %w; install it, with its venv module: apt-get install python3-venv", err)
	}
	version, err := exec.CommandContext(ctx, python, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ask python3 for its version: %w", err)
	}
	file := filepath.Join(local, "requirements.txt")
	requirements, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read moto's requirements: %w", err)
	}
	dir, err := c.Make(ctx, "moto", Key(string(requirements), strings.TrimSpace(string(version)), python), func(ctx context.Context, dir string) error {
		if err := runQuietly(ctx, dir, nil, python, "-m", "venv", "."); err != nil {
			return err
		}
		return runQuietly(ctx, dir, nil, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--requirement", file)
	})
	return []string{filepath.Join(dir, "bin", "python"), filepath.Join(local, "tools", "serve_moto.py")}, err
}
