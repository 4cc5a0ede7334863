#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - run parts of the tests and add up what they counted: tests/run.sh [part ...]
#
# Parts: packages build unit integration bench drill stale (all of them when none is named). MODE picks the
# build. A part that ends badly without naming a failure counts as one failure; without a build
# nothing after it runs. The last line is "N passed, N failed"; the exit status is 1 when any failed.
#
# Environment: MODE, PYTEST_ARGS, MAKE.
set -uo pipefail
cd "$(dirname "$0")/.."

mode=${MODE:-release}
make=${MAKE:-make}
out=build/$mode
unset MAKEFLAGS MFLAGS MAKELEVEL # a make called from here is a fresh one, with jobs of its own
limit=3600 # seconds for one part: a hang must end, too
export MODE=$mode
export PYTHONDONTWRITEBYTECODE=1
export GALEWAY_BIN=$out/galeway
[ "$mode" = release ] && GALEWAY_BIN=build/galeway

export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp}

part_packages() {
    tests/setup/packages.sh build test deb && echo "1 passed, 0 failed"
}

part_build() {
    $make MODE="$mode" all unit-binary tools && echo "1 passed, 0 failed"
}

part_unit() {
    exec "$out/unit"
}

part_integration() {
    if ! compgen -G 'tests/integration/test_*.py' >/dev/null; then
        echo "SKIPPED: there are no files tests/integration/test_*.py"
        echo "0 passed, 0 failed"
        return 0
    fi
    # Debian's Python has Debian's packages; another python3 may come first in PATH.
    # shellcheck disable=SC2086 # words on purpose
    # 40 failures have a cause in common: it is told rather than met another thousand times.
    exec /usr/bin/python3 -m pytest -q -rs --maxfail=40 -p no:cacheprovider tests/integration ${PYTEST_ARGS:-}
}

part_bench() {
    if [ ! -x tests/bench/smoke.sh ]; then
        echo "SKIPPED: there is no tests/bench/smoke.sh"
        echo "0 passed, 0 failed"
        return 0
    fi
    exec tests/bench/smoke.sh
}

part_drill() {
    exec tests/drill/smoke.sh
}

part_stale() {
    exec tests/stale/smoke.sh
}

# The last "N <word>" of a part's output; pytest and our runners write the same words.
number_of() {
    sed 's/\x1b\[[0-9;]*m//g' "$2" | grep -aE '[0-9]+ (passed|failed|error|skipped)' | tail -n 1 |
        grep -oE "[0-9]+ $1" | tail -n 1 | cut -d' ' -f1
}

passed=0
failed=0
table=()

run_part() {
    local part=$1 log=build/log/$mode-$1.log start=$SECONDS status p f e s note=
    echo
    echo "=== $part ($mode)"
    # The part replaces the shell (exec above), so that it gets the signal itself when it is late and
    # can clean up: pytest stops its servers on SIGINT.
    timeout --foreground -s INT -k 60 "$limit" \
        bash -c "$(declare -p mode make out); $(declare -f "part_$part"); part_$part" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    p=$(number_of passed "$log")
    f=$(number_of failed "$log")
    e=$(number_of error "$log")
    s=$(number_of skipped "$log")
    p=${p:-0}
    f=$((${f:-0} + ${e:-0}))
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
        f=1
        note="ended with status $status"
    elif [ "$status" -eq 0 ] && [ "$p" -eq 0 ] && ! grep -qa '^SKIPPED' "$log"; then
        f=$((f + 1))
        note="counted nothing"
    fi
    grep -qa '^SKIPPED: ' "$log" && note=$(grep -am 1 '^SKIPPED: ' "$log")
    passed=$((passed + p))
    failed=$((failed + f))
    table+=("$(printf '%-12s %7d %7d %7d %6ds  %s' "$part" "$p" "$f" "${s:-0}" $((SECONDS - start)) "$note")")
    [ "$f" -eq 0 ]
}

mkdir -p build/log
parts=("$@")
[ $# -gt 0 ] || parts=(packages build unit integration bench drill stale)
for part in "${parts[@]}"; do
    case $part in
    packages | build) run_part "$part" || break ;;
    unit | integration | bench | drill | stale) run_part "$part" ;;
    *)
        echo "run.sh: no part named $part" >&2
        exit 2
        ;;
    esac
done

echo
printf '%-12s %7s %7s %7s %7s\n' part passed failed skipped time
printf '%s\n' "${table[@]}"
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
