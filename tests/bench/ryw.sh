#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# ryw.sh - pages that write and read back, on three nodes; `ryw.sh --help` and README.md.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "$(dirname "$0")/ryw.py" "$@"
