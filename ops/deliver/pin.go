package deliver

import (
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"slipway/infra/revision"
)

// RevisionKey is the key of the configuration that names a release to run again.
const RevisionKey = "slipway:revision"

// Pin writes a copy of a stack's configuration that names a release, and returns its file, which the caller removes. The stack's
// own file stays as it is: going back is for now, and the next release goes forward again. To stay, set the key in the file.
func Pin(top, stack, release string) (string, error) {
	if _, err := revision.Named(release); err != nil {
		return "", err
	}
	own := filepath.Join(top, "Pulumi."+stack+".yaml")
	content, err := os.ReadFile(own)
	if err != nil {
		return "", fmt.Errorf("read the stack's configuration: %w; run at the top of the checkout, and name a stack that it knows", err)
	}
	var whole map[string]any
	if err := yaml.Unmarshal(content, &whole); err != nil {
		return "", fmt.Errorf("understand %s: %w", own, err)
	}
	values, ok := whole["config"].(map[string]any)
	if !ok {
		return "", fmt.Errorf("%s has no config", own)
	}
	values[RevisionKey] = release
	if content, err = yaml.Marshal(whole); err != nil {
		return "", fmt.Errorf("render the stack's configuration: %w", err)
	}
	// Beside nothing that git looks at. A salt or an encrypted value in it is what the stack's own file has.
	file, err := os.CreateTemp("", "Pulumi."+stack+".*.yaml")
	if err != nil {
		return "", fmt.Errorf("make a file for the configuration: %w", err)
	}
	if _, err = file.Write(content); err == nil {
		err = file.Close()
	}
	if err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return file.Name(), nil
}
