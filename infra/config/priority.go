package config

// A load balancer takes priorities from 1 to 50,000, lowest first. Each length of a pattern gets a band of its own, the
// longer ones first, so that of two patterns that both match the more specific wins.
const band = 380

// CatchAll is the path pattern of the service that takes what no other does.
const CatchAll = "/*"

// Priority is the place of a path pattern among the listener's rules. It follows from the pattern alone: adding a service
// moves no other rule, and AWS refuses two rules that trade places in one update. Two patterns of one length may meet in
// one place, which the validation refuses.
func Priority(pattern string) int {
	h := 0
	for _, r := range pattern {
		h = (h*31 + int(r)) % band
	}
	return (maxPatternLength-len(pattern))*band + h + 1
}
