// Package bootstrap prepares an AWS account for one stack: a bucket for its state and a key for its secrets. It says then what a
// person has to do next, as commands. A second run changes nothing; what exists and differs is mended, or refused with the
// command that would settle it.
package bootstrap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Options say what is prepared, and for whom.
type Options struct {
	App    string // appName of the stack's configuration
	Stack  string
	Region string // where the bucket and the key stand, and the stack

	Account string // 12 digits: any other account is refused. Empty to take the one that the credentials are for
	Bucket  string // empty for APP-pulumi-state-ACCOUNT-REGION, which the stacks of an account share
	Key     string // id or ARN of a KMS key that is there already; empty to make one for this stack

	PulumiCloud  bool   // keep the state in Pulumi Cloud: nothing is made in the account
	Organization string // of Pulumi Cloud; empty for the personal one

	Owner       string // of the GitHub repository
	Repository  string
	Environment string   // of GitHub; empty for the stack's name
	Branches    []string // that may deploy: names or patterns. With Tags empty too: DefaultRefs
	Tags        []string // that may deploy
	Preview     bool     // whether pull requests are previewed against this stack
	PromoteFrom string   // stack whose releases this one runs; empty for none

	Outputs map[string]string // of the stack, where it has run already
	DryRun  bool              // only say what would be done
}

// DefaultRefs are the refs whose jobs may use a stack's environment unless told otherwise: the main branch, from which the
// workflows for the way back, drift and locks run; and for production version tags, which deploy it.
func DefaultRefs(stack string) (branches, tags []string) {
	if stack == "production" {
		tags = []string{"v*"}
	}
	return []string{"main"}, tags
}

// What the program takes for names stands in infra/config, which must agree: it refuses them once more.
var (
	appName      = regexp.MustCompile(`^[a-z]([a-z0-9]|-[a-z0-9]){1,19}$`)
	stackName    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	regionName   = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	keyName      = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?[A-Za-z0-9-]{1,64}$`)
	githubName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	organization = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	refPattern   = regexp.MustCompile(`^[A-Za-z0-9*?\[\]!._/-]{1,200}$`)
)

// longestStack keeps aliases and names within AWS's limits.
const longestStack = 40

// validate reports every problem at once, each with the option's name.
func (o Options) validate() error {
	var problems []error
	check := func(option, value string, pattern *regexp.Regexp, optional bool, meaning string) {
		if optional && value == "" || pattern.MatchString(value) {
			return
		}
		problems = append(problems, fmt.Errorf("%s: %q is not %s", option, value, meaning))
	}
	check("app", o.App, appName, false, "a name of 2 to 20 lower-case letters, digits and single hyphens that begins with a letter")
	check("stack", o.Stack, stackName, false, "a stack's name: lower-case letters, digits and single hyphens")
	if len(o.Stack) > longestStack {
		problems = append(problems, fmt.Errorf("stack: %q is longer than %d characters", o.Stack, longestStack))
	}
	check("promoteFrom", o.PromoteFrom, stackName, true, "a stack's name: lower-case letters, digits and single hyphens")
	check("region", o.Region, regionName, false, "a region such as us-east-1")
	check("account", o.Account, accountID, true, "an account's id of 12 digits")
	check("bucket", o.Bucket, bucketName, true, "a bucket's name of 3 to 63 lower-case letters, digits and hyphens")
	check("key", o.Key, keyName, true, "the id or the ARN of a KMS key; an alias does not do")
	check("organization", o.Organization, organization, true, "an organization of Pulumi Cloud")
	check("owner", o.Owner, githubName, false, "an owner on GitHub")
	check("repository", o.Repository, githubName, false, "a repository's name, without its owner")
	check("environment", o.Environment, githubName, true, "a GitHub environment of letters, digits, dots, underscores and hyphens")
	for _, ref := range slices.Concat(o.Branches, o.Tags) {
		check("branches and tags", ref, refPattern, false, "a branch, a tag or a pattern of them")
	}
	if o.PulumiCloud && (o.Bucket != "" || o.Key != "") {
		problems = append(problems, errors.New("bucket and key: Pulumi Cloud keeps the state and its secrets; leave them empty, or leave Pulumi Cloud"))
	}
	if !o.PulumiCloud && o.Organization != "" {
		problems = append(problems, errors.New("organization: it is Pulumi Cloud's; ask for Pulumi Cloud, or leave it empty"))
	}
	if len(problems) > 0 {
		return fmt.Errorf("the options to prepare an account are not right; nothing was done:\n%w", errors.Join(problems...))
	}
	return nil
}

func (o Options) environment() string {
	if o.Environment != "" {
		return o.Environment
	}
	return o.Stack
}

func (o Options) refs() (branches, tags []string) {
	if len(o.Branches)+len(o.Tags) > 0 {
		return o.Branches, o.Tags
	}
	return DefaultRefs(o.Stack)
}

// bucket is the bucket's name, which must be one of all of AWS: the account and the region see to that.
func (o Options) bucket(account string) (string, error) {
	if o.Bucket != "" {
		return o.Bucket, nil
	}
	name := strings.Join([]string{o.App, "pulumi-state", account, o.Region}, "-")
	if !bucketName.MatchString(name) {
		return "", fmt.Errorf("the name %s, derived from app, account and region, has %d characters, and a bucket's at most 63; name one by the option bucket", name, len(name))
	}
	return name, nil
}

// alias is the name of the stack's key. Each stack has one: who may deploy staging cannot read production's secrets.
func (o Options) alias() string { return "alias/" + o.App + "-pulumi-" + o.Stack }
