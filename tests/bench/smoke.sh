#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# smoke.sh [PORT] - every load of the benchmark for a moment, directly and through Galeway; only
# right answers count, never time. With PORT it uses the node there (user galeway may do all).
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "$(dirname "$0")/smoke.py" "$@"
