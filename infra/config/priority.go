package config

import (
	"hash/fnv"
	"strings"
)

// CatchAll is the path pattern of the service that takes what no other does.
const CatchAll = "/*"

// A load balancer takes priorities from 1 to 50,000, lowest first. Patterns without wildcards, of which no two match the
// same path, share the first 10,000. Then each number of literal characters gets a band of its own, the larger ones
// first, so that of two patterns that both match the more specific wins. The catch-all is the last of all.
const (
	wildcards    = "*?"
	exactPlaces  = 10000
	band         = 310
	lastPriority = 50000
)

// Priority is the place of a path pattern among the listener's rules. It follows from the pattern alone: adding a service
// moves no other rule, and AWS refuses two rules that trade places in one update. Two patterns may meet in one place,
// which the validation refuses.
func Priority(pattern string) int {
	if pattern == CatchAll {
		return lastPriority
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(pattern)) // a hash takes everything
	sum := int(h.Sum32())
	if !strings.ContainsAny(pattern, wildcards) {
		return sum%exactPlaces + 1
	}
	literals := len(pattern) - strings.Count(pattern, "*") - strings.Count(pattern, "?")
	return exactPlaces + (maxPatternLength-1-literals)*band + sum%band + 1
}
