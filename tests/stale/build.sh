#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh - compile the consistency checker's clients to build/stale/load if sources are newer.
#
# Connections and protocol are those of the benchmark's load generator.
set -euo pipefail

cd "$(dirname "$0")/../.."
out=build/stale/load
shared=tests/bench/loadgen
[ ! -e $out ] || [ -n "$(find tests/stale/load $shared -newer $out -print -quit)" ] || exit 0
mkdir -p build/stale
# Renamed at the end: another run may be using the old one.
"${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
    -Werror=implicit-function-declaration -I. -o $out.$$ tests/stale/load/*.c \
    $shared/client.c $shared/wire.c $shared/stats.c -lcrypto
mv $out.$$ $out
