#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh - make the package in a folder: debian/build.sh FOLDER; the files end up beside it.
#
# What is built is a copy of the sources. The version is that of base/version.h; the day is that of
# SOURCE_DATE_EPOCH or of the last commit, so that the same sources give the same package.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL # of who called: the build begins afresh, with jobs of its own

folder=$(realpath -m "${1:?usage: build.sh FOLDER}")
version=$(sed -n 's/.*GALEWAY_VERSION "\(.*\)"/\1/p' base/version.h)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y base/version.h)}
export SOURCE_DATE_EPOCH

rm -rf "$folder/galeway-$version"
mkdir -p "$folder/galeway-$version"
tar -c --exclude=build --exclude=var README.md LICENSE Makefile debian base conf protocol pool \
    router proxy admin tests/setup/packages.sh tests/unit | tar -x -C "$folder/galeway-$version"
cd "$folder/galeway-$version"
cat >debian/changelog <<END
galeway ($version) unstable; urgency=medium

  * Version $version.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
rm debian/build.sh
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck parallel=$(nproc)}
dpkg-buildpackage -b -us -uc >"$folder/build.log" 2>&1 || {
    tail -n 40 "$folder/build.log" >&2
    exit 1
}
cd "$folder" && rm -r "galeway-$version"
cp "$folder/galeway_${version}_$(dpkg --print-architecture).deb" "$folder/.."
echo "build/galeway_${version}_$(dpkg --print-architecture).deb"
