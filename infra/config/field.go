package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// field is one configured value: where it goes, and what its tags declare.
type field struct {
	key         string
	defaultText string
	hasDefault  bool
	doc         string
	unit        string // of a whole number
	cost        string // what AWS charges for it; empty for nothing
	oneOf       []string
	min, max    string
	limits      string // in words, what min, max and oneOf do not say
	value       reflect.Value
}

// fields lists the tagged fields of a struct, those of its groups included, in the order of their declaration.
func fields(structure reflect.Value) []field {
	var all []field
	for i := range structure.NumField() {
		declared := structure.Type().Field(i)
		key, tagged := declared.Tag.Lookup("key")
		if !tagged {
			if declared.Type.Kind() == reflect.Struct {
				all = append(all, fields(structure.Field(i))...)
			}
			continue
		}
		f := field{
			key: key, doc: declared.Tag.Get("doc"), unit: declared.Tag.Get("unit"), cost: declared.Tag.Get("cost"),
			min: declared.Tag.Get("min"), max: declared.Tag.Get("max"), limits: declared.Tag.Get("limits"),
			value: structure.Field(i),
		}
		f.defaultText, f.hasDefault = declared.Tag.Lookup("default")
		if list := declared.Tag.Get("oneof"); list != "" {
			f.oneOf = strings.Split(list, ",")
		}
		all = append(all, f)
	}
	return all
}

func (f field) setDefault(path string, problems *Problems) {
	if !f.hasDefault {
		problems.add(path, "is required: %s", f.doc)
		return
	}
	f.setText(path, f.defaultText, problems)
}

var (
	decimal    = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,8})$`)
	prefixType = reflect.TypeFor[netip.Prefix]()
)

// setText sets a value given as text, which is how the engine hands over all of them.
func (f field) setText(path, text string, problems *Problems) {
	if f.value.Type() == prefixType || f.value.Kind() == reflect.String {
		f.set(path, text, problems)
		return
	}
	value, err := parseJSON(text)
	if err != nil {
		problems.add(path, "must be %s, not %q", f.kind(), text)
		return
	}
	f.set(path, value, problems)
}

// kind names what a value must be.
func (f field) kind() string {
	switch f.value.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number" + f.fromTo()
	case reflect.Slice:
		return "a list of strings"
	case reflect.Map:
		return "an object of strings"
	}
	return "a string"
}

func (f field) fromTo() string {
	if f.min == "" {
		return ""
	}
	return fmt.Sprintf(" from %s to %s", f.min, f.max)
}

// set sets a value given as JSON: string, json.Number, bool, list or object.
func (f field) set(path string, value any, problems *Problems) {
	wrong := func() { problems.add(path, "must be %s, not %s", f.kind(), describe(value)) }
	switch {
	case f.value.Type() == prefixType:
		f.setPrefix(path, value, problems)
	case f.value.Kind() == reflect.String:
		text, ok := value.(string)
		switch {
		case !ok:
			wrong()
		case f.oneOf != nil && !slices.Contains(f.oneOf, text):
			problems.add(path, "%q is not one of %s", text, strings.Join(f.oneOf, ", "))
		default:
			f.value.SetString(text)
		}
	case f.value.Kind() == reflect.Bool:
		flag, ok := value.(bool)
		if !ok {
			wrong()
		}
		f.value.SetBool(flag)
	case f.value.Kind() == reflect.Int:
		f.setInt(path, value, problems)
	case f.value.Kind() == reflect.Slice:
		f.setList(path, value, problems)
	default:
		f.setMap(path, value, problems)
	}
}

func (f field) setInt(path string, value any, problems *Problems) {
	number, ok := value.(json.Number)
	if !ok || !decimal.MatchString(number.String()) {
		problems.add(path, "must be %s, not %s", f.kind(), describe(value))
		return
	}
	n, err := strconv.Atoi(number.String())
	if err != nil || outside(n, f.min, f.max) {
		problems.add(path, "%s is not %s", number, f.kind())
		return
	}
	f.value.SetInt(int64(n))
}

// outside compares with limits from tags, which are the program's own: one that is no number is a bug.
func outside(n int, lowest, highest string) bool {
	if lowest == "" {
		return false
	}
	low, errLow := strconv.Atoi(lowest)
	high, errHigh := strconv.Atoi(highest)
	if err := errors.Join(errLow, errHigh); err != nil {
		panic(fmt.Sprintf("config: limits of a field: %v", err))
	}
	return n < low || n > high
}

func (f field) setPrefix(path string, value any, problems *Problems) {
	text, ok := value.(string)
	prefix, err := netip.ParsePrefix(text)
	switch {
	case !ok || err != nil || !prefix.Addr().Is4():
		problems.add(path, "%s is not an IPv4 range such as 10.0.0.0/16", describe(value))
	case prefix != prefix.Masked():
		problems.add(path, "%s has bits beyond its length; the range is %s", prefix, prefix.Masked())
	default:
		f.value.Set(reflect.ValueOf(prefix))
	}
}

func (f field) setList(path string, value any, problems *Problems) {
	items, ok := value.([]any)
	if !ok {
		problems.add(path, "must be %s, not %s", f.kind(), describe(value))
		return
	}
	list := reflect.MakeSlice(f.value.Type(), len(items), len(items))
	for i, item := range items {
		element := field{value: list.Index(i)}
		element.set(fmt.Sprintf("%s[%d]", path, i), item, problems)
	}
	f.value.Set(list)
}

func (f field) setMap(path string, value any, problems *Problems) {
	entries, ok := value.(map[string]any)
	if !ok {
		problems.add(path, "must be %s, not %s", f.kind(), describe(value))
		return
	}
	texts := map[string]string{}
	for name, entry := range entries {
		text, ok := entry.(string)
		if !ok {
			problems.add(path+"."+name, "must be a string, not %s; put it in quotes", describe(entry))
			continue
		}
		texts[name] = text
	}
	f.value.Set(reflect.ValueOf(texts))
}

// parseJSON reads one JSON value and nothing after it. Numbers stay text, so that 1e3 and 2.5 are not taken for whole ones.
func parseJSON(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the value")
	}
	return value, nil
}

// describe names a value for a message: what it is and, if it is short, its text.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("the string %q", v)
	case json.Number:
		return "the number " + v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("%v", value)
}
