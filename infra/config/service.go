package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	maxPatterns      = 5   // conditions of one rule
	maxPatternLength = 128 // characters of one pattern
)

var (
	serviceName  = regexp.MustCompile(`^[a-z]([a-z0-9]|-[a-z0-9]){0,23}$`)
	pathPattern  = regexp.MustCompile(`^/[A-Za-z0-9_.$/~"'@:+&?*-]*$`)
	healthPath   = regexp.MustCompile(`^/[\x21-\x7e]*$`)
	userAndGroup = regexp.MustCompile(`^[1-9][0-9]{0,9}:[1-9][0-9]{0,9}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	secretName   = regexp.MustCompile(`(?i)(password|passwd|secret|token|api_?key|private_?key|credential)`)

	// The program sets these itself.
	reservedVariables = regexp.MustCompile(`^(REVISION|PORT|HOSTNAME|KEEP_ALIVE_SECONDS|DATABASE_.*)$`)
	// Names that are taken: of the container that migrates, of the security groups and of the log group beside those of services, and
	// of every task itself.
	reservedNames = []string{"migrate", "edge", "database", "endpoints", "exec", "localhost"}
)

// fargateMemory lists, by CPU units, the sizes of memory in MiB that Fargate offers: from, to and in what steps.
var fargateMemory = map[int]struct{ from, to, step int }{
	512:   {1024, 4096, 1024},
	1024:  {2048, 8192, 1024},
	2048:  {4096, 16384, 1024},
	4096:  {8192, 30720, 1024},
	8192:  {16384, 61440, 4096},
	16384: {32768, 122880, 8192},
}

// smallestMemory is what goes with 256 CPU units, whose sizes are in no even steps.
var smallestMemory = []int{512, 1024, 2048}

// memorySizes are the sizes of memory that go with cpu; none where Fargate has no such CPU size.
func memorySizes(cpu int) []int {
	if cpu == 256 {
		return smallestMemory
	}
	var sizes []int
	if r, ok := fargateMemory[cpu]; ok {
		for size := r.from; size <= r.to; size += r.step {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

func (s Service) validate(prefix string, p *Problems) {
	path := servicesKey + "." + s.Name
	s.validateName(prefix, p)
	s.validateBuild(path, p)
	s.validateSize(path, p)
	s.validateEnvironment(path, p)
	s.validateSecrets(path, p)
	s.validateScaling(path, p)
	s.validateSpot(path, p)
	matches(p, path+".user", s.User, userAndGroup, "a numeric user and group such as 10001:10001; root, 0, is refused")
	s.validateKind(path, p)
	if len(s.Migration) > 0 && !s.Database {
		p.add(path+".migration", "needs database: true, or the migration cannot reach the database")
	}
}

func (s Service) validateName(prefix string, p *Problems) {
	path := servicesKey + "." + s.Name
	matches(p, path, s.Name, serviceName, "a name of up to 24 lower-case letters, digits and single hyphens that begins with a letter")
	if slices.Contains(reservedNames, s.Name) {
		p.add(path, "the name %s is kept for a part of the program's own; choose another", s.Name)
	}
	if role := prefix + "-" + s.Name + "-execution"; len(role) > 64 {
		p.add(path, "the role name %q has %d characters of at most 64; shorten the service's name", role, len(role))
	}
}

func (s Service) validateBuild(path string, p *Problems) {
	if !filepath.IsLocal(s.Folder) {
		p.add(path+".folder", "%q is not a folder inside the project", s.Folder)
	}
	if !filepath.IsLocal(s.Dockerfile) {
		p.add(path+".dockerfile", "%q is not a file inside the service's folder", s.Dockerfile)
	}
	for _, name := range slices.Sorted(maps.Keys(s.BuildArgs)) {
		if secretName.MatchString(name) {
			p.add(path+".buildArgs."+name, "looks like a secret, and build arguments stay readable in the image")
		}
	}
}

func (s Service) validateSize(path string, p *Problems) {
	sizes := memorySizes(s.CPU)
	if len(sizes) == 0 {
		cpus := append([]int{256}, slices.Sorted(maps.Keys(fargateMemory))...)
		p.add(path+".cpu", "%d is not a Fargate size: %v", s.CPU, cpus)
		return
	}
	if !slices.Contains(sizes, s.Memory) {
		p.add(path+".memory", "%d MiB does not go with cpu %d: %s", s.Memory, s.CPU, strings.Trim(fmt.Sprint(sizes), "[]"))
	}
}

func (s Service) validateEnvironment(path string, p *Problems) {
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		at := path + ".environment." + name
		switch {
		case !variableName.MatchString(name):
			p.add(at, "%q is not a variable's name: letters, digits and _, not beginning with a digit", name)
		case s.setByProgram(name):
			p.add(at, "is set by the program")
		case secretName.MatchString(name):
			p.add(at, "looks like a secret, and this file and the task definition are readable; give the variable under secrets, with the name of a secret")
		}
	}
}

// setByProgram says whether a variable of the containers is one that the program gives them.
func (s Service) setByProgram(variable string) bool {
	return reservedVariables.MatchString(variable) || slices.ContainsFunc(s.Calls, func(called string) bool { return variable == AddressVariable(called) })
}

func (s Service) validatePaths(path string, p *Problems) {
	if s.Default == (len(s.Paths) > 0) {
		p.add(path+".path", "a service with a port has either path patterns or default: true, which takes what no other service does, or internal: true")
	}
	if len(s.Paths) > maxPatterns {
		p.add(path+".path", "has %d patterns of at most %d", len(s.Paths), maxPatterns)
	}
	for i, pattern := range s.Paths {
		at := fmt.Sprintf("%s.path[%d]", path, i)
		switch {
		case len(pattern) > maxPatternLength:
			p.add(at, "has %d characters of at most %d", len(pattern), maxPatternLength)
		case !pathPattern.MatchString(pattern):
			p.add(at, "%q is not a path pattern of a load balancer: it begins with / and may hold * and ?", pattern)
		case pattern == CatchAll:
			p.add(at, "takes every path; say default: true instead")
		}
	}
}

// validateRouting finds services that claim the same requests.
func validateRouting(services []Service, p *Problems) {
	owner, places, fallback := map[string]string{}, map[int]string{}, ""
	for _, s := range services {
		path := servicesKey + "." + s.Name
		for i, pattern := range s.Paths {
			at, place := fmt.Sprintf("%s.path[%d]", path, i), Priority(pattern)
			if other, taken := owner[pattern]; taken {
				p.add(at, "%s is taken by service %s already", pattern, other)
			} else if other, taken := places[place]; taken {
				p.add(at, "the load balancer's rule of %s would have the priority of that of %s, %d, which follows from the pattern; "+
					"write it longer or shorter, such as %s*", pattern, other, place, pattern)
			}
			owner[pattern], places[place] = s.Name, pattern
		}
		if s.Default && fallback != "" {
			p.add(path+".default", "service %s takes every other path already", fallback)
		}
		if s.Default {
			fallback = s.Name
		}
	}
	if fallback == "" && len(services) > 0 {
		p.add(servicesKey, "one of them must say default: true and take every path that no other takes")
	}
}
