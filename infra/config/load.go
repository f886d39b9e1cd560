package config

import (
	"maps"
	"reflect"
	"slices"
)

// Keys of the namespace that hold rows.
const (
	servicesKey  = "services"
	overridesKey = "serviceOverrides"
)

// Source is where raw values come from, all of the project's own namespace.
type Source interface {
	// Get returns a value as the engine hands it over: text, which is JSON where the value is a list or an object.
	Get(key string) (value string, ok bool)
	// Keys lists the keys that are set; known is false where the source cannot tell.
	Keys() (keys []string, known bool)
}

// Load reads a stack's configuration. Its error is Problems: all of them at once. What could be read is returned with them.
func Load(src Source, stack string) (*Config, error) {
	cfg, problems := &Config{}, Problems{}
	known := []string{servicesKey, overridesKey}
	for _, f := range fields(reflect.ValueOf(cfg).Elem()) {
		known = append(known, f.key)
		raw, ok := src.Get(f.key)
		if !ok {
			f.setDefault(f.key, &problems)
			continue
		}
		f.setText(f.key, raw, &problems)
	}
	if keys, ok := src.Keys(); ok {
		for _, key := range keys {
			if !slices.Contains(known, key) {
				problems.add(key, "unknown key%s", suggest(key, known))
			}
		}
	}
	cfg.Services, cfg.Retired = loadServices(src, &problems)
	cfg.validate(stack, &problems)
	if cfg.Registry.Prefix == "" {
		cfg.Registry.Prefix = cfg.App.Name
	}
	if len(problems) > 0 {
		return cfg, problems.sorted()
	}
	return cfg, nil
}

// loadServices reads the rows, each with its overrides laid over it key by key: those that run, and those that are retired.
func loadServices(src Source, problems *Problems) (running, retired []Service) {
	rows, overrides := object(src, servicesKey, problems), object(src, overridesKey, problems)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		path := overridesKey + "." + name
		row, ok := rows[name].(map[string]any)
		if !ok {
			problems.add(path, "there is no service %s to override%s", name, suggest(name, slices.Collect(maps.Keys(rows))))
			continue
		}
		override, ok := overrides[name].(map[string]any)
		if !ok {
			problems.add(path, "must be an object of a service's keys, not %s", describe(overrides[name]))
			continue
		}
		maps.Copy(row, override)
	}
	running = make([]Service, 0, len(rows))
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		path := servicesKey + "." + name
		values, ok := rows[name].(map[string]any)
		if !ok {
			problems.add(path, "must be an object of a service's keys, not %s", describe(rows[name]))
			continue
		}
		if service := loadService(path, name, values, problems); service.Retired {
			retired = append(retired, service)
		} else {
			running = append(running, service)
		}
	}
	switch {
	case len(rows) == 0:
		problems.add(servicesKey, "must hold at least one service")
	case len(rows) == len(retired):
		problems.add(servicesKey, "must hold at least one service that is not retired")
	}
	return running, retired
}

func loadService(path, name string, values map[string]any, problems *Problems) Service {
	service := Service{Name: name}
	var known []string
	for _, f := range fields(reflect.ValueOf(&service).Elem()) {
		known = append(known, f.key)
		value, ok := values[f.key]
		if !ok {
			f.setDefault(path+"."+f.key, problems)
			continue
		}
		f.set(path+"."+f.key, value, problems)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			problems.add(path+"."+key, "unknown key%s", suggest(key, known))
		}
	}
	if service.Folder == "" {
		service.Folder = name
	}
	if service.Kind() == Public && service.HealthPath == "" {
		service.HealthPath = "/"
	}
	return service
}

// object reads a key that holds an object; it is empty where the key is not set.
func object(src Source, key string, problems *Problems) map[string]any {
	raw, ok := src.Get(key)
	if !ok {
		return map[string]any{}
	}
	value, err := parseJSON(raw)
	if err != nil {
		problems.add(key, "must be an object: %v", err)
		return map[string]any{}
	}
	fields, ok := value.(map[string]any)
	if !ok {
		problems.add(key, "must be an object, not %s", describe(value))
		return map[string]any{}
	}
	return fields
}
