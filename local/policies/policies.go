// Package policies holds the calls of a run against the policies of the roles that a real run would have: what is missing,
// what is too much, and what nobody uses.
package policies

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway/infra/policy"
	"slipway/infra/policy/policytest"
	"slipway/local/awsapi"
	"slipway/local/calls"
)

// Documents are the policies of the roles of GitHub's jobs. Of the deploy role's there are what every stack needs, and those for
// options, joined.
type Documents struct{ Deploy, Options, Preview string }

// Run says what a record is of.
type Run struct {
	InBucket bool     // whether the policies are of a stack whose state is in a bucket
	Options  []string // that the stack has switched on: Sids of their statements
}

// Faults holds a record of up, down and previews of one stack against the policies, and lists all that is wrong: calls that
// would be refused, actions that nobody needs, what a preview could write, and exceptions that nothing makes use of any more.
func Faults(documents Documents, record []calls.Call, run Run) ([]string, error) {
	needs, err := Needs(record)
	if err != nil {
		return nil, err
	}
	deploys, previews := Of(needs, deployers...), Of(needs, awsapi.RunKey("preview"))
	var faults []string
	for _, operation := range []string{"preview", "up", "down"} { // of nothing, nothing is wrong
		if len(Of(needs, awsapi.RunKey(operation))) == 0 {
			faults = append(faults, "the record holds no call of "+operation)
		}
	}
	for _, n := range needs { // a call that nobody is known to make would be held against no policy
		if !slices.Contains(append([]string{awsapi.Housekeeping, awsapi.RunKey("preview")}, deployers...), n.Caller) {
			faults = append(faults, fmt.Sprintf("nobody is known by the access key %q, which needs %s", n.Caller, n))
		}
	}
	deploy, err := Join(documents.Deploy, documents.Options)
	if err != nil {
		return nil, err
	}
	deployUnused, previewUnused := deployUnused, previewUnused
	if run.InBucket {
		deployUnused, previewUnused = slices.Concat(deployUnused, deployState), slices.Concat(previewUnused, previewState)
	}
	var failed error
	note := func(what string) func(found []string, stale []Exception, err error) {
		return func(found []string, stale []Exception, err error) {
			for _, one := range found {
				faults = append(faults, what+" "+one)
			}
			for _, one := range stale {
				faults = append(faults, fmt.Sprintf("%s: the exception %+v is not needed any more", what, one))
			}
			failed = errors.Join(failed, err)
		}
	}
	persons := slices.Clone(persons)
	for _, sid := range run.Options {
		persons = append(persons, optionPersons[sid]...)
	}
	note("the deploy role needs and lacks")(Missing(deploy, deploys, persons))
	note("the preview role needs and lacks")(Missing(documents.Preview, previews, nil))
	if len(run.Options) == 0 { // the run of an option shows what that one uses, and this the rest
		note("the deploy role has no use for")(Unused(documents.Deploy, deploys, deployUnused))
		note("the preview role has no use for")(Unused(documents.Preview, previews, previewUnused))
	}
	for _, sid := range run.Options {
		option, err := only(documents.Options, sid)
		if err != nil {
			return nil, err
		}
		note("with " + sid + " on, the deploy role has no use for")(Unused(option, deploys, optionUnused[sid]))
	}
	note("the preview role may change something by")(Writes(documents.Preview, previewWrites(run.InBucket)))
	return faults, failed
}

// deployers are the access keys of what is done with the deploy role.
var deployers = []string{awsapi.RunKey("up"), awsapi.RunKey("down"), awsapi.RunKey("refresh"), awsapi.RunKey("releases")}

// Lacks lists what a record needs of the deploy role and the role lacks. It is for a record of a part of a stack's life, which makes
// use of a part of the role: a release that fails, or the way back.
func Lacks(documents Documents, record []calls.Call) ([]string, error) {
	needs, err := Needs(record)
	if err != nil {
		return nil, err
	}
	if needs = Of(needs, deployers...); len(needs) == 0 { // of nothing, nothing is wrong
		return []string{"a record: it holds no call of the deploy role"}, nil
	}
	deploy, err := Join(documents.Deploy, documents.Options)
	if err != nil {
		return nil, err
	}
	missing, _, err := Missing(deploy, needs, persons)
	return missing, err
}

// Need is a permission that a call takes on AWS.
type Need struct {
	policytest.Request
	Caller string // access key of the call
	For    string // SERVICE:OPERATION of the call
}

// String is for messages of tests.
func (n Need) String() string {
	return fmt.Sprintf("%s on %s, for %s of %s", n.Action, n.Resource, n.For, n.Caller)
}

// Needs lists what the calls of a whole record take, each permission once for each caller. Its error names a call of which it
// does not know what it takes.
func Needs(record []calls.Call) ([]Need, error) {
	var all []Need
	seen := map[string]bool{}
	boundaries := map[string][]string{} // of roles, by ARN
	for _, c := range record {
		if strings.Contains(c.Operation, " ") {
			return nil, fmt.Errorf("%s of service %q is no operation: say in local/policies which action it takes", c.Operation, c.Service)
		}
		if c.Boundary != "" {
			for _, role := range c.Resources {
				boundaries[role] = []string{c.Boundary}
			}
		}
		for _, request := range requests(c) {
			own := request.Context
			request.Context = map[string][]string{
				"aws:RequestedRegion": {awsapi.Region}, "iam:PermissionsBoundary": boundaries[request.Resource],
				"iam:PassedToService":                                   {"ecs-tasks.amazonaws.com"}, // with task definitions; others say so
				"application-autoscaling:service-namespace":             {"ecs"},                     // nothing else scales
				"route53:ChangeResourceRecordSetsNormalizedRecordNames": c.Records,
			}
			maps.Copy(request.Context, own)
			need := Need{Request: request, Caller: c.Caller, For: c.Service + ":" + c.Operation}
			if key := fmt.Sprint(need, c.Records); !seen[key] {
				seen[key] = true
				all = append(all, need)
			}
		}
	}
	return all, nil
}

// requests are the permissions that one call takes, by the Service Authorization Reference.
func requests(c calls.Call) []policytest.Request {
	action := c.Service + ":" + c.Operation
	if slices.Contains(free, action) {
		return nil
	}
	made := c.Resources
	if len(made) == 0 {
		made = []string{"*"}
	}
	resources := made
	if policytest.Covers(withoutResource, action) {
		resources = []string{"*"}
	}
	var all []policytest.Request
	for _, resource := range resources {
		all = append(all, policytest.Request{Action: action, Resource: resource})
	}
	if c.Tagged {
		for _, resource := range made {
			all = append(all, policytest.Request{Action: tagging(c.Service, resource), Resource: resource})
		}
	}
	for _, role := range c.Passed {
		pass := policytest.Request{Action: "iam:PassRole", Resource: role}
		if c.Service == "scheduler" {
			pass.Context = map[string][]string{"iam:PassedToService": {"scheduler.amazonaws.com"}}
		}
		all = append(all, pass)
	}
	return append(all, besides[action]...)
}

// tagging is the action that a creation with tags takes beside its own.
func tagging(service, resource string) string {
	switch service {
	case "acm":
		return "acm:AddTagsToCertificate"
	case "ec2":
		return "ec2:CreateTags"
	case "elasticloadbalancing":
		return "elasticloadbalancing:AddTags"
	case "rds":
		return "rds:AddTagsToResource"
	case "iam":
		switch {
		case strings.Contains(resource, ":policy/"):
			return "iam:TagPolicy"
		case strings.Contains(resource, ":oidc-provider/"):
			return "iam:TagOpenIDConnectProvider"
		}
		return "iam:TagRole"
	}
	return service + ":TagResource"
}

// Of returns the needs of some callers.
func Of(needs []Need, callers ...string) []Need {
	return slices.DeleteFunc(slices.Clone(needs), func(n Need) bool { return !slices.Contains(callers, n.Caller) })
}

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

// excused says whether an action is among the exceptions, and notes those that were used for it.
func excused(action string, exceptions []Exception, used []bool) (is bool) {
	for i, e := range exceptions {
		if e.Action == action {
			used[i], is = true, true
		}
	}
	return is
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

// Join puts the statements of documents into one, as IAM does with all policies of a role.
func Join(documents ...string) (string, error) {
	var all []policy.Statement
	for _, document := range documents {
		statements, err := policytest.Parse(document)
		if err != nil {
			return "", err
		}
		all = append(all, statements...)
	}
	return policy.JSON(all...)
}

// only is the document of one of a document's statements.
func only(document, sid string) (string, error) {
	statements, err := policytest.Parse(document)
	if err != nil {
		return "", err
	}
	for _, s := range statements {
		if s.Sid == sid {
			return policy.JSON(s)
		}
	}
	return "", fmt.Errorf("the policy has no statement %s: %s", sid, document)
}

// allowed lists the actions of all statements that allow, families as they are spelt.
func allowed(document string) ([]string, error) {
	statements, err := policytest.Parse(document)
	if err != nil {
		return nil, err
	}
	var actions []string
	for _, s := range statements {
		if s.Effect == policy.Allow {
			actions = append(actions, s.Action...)
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions), nil
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
