#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# words.sh - each source file names its licence; no tabs; no paths of somebody's machine.
#
# Looks at what git would take: tracked files, and new ones that are not ignored.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
# Prints the hits on stdin, if any, under a heading.
report() {
    local hits
    hits=$(cat)
    if [ -n "$hits" ]; then
        printf 'words: %s\n%s\n' "$1" "$(sed 's/^/    /' <<<"$hits")"
        bad=1
    fi
}

mapfile -t files < <(git ls-files -co --exclude-standard | while read -r f; do
    [ ! -f "$f" ] || echo "$f"
done)
sources=()
texts=()
for file in "${files[@]}"; do
    case $file in
    tests/fuzz/corpus/* | tests/fuzz/regression/*) continue ;; # bytes, not text
    *.c | *.h | *.sh | *.py | *.php | *.pl | *.js | *.java | Makefile | .ci/run) sources+=("$file") ;;
    esac
    [ "$file" = LICENSE ] || [ "$file" = tests/lint/words.sh ] || texts+=("$file")
done

report "no SPDX-License-Identifier: Apache-2.0 in the first five lines" < <(
    for file in "${sources[@]}"; do
        head -n 5 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
    done
)
report "a tab" < <(printf '%s\0' "${sources[@]}" | grep -zv '^Makefile$' |
    xargs -0 grep -nIP '\t' || true)
report "space at the end of a line" < <(printf '%s\0' "${sources[@]}" | xargs -0 grep -nIE ' +$' || true)
report "a path of one machine" < <(printf '%s\0' "${texts[@]}" |
    xargs -0 grep -nIE '(^|[^A-Za-z0-9_.*-])/(work|home|Users)/' || true)

exit $bad
