#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# stale.sh - is any read older than it may be? `stale.sh --help`, README.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
exec env PYTHONDONTWRITEBYTECODE=1 "$here/../setup/netns.sh" /usr/bin/python3 "$here/stale.py" "$@"
