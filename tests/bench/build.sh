#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [bench|drill|stale] - compile a load client if its sources are newer: build/bench/loadgen,
# build/drill/load or build/stale/load. Connections and protocol of all are those of loadgen/.
set -euo pipefail

cd "$(dirname "$0")/../.."
shared=tests/bench/loadgen
case ${1:-bench} in
bench) folder=$shared out=build/bench/loadgen others=() ;;
drill | stale)
    folder=tests/$1/load out=build/$1/load
    others=("$shared"/{client,wire,stats}.c)
    ;;
*) echo "build.sh: there is no load client of $1" >&2 && exit 2 ;;
esac
[ ! -e "$out" ] || [ -n "$(find "$folder" "$shared" -newer "$out" -print -quit)" ] || exit 0
mkdir -p "$(dirname "$out")"
# Renamed at the end: another run may be using the old one.
"${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
    -Werror=implicit-function-declaration -I. -o "$out.$$" "$folder"/*.c "${others[@]}" -lcrypto
mv "$out.$$" "$out"
