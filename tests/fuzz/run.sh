#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - each fuzzer for some seconds: tests/fuzz/run.sh [seconds] [name ...]
#
# Starts from tests/fuzz/corpus/<name> and tests/fuzz/regression/<name>; what is new goes to
# build/fuzz/corpus/<name>, what breaks to build/fuzz/crash/. The table is added to build/fuzz/hours.txt,
# so that the time of many runs adds up. The last line is "N passed, N failed".
#
# Environment: FUZZ_JOBS (the number of cores) at once; FUZZ_TIMEOUT (10 s of wall time for one input;
# more on a machine that has other things to do).
set -uo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-30}
shift || true
jobs=${FUZZ_JOBS:-$(nproc)}
results=build/fuzz/results.$$
mkdir -p build/fuzz/crash "$results"
trap 'rm -rf "$results"' EXIT

# One fuzzer; its line of the table goes to its file of results.
fuzz() {
    local name=$1 log=build/fuzz/$1.log verdict=passed folder runs cov used begun=$SECONDS
    mkdir -p "build/fuzz/corpus/$name"
    local folders=("build/fuzz/corpus/$name") dict=()
    for folder in "tests/fuzz/corpus/$name" "tests/fuzz/regression/$name"; do
        [ ! -d "$folder" ] || folders+=("$folder")
    done
    [ ! -f "tests/fuzz/$name.dict" ] || dict=("-dict=tests/fuzz/$name.dict")
    echo "FUZZ $name for $seconds s"
    # entropic: its bookkeeping took half of the time of the whole-session fuzzers, for the same coverage.
    if ! "build/fuzz/tests/fuzz/fuzz_$name" "-max_total_time=$seconds" "-timeout=${FUZZ_TIMEOUT:-10}" \
        -rss_limit_mb=1024 "-artifact_prefix=build/fuzz/crash/$name-" -print_final_stats=1 -entropic=0 \
        "${dict[@]}" "${folders[@]}" >"$log" 2>&1; then
        verdict=failed
        tail -n 40 "$log"
    fi
    times >"$results/.$name" # no pipe: it would be the times of the pipe's shell
    used=$(awk 'NR == 2 { split($1, t, /[ms]/); print int(t[1] * 60 + t[2]) }' "$results/.$name") # of children
    runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
    cov=$(grep -ao 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)
    printf '%-14s %-7s %8d %8d %12s %8s\n' "$name" "$verdict" $((SECONDS - begun)) "$used" \
        "${runs:--}" "${cov:--}" >"$results/$name"
}

shopt -s nullglob
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
        continue
    fi
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    fuzz "$name" &
done
wait

{
    echo "# $(date -u +%F) $(git describe --always --dirty 2>/dev/null)"
    printf '%-14s %-7s %8s %8s %12s %8s\n' fuzzer end 'wall s' 'CPU s' runs coverage
    cat "$results"/* /dev/null
} | tee -a build/fuzz/hours.txt
failed=$(cat "$results"/* /dev/null | awk '$2 == "failed"' | wc -l)
passed=$(cat "$results"/* /dev/null | awk '$2 == "passed"' | wc -l)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
