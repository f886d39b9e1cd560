package revision_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/infra/infratest"
	"slipway/infra/revision"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestCleanTree(t *testing.T) {
	commit := infratest.Checkout(t, "app")
	rev, err := revision.CheckedOut(t.Context(), ".", false)
	if err != nil {
		t.Fatal(err)
	}
	if want := (revision.Revision{Commit: commit, Tag: commit, Built: true}); rev != want {
		t.Errorf("got %+v, want %+v", rev, want)
	}
}

// TestDirtyTree holds that a dirty tag follows the files: the same for the same content, another for another, untracked
// files counted and ignored ones not; and that what the user has staged stays staged.
func TestDirtyTree(t *testing.T) {
	commit := infratest.Checkout(t, "app")
	tag := func() string {
		t.Helper()
		rev, err := revision.CheckedOut(t.Context(), ".", true)
		if err != nil {
			t.Fatal(err)
		}
		return rev.Tag
	}
	write(t, "staged", "1")
	git(t, "add", "staged")
	write(t, "untracked", "1")
	first := tag()
	if !strings.HasPrefix(first, commit+"-dirty-") || len(first) != len(commit)+len("-dirty-")+12 {
		t.Errorf("tag %s", first)
	}
	if tag() != first {
		t.Error("the same files have two tags")
	}
	write(t, "untracked", "2")
	if tag() == first {
		t.Error("an untracked file does not count")
	}
	write(t, "untracked", "1")
	if tag() != first {
		t.Error("a tag depends on more than the files")
	}
	write(t, filepath.Join(".git", "info", "exclude"), "ignored\n")
	write(t, "ignored", "1")
	if tag() != first {
		t.Error("an ignored file counts")
	}
	if staged := git(t, "diff", "--cached", "--name-only"); staged != "staged" {
		t.Errorf("what was staged became %q", staged)
	}
}

// TestFromBelow holds that the whole repository counts, wherever in it the program stands.
func TestFromBelow(t *testing.T) {
	infratest.Checkout(t, "app")
	t.Chdir("app")
	write(t, "../new", "1")
	if _, err := revision.CheckedOut(t.Context(), ".", false); err == nil {
		t.Error("a change outside the folder was not seen")
	}
	rev, err := revision.CheckedOut(t.Context(), ".", true)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "../new", "2")
	again, err := revision.CheckedOut(t.Context(), ".", true)
	if err != nil {
		t.Fatal(err)
	}
	if rev.Tag == again.Tag {
		t.Error("a change outside the folder does not count")
	}
}

func TestNoCommit(t *testing.T) {
	t.Chdir(t.TempDir())
	git(t, "init", "--quiet")
	_, err := revision.CheckedOut(t.Context(), ".", true)
	if err == nil || !strings.Contains(err.Error(), "not a git checkout with a commit") {
		t.Errorf("got %v", err)
	}
}

// TestSHA256Repository holds that a repository of git's other hash is refused: its names do not fit a tag's form.
func TestSHA256Repository(t *testing.T) {
	t.Chdir(t.TempDir())
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--object-format=sha256").CombinedOutput(); err != nil {
		t.Skipf("this git knows no SHA-256: %s", out)
	}
	git(t, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--allow-empty", "--message=one")
	_, err := revision.CheckedOut(t.Context(), ".", false)
	if err == nil || !strings.Contains(err.Error(), "not a SHA-1 commit") {
		t.Errorf("got %v", err)
	}
}

func TestNamed(t *testing.T) {
	commit := strings.Repeat("0f", 20)
	rev, err := revision.Named(commit)
	if err != nil || rev != (revision.Revision{Commit: commit, Tag: commit}) {
		t.Errorf("got %+v, %v", rev, err)
	}
	for _, bad := range []string{"", "main", commit[1:], commit + "0", strings.ToUpper(commit), commit + "\n", "-" + commit[1:]} {
		if _, err := revision.Named(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
