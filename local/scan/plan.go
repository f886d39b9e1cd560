// Package scan has scanners that nobody here wrote read what the program declares, and holds what they find against the table in
// docs/security.md. Scanners know Terraform's plans and not Pulumi's, so a stack is handed to them as one.
package scan

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slipway/ops/enginejson"
)

// Types maps Pulumi's tokens, such as aws:ec2/vpc:Vpc, to Terraform's types. It is the AWS plugin's table, read from its source: the
// plugin is a module of its own that nothing can import.
func Types(file string) (map[string]string, error) {
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return nil, fmt.Errorf("read the AWS plugin's table of types: %w", err)
	}
	types := map[string]string{}
	ast.Inspect(source, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "resources" {
			return true
		}
		table, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok {
			return false
		}
		for _, element := range table.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				types["aws:"+literal(pair.Value)] = literal(pair.Key)
			}
		}
		return false
	})
	if len(types) == 0 {
		return nil, fmt.Errorf("%s has no table `resources` any more", file)
	}
	return types, nil
}

func literal(e ast.Expr) string {
	basic, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	text, err := strconv.Unquote(basic.Value)
	if err != nil {
		return ""
	}
	return text
}

type object = map[string]any

// converter writes resources as Terraform would plan them.
type converter struct {
	types     map[string]string
	resources map[string]enginejson.Resource // by URN
}

// Plan writes a stack's resources as `terraform show -json` would write the plan that creates them. What an input takes from another
// resource becomes a reference to it, by which scanners see what belongs together. Types that Terraform's AWS provider does not have,
// such as components and images, are left out; a type of AWS's that the table lacks is an error.
func Plan(resources []enginejson.Resource, types map[string]string) ([]byte, error) {
	c := converter{types: types, resources: map[string]enginejson.Resource{}}
	for _, r := range resources {
		c.resources[r.URN] = r
	}
	var planned, changes, configuration []object
	seen := map[string]bool{}
	for _, r := range resources {
		if !strings.HasPrefix(r.Type, "aws:") || r.Delete || r.External {
			continue
		}
		kind, ok := types[r.Type]
		if !ok {
			return nil, fmt.Errorf("%s has no type in Terraform: local/awsplugin/tokens.go does not name it", r.Type)
		}
		address := c.address(r)
		if seen[address] {
			return nil, fmt.Errorf("two resources are %s", address)
		}
		seen[address] = true
		values, expressions := c.block(r, r.Inputs, "")
		one := func(more object) object {
			all := object{"address": address, "mode": "managed", "type": kind, "name": name(r), "provider_name": "aws"}
			maps.Copy(all, more)
			return all
		}
		planned = append(planned, one(object{"values": values, "schema_version": 0}))
		changes = append(changes, one(object{"change": object{"actions": []string{"create"}, "before": nil, "after": values, "after_unknown": object{}}}))
		configuration = append(configuration, one(object{"provider_config_key": "aws", "expressions": expressions, "schema_version": 0}))
	}
	plan := object{
		"format_version": "1.2", "terraform_version": "1.9.0",
		"planned_values":   object{"root_module": object{"resources": planned}},
		"resource_changes": changes,
		"configuration": object{
			"provider_config": object{"aws": object{"name": "aws", "full_name": "aws"}},
			"root_module":     object{"resources": configuration},
		},
	}
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render the plan: %w", err)
	}
	return text, nil
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9_-]`)

func name(r enginejson.Resource) string { return unfit.ReplaceAllString(r.Name(), "_") }

func (c converter) address(r enginejson.Resource) string { return c.types[r.Type] + "." + name(r) }

// block writes an object of inputs: values, and expressions where a value comes from another resource. Input is the name of the
// resource's input that the object is in; empty for the inputs themselves.
func (c converter) block(r enginejson.Resource, inputs object, input string) (values, expressions object) {
	values, expressions = object{}, object{}
	for _, key := range slices.Sorted(maps.Keys(inputs)) {
		of := input
		if of == "" {
			of = key
		}
		name, value, expression := c.field(r, of, key, inputs[key])
		if value != nil { // what is not known before is not in a plan
			values[name] = value
		}
		if expression != nil {
			expressions[name] = expression
		}
	}
	return values, expressions
}

// field writes one input. An object is a block, of which Terraform has a list, but for maps; a list of objects is one of blocks, whose
// name is in the singular.
func (c converter) field(r enginejson.Resource, input, key string, value any) (name string, converted, expression any) {
	name = snake(key)
	switch v := value.(type) {
	case object:
		if !enginejson.IsKnown(v) {
			return name, "(sensitive)", nil
		}
		if slices.Contains(plainMaps, key) {
			return name, v, nil
		}
		values, expressions := c.block(r, v, input)
		return name, []any{values}, []any{expressions}
	case []any:
		if len(v) > 0 {
			if _, ok := v[0].(object); ok {
				var values, expressions []any
				for _, element := range v {
					o, _ := element.(object)
					inner, expression := c.block(r, o, input)
					values, expressions = append(values, inner), append(expressions, expression)
				}
				return singular(name), values, expressions
			}
		}
		var references []string
		values := []any{}
		for _, element := range v {
			refers := c.references(r, input, element)
			references = append(references, refers...)
			if refers == nil {
				values = append(values, element)
			}
		}
		if references == nil {
			return name, values, nil
		}
		return name, nil, object{"references": references}
	}
	if refers := c.references(r, input, value); refers != nil {
		return name, nil, object{"references": refers}
	}
	return name, value, nil
}

// plainMaps are inputs that are maps in Terraform, too.
var plainMaps = []string{"tags", "dimensions"}

// references names the output of another resource that a value is, and that resource; nil where it is none. Only resources come into
// question that the engine says the input comes from.
func (c converter) references(r enginejson.Resource, input string, value any) []string {
	text, ok := value.(string)
	if !ok || text == "" {
		return nil
	}
	for _, urn := range r.PropertyDependencies[input] {
		source, ok := c.resources[urn]
		if !ok || c.types[source.Type] == "" {
			continue
		}
		if text == source.ID {
			return []string{c.address(source) + ".id", c.address(source)}
		}
		for _, output := range slices.Sorted(maps.Keys(source.Outputs)) {
			if source.Outputs[output] == value {
				return []string{c.address(source) + "." + snake(output), c.address(source)}
			}
		}
	}
	return nil
}

var upper = regexp.MustCompile(`[A-Z]`)

// snake spells a name of Pulumi's as Terraform does.
func snake(key string) string {
	return upper.ReplaceAllStringFunc(key, func(letter string) string { return "_" + strings.ToLower(letter) })
}

func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ies"):
		return strings.TrimSuffix(name, "ies") + "y"
	case strings.HasSuffix(name, "aliases"):
		return strings.TrimSuffix(name, "es")
	case strings.HasSuffix(name, "ss"):
		return name
	}
	return strings.TrimSuffix(name, "s")
}
