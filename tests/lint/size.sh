#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# size.sh - no file over 600 lines, no function over 70, no line of a comment over 100 columns.
#
# Exceptions are lines of size-allow.txt: "file reason" or "file:function reason". One that is not
# needed any more is an error, too. A line of a state machine (it has arrows) may be longer.
set -euo pipefail
cd "$(dirname "$0")/../.."

allow=tests/lint/size-allow.txt

# A folder may not be there yet.
{ find base conf protocol pool router proxy admin tests -name '*.[ch]' 2>/dev/null || true; } | sort |
    xargs awk -v allow="$allow" -v max_file=600 -v max_function=70 '
function check(what, lines, max) {
    if (lines <= max) {
        return
    }
    needed[what] = 1
    if (!(what in allowed)) {
        printf "size: %s has %d lines, more than %d\n", what, lines, max
        bad = 1
    }
}
BEGIN {
    while ((getline line < allow) > 0) {
        if (line !~ /^(#|$)/) {
            n = split(line, words, " ")
            allowed[words[1]] = 1
            if (n < 3) {
                printf "size: %s gives no reason for %s\n", allow, words[1]
                bad = 1
            }
        }
    }
}
FNR == 1 && file != "" { check(file, lines, max_file) }
FNR == 1 { file = FILENAME; name = ""; start = 0 }
{ lines = FNR }
/^ *(\* |\/\*)/ && length > 100 && !/->/ {
    printf "size: %s:%d is a comment of %d columns, more than 100\n", FILENAME, FNR, length
    bad = 1
}
# The opening brace of a function is alone in column one; the name stands before it.
/^[A-Za-z].*\(/ && !/;$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name); start = FNR }
/^TEST\(/ { name = $0; sub(/^TEST\(/, "", name); sub(/\).*/, "", name) }
/^{/ { inside = 1 }
/^}/ { if (inside) { check(file ":" name, FNR - start + 1, max_function) } inside = 0 }
END {
    check(file, lines, max_file)
    for (what in allowed) {
        if (!(what in needed)) {
            printf "size: %s is in %s without need\n", what, allow
            bad = 1
        }
    }
    exit bad
}'
