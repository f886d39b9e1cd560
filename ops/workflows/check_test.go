package workflows_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// makefile is what a workflow may call.
type makefile struct{ targets map[string]bool }

var targetLine = regexp.MustCompile(`(?m)^([a-z][a-z -]*):(?:[^=]|$)`)

func readMakefile(text string) makefile {
	m := makefile{targets: map[string]bool{}}
	for _, line := range targetLine.FindAllStringSubmatch(text, -1) {
		for _, target := range strings.Fields(line[1]) {
			m.targets[target] = true
		}
	}
	return m
}

// The variables that a step may set. A misspelt one would do nothing, in silence.
var variables = []string{
	"STACK", "REVISION", "RESULT",
	"PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "GITHUB_TOKEN", "SLACK_WEBHOOK_URL",
}

// writes are all permissions to write that exist, by workflow and job, besides id-token, which follows from signing in.
var writes = map[string][]string{
	"preview.yml/preview": {"pull-requests"}, // its comment
}

// changing are the targets that change what a stack runs: no two at once, and none cut off half-way.
var changing = []string{"up", "restore", "rollback", "down"}

var (
	command  = regexp.MustCompile(`^make ([a-z-]+)((?: [A-Z_]+=[A-Za-z0-9._-]+)*)$`)
	pinned   = regexp.MustCompile(`^[\w.-]+/[\w.-]+(?:/[\w./-]+)?@[0-9a-f]{40}$`)
	version  = regexp.MustCompile(`^# v\d+\.\d+\.\d+$`)
	outside  = regexp.MustCompile(`github\.event\.|github\.head_ref|inputs\.`)
	checkout = regexp.MustCompile(`^actions/checkout@`)
)

const (
	signIn    = "aws-actions/configure-aws-credentials@"
	runner    = "ubuntu-24.04"
	armRunner = "ubuntu-24.04-arm" // for jobs that build images, which are for ARM64
	maxNumber = 360                // minutes, GitHub's own limit
)

// builds says whether a job builds images, or previews that.
func builds(job *yaml.Node) bool {
	steps := get(job, "steps")
	return steps != nil && slices.ContainsFunc(steps.Content, func(step *yaml.Node) bool {
		run, with := get(step, "run"), get(step, "with")
		if run != nil {
			return slices.Contains(strings.Fields(run.Value), "up")
		}
		if with == nil {
			return false
		}
		command := get(with, "command")
		return command != nil && command.Value == "preview"
	})
}

// checker collects what is wrong with one file.
type checker struct {
	file     string
	make     makefile
	problems []string
}

func (c *checker) say(at *yaml.Node, format string, args ...any) {
	line := 0
	if at != nil {
		line = at.Line
	}
	c.problems = append(c.problems, fmt.Sprintf("%s:%d: %s", c.file, line, fmt.Sprintf(format, args...)))
}

// check returns what is wrong with a workflow, or with an action of our own.
func check(file string, content []byte, m makefile) []string {
	c := &checker{file: file, make: m}
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil || len(doc.Content) != 1 {
		c.say(nil, "no YAML document: %v", err)
		return c.problems
	}
	top := doc.Content[0]
	if runs := get(top, "runs"); runs != nil { // an action
		c.steps("", runs, nil)
		return c.problems
	}
	c.triggers(get(top, "on"))
	if p := get(top, "permissions"); p == nil || p.Kind != yaml.MappingNode || len(p.Content) != 0 {
		c.say(top, "permissions at the top are not {}: each job asks for its own")
	}
	c.noSecrets(get(top, "env"))
	jobs := get(top, "jobs")
	if jobs == nil {
		c.say(top, "there are no jobs")
		return c.problems
	}
	for i := 0; i+1 < len(jobs.Content); i += 2 {
		c.job(jobs.Content[i].Value, jobs.Content[i+1])
		c.told(jobs.Content[i].Value, jobs.Content[i+1], jobs)
	}
	return c.problems
}

// told: a job that is skipped, since one that it needs has failed, tells nobody. So another has to, which needs the same and does it then.
func (c *checker) told(name string, job, jobs *yaml.Node) {
	needs, when := get(job, "needs"), get(job, "if")
	if needs == nil || when != nil || !slices.Contains(called(job), "notify") {
		return
	}
	for i := 1; i < len(jobs.Content); i += 2 {
		other := jobs.Content[i]
		if when := get(other, "if"); when == nil || when.Value != "failure()" || !sameText(get(other, "needs"), needs) {
			continue
		}
		for _, step := range items(get(other, "steps")) {
			run, result := get(step, "run"), get(get(step, "env"), "RESULT")
			if run != nil && run.Value == "make notify" && get(step, "if") == nil && result != nil && result.Value == "failure" {
				return
			}
		}
	}
	c.say(job, "job %s is skipped where one fails that it needs, and no job with `if: failure()` and the same needs runs make notify with RESULT: failure", name)
}

// sameText compares two nodes, however they are laid out.
func sameText(a, b *yaml.Node) bool {
	one, _ := yaml.Marshal(a)
	two, _ := yaml.Marshal(b)
	return a != nil && b != nil && bytes.Equal(one, two)
}

// triggers refuses those that run with a token and secrets for somebody else's code.
func (c *checker) triggers(on *yaml.Node) {
	if on == nil {
		c.say(nil, "nothing starts it")
		return
	}
	for _, trigger := range []string{"pull_request_target", "workflow_run", "issue_comment"} {
		named := on.Value == trigger || get(on, trigger) != nil
		for _, item := range on.Content {
			named = named || item.Value == trigger
		}
		if named {
			c.say(on, "%s runs other people's code with our rights", trigger)
		}
	}
}

func (c *checker) job(name string, job *yaml.Node) {
	permissions := get(job, "permissions")
	if permissions == nil || permissions.Kind != yaml.MappingNode {
		c.say(job, "job %s: permissions are not listed one by one", name)
	}
	if uses := get(job, "uses"); uses != nil {
		c.uses(uses)
		c.mayWrite(name, permissions)
		if secrets := get(job, "secrets"); secrets != nil {
			c.say(secrets, "job %s hands secrets on", name)
		}
		return
	}
	on := get(job, "runs-on")
	if on == nil || on.Value != runner && on.Value != armRunner {
		c.say(job, "job %s: runs-on is not %s: no machine of ours, and none that changes by itself", name, runner)
	} else if builds(job) != (on.Value == armRunner) {
		c.say(job, "job %s: runs-on is %s, and images are for ARM64: whoever builds or previews them, and nobody else, runs on %s", name, on.Value, armRunner)
	}
	minutes := 0
	if t := get(job, "timeout-minutes"); t == nil || t.Decode(&minutes) != nil || minutes < 1 || minutes > maxNumber {
		c.say(job, "job %s has no timeout", name)
	}
	c.noSecrets(get(job, "env"))
	c.variables(get(job, "env"))
	c.steps(name, job, permissions)
	c.concurrency(name, job)
	c.stack(name, job)
	c.narrowed(name, job)
}

// mayWrite holds the permissions of a job against what it is known to need.
func (c *checker) mayWrite(name string, permissions *yaml.Node, allowed ...string) {
	if permissions == nil {
		return
	}
	allowed = append(allowed, writes[c.file+"/"+name]...)
	for i := 0; i+1 < len(permissions.Content); i += 2 {
		what, how := permissions.Content[i], permissions.Content[i+1]
		switch {
		case how.Value == "read" || how.Value == "none":
		case how.Value == "write" && slices.Contains(allowed, what.Value):
		default:
			c.say(what, "job %s may not have %s: %s", name, what.Value, how.Value)
		}
	}
}

// steps checks the steps of a job or of an action.
func (c *checker) steps(name string, parent, permissions *yaml.Node) {
	steps := get(parent, "steps")
	if steps == nil {
		c.say(parent, "%s has no steps", name)
		return
	}
	signsIn, onlyCheckedOut := false, true
	for _, step := range steps.Content {
		c.variables(get(step, "env"))
		if condition := get(step, "if"); condition != nil && strings.Contains(condition.Value, "secrets.") {
			c.say(condition, "a secret in a condition")
		}
		if run := get(step, "run"); run != nil {
			c.run(run)
		}
		uses := get(step, "uses")
		if uses == nil {
			onlyCheckedOut = false
			continue
		}
		c.uses(uses)
		c.with(get(step, "with"))
		if strings.HasPrefix(uses.Value, "./") && !onlyCheckedOut {
			c.say(uses, "%s is used after other steps than the check-out, which could have changed it", uses.Value)
		}
		signsIn = signsIn || strings.HasPrefix(uses.Value, signIn)
		if checkout.MatchString(uses.Value) {
			if persist := get(get(step, "with"), "persist-credentials"); persist == nil || persist.Value != "false" {
				c.say(uses, "the check-out leaves its token behind; set persist-credentials: false")
			}
		} else if !strings.HasPrefix(uses.Value, "./") {
			onlyCheckedOut = false
		}
	}
	if name == "" {
		return
	}
	token := get(permissions, "id-token")
	if signsIn && (token == nil || token.Value != "write") {
		c.say(parent, "job %s signs in to AWS without id-token: write", name)
	}
	var allowed []string
	if signsIn {
		allowed = []string{"id-token"}
	}
	c.mayWrite(name, permissions, allowed...)
}

// run holds a step to one make target, with values that nobody outside has a say in.
func (c *checker) run(run *yaml.Node) {
	if strings.Contains(run.Value, "${{") {
		c.say(run, "an expression within a command; hand it over in env")
	}
	words := command.FindStringSubmatch(run.Value)
	if words == nil {
		c.say(run, "%q is not one make target with plain values", run.Value)
		return
	}
	if !c.make.targets[words[1]] {
		c.say(run, "the Makefile has no target %s", words[1])
	}
	for _, setting := range strings.Fields(words[2]) {
		if variable, _, _ := strings.Cut(setting, "="); !slices.Contains(variables, variable) {
			c.say(run, "variable %s is not known", variable)
		}
	}
}

func (c *checker) uses(uses *yaml.Node) {
	if strings.HasPrefix(uses.Value, "./") {
		return
	}
	if !pinned.MatchString(uses.Value) {
		c.say(uses, "%s is not pinned by a full commit", uses.Value)
	}
	if !version.MatchString(uses.LineComment) {
		c.say(uses, "%s has no comment that names its version, such as # v1.2.3", uses.Value)
	}
}

// with keeps secrets, and what people outside can write, out of other people's actions.
func (c *checker) with(with *yaml.Node) {
	if with == nil {
		return
	}
	for i := 0; i+1 < len(with.Content); i += 2 {
		value := with.Content[i+1]
		if strings.Contains(value.Value, "secrets.") || outside.MatchString(value.Value) {
			c.say(value, "input %s gets %s", with.Content[i].Value, value.Value)
		}
	}
}

func (c *checker) variables(env *yaml.Node) {
	if env == nil {
		return
	}
	for i := 0; i+1 < len(env.Content); i += 2 {
		if name := env.Content[i]; !slices.Contains(variables, name.Value) {
			c.say(name, "variable %s is not known", name.Value)
		}
	}
}

// noSecrets keeps secrets out of environments that every step shares, other people's actions included.
func (c *checker) noSecrets(env *yaml.Node) {
	if env == nil {
		return
	}
	for i := 0; i+1 < len(env.Content); i += 2 {
		if value := env.Content[i+1]; strings.Contains(value.Value, "secrets.") || strings.Contains(value.Value, "github.token") {
			c.say(value, "%s is there for every step; give it to the one that needs it", env.Content[i].Value)
		}
	}
}

// concurrency: what changes a stack runs in the stack's own group, waits there, and is not cut off. unlock deletes a file
// only, and has a group of its own, or is part of such a job.
func (c *checker) concurrency(name string, job *yaml.Node) {
	targets := called(job)
	changes := slices.ContainsFunc(targets, func(t string) bool { return slices.Contains(changing, t) })
	group := get(job, "concurrency")
	if group == nil {
		if changes || slices.Contains(targets, "unlock") {
			c.say(job, "job %s changes a stack and has no concurrency", name)
		}
		return
	}
	if cancel := get(group, "cancel-in-progress"); cancel == nil || cancel.Value != "false" {
		c.say(group, "job %s can be cancelled half-way; set cancel-in-progress: false", name)
	}
	if !changes {
		return
	}
	stack := get(get(job, "env"), "STACK")
	if in := get(group, "group"); in == nil || stack == nil || in.Value != "stack-"+stack.Value {
		c.say(group, "job %s changes a stack outside of the group stack-STACK", name)
	}
	if queue := get(group, "queue"); queue == nil || queue.Value != "max" {
		c.say(group, "job %s can be dropped while it waits; set queue: max", name)
	}
}

// stack: a job that takes the deploy role, or the webhook, which is a secret of the environment, does so in the environment of the very
// stack that it names.
func (c *checker) stack(name string, job *yaml.Node) {
	deploys, tells := false, false
	for _, step := range items(get(job, "steps")) {
		role := get(get(step, "with"), "role-to-assume")
		deploys = deploys || role != nil && strings.Contains(role.Value, "DEPLOY_ROLE_ARN")
		webhook := get(get(step, "env"), "SLACK_WEBHOOK_URL")
		tells = tells || webhook != nil
	}
	environment := get(job, "environment")
	if named := get(environment, "name"); named != nil {
		environment = named
	}
	stack := get(get(job, "env"), "STACK")
	elsewhere := environment == nil || stack == nil || environment.Value != stack.Value
	if deploys && elsewhere {
		c.say(job, "job %s takes the deploy role in another environment than that of its STACK", name)
	}
	if tells && elsewhere {
		c.say(job, "job %s takes the webhook in another environment than that of its STACK, where there is none", name)
	}
}

// narrowed: a job that changes no stack has no use for all that the deploy role may, and leaves most of it behind by a session policy.
func (c *checker) narrowed(name string, job *yaml.Node) {
	if slices.ContainsFunc(called(job), func(t string) bool { return slices.Contains(changing, t) }) {
		return
	}
	for _, step := range items(get(job, "steps")) {
		with := get(step, "with")
		if role := get(with, "role-to-assume"); role == nil || !strings.Contains(role.Value, "DEPLOY_ROLE_ARN") {
			continue
		}
		if get(with, "inline-session-policy") == nil && get(with, "managed-session-policies") == nil {
			c.say(step, "job %s changes no stack and takes the whole deploy role; give it a session policy", name)
		}
	}
}

// called are the make targets of a job.
func called(job *yaml.Node) []string {
	var targets []string
	for _, step := range items(get(job, "steps")) {
		if run := get(step, "run"); run != nil {
			for _, word := range strings.Fields(run.Value) {
				if word != "make" && !strings.Contains(word, "=") {
					targets = append(targets, word)
				}
			}
		}
	}
	return targets
}

// get is a mapping's value, or nil.
func get(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

func items(node *yaml.Node) []*yaml.Node {
	if node == nil {
		return nil
	}
	return node.Content
}
