package tools

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The Terraform AWS provider has some 250 services, a client each, and takes an hour to compile on two cores. These are
// the services that the program uses now or will for what is planned; all others are cut out of a copy.
var awsServices = []string{
	"acm", "appautoscaling", "chatbot", "cloudwatch", "ec2", "ecr", "ecs", "elbv2", "events", "iam", "kms", "logs", "meta",
	"rds", "route53", "s3", "scheduler", "secretsmanager", "servicediscovery", "sns", "ssm", "sts",
}

// Files of the provider's module that list every service.
const (
	servicesFile = "internal/provider/sdkv2/service_packages_gen.go"
	clientsFile  = "internal/conns/awsclient_gen.go"
	servicesPath = "github.com/hashicorp/terraform-provider-aws/internal/service/"
)

// trimProvider copies the provider's module from one folder to another without tests and documents, and cuts the two
// files that list every service down to those in use.
func trimProvider(from, to string) error {
	if err := copyGo(from, to); err != nil {
		return err
	}
	if err := rewrite(filepath.Join(to, servicesFile), keepServices); err != nil {
		return err
	}
	used, err := clientsInUse(to)
	if err != nil {
		return err
	}
	if err := rewrite(filepath.Join(to, clientsFile), func(file *ast.File) { keepClients(file, used) }); err != nil {
		return err
	}
	if err := judgeAsVersion5(filepath.Join(to, "internal/service/ecs/service.go")); err != nil {
		return err
	}
	if err := tagAsVersion5(filepath.Join(to, "internal/service/s3")); err != nil {
		return err
	}
	return shortenWaits(to)
}

// judgeAsVersion5 has the provider take a service for stable as its versions 5.x do, which the program's SDK is made from:
// one deployment, and as many tasks running as are desired. Later versions ask for the outcome of the service deployment as
// well. A rolled-back release is therefore a success here, as it is for whoever runs the program.
func judgeAsVersion5(file string) error {
	return change(file, "isNewPrimaryDeployment = createdAtUTC.After(operationTime)",
		"isNewPrimaryDeployment = false && createdAtUTC.After(operationTime)", 1)
}

// tagAsVersion5 has the provider read and write the tags of a bucket by S3's own API, and write them once it is there, as its versions
// 5.x do. Later ones ask S3 Control, at a host name that begins with the account, which an emulator on loopback does not have; and
// tag a bucket as they make it, which moto does not take in.
func tagAsVersion5(s3 string) error {
	if err := change(filepath.Join(s3, "bucket.go"), "tagOnCreate := true", "tagOnCreate := false", 1); err != nil {
		return err
	}
	return change(filepath.Join(s3, "tags.go"), `if accountID := c.AccountID(ctx); accountID != "" {`, `if accountID := ""; accountID != "" {`, 2)
}

// change rewrites a text that must stand in a file so many times: in a provider that this was not written for it does not.
func change(file, from, to string, times int) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if count := bytes.Count(content, []byte(from)); count != times {
		return fmt.Errorf("%s has %q at %d places, not %d: the provider is not the one that this was written for", file, from, count, times)
	}
	return os.WriteFile(file, bytes.ReplaceAll(content, []byte(from), []byte(to)), 0o600)
}

// fixedWait is a wait for AWS that the provider has in its source: before the first look at a new resource, and between two.
var fixedWait = regexp.MustCompile(`\b(Delay|MinTimeout|PollInterval):(\s+)\d+ \* time\.(?:Second|Minute),`)

// waits are the literals that say how to wait. Where one names no interval, the provider looks after 0.1 s, 0.2 s and so on,
// up to every 10 s.
var waits = regexp.MustCompile(`(?s)StateChangeConf(?:Of\[[^\]\n]*\])?\{\n.*?\n\t+\}`)

// shortenWaits makes the provider look every second, from the first second on, where it would look after up to a minute and then
// every ten seconds: what AWS needs minutes for is there at once, or in seconds.
func shortenWaits(provider string) error {
	for _, service := range awsServices {
		files, err := filepath.Glob(filepath.Join(provider, "internal/service", service, "*.go"))
		if err != nil {
			return err
		}
		for _, name := range files {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			short := fixedWait.ReplaceAll(content, []byte("${1}:${2}1 * time.Second,"))
			if bytes.Contains(content, []byte("\t\"time\"\n")) {
				short = waits.ReplaceAllFunc(short, lookEverySecond)
			}
			if bytes.Equal(short, content) {
				continue
			}
			if err := os.WriteFile(name, short, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyGo copies what compiles: Go files that are no tests, what they embed, and the module's own files.
func copyGo(from, to string) error {
	skipped := []string{"docs", "examples", "infrastructure", "website", ".ci", ".github", "testdata", "skaff", "test-fixtures"}
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			if slices.Contains(skipped, entry.Name()) {
				return filepath.SkipDir
			}
			return os.MkdirAll(target, 0o755)
		}
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".md") {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600) // the module cache's files are read-only; copies must not be
	})
}

// rewrite edits one Go file, and drops the imports that the edit left unused.
func rewrite(name string, edit func(*ast.File)) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	edit(file)
	dropUnusedImports(file)
	var out bytes.Buffer
	if err := format.Node(&out, set, file); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.WriteFile(name, out.Bytes(), 0o600)
}

// keepServices leaves only calls such as ecs.ServicePackage(ctx) of services in use in the list of all.
func keepServices(file *ast.File) {
	ast.Inspect(file, func(node ast.Node) bool {
		list, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		list.Elts = slices.DeleteFunc(list.Elts, func(element ast.Expr) bool {
			call, ok := element.(*ast.CallExpr)
			if !ok {
				return false
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return false
			}
			pkg, ok := selector.X.(*ast.Ident)
			return ok && selector.Sel.Name == "ServicePackage" && !slices.Contains(awsServices, pkg.Name)
		})
		return true
	})
}

// keepClients leaves only the methods that return the clients in use.
func keepClients(file *ast.File, used map[string]bool) {
	file.Decls = slices.DeleteFunc(file.Decls, func(declaration ast.Decl) bool {
		method, ok := declaration.(*ast.FuncDecl)
		return ok && strings.HasSuffix(method.Name.Name, "Client") && !used[method.Name.Name]
	})
}

func dropUnusedImports(file *ast.File) {
	used := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if pkg, ok := selector.X.(*ast.Ident); ok {
				used[pkg.Name] = true
			}
		}
		return true
	})
	for _, declaration := range file.Decls {
		imports, ok := declaration.(*ast.GenDecl)
		if !ok || imports.Tok != token.IMPORT {
			continue
		}
		imports.Specs = slices.DeleteFunc(imports.Specs, func(spec ast.Spec) bool {
			imported, ok := spec.(*ast.ImportSpec)
			if !ok {
				return false
			}
			if imported.Name != nil {
				return imported.Name.Name != "_" && !used[imported.Name.Name]
			}
			return !used[path.Base(mustUnquote(imported.Path.Value))]
		})
	}
}

func mustUnquote(literal string) string {
	text, err := strconv.Unquote(literal)
	if err != nil {
		panic(fmt.Sprintf("an import path that parsed is no string: %v", err))
	}
	return text
}

func lookEverySecond(literal []byte) []byte {
	if bytes.Contains(literal, []byte("PollInterval:")) {
		return literal
	}
	return bytes.Replace(literal, []byte("{\n"), []byte("{\nPollInterval: time.Second,\n"), 1)
}

var clientCall = regexp.MustCompile(`\b([A-Z][A-Za-z0-9]*Client)\(ctx`)

// clientsInUse lists the methods that the services in use call, and the services that those import in turn.
func clientsInUse(provider string) (map[string]bool, error) {
	used, seen := map[string]bool{}, map[string]bool{}
	queue := []string{"internal/conns", "internal/provider/sdkv2", "internal/provider/framework"}
	for _, service := range awsServices {
		queue = append(queue, "internal/service/"+service)
	}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		imported, err := scan(filepath.Join(provider, dir), used)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(dir, "internal/service/") { // the others import every service, which is what is being cut
			queue = append(queue, imported...)
		}
	}
	if len(used) == 0 {
		return nil, fmt.Errorf("no client is used below %s: the provider's layout is not the one that this was written for", provider)
	}
	return used, nil
}

// scan notes the clients that one package calls, and returns the folders of the services that it imports.
func scan(dir string, used map[string]bool) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	imported := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, clientsFile) {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, match := range clientCall.FindAllSubmatch(content, -1) {
			used[string(match[1])] = true
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
		if err != nil {
			return nil, fmt.Errorf("read the imports of %s: %w", name, err)
		}
		for _, spec := range file.Imports {
			if service, ok := strings.CutPrefix(mustUnquote(spec.Path.Value), servicesPath); ok {
				imported["internal/service/"+service] = true
			}
		}
	}
	return slices.Collect(maps.Keys(imported)), nil
}
