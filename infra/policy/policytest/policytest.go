// Package policytest judges calls by IAM policy documents, so that tests hold what a policy does and not how it is spelt.
// It knows the part of the language that this program writes, and refuses a document with anything else in it: what is not
// understood must not pass. The program itself does not import it.
package policytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"slipway/infra/policy"
)

// Request is one call, as IAM sees it.
type Request struct {
	Action   string              // SERVICE:Action; upper and lower case are the same
	Resource string              // ARN, or * where the action knows no resources
	Context  map[string][]string // condition keys of the call; their names in any case
}

// Verdict is what a document says of a Request.
type Verdict struct {
	Allowed bool
	Denied  bool   // by a statement; a call that is neither allowed nor denied is not allowed either
	Sid     string // of the statement that decided; empty where none did
}

// String is for messages of tests.
func (v Verdict) String() string {
	switch {
	case v.Denied:
		return "denied by " + v.Sid
	case v.Allowed:
		return "allowed by " + v.Sid
	}
	return "not allowed"
}

// Evaluate judges a call by the policy of a role: one statement that denies outweighs any that allow. Its error says what
// in the document is not understood.
func Evaluate(document string, request Request) (Verdict, error) {
	statements, err := Parse(document)
	if err != nil {
		return Verdict{}, err
	}
	return judge(statements, request, func(s policy.Statement) bool {
		return slices.ContainsFunc(s.Resource, func(pattern string) bool { return matchARN(pattern, request.Resource) })
	})
}

// Assume judges a token by a trust policy: whether the identity provider of the ARN may, with a token of these claims, take
// on the role. Claims are named as IAM names them, with the provider's host before them.
func Assume(document, provider string, claims map[string][]string) (Verdict, error) {
	statements, err := Parse(document)
	if err != nil {
		return Verdict{}, err
	}
	return judge(statements, Request{Action: "sts:AssumeRoleWithWebIdentity", Context: claims}, func(s policy.Statement) bool {
		return s.Principal != nil && slices.Contains(s.Principal.Federated, provider)
	})
}

// Share judges a call from another account by the policy of a resource, which names no resource but stands for its own. On AWS the
// caller's role must allow the call as well.
func Share(document, account string, request Request) (Verdict, error) {
	statements, err := Parse(document)
	if err != nil {
		return Verdict{}, err
	}
	return judge(statements, request, func(s policy.Statement) bool {
		return s.Principal != nil && slices.ContainsFunc(s.Principal.AWS, func(arn string) bool {
			return strings.HasSuffix(arn, ":iam::"+account+":root")
		})
	})
}

func judge(statements []policy.Statement, request Request, applies func(policy.Statement) bool) (Verdict, error) {
	if strings.ContainsAny(request.Action, "*?") {
		return Verdict{}, fmt.Errorf("a call has one action, not %s", request.Action)
	}
	verdict := Verdict{}
	for _, s := range statements {
		if !Covers(s.Action, request.Action) || !applies(s) {
			continue
		}
		met, err := meets(s.Condition, request.Context)
		if err != nil {
			return Verdict{}, fmt.Errorf("statement %s: %w", s.Sid, err)
		}
		switch {
		case !met:
		case s.Effect == policy.Deny:
			return Verdict{Denied: true, Sid: s.Sid}, nil
		case !verdict.Allowed:
			verdict = Verdict{Allowed: true, Sid: s.Sid}
		}
	}
	return verdict, nil
}

// Parse reads a document, and refuses what Evaluate and Assume would not understand.
func Parse(document string) ([]policy.Statement, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(document)))
	decoder.DisallowUnknownFields() // such as NotAction, which would turn a statement round
	var parsed policy.Document
	if err := decoder.Decode(&parsed); err != nil {
		return nil, fmt.Errorf("understand a policy: %w", err)
	}
	if strings.Contains(document, "${") {
		return nil, fmt.Errorf("understand a policy: it has a variable, which this evaluator does not fill in: %s", document)
	}
	for _, s := range parsed.Statement {
		if s.Effect != policy.Allow && s.Effect != policy.Deny {
			return nil, fmt.Errorf("understand a policy: statement %s has the effect %q", s.Sid, s.Effect)
		}
		for operator := range s.Condition {
			if operators[strings.TrimPrefix(operator, forAll)] == nil {
				return nil, fmt.Errorf("understand a policy: statement %s has the unknown condition %s", s.Sid, operator)
			}
		}
	}
	return parsed.Statement, nil
}

// Covers says whether one of the action patterns stands for an action.
func Covers(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return glob(strings.ToLower(pattern), strings.ToLower(action))
	})
}

// operators compare a value of the policy with one of the call.
var operators = map[string]func(policy, call string) bool{
	"StringEquals": func(policy, call string) bool { return policy == call },
	"StringLike":   glob,
	"ArnEquals":    matchARN, // which IAM treats as ArnLike
	"ArnLike":      matchARN,
	"Bool":         strings.EqualFold,
}

// forAll begins an operator that must hold of each value that the call has for a key, and holds where it has none; else one of them
// is enough.
const forAll = "ForAllValues:"

// meets says whether every condition holds. A key that the call does not carry holds nothing, but what is said of all its values.
func meets(conditions policy.Condition, call map[string][]string) (bool, error) {
	for operator, keys := range conditions {
		name, all := strings.CutPrefix(operator, forAll)
		compare := operators[name]
		if compare == nil {
			return false, fmt.Errorf("the condition %s is not known", operator)
		}
		for key, wanted := range keys {
			matches := func(value string) bool {
				return slices.ContainsFunc(wanted, func(pattern string) bool { return compare(pattern, value) })
			}
			differs := func(value string) bool { return !matches(value) }
			values := valuesOf(call, key)
			if all && slices.ContainsFunc(values, differs) || !all && !slices.ContainsFunc(values, matches) {
				return false, nil
			}
		}
	}
	return true, nil
}

func valuesOf(call map[string][]string, key string) []string {
	for name, values := range call {
		if strings.EqualFold(name, key) {
			return values
		}
	}
	return nil
}

// arnParts is how many parts of an ARN colons divide; further colons belong to the last.
const arnParts = 6

// matchARN compares ARNs part by part: a wildcard does not reach over the colons that divide them.
func matchARN(pattern, arn string) bool {
	if pattern == "*" || pattern == arn {
		return true
	}
	patterns, parts := strings.SplitN(pattern, ":", arnParts), strings.SplitN(arn, ":", arnParts)
	if len(patterns) != arnParts || len(parts) != arnParts {
		return false
	}
	for i := range arnParts {
		if !glob(patterns[i], parts[i]) {
			return false
		}
	}
	return true
}

// glob matches a text against a pattern in which * stands for any characters, also none, and ? for one.
func glob(pattern, text string) bool {
	star, retry, at := -1, 0, 0 // the last * met, and where to go on when what follows it does not match here
	for i := 0; i < len(text) || at < len(pattern); {
		switch {
		case at < len(pattern) && pattern[at] == '*':
			star, retry = at, i
			at++
		case at < len(pattern) && i < len(text) && (pattern[at] == '?' || pattern[at] == text[i]):
			at, i = at+1, i+1
		case star >= 0 && retry < len(text):
			retry++
			at, i = star+1, retry
		default:
			return false
		}
	}
	return true
}
