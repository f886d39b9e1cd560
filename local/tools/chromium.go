package tools

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// chromiumNames are the commands by which distributions call Chromium, and by which Google calls Chrome.
var chromiumNames = []string{"chromium", "chromium-browser", "google-chrome"}

// EnsureChromium returns the path of Chromium or Chrome: the one on the PATH, or else Debian's package, which root
// installs. Anybody else is told what to type.
func EnsureChromium(ctx context.Context, out io.Writer) (string, error) {
	if path, ok := findChromium(); ok {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("none of %v is on the PATH, and only root can install one, on Debian; type:\n"+
			"  sudo apt-get install -y chromium\nor install Chrome", chromiumNames)
	}
	_, _ = fmt.Fprintln(out, "chromium: installing it from Debian's packages")
	if err := aptInstall(ctx, "chromium"); err != nil {
		return "", fmt.Errorf("install Chromium: %w", err)
	}
	path, ok := findChromium()
	if !ok {
		return "", fmt.Errorf("debian's package chromium is installed, and yet none of %v is on the PATH; see that it holds /usr/bin", chromiumNames)
	}
	return path, nil
}

func findChromium() (string, bool) {
	for _, name := range chromiumNames {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}
