package revision_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// checkedOut names the checkout, with the sources of folders.
func checkedOut(t *testing.T, allowDirty bool, folders ...string) revision.Revision {
	t.Helper()
	rev, err := revision.CheckedOut(t.Context(), ".", folders, allowDirty)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func commit(t *testing.T, message string) string {
	t.Helper()
	git(t, "add", "--all")
	git(t, "commit", "--quiet", "--allow-empty", "--message", message)
	return git(t, "rev-parse", "HEAD")
}

// TestSources holds that a folder is named by the newest commit that touched it, whatever other commits there are, and that the
// commit's folder is the very one that is checked out.
func TestSources(t *testing.T) {
	first := infratest.Checkout(t, "backend", "frontend")
	rev := checkedOut(t, false, "backend", "frontend")
	if rev.Commit != first || rev.Name != first || rev.Sources["backend"].Tag != first || len(rev.Sources["backend"].Earlier) != 0 {
		t.Errorf("got %+v", rev)
	}
	write(t, "frontend/page", "1")
	second := commit(t, "frontend alone")
	third := commit(t, "nothing")
	rev = checkedOut(t, false, "backend", "frontend")
	if rev.Name != third || rev.Sources["backend"].Tag != first {
		t.Errorf("got %+v", rev)
	}
	if source := rev.Sources["frontend"]; source.Tag != second || !slices.Equal(source.Earlier, []string{first}) {
		t.Errorf("got %+v", source)
	}
	// A merge that takes one side of a folder is that side.
	git(t, "checkout", "--quiet", "-b", "side", second)
	write(t, "backend/app", "1")
	side := commit(t, "backend alone")
	git(t, "checkout", "--quiet", "main")
	git(t, "merge", "--quiet", "--no-ff", "--message=merge", "side")
	rev = checkedOut(t, false, "backend", "frontend")
	if rev.Sources["backend"].Tag != side || rev.Sources["frontend"].Tag != second {
		t.Errorf("after the merge: %+v", rev.Sources)
	}
	for folder, source := range rev.Sources {
		if git(t, "rev-parse", source.Tag+":"+folder) != git(t, "rev-parse", "HEAD:"+folder) {
			t.Errorf("%s of %s is not what is checked out", folder, source.Tag)
		}
	}
	if _, err := revision.CheckedOut(t.Context(), ".", []string{"backend", "nowhere"}, false); err == nil || !strings.Contains(err.Error(), "no commit holds folder nowhere") {
		t.Errorf("got %v", err)
	}
}

// TestManyCommits holds that a build looks for layers in the last few contents and not in all.
func TestManyCommits(t *testing.T) {
	infratest.Checkout(t, "app")
	for n := range 6 {
		write(t, "app/file", strings.Repeat("x", n+1))
		commit(t, "again")
	}
	if source := checkedOut(t, false, "app").Sources["app"]; len(source.Earlier) != 3 || slices.Contains(source.Earlier, source.Tag) {
		t.Errorf("got %+v", source)
	}
}

// TestDirtyTree holds that a dirty name follows the files: the same for the same content, another for another, untracked
// files counted and ignored ones not; that only the folders with changes are named as dirty; and that what the user has staged
// stays staged.
func TestDirtyTree(t *testing.T) {
	head := infratest.Checkout(t, "app", "other")
	tag := func() string {
		t.Helper()
		rev := checkedOut(t, true, "app", "other")
		if rev.Sources["other"].Tag != head {
			t.Errorf("a folder without changes is named %s", rev.Sources["other"].Tag)
		}
		if !strings.HasPrefix(rev.Name, head+"-dirty-") {
			t.Errorf("the release is named %s", rev.Name)
		}
		return rev.Sources["app"].Tag
	}
	write(t, "app/staged", "1")
	git(t, "add", "app/staged")
	write(t, "app/untracked", "1")
	first := tag()
	if !strings.HasPrefix(first, head+"-dirty-") || len(first) != len(head)+len("-dirty-")+12 {
		t.Errorf("tag %s", first)
	}
	if tag() != first {
		t.Error("the same files have two tags")
	}
	write(t, "app/untracked", "2")
	if tag() == first {
		t.Error("an untracked file does not count")
	}
	write(t, "app/untracked", "1")
	if tag() != first {
		t.Error("a tag depends on more than the files")
	}
	write(t, filepath.Join(".git", "info", "exclude"), "ignored\n")
	write(t, "app/ignored", "1")
	if tag() != first {
		t.Error("an ignored file counts")
	}
	if staged := git(t, "diff", "--cached", "--name-only"); staged != "app/staged" {
		t.Errorf("what was staged became %q", staged)
	}
	if earlier := checkedOut(t, true, "app").Sources["app"].Earlier; !slices.Equal(earlier, []string{head}) {
		t.Errorf("a dirty build takes layers from %v, want from its commit", earlier)
	}
}

// TestShallow holds that a clone without its history is refused, with what to do: any commit would seem to have touched all.
func TestShallow(t *testing.T) {
	infratest.Checkout(t, "app")
	commit(t, "second")
	whole, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, "clone", "--quiet", "--depth=1", "file://"+whole, shallow)
	t.Chdir(shallow)
	_, err = revision.CheckedOut(t.Context(), ".", []string{"app"}, true)
	if err == nil || !strings.Contains(err.Error(), "shallow") || !strings.Contains(err.Error(), "fetch-depth: 0") {
		t.Errorf("got %v", err)
	}
}

// TestFromBelow holds that the whole repository counts, wherever in it the program stands.
func TestFromBelow(t *testing.T) {
	infratest.Checkout(t, "app")
	t.Chdir("app")
	write(t, "../new", "1")
	if _, err := revision.CheckedOut(t.Context(), ".", nil, false); err == nil {
		t.Error("a change outside the folder was not seen")
	}
	rev := checkedOut(t, true, ".")
	write(t, "../new", "2")
	again := checkedOut(t, true, ".")
	if rev.Name == again.Name {
		t.Error("a change outside the folder does not count")
	}
	if rev.Sources["."].Tag != rev.Commit {
		t.Errorf("a folder without changes is named %s", rev.Sources["."].Tag)
	}
	write(t, "inside", "1")
	if tag := checkedOut(t, true, ".").Sources["."].Tag; !strings.Contains(tag, "-dirty-") {
		t.Errorf("a folder with changes is named %s", tag)
	}
}

func TestNoCommit(t *testing.T) {
	t.Chdir(t.TempDir())
	git(t, "init", "--quiet")
	_, err := revision.CheckedOut(t.Context(), ".", nil, true)
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
	_, err := revision.CheckedOut(t.Context(), ".", nil, false)
	if err == nil || !strings.Contains(err.Error(), "not a SHA-1 commit") {
		t.Errorf("got %v", err)
	}
}

func TestNamed(t *testing.T) {
	commit := strings.Repeat("0f", 20)
	rev, err := revision.Named(commit)
	if err != nil || rev.Commit != commit || rev.Name != commit || rev.Sources != nil {
		t.Errorf("got %+v, %v", rev, err)
	}
	for _, bad := range []string{"", "main", commit[1:], commit + "0", strings.ToUpper(commit), commit + "\n", "-" + commit[1:]} {
		if _, err := revision.Named(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
