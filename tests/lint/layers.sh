#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh - a folder includes itself and folders to its left, never to its right.
set -euo pipefail
cd "$(dirname "$0")/../.."

order=(base conf protocol pool router proxy admin)
bad=0

complain() {
    echo "layers: $1"
    bad=1
}

declare -A rank=()
for i in "${!order[@]}"; do
    rank[${order[$i]}]=$i
done

for folder in "${order[@]}"; do
    while IFS=: read -r file line include; do
        path=$(sed 's/.*"\(.*\)".*/\1/' <<<"$include")
        target=${path%%/*}
        if [[ $path != */* || -z ${rank[$target]:-} ]]; then
            complain "$file:$line: \"$path\" is not \"folder/file.h\" from the root"
        elif [ "${rank[$target]}" -gt "${rank[$folder]}" ] && [ "$file" != proxy/main.c ]; then
            complain "$file:$line: $folder may not include $target"
        fi
    done < <(grep -nH '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder"/*.[ch] 2>/dev/null || true)
done

# The folders that are pure know no event loop; codecs and the router do not log either.
forbid() { # pattern, why, file ...
    local pattern=$1 why=$2 hit
    shift 2
    while IFS= read -r hit; do
        [ -z "$hit" ] || complain "${hit%:*}: $why"
    done < <(grep -noHE "^[[:space:]]*#[[:space:]]*include[[:space:]]*$pattern" "$@" 2>/dev/null || true)
}
shopt -s nullglob
codecs=()
for file in protocol/*.[ch]; do
    [[ $file == protocol/stream* ]] || codecs+=("$file")
done
forbid '<uv' "libuv has no place here" /dev/null base/*.[ch] conf/*.[ch] router/*.[ch] "${codecs[@]}"
forbid '"base/log.h"' "this folder does not log" /dev/null router/*.[ch] "${codecs[@]}"

exit $bad
