package policies

import (
	"regexp"
	"slices"
	"strings"

	"slipway/infra/policy/policytest"
)

// Exception is what is meant to be as it is, and why.
type Exception struct {
	Action   string // as a policy spells it, with * and ? for others
	Resource string // likewise; empty for any
	Why      string
}

func (e Exception) covers(action, resource string) bool {
	if !policytest.Covers([]string{e.Action}, action) {
		return false
	}
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(e.Resource), `\*`, ".*") + "$"
	return e.Resource == "" || regexp.MustCompile(pattern).MatchString(resource)
}

// Missing lists the needs that a policy does not meet and that are no exceptions, each with what the policy says of it; and
// the exceptions that nothing made use of.
func Missing(document string, needs []Need, exceptions []Exception) (missing []string, stale []Exception, err error) {
	used := make([]bool, len(exceptions))
	for _, n := range needs {
		verdict, err := policytest.Evaluate(document, n.Request)
		if err != nil {
			return nil, nil, err
		}
		if verdict.Allowed {
			continue
		}
		excused := false
		for i, e := range exceptions {
			if e.covers(n.Action, n.Resource) {
				used[i], excused = true, true
			}
		}
		if !excused {
			missing = append(missing, n.String()+": "+verdict.String())
		}
	}
	return missing, unusedOf(exceptions, used), nil
}

// Unused lists the actions that a policy allows, that no need made use of and that are no exceptions; and the exceptions that
// are not needed: the policy does not allow them, or they were used after all.
func Unused(document string, needs []Need, exceptions []Exception) (unused []string, stale []Exception, err error) {
	actions, err := allowed(document)
	if err != nil {
		return nil, nil, err
	}
	used := make([]bool, len(exceptions))
	for _, action := range actions {
		if slices.ContainsFunc(needs, func(n Need) bool { return policytest.Covers([]string{action}, n.Action) }) {
			continue
		}
		if !excused(action, exceptions, used) {
			unused = append(unused, action)
		}
	}
	return unused, unusedOf(exceptions, used), nil
}

// looks is how the names of actions begin that change nothing.
var looks = regexp.MustCompile(`^[a-z0-9-]+:(BatchCheck|BatchGet|Describe|Get|List)[A-Za-z]*\*?$`)

// Writes lists the actions that a policy allows and whose names do not say that they only look, but for exceptions; and the
// exceptions that the policy does not allow.
func Writes(document string, exceptions []Exception) (writes []string, stale []Exception, err error) {
	actions, err := allowed(document)
	if err != nil {
		return nil, nil, err
	}
	used := make([]bool, len(exceptions))
	for _, action := range actions {
		if looks.MatchString(action) {
			continue
		}
		if !excused(action, exceptions, used) {
			writes = append(writes, action)
		}
	}
	return writes, unusedOf(exceptions, used), nil
}

// excused says whether an action is among the exceptions, and notes those that were used for it.
func excused(action string, exceptions []Exception, used []bool) (is bool) {
	for i, e := range exceptions {
		if e.Action == action {
			used[i], is = true, true
		}
	}
	return is
}

func unusedOf(exceptions []Exception, used []bool) []Exception {
	var stale []Exception
	for i, e := range exceptions {
		if !used[i] {
			stale = append(stale, e)
		}
	}
	return stale
}
