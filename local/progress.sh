#!/usr/bin/env bash
# Runs a command, and if it takes longer than a few seconds says so, again and again: progress.sh WHAT COMMAND...
set -euo pipefail
what=$1
shift
SECONDS=0
(
  wait=3
  while sleep "$wait" >/dev/null 2>&1; do # a sleep that outlives us must hold no pipe open
    echo "$what: at it for $SECONDS s (the first time takes minutes)"
    wait=15
  done
) &
ticker=$!
trap 'kill "$ticker" 2>/dev/null' EXIT
"$@"
