package config

import (
	"fmt"
	"slices"
	"strings"
)

// InOrder lists services so that each stands behind those that its row names in `after` or `calls`; among equals by name. The
// configuration must be valid.
func InOrder(services []Service) []Service {
	sorted, _ := order(services)
	return sorted
}

// order lists services behind those that they wait for, as far as they do not wait for each other in a circle; circle holds
// the rest.
func order(services []Service) (sorted, circle []Service) {
	rest, placed := slices.Clone(services), map[string]bool{}
	for len(rest) > 0 {
		next := slices.IndexFunc(rest, func(s Service) bool {
			return !slices.ContainsFunc(s.Before(), func(name string) bool { return !placed[name] })
		})
		if next < 0 {
			return sorted, rest
		}
		sorted, placed[rest[next].Name] = append(sorted, rest[next]), true
		rest = slices.Delete(rest, next, next+1)
	}
	return sorted, nil
}

// Before are the services that must run their release well before this one is touched: a task of Service Connect knows no
// service that came after it.
func (s Service) Before() []string {
	names := slices.Concat(s.After, s.Calls)
	slices.Sort(names)
	return slices.Compact(names)
}

// validateOrder finds services that wait for what is not there or does not run, or for each other.
func validateOrder(services, retired []Service, p *Problems) {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.Name
	}
	known := true
	for _, s := range services {
		for key, named := range map[string][]string{"after": s.After, "calls": s.Calls} {
			for i, name := range named {
				at := fmt.Sprintf("%s.%s.%s[%d]", servicesKey, s.Name, key, i)
				switch {
				case slices.Contains(names, name):
					continue
				case slices.ContainsFunc(retired, func(r Service) bool { return r.Name == name }):
					p.add(at, "service %s is retired, so nothing can wait for it or call it", name)
				default:
					p.add(at, "there is no service %s%s", name, suggest(name, names))
				}
				known = false
			}
		}
	}
	if _, circle := order(services); known && len(circle) > 0 {
		waiting := make([]string, len(circle))
		for i, s := range circle {
			waiting[i] = s.Name
		}
		p.add(servicesKey+"."+waiting[0]+".after", "%s wait for each other, by after or calls, so none would ever be released", strings.Join(waiting, " and "))
	}
}
