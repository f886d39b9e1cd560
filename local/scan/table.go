package scan

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Row is what the table in docs/security.md says of one rule of a scanner.
type Row struct {
	Scanner string
	Rule    string   // a pattern: prowler has families of rules
	Places  []string // patterns of Finding.Where, such as aws_cloudwatch_log_group.*
	Fixed   bool     // no longer found; else it is explained, and found
}

var code = regexp.MustCompile("`([^`]+)`")

// Rows reads the table: | scanner | rule | what it says | where | answer |. An answer begins with "fixed" or "explained".
func Rows(document string) ([]Row, error) {
	var rows []Row
	for _, line := range strings.Split(document, "\n") {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if len(cells) != 5 || !strings.HasPrefix(line, "| ") || strings.Contains(cells[0], "scanner") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		row := Row{Scanner: cells[0], Rule: cells[1], Fixed: strings.HasPrefix(cells[4], "fixed: ")}
		for _, match := range code.FindAllStringSubmatch(cells[3], -1) {
			row.Places = append(row.Places, match[1])
		}
		if len(row.Places) == 0 || !row.Fixed && !strings.HasPrefix(cells[4], "explained: ") {
			return nil, fmt.Errorf("a row names no place, or its answer begins with neither fixed: nor explained: %s", line)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Compare says what findings and rows differ in: a finding that no row explains, and a place of an explanation where nothing is found
// any more. Rows of scanners that did not run are left alone.
func Compare(findings []Finding, rows []Row, ran []string) []string {
	var differences []string
	used := map[string]bool{}
	for _, f := range findings {
		known := false
		for _, row := range rows {
			for _, place := range row.Places {
				if row.Scanner != f.Scanner || !matches(row.Rule, f.Rule) || row.Fixed || !matches(place, f.Where) {
					continue
				}
				known = true
				used[row.Scanner+" "+row.Rule+" "+place] = true
			}
		}
		if !known {
			differences = append(differences, fmt.Sprintf("found, and not in the table: | %s | %s | %s | `%s` |", f.Scanner, f.Rule, f.Title, f.Where))
		}
	}
	for _, row := range rows {
		for _, place := range row.Places {
			if !row.Fixed && slices.Contains(ran, row.Scanner) && !used[row.Scanner+" "+row.Rule+" "+place] {
				differences = append(differences, fmt.Sprintf("in the table, and no longer found: %s %s at %s", row.Scanner, row.Rule, place))
			}
		}
	}
	slices.Sort(differences)
	return slices.Compact(differences)
}

func matches(pattern, where string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[", `\[`), where)
	return err == nil && ok
}
