#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# netns.sh COMMAND... - run it in a network namespace of its own, if that is allowed.
#
# Then no port of the machine is touched, several runs do not meet, and NODE_NET names the network
# of three addresses (.1 to .3) whose wires may be cut. Without the right to do so it just runs.
set -euo pipefail

if unshare --net true 2>/dev/null && command -v ip >/dev/null; then
    # Each node has an address on lo. Taken away, it is where the route behind it leads: a wire on
    # which nobody listens, so that packets vanish without an answer.
    # shellcheck disable=SC2016 # expanded inside
    exec unshare --net sh -c '
        ip link set lo up
        if ip link add cut0 type veth peer name cut1 2>/dev/null; then
            ip link set cut0 arp off up
            ip link set cut1 arp off up
            ip addr add 10.9.9.1/32 dev cut0
            ip route add 10.9.0.0/24 dev cut0
            for n in 1 2 3; do ip addr add 10.9.0.$n/32 dev lo; done
            export NODE_NET=10.9.0.
        fi
        exec "$@"' sh "$@"
fi
exec "$@"
