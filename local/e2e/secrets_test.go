package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkSecrets asks the cloud for the passwords of the database and of the registry, and looks for them where nobody may
// find them: in the stack's state, in the servers' logs and in what was printed. None is hidden by an encoding that a
// reader could undo, so base64 is looked for as well.
func (c checkout) checkSecrets(t *testing.T, printed string) {
	t.Helper()
	state := c.state(t)
	var list struct{ SecretList []struct{ ARN string } }
	call(t, state, "secretsmanager", "secretsmanager.ListSecrets", map[string]any{}, &list)
	if len(list.SecretList) != 2 {
		t.Fatalf("there are %d secrets, want those of the database's two users", len(list.SecretList))
	}
	secrets := map[string]string{}
	for _, one := range list.SecretList {
		var secret struct{ SecretString string }
		call(t, state, "secretsmanager", "secretsmanager.GetSecretValue", map[string]any{"SecretId": one.ARN}, &secret)
		var login struct{ Username, Password string }
		if err := json.Unmarshal([]byte(secret.SecretString), &login); err != nil || login.Password == "" {
			t.Fatalf("%s holds no password: %v", one.ARN, err)
		}
		secrets["the password of "+login.Username] = login.Password
	}
	token, registry := registryToken(t, state)
	secrets["the registry's password"], secrets["the registry's token"] = registry, token

	look := func(where, text string) {
		t.Helper()
		for what, value := range secrets {
			if strings.Contains(text, value) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(value))) {
				t.Errorf("%s stands in %s", what, where)
			}
		}
	}
	look("what was printed", printed)
	states := 0
	dir := filepath.Join(c.dir, ".slipway")
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !entry.Type().IsRegular() || strings.HasPrefix(name, filepath.Join(dir, "cloud", "registry")) {
			return err // the registry's blobs are the images, whose layers are compressed
		}
		content, err := os.ReadFile(name)
		if strings.Contains(name, filepath.Join(".pulumi", "stacks")) && strings.Contains(string(content), "aws:rds/instance:Instance") {
			states++
		}
		look(name, string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if states == 0 {
		t.Error("no state was looked at")
	}
}
