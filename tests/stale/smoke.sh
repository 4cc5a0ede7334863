#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# smoke.sh - the consistency checker for some seconds, and a stale proxy that it must catch: the
# last line is "N passed, N failed".
exec "$(dirname "$0")/stale.sh" --smoke "$@"
