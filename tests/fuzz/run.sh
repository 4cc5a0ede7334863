#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - each fuzzer for some seconds: tests/fuzz/run.sh [seconds] [name ...]
#
# Starts from tests/fuzz/corpus/<name> and tests/fuzz/regression/<name>; what is new goes to
# build/fuzz/corpus/<name>, what breaks to build/fuzz/crash/. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-30}
shift || true
passed=0
failed=0

shopt -s nullglob
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then
        continue
    fi
    mkdir -p "build/fuzz/corpus/$name" build/fuzz/crash
    folders=("build/fuzz/corpus/$name")
    for folder in "tests/fuzz/corpus/$name" "tests/fuzz/regression/$name"; do
        [ ! -d "$folder" ] || folders+=("$folder")
    done
    dict=()
    [ ! -f "tests/fuzz/$name.dict" ] || dict=("-dict=tests/fuzz/$name.dict")
    echo "FUZZ $name for $seconds s"
    if "build/fuzz/tests/fuzz/fuzz_$name" "-max_total_time=$seconds" -timeout=10 -rss_limit_mb=1024 \
        "-artifact_prefix=build/fuzz/crash/$name-" "${dict[@]}" "${folders[@]}" \
        >"build/fuzz/$name.log" 2>&1; then
        tail -n 2 "build/fuzz/$name.log" | sed 's/^/    /'
        passed=$((passed + 1))
    else
        tail -n 40 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
