#!/usr/bin/env bash
# Formats are checked, and both Go modules linted. golangci-lint is built from its Go module once, outside the work tree.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
version=v2.5.0
bin="${SLIPWAY_CACHE:-$HOME/.cache/slipway}/golangci-lint-$version"
if [ ! -x "$bin/golangci-lint" ]; then
  GOBIN="$bin" "$top/local/progress.sh" "golangci-lint: building it" \
    go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
fi
for module in . local; do
  (cd "$module" && "$top/local/progress.sh" "lint of module $module" "$bin/golangci-lint" run ./...)
done
