package bootstrap

import (
	"fmt"
	"regexp"
	"strings"
)

// Step is something that a person does next.
type Step struct {
	Title    string
	Why      string   // empty where the title says it
	Commands []string // of a POSIX shell, in the project's folder
}

// Script is the steps as a shell script, to be read and run piece by piece.
func Script(steps []Step) string {
	var out strings.Builder
	for i, step := range steps {
		_, _ = fmt.Fprintf(&out, "# %d. %s\n", i+1, step.Title)
		if step.Why != "" {
			out.WriteString("#    " + step.Why + "\n")
		}
		for _, command := range step.Commands {
			out.WriteString(command + "\n")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// Next lists what is left to a person after a run: the stack, its first deployment, and what GitHub must know. It needs no
// account: what the report does not know yet stands as a command that finds it out.
func Next(o Options, r *Report) []Step {
	stack := o.Stack
	if o.PulumiCloud && o.Organization != "" {
		stack = o.Organization + "/" + o.Stack
	}
	n := next{Options: o, report: r, stack: stack}
	steps := []Step{n.login(), n.create(), n.deploy(), n.environmentStep()}
	if o.Preview {
		steps = append(steps, n.repositoryStep())
	}
	return append(steps, n.secrets())
}

type next struct {
	Options
	report *Report
	stack  string // as the CLI takes it
}

// backend is the address of the state.
func (n next) backend() string {
	if n.PulumiCloud {
		return "https://api.pulumi.com"
	}
	return "s3://" + n.report.Bucket + "?region=" + n.Region
}

func (n next) login() Step {
	if n.PulumiCloud {
		return Step{Title: "Log in to Pulumi Cloud, which keeps the state", Commands: []string{"pulumi login"}}
	}
	return Step{
		Title:    "Keep the state in the bucket",
		Why:      "The region is part of the address, so that no other setting can lead elsewhere.",
		Commands: []string{"pulumi login " + quote(n.backend())},
	}
}

func (n next) create() Step {
	init := "pulumi stack init " + n.stack
	if !n.PulumiCloud {
		// By the alias, which a later key can take over; the region must stand in the address.
		init += " --secrets-provider=" + quote("awskms://"+n.report.KeyAlias+"?region="+n.Region)
	}
	commands := []string{
		init,
		n.set("aws:region", n.Region),
		// A list and the type string: else the CLI would write a number, and cut a leading zero.
		fmt.Sprintf("pulumi config set --stack %s --path 'aws:allowedAccountIds[0]' --type string %s", n.stack, n.report.Account),
		n.set("githubOwner", n.Owner),
		n.set("githubRepository", n.Repository),
		n.set("githubEnvironment", n.environment()),
	}
	if !n.PulumiCloud {
		key := n.report.KeyARN
		if key == "" {
			key = fmt.Sprintf(`"$(aws kms describe-key --region %s --key-id %s --query KeyMetadata.Arn --output text)"`, n.Region, n.report.KeyAlias)
		}
		commands = append(commands, n.set("stateBucket", n.report.Bucket), n.set("stateKmsKeyArn", key))
	}
	step := Step{Title: "Make the stack, and tell it who it is", Commands: commands}
	if !n.PulumiCloud {
		step.Why = "By stateBucket and stateKmsKeyArn the program lets the deploy role reach the state."
	}
	return step
}

func (n next) set(key, value string) string {
	return fmt.Sprintf("pulumi config set --stack %s %s %s", n.stack, key, value)
}

func (n next) deploy() Step {
	file := "Pulumi." + n.Stack + ".yaml"
	why := "It makes the roles that GitHub's jobs take on. Images are named by their commit, so the configuration is committed first."
	commands := []string{"git add " + file + " && git commit --message " + quote("Configure "+n.Stack)}
	if n.PromoteFrom != "" {
		why += " " + n.PromoteFrom + " runs the commit before, since this stack takes nothing else."
		commands = append(commands, "make up STACK="+n.PromoteFrom)
	}
	return Step{
		Title: "Deploy it once, with your own credentials", Why: why,
		Commands: append(commands, "make preview STACK="+n.stack, "make up STACK="+n.stack),
	}
}

func (n next) slug() string { return n.Owner + "/" + n.Repository }

// environmentStep makes the GitHub environment that jobs name, and limits it to the refs that may deploy.
func (n next) environmentStep() Step {
	environment := n.environment()
	path := "repos/" + n.slug() + "/environments/" + environment
	commands := []string{
		"gh api --method PUT " + path + " -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'",
	}
	branches, tags := n.refs()
	policy := func(refs []string, kind string) {
		for _, ref := range refs {
			commands = append(commands, fmt.Sprintf("gh api --method POST %s/deployment-branch-policies -f name=%s -f type=%s", path, quote(ref), kind))
		}
	}
	policy(branches, "branch")
	policy(tags, "tag")
	commands = append(
		commands,
		n.variable("AWS_REGION", n.Region, environment),
		n.variable("PULUMI_BACKEND_URL", quote(n.backend()), environment),
		n.variable("DEPLOY_ROLE_ARN", n.output("deployRoleArn"), environment),
	)
	return Step{
		Title:    "Let jobs of the GitHub environment " + environment + " deploy, from " + strings.Join(append(append([]string{}, branches...), tags...), ", ") + " alone",
		Why:      "The deploy role trusts a job that names this environment, so who may use the environment may deploy.",
		Commands: commands,
	}
}

// repositoryStep sets what jobs of pull requests read: they name no environment, so its variables are not theirs.
func (n next) repositoryStep() Step {
	return Step{
		Title: "Let pull requests be previewed",
		Why:   "Their jobs name no environment, so they read the variables of the repository. The preview role may read, and no more.",
		Commands: []string{
			n.variable("AWS_REGION", n.Region, ""),
			n.variable("PULUMI_BACKEND_URL", quote(n.backend()), ""),
			n.variable("PREVIEW_ROLE_ARN", n.output("previewRoleArn"), ""),
		},
	}
}

// secrets are asked for by gh: they stand in no command, and so in no history.
func (n next) secrets() Step {
	step := Step{
		Title:    "If releases are to be told in Slack, give the webhook's address",
		Why:      "gh asks for the value, so that it stands in no history of commands.",
		Commands: []string{"gh secret set SLACK_WEBHOOK_URL --repo " + n.slug() + " --env " + n.environment()},
	}
	if n.PulumiCloud {
		step.Title = "Give the jobs a token of Pulumi Cloud, and, if releases are to be told in Slack, the webhook's address"
		step.Commands = append([]string{"gh secret set PULUMI_ACCESS_TOKEN --repo " + n.slug() + " --env " + n.environment()}, step.Commands...)
		if n.Preview {
			step.Commands = append([]string{"gh secret set PULUMI_ACCESS_TOKEN --repo " + n.slug()}, step.Commands...)
		}
	}
	return step
}

func (n next) variable(name, value, environment string) string {
	command := "gh variable set " + name + " --repo " + n.slug()
	if environment != "" {
		command += " --env " + environment
	}
	return command + " --body " + value
}

// output is the value of a stack's output where it is known, else the command that prints it.
func (n next) output(name string) string {
	if value := n.Outputs[name]; value != "" {
		return quote(value)
	}
	return fmt.Sprintf(`"$(pulumi stack output %s --stack %s)"`, name, n.stack)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// quote makes a word of a POSIX shell that means exactly the text.
func quote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
