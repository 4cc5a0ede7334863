#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# drill.sh - break nodes under load and count what clients see; `drill.sh --help`, README.md.
#
# With the right to do so it runs in a network namespace of its own: no port of the machine is
# touched, and a drill may cut wires. Debian's python3, because Debian's matplotlib belongs to it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
exec env PYTHONDONTWRITEBYTECODE=1 "$here/../setup/netns.sh" /usr/bin/python3 "$here/drill.py" "$@"
