// Package revision names a release by the commit it is built from.
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

var sha = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Revision is what a release is called, and where its images come from.
type Revision struct {
	Commit string // 40 hexadecimal digits
	Tag    string // of images: Commit, and for a dirty tree Commit-dirty-TREE
	Built  bool   // whether images are built from the checkout; else they are taken from the registry
}

// Named is the revision of an earlier release, given by its commit. Its images are never built again.
func Named(commit string) (Revision, error) {
	if !sha.MatchString(commit) {
		return Revision{}, fmt.Errorf("revision: %q is not a commit: 40 hexadecimal digits in lower case, as `git rev-parse HEAD` prints", commit)
	}
	return Revision{Commit: commit, Tag: commit}, nil
}

// CheckedOut is the revision of the work tree at dir. A tree with changes that no commit holds is refused, since nothing
// could tell later what ran; with allowDirty it gets a tag that says so and names its exact content.
func CheckedOut(ctx context.Context, dir string, allowDirty bool) (Revision, error) {
	head, err := git(ctx, dir, nil, "rev-parse", "--verify", "HEAD^{commit}")
	if err != nil {
		return Revision{}, fmt.Errorf("revision: %s is not a git checkout with a commit: %w; "+
			"run from the top of the repository, after a first commit", dir, err)
	}
	if !sha.MatchString(head) {
		return Revision{}, fmt.Errorf("revision: git names HEAD %q, which is not a SHA-1 commit of 40 hexadecimal digits", head)
	}
	status, err := git(ctx, dir, nil, "status", "--porcelain")
	if err != nil {
		return Revision{}, fmt.Errorf("revision: ask git for changes: %w", err)
	}
	if status == "" {
		return Revision{Commit: head, Tag: head, Built: true}, nil
	}
	if !allowDirty {
		return Revision{}, fmt.Errorf("revision: the work tree holds changes that commit %s does not:\n%s\n"+
			"commit or stash them; a stack for trying things out may set imagesAllowDirty: true", head[:treeDigits], indent(status))
	}
	tree, err := dirtyTree(ctx, dir)
	if err != nil {
		return Revision{}, err
	}
	return Revision{Commit: head, Tag: head + "-dirty-" + tree[:treeDigits], Built: true}, nil
}

// dirtyTree is the git tree of the files as they are, untracked ones included and ignored ones not. It is written with an
// index of its own, so that what the user has staged stays as it is.
func dirtyTree(ctx context.Context, dir string) (string, error) {
	temp, err := os.MkdirTemp("", "slipway-index-")
	if err != nil {
		return "", fmt.Errorf("revision: make a folder for git's index: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(temp, "index")}
	for _, args := range [][]string{{"read-tree", "HEAD"}, {"add", "--all", ":/"}} {
		if _, err := git(ctx, dir, env, args...); err != nil {
			return "", fmt.Errorf("revision: read the changed files: %w", err)
		}
	}
	tree, err := git(ctx, dir, env, "write-tree")
	if err != nil {
		return "", fmt.Errorf("revision: name the changed files: %w", err)
	}
	return tree, nil
}

func git(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = dir
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
