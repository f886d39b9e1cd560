package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the configuration.
type Problem struct {
	Path    string // such as services.backend.cpu
	Message string // what was given and what is allowed
}

// Problems is everything wrong with the configuration, sorted by path. As an error it lists one problem a line.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the stack's configuration has %d problem(s); nothing was changed. Mend them in Pulumi.<stack>.yaml or with `pulumi config set`:", len(p))
	for _, problem := range p {
		fmt.Fprintf(&b, "\n  %s: %s", problem.Path, problem.Message)
	}
	return b.String()
}

// add notes a problem at a path.
func (p *Problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
	return p
}

// suggest is a hint at the known name nearest to an unknown one, or nothing where none is near.
func suggest(unknown string, known []string) string {
	best, distance := "", 3
	for _, name := range known {
		if d := editDistance(strings.ToLower(unknown), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// editDistance is the number of insertions, deletions and substitutions between two names (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			row[j+1] = min(substitution, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
