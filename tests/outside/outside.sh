#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# outside.sh - the test suites of others on a node and through Galeway; `outside.sh --help`, README.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
"$here/../setup/packages.sh" build test outside
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -p no:cacheprovider "$here/test_judge.py"
exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$here/outside.py" "$@"
