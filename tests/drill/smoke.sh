#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# smoke.sh - one drill, a reader killed, in a short run: the last line is "N passed, N failed".
exec "$(dirname "$0")/drill.sh" --smoke "$@"
