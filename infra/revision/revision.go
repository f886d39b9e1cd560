// Package revision names a release by a commit, and each service's image by the commit that made its source what it is.
package revision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// treeDigits is how much of a tree's name a dirty tag carries: 48 bits, plenty to tell one person's edits apart.
const treeDigits = 12

// cacheDepth is how many earlier commits of a folder a build may take layers from.
const cacheDepth = 3

var sha = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Revision is what a release is called, and where its images come from.
type Revision struct {
	Commit  string            // 40 hexadecimal digits
	Name    string            // of the release: Commit, and for a dirty tree Commit-dirty-TREE
	Sources map[string]Source // by folder; none where the images are those of a release that ran before
}

// Source names what one folder of the checkout holds.
type Source struct {
	// Tag is the newest commit up to the release's that touched the folder, so that a release which leaves the folder alone
	// leaves its image alone. With changes that no commit holds it is that commit and -dirty-TREE.
	Tag string
	// Earlier are the tags of the folder's last few commits before, the newest first. Their layers may be used again.
	Earlier []string
}

// Named is the revision of a release that ran before, given by its commit. Its images are never built again.
func Named(commit string) (Revision, error) {
	if !sha.MatchString(commit) {
		return Revision{}, fmt.Errorf("revision: %q is not a commit: 40 hexadecimal digits in lower case, as `git rev-parse HEAD` prints", commit)
	}
	return Revision{Commit: commit, Name: commit}, nil
}

// CheckedOut is the revision of the work tree at dir, with the sources in folders, which are relative to dir. A tree with
// changes that no commit holds is refused, since nothing could tell later what ran; with allowDirty its names say so, and
// name its exact content. A shallow clone is refused: which commit touched a folder cannot be told from a part of the
// history.
func CheckedOut(ctx context.Context, dir string, folders []string, allowDirty bool) (Revision, error) {
	r := repository{ctx: ctx, dir: dir}
	head, err := r.head()
	if err != nil {
		return Revision{}, err
	}
	status, err := r.git("status", "--porcelain")
	if err != nil {
		return Revision{}, fmt.Errorf("revision: ask git for changes: %w", err)
	}
	rev := Revision{Commit: head, Name: head, Sources: map[string]Source{}}
	if status != "" {
		if !allowDirty {
			return Revision{}, fmt.Errorf("revision: the work tree holds changes that commit %s does not:\n%s\n"+
				"commit or stash them; a stack for trying things out may set imagesAllowDirty: true", head[:treeDigits], indent(status))
		}
		tree, err := r.dirtyTree()
		if err != nil {
			return Revision{}, err
		}
		rev.Name, r.tree = dirty(head, tree), tree
	}
	var problems []error
	for _, folder := range folders {
		source, err := r.source(folder)
		if err != nil {
			problems = append(problems, err)
		}
		rev.Sources[folder] = source
	}
	return rev, errors.Join(problems...)
}

func dirty(commit, tree string) string { return commit + "-dirty-" + tree[:treeDigits] }

// repository is the checkout that a Revision is read from.
type repository struct {
	ctx  context.Context //nolint:containedctx // of one call of CheckedOut
	dir  string
	tree string // the files as they are, where they differ from the commit's; else empty
}

// head is the checked out commit.
func (r repository) head() (string, error) {
	head, err := r.git("rev-parse", "--verify", "HEAD^{commit}")
	if err != nil {
		return "", fmt.Errorf("revision: %s is not a git checkout with a commit: %w; "+
			"run from the top of the repository, after a first commit", r.dir, err)
	}
	if !sha.MatchString(head) {
		return "", fmt.Errorf("revision: git names HEAD %q, which is not a SHA-1 commit of 40 hexadecimal digits", head)
	}
	shallow, err := r.git("rev-parse", "--is-shallow-repository")
	if err != nil {
		return "", fmt.Errorf("revision: ask git whether the clone is whole: %w", err)
	}
	if shallow == "true" {
		return "", errors.New("revision: this clone is shallow, so which commit touched a service last cannot be told; " +
			"run `git fetch --unshallow`, or have actions/checkout fetch all by fetch-depth: 0")
	}
	return head, nil
}

// source names the content of one folder.
func (r repository) source(folder string) (Source, error) {
	newest, err := r.touched(folder, "HEAD", 1)
	if err != nil {
		return Source{}, err
	}
	if len(newest) == 0 {
		return Source{}, fmt.Errorf("revision: no commit holds folder %s; commit it, or mend the service's folder", folder)
	}
	// From that commit on, and not from HEAD, so that they follow from it.
	commits, err := r.touched(folder, newest[0], 1+cacheDepth)
	if err != nil {
		return Source{}, err
	}
	source := Source{Tag: commits[0], Earlier: commits[1:]}
	if r.tree == "" {
		return source, nil
	}
	// Relative to dir, which need not be the repository's top.
	now, err := r.git("rev-parse", "--verify", r.tree+":./"+folder)
	if err != nil {
		return Source{}, fmt.Errorf("revision: find folder %s among the changed files: %w", folder, err)
	}
	if before, err := r.git("rev-parse", "--verify", "HEAD:./"+folder); err != nil || before != now {
		source = Source{Tag: dirty(commits[0], now), Earlier: commits[:min(len(commits), cacheDepth)]}
	}
	return source, nil
}

// touched lists the last commits that touched a folder, the newest first, up to one that is given.
func (r repository) touched(folder, from string, most int) ([]string, error) {
	listed, err := r.git("log", fmt.Sprintf("--max-count=%d", most), "--format=%H", from, "--", folder)
	if err != nil {
		return nil, fmt.Errorf("revision: ask git which commits touched %s: %w", folder, err)
	}
	return strings.Fields(listed), nil
}

// dirtyTree is the git tree of the files as they are, untracked ones included and ignored ones not. It is written with an
// index of its own, so that what the user has staged stays as it is.
func (r repository) dirtyTree() (string, error) {
	temp, err := os.MkdirTemp("", "slipway-index-")
	if err != nil {
		return "", fmt.Errorf("revision: make a folder for git's index: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	env := "GIT_INDEX_FILE=" + filepath.Join(temp, "index")
	for _, args := range [][]string{{"read-tree", "HEAD"}, {"add", "--all", ":/"}} {
		if _, err := r.run([]string{env}, args...); err != nil {
			return "", fmt.Errorf("revision: read the changed files: %w", err)
		}
	}
	tree, err := r.run([]string{env}, "write-tree")
	if err != nil {
		return "", fmt.Errorf("revision: name the changed files: %w", err)
	}
	return tree, nil
}

func (r repository) git(args ...string) (string, error) { return r.run(nil, args...) }

func (r repository) run(env []string, args ...string) (string, error) {
	command := exec.CommandContext(r.ctx, "git", args...)
	command.Dir = r.dir
	command.Env = append(os.Environ(), env...)
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %s", strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimRight(string(out), "\n"), nil
}

func indent(lines string) string {
	return "  " + strings.ReplaceAll(lines, "\n", "\n  ")
}
