package cloud_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/infra/config"
)

// TestFidelity holds that docs/fidelity.md names, for each behaviour that is said to be AWS's, its source and tests that
// exist.
func TestFidelity(t *testing.T) {
	text, err := os.ReadFile("../../docs/fidelity.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, problems := checkFidelity(string(text), "..")
	for _, problem := range problems {
		t.Error(problem)
	}
	if rows < 40 {
		t.Errorf("only %d rows were found: the tables are not written as they are read", rows)
	}
	for name, one := range map[string]struct{ row, problem string }{
		"good":         {"| a | b | `cloud: TestFidelity`, `services: TestReset` |", ""},
		"no test":      {"| a | b | |", "names no test"},
		"wrong form":   {"| a | b | TestFidelity |", "names no test"},
		"wrong name":   {"| a | b | `cloud: TestFidelity`, `cloud: TestNone` |", "no test TestNone in cloud"},
		"wrong folder": {"| a | b | `none: TestFidelity` |", "no test TestFidelity in none"},
		"no source":    {"| a |  | `cloud: TestFidelity` |", "has no source"},
		"cell missing": {"| a | `cloud: TestFidelity` |", "has 2 cells"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, problems := checkFidelity("| Behaves as AWS | Source | Test |\n|---|---|---|\n"+one.row+"\n\n| Differs |\n", "..")
			if found := strings.Join(problems, "\n"); rows != 1 || (one.problem == "") != (found == "") || !strings.Contains(found, one.problem) {
				t.Errorf("%d rows, problems %q, want %q", rows, found, one.problem)
			}
		})
	}
}

// TestOptionsAreTold holds that docs/fidelity.md says of each option how much of it the embedded run has carried out, once.
func TestOptionsAreTold(t *testing.T) {
	text, err := os.ReadFile("../../docs/fidelity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Options\n")
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(section, -1) {
		for _, key := range strings.Split(row[1], ", ") {
			told[strings.Trim(key, "`")]++
		}
	}
	for _, key := range slices.Concat(config.Declared(), config.DeclaredOfService()) {
		if told[key.Key] != 1 {
			t.Errorf("docs/fidelity.md, Options, tells of %s %d times, want once", key.Key, told[key.Key])
		}
		delete(told, key.Key)
	}
	for key := range told {
		t.Errorf("docs/fidelity.md, Options, tells of %s, which is no key", key)
	}
}

var (
	namedTests = regexp.MustCompile("^`[a-z0-9]+: Test[A-Za-z]+`(, `[a-z0-9]+: Test[A-Za-z]+`)*$")
	namedTest  = regexp.MustCompile("`([a-z0-9]+): (Test[A-Za-z]+)`")
)

// checkFidelity reads the tables of what behaves as AWS, and returns how many rows they have and what is wrong with them.
// Packages are looked for below a folder, and among the program's beside it. Tests that other tables name must exist as well.
func checkFidelity(text, local string) (rows int, problems []string) {
	tests := map[string]map[string]bool{} // by package
	exists := func(folder, name string) bool {
		if tests[folder] == nil {
			tests[folder] = map[string]bool{}
			for _, place := range []string{local, filepath.Join(local, ".."), filepath.Join(local, "..", "infra")} {
				maps.Copy(tests[folder], testsIn(filepath.Join(place, folder)))
			}
		}
		return tests[folder][name]
	}
	reading := false
	for i, line := range strings.Split(text, "\n") {
		problem := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("line %d "+format, append([]any{i + 1}, args...)...))
		}
		for _, found := range namedTest.FindAllStringSubmatch(line, -1) {
			if folder, name := found[1], found[2]; !exists(folder, name) {
				problem("names a test that is not there: no test %s in %s", name, folder)
			}
		}
		switch {
		case strings.HasPrefix(line, "| Behaves as AWS |"):
			reading = true
			continue
		case !strings.HasPrefix(line, "|"):
			reading = false
		}
		if !reading || strings.HasPrefix(line, "|---") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 3 {
			problem("has %d cells, want behaviour, source and test", len(cells))
			continue
		}
		if strings.TrimSpace(cells[1]) == "" {
			problem("has no source")
		}
		if !namedTests.MatchString(strings.TrimSpace(cells[2])) {
			problem("names no test as `PACKAGE: TEST`")
		}
	}
	return rows, problems
}

// testsIn lists the tests of a package's folder; of one that cannot be read, none.
func testsIn(folder string) map[string]bool {
	found := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(folder, "*_test.go")) // the pattern is well-formed
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			continue // its package does not compile, which is told there
		}
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && strings.HasPrefix(function.Name.Name, "Test") {
				found[function.Name.Name] = true
			}
		}
	}
	return found
}
