# Slipway's commands. STACK=local, the default, is the embedded cloud on this machine; any other stack is AWS, by the
# plain pulumi CLI.
STACK ?= local
export STACK REVISION RESULT SECRET SCANNERS
# make expands what the environment and the command line bring along, and would run a $(shell ...) in it.
ifneq (,$(findstring $$,$(value STACK)$(value REVISION)$(value RESULT)$(value SECRET)$(value BOOTSTRAP)$(value SCANNERS)))
$(error STACK, REVISION, RESULT, SECRET, BOOTSTRAP and SCANNERS hold no dollar signs)
endif
export SLIPWAY_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway

LOCAL := $(SLIPWAY_CACHE)/bin/local
OPS := go run ./ops/cmd/slipway
GO_TEST := go test -race

.DEFAULT_GOAL := help
.PHONY: help up preview down outputs stop fault chaos bench build test test-infra test-local test-backend test-frontend test-embedded lint lint-workflows scan restore rollback releases review cost bootstrap summary notify drift refresh unlock secret comment forked fmt golden clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## converge STACK (default: local, with no AWS account), judge its release, and print its outputs
preview: ## say what `up` would change in STACK
down: ## destroy STACK; locally, ask the API what is left and stop the embedded cloud
outputs: ## print the outputs of STACK again
rollback: ## run REVISION again in STACK, a release that ran well, with no build
restore: ## run the release again in STACK that ran well last
releases: ## list what STACK can go back to
secret: ## set the value of STACK's secret SECRET, which is asked for, or read from a pipe

# Values come through the environment: one that is written into a recipe can be a command.
ifeq ($(STACK),local)
up preview down outputs restore releases: $(LOCAL)
	@$(LOCAL) $@
rollback: $(LOCAL)
	@$(LOCAL) rollback "$$REVISION"
secret: $(LOCAL)
	@$(LOCAL) secret "$$SECRET"
# The commands below then ask the embedded cloud's engine.
export SLIPWAY_PULUMI := $(LOCAL) pulumi
summary notify drift refresh review cost unlock: $(LOCAL)
else
up restore rollback releases secret: ; @$(OPS) $@ --stack "$$STACK"
preview: ; pulumi preview --stack "$$STACK"
down: ; pulumi destroy --stack "$$STACK"
outputs: ; pulumi stack output --stack "$$STACK" --json
endif

stop: $(LOCAL) ## stop the embedded cloud as it is; the next `up` begins with an empty one
	@$(LOCAL) stop

fault: $(LOCAL) ## list the faults in force; FAULT="..." puts one in force, such as "throttle service=ecs times=3"; FAULT=clear ends all
	@$(LOCAL) fault $(FAULT)

review: ## print for a pull request what matters in a preview of STACK, in Markdown
	@$(OPS) $@ --stack "$$STACK"

cost: ## print what STACK costs a month, by the price table in the repository
	@$(OPS) $@ --stack "$$STACK"

bootstrap: ## prepare an AWS account for STACK (BOOTSTRAP="--dry-run" only says how), and print what to do next
	@$(OPS) $@ --stack "$$STACK" $(BOOTSTRAP)

summary: ## print a Markdown summary of STACK's last run, on the page of the job as well: URL, revision, digests, durations
	@$(OPS) $@ --stack "$$STACK"

notify: ## tell Slack how the run went (RESULT=success or failure), by the webhook in SLACK_WEBHOOK_URL
	@$(OPS) $@ --stack "$$STACK"

drift: ## say what differs between STACK's state and the cloud; fails if something does
	@$(OPS) $@ --stack "$$STACK"

refresh: ## read what stands in the cloud into STACK's state; `up` then puts right what differs
	@$(OPS) $@ --stack "$$STACK"

unlock: ## free STACK's state from locks of runs of GitHub Actions that are dead, and from no others
	@$(OPS) $@ --stack "$$STACK"

comment: ## put the review of STACK at the top of the preview's comment on the pull request
	@mkdir -p out
	@$(MAKE) --no-print-directory review >out/review.md
	@$(OPS) $@ --stack "$$STACK" --file out/review.md

forked: ## say why there is no preview for a pull request from a fork
	@$(OPS) $@

RUNS ?= 200
SEED ?= 1
chaos: $(LOCAL) ## up, release, rollback and down RUNS times, each time with a fault and a kill that SEED draws
	@$(LOCAL) chaos -runs $(RUNS) -seed $(SEED)

bench: $(LOCAL) ## print figures: preview, up, rolling updates, image builds, compile time and memory
	@$(LOCAL) bench

.PHONY: $(LOCAL)
$(LOCAL):
	@mkdir -p $(@D)
	@local/progress.sh "local: building the embedded cloud's tool" go -C local build -o $@ ./cmd/local

build: ## compile the program, as `pulumi up` would
	go build -o bin/slipway .

test: lint test-infra test-backend test-frontend test-local test-embedded ## run everything: unit tests, linters, the app's tests, the embedded run

test-infra: ## unit tests of the program
	$(GO_TEST) ./...

test-local: ## tests of the embedded cloud's parts
	cd local && $(GO_TEST) -timeout 20m $$(go list ./... | grep -v /e2e)

test-embedded: $(LOCAL) ## the program in the embedded cloud: up, a page in a browser, releases under load, kills, down
	@mkdir -p out
	cd local && SLIPWAY_LOCAL=$(LOCAL) go test -count=1 -v -parallel 2 -timeout 80m -artifacts -outputdir $(CURDIR)/out ./e2e

test-backend: ## the backend's tests, against a real PostgreSQL
	cd backend && $(MAKE) --no-print-directory -f ../Makefile .backend

.PHONY: .backend .frontend
.backend:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || ../local/debian.sh postgresql
	python3 -m venv .venv
	.venv/bin/pip install --quiet -r requirements.txt -r requirements-dev.txt
	.venv/bin/ruff check . ../local && .venv/bin/ruff format --check . ../local && .venv/bin/mypy
	.venv/bin/pytest

test-frontend: ## the frontend's tests
	cd frontend && npm ci --no-audit --no-fund && npm run lint && npm run typecheck && npm test

lint: lint-workflows ## linters of the Go code and the workflows, and the scanners that are quick to have
	local/lint.sh
	local/scan.sh checkov hadolint bandit

lint-workflows: ## actionlint, and zizmor at its strictest, on the workflows
	local/lint-workflows.sh

scan: ## hold what security scanners find in the stacks' plans and the repository against docs/security.md; SCANNERS=prowler asks the embedded cloud
	local/scan.sh $$SCANNERS

fmt: ## format the Go code
	gofmt -w main.go infra ops local

golden: ## draw the golden graphs again, to be read before they are committed
	go test ./infra -run 'TestGolden|TestWatched|TestEdgeGolden|TestKinds|TestOptions' -update

clean: ## stop the embedded cloud and delete everything that was cached
	-@[ ! -x $(LOCAL) ] || $(LOCAL) stop
	rm -rf $(SLIPWAY_CACHE) bin out
