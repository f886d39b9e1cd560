package workflows_test

import (
	"strings"
	"testing"
)

// good passes every rule; each test below breaks it in one place.
const good = `
on:
  push:
permissions: {}
jobs:
  gates:
    uses: ./.github/workflows/gates.yml
    permissions:
      contents: read
  deploy:
    runs-on: ubuntu-24.04-arm
    timeout-minutes: 10
    environment:
      name: ${{ matrix.stack }}
    concurrency:
      group: stack-${{ matrix.stack }}
      cancel-in-progress: false
      queue: max
    permissions:
      contents: read # to check out
      id-token: write
    env:
      STACK: ${{ matrix.stack }}
    steps:
      - uses: actions/checkout@0123456789abcdef0123456789abcdef01234567 # v7.0.1
        with:
          persist-credentials: false
      - uses: ./.github/actions/setup
      - uses: aws-actions/configure-aws-credentials@0123456789abcdef0123456789abcdef01234567 # v6.2.3
        with:
          role-to-assume: ${{ vars.DEPLOY_ROLE_ARN }}
      - run: make up STACK=staging
        if: always()
        env:
          PULUMI_ACCESS_TOKEN: ${{ secrets.PULUMI_ACCESS_TOKEN }}
`

const goodAction = `
runs:
  using: composite
  steps:
    - uses: actions/setup-go@0123456789abcdef0123456789abcdef01234567 # v7.0.0
`

var testMakefile = readMakefile("up preview: ## two\nunlock: tool ## one\nVARIABLE := x\n\tmake hidden:\n.PHONY: phony\n")

func TestRules(t *testing.T) {
	for file, content := range map[string]string{"w.yml": good, "action.yml": goodAction} {
		if problems := check(file, []byte(content), testMakefile); len(problems) > 0 {
			t.Fatalf("what is good is refused:\n%s", strings.Join(problems, "\n"))
		}
	}
	tests := map[string]struct{ old, new, want string }{
		"no YAML":                         {"on:", "on: [", "no YAML document"},
		"no jobs":                         {"jobs:", "work:", "there are no jobs"},
		"no trigger":                      {"on:\n  push:", "", "nothing starts it"},
		"pull_request_target, as a key":   {"push:", "pull_request_target:", "other people's code"},
		"pull_request_target, in a list":  {"on:\n  push:", "on: [push, pull_request_target]", "other people's code"},
		"pull_request_target, alone":      {"on:\n  push:", "on: pull_request_target", "other people's code"},
		"workflow_run":                    {"push:", "workflow_run:", "other people's code"},
		"permissions for all jobs":        {"permissions: {}", "permissions: {contents: read}", "not {}"},
		"no permissions at the top":       {"permissions: {}", "", "not {}"},
		"all permissions":                 {"permissions:\n      contents: read # to check out\n      id-token: write", "permissions: write-all", "not listed one by one"},
		"one write too many":              {"contents: read # to check out", "contents: write", "may not have contents: write"},
		"a write of a called workflow":    {"      contents: read\n  deploy", "      packages: write\n  deploy", "may not have packages: write"},
		"a permission that is misspelt":   {"contents: read # to check out", "contents: reed", "may not have contents: reed"},
		"secrets for a called workflow":   {"gates.yml\n", "gates.yml\n    secrets: inherit\n", "hands secrets on"},
		"signs in without a token":        {"      id-token: write\n", "", "without id-token: write"},
		"a token without signing in":      {"aws-actions/configure-aws-credentials", "some/thing", "may not have id-token: write"},
		"a token in a called workflow":    {"      contents: read\n  deploy", "      id-token: write\n  deploy", "may not have id-token: write"},
		"no timeout":                      {"    timeout-minutes: 10\n", "", "has no timeout"},
		"an endless timeout":              {"timeout-minutes: 10", "timeout-minutes: 5000", "has no timeout"},
		"a machine of ours":               {"ubuntu-24.04-arm", "self-hosted", "runs-on is not"},
		"a machine that changes":          {"ubuntu-24.04-arm", "ubuntu-latest", "runs-on is not"},
		"a build on another processor":    {"ubuntu-24.04-arm", "ubuntu-24.04", "images are for ARM64"},
		"pinned by a tag":                 {"actions/checkout@0123456789abcdef0123456789abcdef01234567", "actions/checkout@v7", "not pinned"},
		"pinned by a short commit":        {"actions/checkout@0123456789abcdef0123456789abcdef01234567", "actions/checkout@0123456", "not pinned"},
		"a called workflow by a branch":   {"./.github/workflows/gates.yml", "o/r/.github/workflows/x.yml@main", "not pinned"},
		"no version":                      {" # v7.0.1", "", "no comment that names its version"},
		"half a version":                  {" # v7.0.1", " # v7", "no comment that names its version"},
		"a token left behind":             {"persist-credentials: false", "fetch-depth: 0", "leaves its token behind"},
		"a script":                        {"make up STACK=staging", "pulumi up --yes", "not one make target"},
		"two targets":                     {"make up STACK=staging", "make up unlock", "not one make target"},
		"two commands":                    {"make up STACK=staging", "make up; true", "not one make target"},
		"two lines":                       {"run: make up STACK=staging", "run: |\n          make up\n          make up", "not one make target"},
		"an expression in a command":      {"make up STACK=staging", "make up STACK=${{ inputs.stack }}", "an expression within a command"},
		"a shell variable in a command":   {"make up STACK=staging", "make up STACK=$STACK", "not one make target"},
		"a make function in a command":    {"make up STACK=staging", "make up STACK=$(shell id)", "not one make target"},
		"a target that is not there":      {"make up STACK=staging", "make upp", "has no target upp"},
		"a word of a recipe":              {"make up STACK=staging", "make hidden", "has no target hidden"},
		"a variable that is not there":    {"make up STACK=staging", "make up STAKC=staging", "variable STAKC is not known"},
		"an env that is not there":        {"PULUMI_ACCESS_TOKEN:", "PULUMI_TOKEN:", "variable PULUMI_TOKEN is not known"},
		"a job's env that is not there":   {"      STACK:", "      STAKC:", "variable STAKC is not known"},
		"a secret in the job's env":       {"STACK: ${{ matrix.stack }}\n", "STACK: ${{ matrix.stack }}\n      GITHUB_TOKEN: ${{ github.token }}\n", "there for every step"},
		"a secret in the workflow's env":  {"jobs:", "env:\n  X: ${{ secrets.X }}\njobs:", "there for every step"},
		"a secret for an action":          {"role-to-assume: ${{ vars.DEPLOY_ROLE_ARN }}", "role-to-assume: ${{ secrets.ROLE }}", "input role-to-assume gets"},
		"a stranger's text for an action": {"role-to-assume: ${{ vars.DEPLOY_ROLE_ARN }}", "x: ${{ github.event.pull_request.title }}", "input x gets"},
		"a secret in a condition":         {"if: always()", "if: secrets.X != ''", "a secret in a condition"},
		"no concurrency": {
			"    concurrency:\n      group: stack-${{ matrix.stack }}\n      cancel-in-progress: false\n      queue: max\n", "", "has no concurrency",
		},
		"unlock without concurrency": {
			"    concurrency:\n      group: stack-${{ matrix.stack }}\n      cancel-in-progress: false\n      queue: max\n", "", "has no concurrency",
		},
		"cancelled half-way":             {"cancel-in-progress: false", "cancel-in-progress: true", "can be cancelled half-way"},
		"cancelled half-way, by default": {"      cancel-in-progress: false\n", "", "can be cancelled half-way"},
		"cancelled on a condition":       {"cancel-in-progress: false", "cancel-in-progress: ${{ github.ref != 'x' }}", "can be cancelled half-way"},
		"a group of its own":             {"group: stack-", "group: other-", "outside of the group"},
		"the group of another stack":     {"group: stack-${{ matrix.stack }}", "group: stack-staging", "outside of the group"},
		"dropped while it waits":         {"      queue: max\n", "", "can be dropped"},
		"more rights than it takes":      {"make up STACK=staging", "make unlock", "takes the whole deploy role"},
		"another stack's environment":    {"name: ${{ matrix.stack }}", "name: staging", "in another environment"},
		"no environment":                 {"    environment:\n      name: ${{ matrix.stack }}\n", "", "in another environment"},
		"a local action after a command": {"      - uses: ./.github/actions/setup\n", "      - run: make unlock\n      - uses: ./.github/actions/setup\n", "which could have changed it"},
		"a local action after another's": {"      - uses: ./.github/actions/setup\n", "      - uses: a/b@0123456789abcdef0123456789abcdef01234567 # v1.0.0\n      - uses: ./.github/actions/setup\n", "which could have changed it"},
		"no steps":                       {"steps:", "stages:", "has no steps"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(good, test.old, test.new, 1)
			if name == "unlock without concurrency" {
				bad = strings.Replace(bad, "make up STACK=staging", "make unlock", 1)
			}
			if bad == good {
				t.Fatalf("the workflow has no %q to break", test.old)
			}
			problems := strings.Join(check("w.yml", []byte(bad), testMakefile), "\n")
			if !strings.Contains(problems, test.want) {
				t.Errorf("it was not noticed; want %q, got %q", test.want, problems)
			}
		})
	}
	for name, test := range map[string]struct{ old, new, want string }{
		"an action pinned by a tag": {"0123456789abcdef0123456789abcdef01234567", "v7", "not pinned"},
		"a script in an action":     {"- uses", "- run: curl x | sh\n    - uses", "not one make target"},
	} {
		bad := strings.Replace(goodAction, test.old, test.new, 1)
		if problems := strings.Join(check("action.yml", []byte(bad), testMakefile), "\n"); !strings.Contains(problems, test.want) {
			t.Errorf("%s was not noticed; want %q, got %q", name, test.want, problems)
		}
	}
}

// telling passes every rule: a job that needs another has one beside it which tells where that fails.
const telling = `
on: push
permissions: {}
jobs:
  tell:
    needs: gates
    if: failure()
    runs-on: ubuntu-24.04
    timeout-minutes: 1
    environment: {name: staging}
    env: {STACK: staging}
    permissions: {}
    steps:
      - run: make notify
        env: {RESULT: failure, SLACK_WEBHOOK_URL: x}
  work:
    needs: gates
    runs-on: ubuntu-24.04
    timeout-minutes: 1
    permissions: {}
    steps:
      - run: make notify
        if: always()
`

// A gate that fails skips the job that would tell of it.
func TestTold(t *testing.T) {
	m := readMakefile("notify: ## x\n")
	if problems := check("w.yml", []byte(telling), m); len(problems) > 0 {
		t.Fatalf("what is good is refused:\n%s", strings.Join(problems, "\n"))
	}
	for name, test := range map[string]struct{ old, new, want string }{
		"in good times":                     {"if: failure()", "if: success()", "job work is skipped"},
		"of other jobs":                     {"needs: gates\n    if", "needs: build\n    if", "job work is skipped"},
		"as a success":                      {"RESULT: failure", "RESULT: success", "job work is skipped"},
		"with no result":                    {"RESULT: failure, ", "", "job work is skipped"},
		"by a step that is skipped":         {"- run: make notify\n        env", "- run: make notify\n        if: success()\n        env", "job work is skipped"},
		"without the webhook's environment": {"    environment: {name: staging}\n", "", "takes the webhook in another environment"},
		"in another's environment":          {"{name: staging}", "{name: production}", "takes the webhook in another environment"},
	} {
		bad := strings.Replace(telling, test.old, test.new, 1)
		if bad == telling {
			t.Fatalf("the workflow has no %q to break", test.old)
		}
		if problems := strings.Join(check("w.yml", []byte(bad), m), "\n"); !strings.Contains(problems, test.want) {
			t.Errorf("told %s: it was not noticed; want %q, got %q", name, test.want, problems)
		}
	}
}

// The table of known writes is for one job, not for its name anywhere.
func TestKnownWrites(t *testing.T) {
	const text = `
on: pull_request
permissions: {}
jobs:
  preview:
    runs-on: ubuntu-24.04
    timeout-minutes: 1
    permissions: {pull-requests: write}
    steps: []
`
	if problems := check("preview.yml", []byte(text), testMakefile); len(problems) > 0 {
		t.Errorf("refused: %v", problems)
	}
	if problems := strings.Join(check("deploy.yml", []byte(text), testMakefile), "\n"); !strings.Contains(problems, "may not have pull-requests: write") {
		t.Errorf("a job of the same name in another workflow may write: %q", problems)
	}
}

func TestMakefileTargets(t *testing.T) {
	for target, want := range map[string]bool{"up": true, "preview": true, "unlock": true, "tool": false, "VARIABLE": false, "hidden": false, "phony": false} {
		if testMakefile.targets[target] != want {
			t.Errorf("target %s: %v, want %v", target, !want, want)
		}
	}
}
