#!/usr/bin/env bash
# Installs Debian packages as root; anybody else is told what to type.
set -euo pipefail
if [ "$(id -u)" != 0 ]; then
  echo "missing: $*; type: sudo apt-get install -y --no-install-recommends $*" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends "$@"
