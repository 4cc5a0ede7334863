#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh - install the Debian packages of the groups named: build, lint, test, deb, outside.
#
# Silent and instant when nothing is missing. "command:package" means that any program of that name
# will do, wherever it came from.
set -euo pipefail

build="gcc libc6-dev make pkg-config libuv1-dev libmariadb-dev libpcre2-dev libxxhash-dev
    libconfig-dev libjansson-dev libssl-dev libsodium-dev libsqlite3-dev zlib1g-dev libcmocka-dev"
lint="clang libclang-rt-14-dev clang-format clang-tidy cppcheck"
test="mariadb-server galera-4 mariadb-client rsync python3-pytest python3-pytest-xdist
    python3-pytest-timeout python3-pymysql python3-cryptography python3-nacl php-cli php-mysql wordpress libdbd-mysql-perl
    libmariadb-java java:default-jre-headless sysbench haproxy python3-matplotlib procps node:nodejs npm:npm"
deb="debhelper dpkg-dev po-debconf lintian logrotate mandoc systemd"
outside="golang-go golang-github-go-sql-driver-mysql-dev mariadb-test libdbd-mariadb-perl
    libtest-deep-perl libnet-ssleay-perl libproc-processtable-perl python3-mysqldb"

if [ $# -eq 0 ]; then
    echo "usage: packages.sh build|lint|test|deb|outside ..." >&2
    exit 2
fi

# The names of $@ that are not installed.
missing_of() {
    local name
    local -A have=()
    while read -r name status; do
        [[ $status == ?i* ]] && have[$name]=1
    done < <(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "${@#*:}" 2>/dev/null || true)
    for name in "$@"; do
        if [[ $name == *:* ]] && command -v "${name%%:*}" >/dev/null; then
            continue
        fi
        [[ -n ${have[${name#*:}]:-} ]] || echo "${name#*:}"
    done
}

wanted=()
for group in "$@"; do
    case $group in
    build) wanted+=($build) ;;
    lint) wanted+=($lint) ;;
    test) wanted+=($test) ;;
    deb) wanted+=($deb) ;;
    outside) wanted+=($outside) ;;
    *)
        echo "packages.sh: no group named $group (build, lint, test, deb, outside)" >&2
        exit 2
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null; then
    echo "packages.sh: this is not Debian; install what it lists yourself: ${wanted[*]#*:}" >&2
    exit 1
fi
mapfile -t missing < <(missing_of "${wanted[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0

echo "packages.sh: installing ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "packages.sh: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

# Mirrors hiccup; each step gets a second chance.
twice() {
    "$@" || { echo "packages.sh: trying once more: $*" >&2 && sleep 3 && "$@"; }
}
run=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
twice "${run[@]}" update
twice "${run[@]}" install -y --no-install-recommends "${missing[@]}"
