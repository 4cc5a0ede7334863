#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# source.sh - fetch and unpack what the author of a Debian source package published.
#
#   source.sh NAME DIR [PART ...]     DIR gets the archive's content, or its named parts only
#
# Instant when DIR/complete is there. The places are those of the system's own package lists; they
# are asked for sources with lists and caches of their own, so nothing of the system changes. When the
# newest version cannot be had, an older one is taken; DIR/version says which. Exit 3: none can be had.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: source.sh NAME DIR [PART ...]" >&2; exit 2; }
name=$1
dir=$2
shift 2
[ ! -e "$dir/complete" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "source.sh: this is not Debian" >&2
    exit 3
fi
mkdir -p "$dir" "$dir/../apt"
dir=$(cd "$dir" && pwd)
apt=$(cd "$dir/../apt" && pwd)

lists_of_sources() {
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/${file##*/}"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$file" ] || sed -n 's/^deb\(-src\)\? /deb-src /p' "$file" >"$apt/parts/${file##*/}.list"
    done
}

own=(-q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts"
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Acquire::Retries=3)

versions_of() {
    apt-cache "${own[@]}" showsrc --only-source "$name" 2>/dev/null | sed -n 's/^Version: //p' | tac
}

# apt-get checks what it fetches. A source of several archives may come without those that are no use here.
fetch() {
    rm -rf "$apt/$name"
    mkdir "$apt/$name"
    (cd "$apt/$name" && timeout 600 apt-get "${own[@]}" source --download-only --tar-only "$name=$1") \
        >"$apt/$name.log" 2>&1 || true
    archive=$(compgen -G "$apt/$name/*.orig.tar.[gbx]z*" | grep -v 'asc$' | head -n 1)
    [ -n "$archive" ]
}

unpack() {
    local top
    top=$(tar tf "$1" | sed -n '/\//{s|^\(\./\)\?||;s|/.*||p}' | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}')
    shift
    rm -rf "$dir/tree"
    mkdir "$dir/tree"
    tar xf "$archive" --no-same-owner --strip-components=1 -C "$dir/tree" "${@/#/$top/}"
}

lists_of_sources
exec 9>"$apt/lock"
flock 9
[ -n "$(find "$apt/updated" -mtime -1 2>/dev/null)" ] || { apt-get "${own[@]}" update >"$apt/update.log" 2>&1 && touch "$apt/updated"; }
mapfile -t versions < <(versions_of)
for version in "${versions[@]}"; do
    if fetch "$version"; then
        unpack "$archive" "$@"
        echo "${archive##*/}" | sed 's/\.orig.*//' >"$dir/version"
        rm -rf "${apt:?}/$name"
        touch "$dir/complete"
        exit 0
    fi
done
echo "source.sh: no source of $name can be had; see $apt/$name.log" >&2
exit 3
