package deliver

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"slipway/infra/revision"
)

// Keys of the configuration, whole.
const (
	// RevisionKey names a release to run again.
	RevisionKey  = Project + ":revision"
	servicesKey  = Project + ":services"
	overridesKey = Project + ":serviceOverrides"
	platformKey  = Project + ":imagesPlatform"
)

// Pin writes a copy of a stack's configuration that names a release, and returns its file, which the caller removes. The stack's
// own file stays as it is: going back is for now, and the next release goes forward again. To stay, set the key in the file.
//
// What belongs to a release goes back with it: the rows of its services and the platform of its images, as its commit has them. All
// else, the database and the network among it, is the stack's and stays as it is checked out. A service that the release did not have
// is retired: it does not run, and its repository and its secrets stay for when the stack goes forward again.
func Pin(ctx context.Context, top, stack, release string) (string, error) {
	if _, err := revision.Named(release); err != nil {
		return "", err
	}
	now, err := readFiles(workTree(top), stack)
	if err != nil {
		return "", err
	}
	then, err := readFiles(commit(ctx, top, release), stack)
	if err != nil {
		return "", fmt.Errorf("release %s: %w; `make releases STACK=%s` lists what can be gone back to", release, err, stack)
	}
	rows, err := then.rows()
	if err != nil {
		return "", fmt.Errorf("release %s: %w", release, err)
	}
	newer, err := now.rows()
	if err != nil {
		return "", err
	}
	for name, row := range newer {
		if _, had := rows[name]; !had {
			rows[name] = retired(row)
		}
	}
	values := now.values()
	maps.Copy(values, map[string]any{RevisionKey: release, servicesKey: rows, overridesKey: map[string]any{}})
	if platform := then.value(platformKey); platform != nil {
		values[platformKey] = platform
	}
	content, err := yaml.Marshal(now.own)
	if err != nil {
		return "", fmt.Errorf("render the stack's configuration: %w", err)
	}
	// Beside nothing that git looks at. A salt or an encrypted value in it is what the stack's own file has.
	file, err := os.CreateTemp("", "Pulumi."+Bare(stack)+".*.yaml")
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

// retired is what is left of the row of a service that does not run.
func retired(row map[string]any) map[string]any {
	left := map[string]any{"retired": true}
	if secrets, names := row["secrets"]; names {
		left["secrets"] = secrets
	}
	return left
}

// Rows are the names of the services of a release, as its commit has them, sorted.
func Rows(ctx context.Context, top, stack, release string) ([]string, error) {
	files, err := readFiles(commit(ctx, top, release), stack)
	if err != nil {
		return nil, err
	}
	rows, err := files.rows()
	maps.DeleteFunc(rows, func(_ string, row map[string]any) bool { return row["retired"] == true })
	return slices.Sorted(maps.Keys(rows)), err
}

// Bare is a stack's name without its organization in Pulumi Cloud, which a command may give it: so its file is called, and what it deploys.
func Bare(stack string) string { return path.Base(stack) }

// workTree reads files as they are in the checkout.
func workTree(top string) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		content, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			return nil, fmt.Errorf("%w; run at the top of the checkout, and name a stack that it knows", err)
		}
		return content, nil
	}
}
