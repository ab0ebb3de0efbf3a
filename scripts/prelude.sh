# What every script here starts with: strict mode, the repository root as the working directory,
# GRA_MODELS, and a way to speak that leaves standard output to gra-bench. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail

# Where the models are kept; gra-bench and its tests read the variable too. A relative folder is
# relative to where the caller stands, so it is resolved before the working directory changes.
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${GRA_MODELS:=$repo/.models} in
    /*) ;;
    *) GRA_MODELS=$PWD/$GRA_MODELS ;;
esac
export GRA_MODELS
cd "$repo"

script=${0##*/}
say() { printf '%s: %s\n' "$script" "$*" >&2; }

# die MESSAGE [HINT]: stops, and says what to type next where that is known.
die() {
    say "$1"
    [[ -z ${2:-} ]] || printf '  hint: %s\n' "$2" >&2
    exit 1
}

# Runs gra-bench as it was last built.
program=${CARGO_TARGET_DIR:-target}/release/gra-bench
gra_bench() {
    [[ -x $program ]] || die "$program is missing" "cargo build --release --locked"
    "$program" "$@"
}
