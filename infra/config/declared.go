package config

import "reflect"

// Declaration is what one key's tags say, for whoever writes it down elsewhere: Pulumi.yaml, and the table of the
// documentation.
type Declaration struct {
	Key     string
	Type    reflect.Type // of the Go value
	Unit    string       // of whole numbers
	Default *string      // as text, which is JSON where the value is not a string; nil where the key is required
	OneOf   []string
	Min     string // of whole numbers; empty for no limits
	Max     string
	Limits  string // in words, what OneOf, Min and Max do not say
	Cost    string // what AWS charges for it, in words; empty for nothing
	Doc     string
}

// Declared lists the keys of a stack, in the order of their declaration; services are not among them.
func Declared() []Declaration { return declarations(reflect.ValueOf(&Config{}).Elem()) }

// DeclaredOfService lists the keys of one row of services.
func DeclaredOfService() []Declaration { return declarations(reflect.ValueOf(&Service{}).Elem()) }

func declarations(structure reflect.Value) []Declaration {
	var all []Declaration
	for _, f := range fields(structure) {
		d := Declaration{Key: f.key, Type: f.value.Type(), Unit: f.unit, OneOf: f.oneOf, Min: f.min, Max: f.max, Limits: f.limits, Cost: f.cost, Doc: f.doc}
		if f.hasDefault {
			d.Default = &f.defaultText
		}
		all = append(all, d)
	}
	return all
}
