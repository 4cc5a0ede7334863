#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh - the benchmark; `bench.sh --help` and README.md say what it does.
# Debian's python3, because Debian's matplotlib belongs to it.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "$(dirname "$0")/bench.py" "$@"
