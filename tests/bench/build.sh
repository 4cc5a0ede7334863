#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh - compile the load generator to build/bench/loadgen if its sources are newer.
set -euo pipefail

cd "$(dirname "$0")/../.."
out=build/bench/loadgen
[ ! -e $out ] || [ -n "$(find tests/bench/loadgen -newer $out -print -quit)" ] || exit 0
mkdir -p build/bench
# Renamed at the end: another run may be using the old one.
"${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
    -Werror=implicit-function-declaration -I. -o $out.$$ tests/bench/loadgen/*.c -lcrypto
mv $out.$$ $out
