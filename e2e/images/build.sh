#!/usr/bin/env bash
# Builds the container images as OCI archives, without a container engine, and without a registry.
#
#   e2e/images/build.sh BIN_DIR OUT_DIR TAG
#
# BIN_DIR has the programs, built for release. OUT_DIR gets one archive for each image; an image whose program,
# base and Containerfile did not change is left alone. IMAGES="streamer operator" builds only these.
#
# TICKS=FILE is a recording for the simulator's image (simulator/fetch-btcusd.sh makes one).
# BASE=some/image in the environment builds on that image, which must be reachable. Otherwise a small base
# is made from the distribution's packages, once, and kept in the cache.
set -euo pipefail

if [[ $# -ne 3 ]]; then
  sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin_dir=$(cd "$1" && pwd)
mkdir -p "$2"
out_dir=$(cd "$2" && pwd)
tag=$3
cache=${MARKETSTREAM_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set MARKETSTREAM_CACHE instead}/.cache}/marketstream}/images
prefix=localhost/marketstream
debian=bookworm
base_packages=libc6,libgcc-s1,ca-certificates,tzdata

# Each image and the programs in it.
declare -A program=(
  [operator]=marketstream-operator
  [streamer]="marketstream-streamer marketstream-gate"
  [ib-gateway-sim]=ib-gateway-sim
  [e2e]=marketstream-e2e
)
read -ra images <<<"${IMAGES:-operator streamer ib-gateway-sim e2e}"

fail() {
  echo "images: $*" >&2
  exit 1
}

# done_line LABEL START_OF_WORK
done_line() {
  printf '  ok %s %d.%d s\n' "$1" $((($(now) - $2) / 10)) $((($(now) - $2) % 10)) >&2
}

# now is the time in tenths of a second.
now() {
  local t=${EPOCHREALTIME/[.,]/}
  echo $((t / 100000))
}

hash_of() {
  sha256sum | cut -c 1-16
}

# The images live in a store of this project's own: no other tool's settings or images matter.
buildah_here() {
  env BUILDAH_ISOLATION=chroot buildah --root "$cache/store" --runroot "$cache/run" --storage-driver vfs "$@"
}

# make_base leaves the name of an image to build on in the variable base, and what identifies it in base_id.
make_base() {
  if [[ -n ${BASE:-} ]]; then
    base=$BASE
    base_id=$BASE
    return
  fi
  base_id=$(echo "$debian $base_packages $(uname -m)" | hash_of)
  base=$prefix/base:$base_id
  buildah_here inspect --type image "$base" >/dev/null 2>&1 && return

  local started
  started=$(now)
  echo "  .. base image from Debian's packages ($base_packages)" >&2
  local tarball=$work/base.tar
  if ! mmdebstrap --quiet --variant=extract --include="$base_packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$debian" "$tarball" >"$work/base.log" 2>&1; then
    tail -n 20 "$work/base.log" >&2
    fail "mmdebstrap could not make the base image; BASE=some/image builds on an image that you have"
  fi
  mkdir "$work/rootfs"
  tar -C "$work/rootfs" --exclude='./dev/*' -xf "$tarball"
  complete_rootfs "$work/rootfs"
  tar -C "$work/rootfs" --numeric-owner -cf "$work/base.final.tar" .
  mkdir "$work/base"
  mv "$work/base.final.tar" "$work/base/rootfs.tar"
  printf 'FROM scratch\nADD rootfs.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n' >"$work/base/Containerfile"
  quietly "$work/base.log" buildah_here build --quiet --format oci --tag "$base" "$work/base"
  done_line "base image" "$started"
}

# complete_rootfs does what the packages' scripts would have done: extracting packages does not run them.
complete_rootfs() {
  local rootfs=$1
  mkdir -p "$rootfs/etc/ssl/certs" "$rootfs/tmp"
  chmod 1777 "$rootfs/tmp"
  find "$rootfs/usr/share/ca-certificates" -name '*.crt' -print0 | sort -z | xargs -0 cat >"$rootfs/etc/ssl/certs/ca-certificates.crt"
  printf 'root:x:0:0:root:/root:/usr/sbin/nologin\nmarketstream:x:1000:1000::/:/usr/sbin/nologin\n' >"$rootfs/etc/passwd"
  printf 'root:x:0:\nmarketstream:x:1000:\n' >"$rootfs/etc/group"
  printf 'hosts: files dns\n' >"$rootfs/etc/nsswitch.conf"
  ln -sf /usr/share/zoneinfo/Etc/UTC "$rootfs/etc/localtime"
  rm -rf "$rootfs"/var/lib/apt/lists/* "$rootfs"/var/cache/apt/*
}

# quietly LOG COMMAND... shows the command's output only when it fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    fail "'${*:1:3}' failed"
  fi
}

# build_image NAME
build_image() {
  local name=$1
  local files file
  read -ra files <<<"${program[$name]}"
  for file in "${files[@]}"; do
    [[ -f $bin_dir/$file ]] || fail "there is no program $file in $bin_dir: build it for release first"
  done

  local image=$prefix/$name:$tag
  local archive=$out_dir/$name.tar
  local key
  local recording=/dev/null
  [[ $name == ib-gateway-sim && -f ${TICKS:-} ]] && recording=$TICKS
  key=$({ echo "$image $base_id"; cat "$root/Containerfile" "${files[@]/#/$bin_dir/}" "$recording" | sha256sum; } | hash_of)
  if [[ -f $archive && $(cat "$archive.key" 2>/dev/null) == "$key" ]]; then
    echo "  ok $image is as it should be" >&2
    return
  fi

  local started context=$work/$name
  started=$(now)
  mkdir "$context"
  for file in "${files[@]}"; do
    ln "$bin_dir/$file" "$context/$file" 2>/dev/null || cp "$bin_dir/$file" "$context/$file"
  done
  mkdir "$context/ticks"
  [[ $recording == /dev/null ]] || install -m 0644 "$recording" "$context/ticks/btcusd.ticks"
  quietly "$work/$name.log" buildah_here build --quiet --format oci --layers=false --build-arg "BASE=$base" \
    --target "$name" --file "$root/Containerfile" --tag "$image" "$context"
  rm -f "$archive.key" "$archive.partial"
  quietly "$work/$name.log" buildah_here push --quiet "$image" "oci-archive:$archive.partial:$image"
  mv "$archive.partial" "$archive"
  echo "$key" >"$archive.key"
  # The archive is what counts; copies in the store would pile up.
  buildah_here rmi "$image" >/dev/null 2>&1 || true
  done_line "$image" "$started"
}

for tool in buildah mmdebstrap; do
  command -v "$tool" >/dev/null || fail "$tool is missing: 'e2e/node/node.sh deps' installs it, or 'apt-get install $tool'"
done
for name in "${images[@]}"; do
  [[ -n ${program[$name]:-} ]] || fail "there is no image '$name'; there are: ${!program[*]}"
done

mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock" # one build at a time in one store
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

make_base
for name in "${images[@]}"; do
  build_image "$name"
done
