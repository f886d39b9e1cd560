package identity

import (
	"fmt"
	"slices"

	"slipway/infra/policy"
)

// optionPolicies are the deploy role's policies for what a stack can switch on, by the last part of their names. They are there
// whether it is on or not: the deploy role cannot change itself, so a commit that switches something on would else need a person
// first. A domain does, since its zone and its names are not known before. They are policies of their own, since the role has no room
// for them, and three, since IAM takes 6,144 characters of each.
var optionPolicies = []struct {
	name, what string
	statements func(Args) []policy.Statement
}{
	{"deploy-options", "for what a stack can switch on", options},
	{"deploy-services", "for what a service can switch on", serviceOptions},
	{"deploy-watching", "for what watches a stack", watching},
}

// OptionPolicies are the documents of the parts of DeployPolicy for what a stack can switch on, by the last part of their names.
func OptionPolicies(args Args) (map[string]string, error) {
	documents := map[string]string{}
	for _, p := range optionPolicies {
		document, err := policy.JSON(p.statements(args)...)
		if err != nil {
			return nil, err
		}
		documents[p.name] = document
	}
	return documents, nil
}

// options lists the statements, a function for each option, which limit themselves as those of every stack do.
func options(args Args) []policy.Statement {
	return slices.Concat(databaseOptions(args), accessLogs(args), domain(args))
}

// serviceOptions lists likewise those for what rows of services switch on.
func serviceOptions(args Args) []policy.Statement {
	return slices.Concat(scaling(args), applicationSecrets(args), serviceConnect(args), schedules(args))
}

// serviceConnect lets services call each other. A namespace has a generated id; what is in it ECS keeps itself.
func serviceConnect(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid: "Namespaces", Effect: policy.Allow,
			Action: []string{
				"servicediscovery:CreateHttpNamespace", "servicediscovery:GetOperation", "servicediscovery:ListTagsForResource",
				"servicediscovery:TagResource", "servicediscovery:UntagResource",
			},
			Resource:  []string{"*"}, // AWS takes no resource for any of these
			Condition: args.inRegion(),
		},
		{
			Sid: "NamespacesThere", Effect: policy.Allow,
			Action:   []string{"servicediscovery:DeleteNamespace", "servicediscovery:GetNamespace"},
			Resource: []string{args.arn("servicediscovery", "namespace/*")},
		},
	}
}

// schedules lets tasks be started by the clock. The roles that start them are made as all are, within the boundary, and handed to
// EventBridge Scheduler here.
func schedules(args Args) []policy.Statement {
	return []policy.Statement{
		{
			Sid: "Schedules", Effect: policy.Allow,
			Action: []string{
				"scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule",
				"scheduler:CreateScheduleGroup", "scheduler:DeleteScheduleGroup", "scheduler:GetScheduleGroup",
				"scheduler:ListTagsForResource", "scheduler:TagResource", "scheduler:UntagResource",
			},
			Resource: []string{
				args.arn("scheduler", "schedule/"+args.Roots.Schedules+"/*"), args.arn("scheduler", "schedule-group/"+args.Roots.Schedules),
			},
		},
		{
			Sid: "HandRolesToSchedules", Effect: policy.Allow, Action: []string{"iam:PassRole"},
			Resource:  []string{args.roleARN(args.Prefix + "-*-schedule")},
			Condition: policy.Condition{"StringEquals": {"iam:PassedToService": {"scheduler.amazonaws.com"}}},
		},
	}
}

// watching lists likewise those for what watches a stack.
func watching(args Args) []policy.Statement {
	return slices.Concat(alarms(args), dashboard(args), slack(args))
}

// optionsARN matches all of these policies.
func (a Args) optionsARN() string { return a.policyARN(a.Prefix + "-deploy-*") }

func (a Args) policyARN(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:policy/%s", a.Partition, a.Account, name)
}
