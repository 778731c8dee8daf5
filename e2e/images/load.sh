#!/usr/bin/env bash
# Loads image archives into the cluster that the demo or the tests use.
#
#   e2e/images/load.sh ARCHIVE.tar...
#
# Without CONTEXT: into the project's own node (NAME, default demo).
# With CONTEXT=name of a kubectl context: into that cluster, if its kind has a way to take archives.
set -euo pipefail

if [[ $# -eq 0 ]]; then
  sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
context=${CONTEXT:-}

fail() {
  echo "load: $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "the context '$context' looks like a cluster of $1, and there is no '$1' in PATH"
}

case $context in
  '')
    exec "$here/../node/node.sh" load --name "${NAME:-demo}" "$@"
    ;;
  kind-*)
    need kind
    for archive in "$@"; do
      kind load image-archive --name "${context#kind-}" "$archive"
    done
    ;;
  k3d-*)
    need k3d
    k3d image import -c "${context#k3d-}" "$@"
    ;;
  minikube)
    need minikube
    for archive in "$@"; do
      minikube image load "$archive"
    done
    ;;
  *)
    if command -v k3s >/dev/null && [[ -S /run/k3s/containerd/containerd.sock ]]; then
      for archive in "$@"; do
        k3s ctr images import "$archive"
      done
    else
      cat >&2 <<MESSAGE
load: the cluster of context '$context' takes images only from a registry. Push them to one that it can pull from:
MESSAGE
      for archive in "$@"; do
        echo "  skopeo copy oci-archive:$archive docker://\$IMAGE_PREFIX/$(basename "$archive" .tar):TAG" >&2
      done
      echo "and give the same IMAGE_PREFIX=your.registry/folder to make." >&2
      exit 1
    fi
    ;;
esac
