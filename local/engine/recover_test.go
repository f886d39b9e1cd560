package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMendState holds that a file beside the state which is half written goes, with words, and that nothing else does.
func TestMendState(t *testing.T) {
	state := t.TempDir()
	folder := filepath.Join(state, ".pulumi", "stacks", Project)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"local.json": "{}", "local.json.attrs": "", "other.json.attrs": `{"user.content_type": "a"}`, "half.json.attrs": `{"user`}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := mendState(state, &out); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		_, err := os.Stat(filepath.Join(folder, name))
		gone := name == "local.json.attrs" || name == "half.json.attrs"
		if errors.Is(err, fs.ErrNotExist) != gone || strings.Contains(out.String(), "removing "+name+",") != gone {
			t.Errorf("%s: %v, want it gone: %v; it says\n%s", name, err, gone, out.String())
		}
	}
	if err := mendState(filepath.Join(state, "none"), &out); err != nil {
		t.Errorf("of no state: %v", err)
	}
}

// TestExists holds how AWS's services say that something is there already.
func TestExists(t *testing.T) {
	for words, want := range map[string]bool{
		"creating IAM Role: EntityAlreadyExists: Role with name x already exists.":                                                    true,
		"RepositoryAlreadyExistsException: The repository with name 'x' already exists":                                               true,
		"RouteAlreadyExists: the route identified by 0.0.0.0/0 already exists":                                                        true,
		"DuplicateListener: A listener already exists on this port":                                                                   true,
		"PriorityInUse: The specified priority is in use.":                                                                            true,
		"InvalidPermission.Duplicate: the specified rule \"peer: sg-1, TCP\" already exists":                                          true,
		"InvalidParameterException: Creation of service was not idempotent.":                                                          true,
		"tag invalid: The image tag 'x' already exists in the 'y' repository and cannot be overwritten because the tag is immutable.": false,
		"ThrottlingException: Rate exceeded":                                                                                          false,
		"waiting for ECS Service (x) create: timeout while waiting for state to become 'STABLE'":                                      false,
	} {
		if (met("first\n  * "+words+"\nlast") != "") != want {
			t.Errorf("%q: want %v", words, want)
		}
	}
}
