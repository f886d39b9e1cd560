package awsapi

import (
	"reflect"
	"time"
	"unicode"
	"unicode/utf8"
)

// Render turns a value of the SDK's types into what encoding/json writes as the JSON protocol of ECS has it: names begin
// with a small letter, times are seconds since 1970, what is not set is left out, and numbers and lists are always there.
// Source: Smithy, "AWS JSON 1.1 protocol".
func Render(value any) any { return render(reflect.ValueOf(value)) }

func render(value reflect.Value) any {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return nil
		}
		return render(value.Elem())
	case reflect.Struct:
		if at, ok := value.Interface().(time.Time); ok {
			return float64(at.UnixMilli()) / 1000
		}
		members := map[string]any{}
		for i := range value.NumField() {
			field := value.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			member := value.Field(i)
			if member.Kind() == reflect.String && member.Len() == 0 { // an enumeration that is not set
				continue
			}
			if rendered := render(member); rendered != nil {
				members[lowerFirst(field.Name)] = rendered
			}
		}
		return members
	case reflect.Slice:
		list := make([]any, value.Len())
		for i := range list {
			list[i] = render(value.Index(i))
		}
		return list
	case reflect.Map:
		members := map[string]any{}
		for _, key := range value.MapKeys() {
			members[key.String()] = render(value.MapIndex(key))
		}
		return members
	default:
		return value.Interface()
	}
}

func lowerFirst(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(first)) + name[size:]
}
