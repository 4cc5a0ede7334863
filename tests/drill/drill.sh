#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# drill.sh - break nodes under load and count what clients see; `drill.sh --help`, README.md.
#
# With the right to do so it runs in a network namespace of its own: no port of the machine is
# touched, and a drill may cut wires. Debian's python3, because Debian's matplotlib belongs to it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
run=(env PYTHONDONTWRITEBYTECODE=1)
if unshare --net true 2>/dev/null && command -v ip >/dev/null; then
    # Each node has an address on lo. Taken away, it is where the route behind it leads: a wire on
    # which nobody listens, so that packets vanish without an answer.
    # shellcheck disable=SC2016 # expanded inside
    run+=(unshare --net sh -c '
        ip link set lo up
        if ip link add cut0 type veth peer name cut1 2>/dev/null; then
            ip link set cut0 arp off up
            ip link set cut1 arp off up
            ip addr add 10.9.9.1/32 dev cut0
            ip route add 10.9.0.0/24 dev cut0
            for n in 1 2 3; do ip addr add 10.9.0.$n/32 dev lo; done
            export NODE_NET=10.9.0.
        fi
        exec "$@"' sh)
fi
exec "${run[@]}" /usr/bin/python3 "$here/drill.py" "$@"
