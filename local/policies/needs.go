package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/infra/policy/policytest"
	"slipway/local/awsapi"
	"slipway/local/calls"
)

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
