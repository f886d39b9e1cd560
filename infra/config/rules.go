package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxResourceName is the limit of load balancer names, the tightest of all that begin with the product and the stack.
const maxResourceName = 32

// maxStacks is how many stacks can share repositories: ECR takes 50 lifecycle rules, two of which are not a stack's.
const maxStacks = 40

var (
	stackName      = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	appName        = regexp.MustCompile(`^[a-z]([a-z0-9]|-[a-z0-9]){1,19}$`)
	repositoryName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*$`)
	keyARN         = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)
	commit         = regexp.MustCompile(`^[0-9a-f]{40}$`)
	githubName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	accountID      = regexp.MustCompile(`^[0-9]{12}$`)
	githubID       = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	environment    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	bucketName     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

	// CloudWatch Logs offers these periods and no other.
	retentions = []int{
		1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
)

// validate applies all rules that go beyond one value's type and limits.
func (c *Config) validate(stack string, p *Problems) {
	c.App.validate(stack, p)
	if c.Revision != "" {
		matches(p, "revision", c.Revision, commit, "a commit: 40 hexadecimal digits in lower case, as `git rev-parse` prints, or empty")
	}
	c.Registry.validate(p)
	if from := c.Images.PromoteFrom; from != "" {
		matches(p, "imagesPromoteFrom", from, stackName, "a stack's name: lower-case letters, digits and single hyphens")
		if from == stack {
			p.add("imagesPromoteFrom", "is this stack itself, which would wait for its own release; name the stack before it")
		}
	}
	c.GitHub.validate(p)
	c.State.validate(p)
	c.Network.validate(p)
	c.Secrets.validate(p)
	c.Cluster.validateSleep(p)
	c.Database.validate(p)
	c.Database.validateAppUser(c.Services, p)
	if !slices.Contains(retentions, c.LogRetentionDays) && c.LogRetentionDays != 0 { // 0: not read, and told already
		p.add("logRetentionDays", "%d is not a period that CloudWatch Logs offers: %v", c.LogRetentionDays, retentions)
	}
	c.Edge.validate(p)
	c.Alarms.validate(c.Database.InstanceClass, c.Cluster.DeployMinutes, c.Services, p)
	for _, service := range c.Services {
		service.validate(c.App.Name+"-"+stack, p)
	}
	for _, service := range c.Retired {
		service.validateName(c.App.Name+"-"+stack, p)
		service.validateSecrets(servicesKey+"."+service.Name, p)
	}
	validateRouting(c.Services, p)
	validateCalls(c.Services, p)
	validateOrder(c.Services, c.Retired, p)
}

// matches notes a value that does not have its form; what says what the value must be.
func matches(p *Problems, path, value string, form *regexp.Regexp, what string) {
	if !form.MatchString(value) {
		p.add(path, "%q is not %s", value, what)
	}
}

func (a App) validate(stack string, p *Problems) {
	matches(p, "appName", a.Name, appName, "a name of 2 to 20 lower-case letters, digits and single hyphens that begins with a letter")
	matches(p, "stack", stack, stackName, "a stack's name that AWS takes as part of others: lower-case letters, digits and single hyphens")
	for _, kept := range []string{"internal", "sg"} {
		if a.Name == kept || strings.HasPrefix(a.Name, kept+"-") {
			p.add("appName", "%q begins with %s-, as AWS's own names of load balancers or security groups do; choose another name", a.Name, kept)
		}
	}
	if name := a.Name + "-" + stack; len(name) > maxResourceName {
		p.add("appName", "%q, which begins the names of load balancers, has %d characters of at most %d; shorten appName or the stack's name",
			name, len(name), maxResourceName)
	}
}

func (r Registry) validate(p *Problems) {
	if r.Prefix != "" {
		matches(p, "registryPrefix", r.Prefix, repositoryName, "the first part of an ECR repository name: lower-case letters and digits, parted by . _ - or /")
	}
	if r.KmsKeyArn != "" {
		matches(p, "registryKmsKeyArn", r.KmsKeyArn, keyARN, "the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID")
	}
	r.validateSharing(p)
}

// validateSharing applies the rules about who else runs what the repositories hold.
func (r Registry) validateSharing(p *Problems) {
	if r.Account != "" {
		matches(p, "registryAccount", r.Account, accountID, "an AWS account: 12 digits, in quotes, since YAML reads a bare one as a number")
		if r.Owned {
			p.add("registryAccount", "goes with registryOwned: false: a stack cannot own repositories of another account")
		}
	}
	for i, stack := range r.Stacks {
		matches(p, fmt.Sprintf("registryStacks[%d]", i), stack, stackName, "a stack's name: lower-case letters, digits and single hyphens")
	}
	for i, account := range r.Accounts {
		matches(p, fmt.Sprintf("registryAccounts[%d]", i), account, accountID, "an AWS account: 12 digits")
	}
	if len(r.Stacks) > maxStacks {
		p.add("registryStacks", "has %d stacks of at most %d, since a lifecycle policy has no more rules", len(r.Stacks), maxStacks)
	}
	if !r.Owned && len(r.Stacks)+len(r.Accounts) > 0 {
		p.add("registryOwned", "is false, so registryStacks and registryAccounts say nothing; set them in the stack that owns the repositories")
	}
}

func (g GitHub) validate(p *Problems) {
	if g.Owner != "" {
		matches(p, "githubOwner", g.Owner, githubName, "a GitHub owner: letters, digits and . _ -, with no wildcard")
	}
	if g.Repository != "" {
		matches(p, "githubRepository", g.Repository, githubName, "a GitHub repository's name, without its owner and with no wildcard")
	}
	if g.Environment != "" {
		matches(p, "githubEnvironment", g.Environment, environment, "a GitHub environment: letters, digits and . _ -, with no wildcard")
	}
	const id = "a numeric id, as `gh api repos/OWNER/NAME` prints; anything else would widen who may deploy"
	if g.OwnerID != "" {
		matches(p, "githubOwnerId", g.OwnerID, githubID, id)
	}
	if g.RepositoryID != "" {
		matches(p, "githubRepositoryId", g.RepositoryID, githubID, id)
	}
	if (g.OwnerID == "") != (g.RepositoryID == "") {
		p.add("githubRepositoryId", "goes with githubOwnerId: set both, or neither for the classic subject alone")
	}
}

func (s State) validate(p *Problems) {
	if s.Bucket != "" {
		matches(p, "stateBucket", s.Bucket, bucketName, "the name of an S3 bucket, with no s3:// before it and no folder after it: "+
			"3 to 63 lower-case letters, digits and hyphens")
	}
	if s.KmsKeyArn == "" {
		return
	}
	matches(p, "stateKmsKeyArn", s.KmsKeyArn, keyARN, "the ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID; an alias would not do in a policy")
	if s.Bucket == "" {
		p.add("stateKmsKeyArn", "goes with stateBucket: set both, or neither for a state elsewhere")
	}
}
