#!/usr/bin/env bash
# Lints the workflows of GitHub Actions: actionlint for what GitHub would refuse, zizmor, as its strictest persona, for what
# somebody could abuse. Both are made once, outside the work tree, and neither asks GitHub anything. What they are told to
# overlook stands in .github/actionlint.yaml and .github/zizmor.yml, with reasons.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
cache=${SLIPWAY_CACHE:-$HOME/.cache/slipway}
actionlint=$cache/actionlint-v1.7.12
zizmor=$cache/zizmor-1.32.0

if [ ! -x "$actionlint/actionlint" ]; then
  GOBIN="$actionlint" "$top/local/progress.sh" "actionlint: building it" \
    go install "github.com/rhysd/actionlint/cmd/actionlint@${actionlint##*-}"
fi
if [ ! -d "$zizmor" ]; then
  new=$zizmor.$$ # takes its final name when it is whole: a killed run leaves nothing that looks finished
  trap 'rm -rf "$new"' EXIT
  python3 -m venv "$new"
  "$top/local/progress.sh" "zizmor: installing it" \
    "$new/bin/pip" install --quiet --disable-pip-version-check "zizmor==${zizmor##*-}"
  mv -T "$new" "$zizmor" 2>/dev/null || [ -d "$zizmor" ] # another run may have been first
fi

# Without the linters of shell and Python that a machine may have or not: there is no script in any workflow.
"$actionlint/actionlint" -shellcheck= -pyflakes=
"$zizmor/bin/zizmor" --quiet --offline --persona auditor --strict-collection .github
