package identity

import (
	"fmt"
	"slices"

	"slipway/infra/policy"
)

// OptionsPolicy is the part of DeployPolicy for what a stack can switch on. It is there whether it is on or not: the deploy
// role cannot change itself, so a commit that switches something on would else need a person first. A domain does, since its zone
// and its names are not known before. It is a policy of its own,
// of which IAM takes 6,144 characters, since the role has no room for both.
func OptionsPolicy(args Args) (string, error) { return policy.JSON(options(args)...) }

// options lists the statements, a function for each option, which limit themselves as those of every stack do.
func options(args Args) []policy.Statement {
	return slices.Concat(scaling(args), databaseOptions(args), accessLogs(args), domain(args))
}

func (a Args) optionsName() string { return a.Prefix + "-deploy-options" }

func (a Args) optionsARN() string { return a.policyARN(a.optionsName()) }

func (a Args) policyARN(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:policy/%s", a.Partition, a.Account, name)
}
