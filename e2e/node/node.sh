#!/usr/bin/env bash
# Builds the program `node` into the cache (a fraction of a second when nothing changed) and runs it.
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MARKETSTREAM_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set MARKETSTREAM_CACHE instead}/.cache}/marketstream}

if ! command -v go >/dev/null; then
  echo "node: the Go toolchain (1.26 or newer) is needed to build the one-node Kubernetes, and there is no 'go' in PATH" >&2
  exit 1
fi

# One program per checkout: two checkouts on one machine must not rebuild each other's.
program=$cache/node/tool/$(printf %s "$source_dir" | cksum | cut -d ' ' -f 1)/node
(cd "$source_dir" && GOWORK=off CGO_ENABLED=0 go build -buildvcs=false -trimpath -o "$program" .)

MARKETSTREAM_CACHE=$cache MARKETSTREAM_NODE_SOURCE=$source_dir exec "$program" "$@"
