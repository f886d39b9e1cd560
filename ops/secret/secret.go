// Package secret gives an application secret its value. It is typed or piped in by a person, and stands in no argument, file, log
// or state.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"slipway/infra/config"
	"slipway/infra/secrets"
)

// limit is the most bytes that Secrets Manager takes.
const limit = 65536

// Set puts the value in front of in into a stack's secret that a row of its configuration names. One line feed at its end is not of
// it: echo and editors put it there.
func Set(ctx context.Context, cloud aws.Config, cfg *config.Config, stack, name string, in io.Reader, out io.Writer) error {
	if known := cfg.SecretNames(); !slices.Contains(known, name) {
		return fmt.Errorf("no service of %s names a secret %q; it has %s; name one in a row's secrets, and run up", stack, name, listed(known))
	}
	value, err := read(in, out, name)
	if err != nil {
		return err
	}
	id := secrets.Name(cfg.App.Name+"-"+stack, name)
	_, err = secretsmanager.NewFromConfig(cloud).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: &value})
	if errors.As(err, new(*types.ResourceNotFoundException)) {
		return fmt.Errorf("there is no secret %s in %s: the first up of %s makes it, and then asks for its value; or the credentials are of another account",
			id, cloud.Region, stack)
	}
	if err != nil {
		return fmt.Errorf("set secret %s: %w", id, err)
	}
	_, err = fmt.Fprintf(out, "slipway: %s has a new value; tasks that run keep the old one until a release, or another start of theirs\n", id)
	return err
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// read takes the value from a pipe, or asks for it where somebody sits at a terminal, which then does not show it.
func read(in io.Reader, out io.Writer, name string) (string, error) {
	var text []byte
	var err error
	if file, ok := in.(*os.File); ok && isatty.IsTerminal(file.Fd()) {
		_, _ = fmt.Fprintf(out, "value of %s (it is not shown): ", name)
		text, err = term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(out)
	} else {
		text, err = io.ReadAll(io.LimitReader(in, limit+2))
	}
	if err != nil {
		return "", fmt.Errorf("read the value of %s: %w", name, err)
	}
	value := strings.TrimSuffix(string(text), "\n")
	switch {
	case value == "":
		return "", fmt.Errorf("the value of %s is empty; type it, or pipe it in", name)
	case len(value) > limit:
		return "", fmt.Errorf("the value of %s is longer than the %d bytes that Secrets Manager takes", name, limit)
	}
	return value, nil
}
