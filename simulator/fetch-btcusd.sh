#!/bin/sh
# Makes the recording of real BTC/USD ticks that ib-gateway-sim replays. Nothing of it is in this repository: the
# sample comes with the Python package ob-analytics (GPL-2.0-or-later), is fetched with the pip of this machine, and is
# checked against pinned sums. The package is cached in ${MARKETSTREAM_CACHE:-$HOME/.cache/marketstream}/ticks/btcusd;
# the recording is made anew each time, which takes seconds.
#
# usage: fetch-btcusd.sh OUT_FILE
# The ending of OUT_FILE chooses the format: .csv, .parquet, or the compact text of .ticks.
# IB_GATEWAY_SIM: the program to prepare with; default: ib-gateway-sim on the PATH, else `cargo run` in this checkout.
set -eu

PACKAGE=ob-analytics
VERSION=0.1.0
WHEEL=ob_analytics-0.1.0-py3-none-any.whl
WHEEL_SHA256=0326a93aaee4ea08356d8dea59868d68592623a2434bbe4d9be379fa855c9c62
ORDERS=ob_analytics/_sample_data/orders.csv.gz
ORDERS_SHA256=880501e94fb43942b7f98cbc37bab421d72703d85898aae8de5da117bf62cdfc
TRADES=ob_analytics/_sample_data/trades.csv
TRADES_SHA256=9fd0dd86023b71eed49026b9b8e8a45d06d2578ced69393ad696f37233e9c795

if [ $# -ne 1 ]; then
    echo "usage: $0 OUT_FILE" >&2
    exit 2
fi
out=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${MARKETSTREAM_CACHE:-$HOME/.cache/marketstream}/ticks/btcusd
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

check() { # check FILE SHA256
    if ! echo "$2  $1" | sha256sum -c --status -; then
        echo "$0: $1 is not the file that was pinned" >&2
        exit 1
    fi
}

prepare() {
    if [ -n "${IB_GATEWAY_SIM:-}" ]; then
        "$IB_GATEWAY_SIM" prepare-btcusd "$@"
    elif command -v ib-gateway-sim >/dev/null 2>&1; then
        ib-gateway-sim prepare-btcusd "$@"
    else
        (cd "$here" && cargo run -q -p ib-gateway-sim -- prepare-btcusd "$@")
    fi
}

work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ ! -s "$cache/$WHEEL" ]; then
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$PACKAGE==$VERSION"
    check "$work/$WHEEL" "$WHEEL_SHA256"
    mv "$work/$WHEEL" "$cache/$WHEEL"
fi
check "$cache/$WHEEL" "$WHEEL_SHA256"
# A wheel is a zip; Python can open it everywhere, unzip is not installed everywhere.
python3 -m zipfile -e "$cache/$WHEEL" "$work/wheel"
check "$work/wheel/$ORDERS" "$ORDERS_SHA256"
check "$work/wheel/$TRADES" "$TRADES_SHA256"
mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
# Written whole or not at all.
prepare --orders "$work/wheel/$ORDERS" --trades "$work/wheel/$TRADES" --out "$out"
