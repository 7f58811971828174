#!/bin/sh
# Counts the instructions of one encode, one decode and one whole call of the client, by callgrind.
#
# Usage: benches/instructions.sh [HOST:PORT]   (needs valgrind; with HOST:PORT the secret is in RTM_SECRET)
# FEATURES=metrics benches/instructions.sh builds the client with a further feature, here to see what it costs unused.
#
# A count is the difference between a long and a short run, so that starting and ending cancel out. Counts of encode and
# decode are the same on every machine with the same compiler. A whole call has two threads, and how often they wait for
# each other varies a little from run to run; so does the number of digits in a salt, which an encode signs.
set -eu
cd "$(dirname "$0")/.."

build() {
    cargo bench --quiet --no-run --message-format=json --features "gate,unstable-internals${FEATURES:+,$FEATURES}" "$@" |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
}

program=$(build --bench callgrind | grep '/callgrind-')
folder=$(mktemp -d)
gate=
trap 'test -z "$gate" || kill "$gate"; rm -rf "$folder"' EXIT

count() { # what, times, endpoint
    valgrind --tool=callgrind --callgrind-out-file="$folder/$1.$2" "$program" "$@" 2>"$folder/log" ||
        { cat "$folder/log" >&2; exit 1; }
    sed -n 's/^summary: *//p; s/^totals: *//p' "$folder/$1.$2" | head -1
}

report() { # what, few, many, endpoint
    few=$(count "$1" "$2" ${4:+"$4"})
    many=$(count "$1" "$3" ${4:+"$4"})
    echo "$1: $(((many - few) / ($3 - $2))) instructions"
}

report encode 1000 11000
report decode 1000 11000

endpoint=${1:-}
if [ -z "$endpoint" ]; then
    RTM_SECRET="a secret for benches"
    export RTM_SECRET
    cargo build --quiet --release --bin rtm-gate
    mkfifo "$folder/greeting"
    "${CARGO_TARGET_DIR:-target}/release/rtm-gate" --listen 127.0.0.1:0 --pid 80000001 --secret "$RTM_SECRET" \
        >"$folder/greeting" &
    gate=$!
    read -r greeting <"$folder/greeting"
    endpoint=${greeting##*listening on }
fi
report call 1000 6000 "$endpoint"
report submit 1000 11000 "$endpoint"
report callback 1000 11000 "$endpoint"
