# SPDX-License-Identifier: Apache-2.0
"""bench.sh's program: run the loads in turns, show and write the medians. See README.md."""

import argparse
import os
import sys
import time

import program
import report
from loads import LOADS
from targets import OUT, TOP, BenchError, Node, available


def options():
    parser = argparse.ArgumentParser(prog="bench.sh", description="Compare a node directly, "
                                     "HAProxy in TCP mode and Galeway under the same loads.")
    parser.add_argument("--quick", action="store_true", help="one short round, about 2 minutes")
    parser.add_argument("--only", action="append", choices=list(LOADS), metavar="LOAD",
                        help="only this load; may be repeated: " + ", ".join(LOADS))
    parser.add_argument("--target", action="append", choices=("direct", "haproxy", "galeway"),
                        help="only this target; may be repeated")
    parser.add_argument("--rounds", type=int, help="rounds (3; 1 with --quick)")
    parser.add_argument("--seconds", type=int, help="seconds of each load (5; 2 with --quick)")
    parser.add_argument("--node", type=int, metavar="PORT",
                        help="use the node on this port, not one of our own")
    parser.add_argument("--port-base", type=int, default=3800,
                        help="first of 40 free ports (3800)")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.seconds = chosen.seconds or (2 if chosen.quick else 5)
    return chosen


def run_load(name, target, node, seconds):
    _, unit, settings, load = LOADS[name]
    began = time.monotonic()
    try:
        target.start(**settings)
        result = load(target, node, seconds)
        target.stop()
    finally:
        target.kill()
    cpu = f", CPU {result['cpu_us']:.1f} us" if "cpu_us" in result else ""
    print(f"  {name:<13}{target.name:<9}{result['throughput']:>9.0f} {unit:<7}"
          f"p50 {result['p50_us']:.0f} us, p99 {result['p99_us']:.0f} us{cpu}"
          f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return result


def run_rounds(chosen, node, targets):
    """A load that fails is said and counted, and the others go on."""
    rounds = []
    failures = 0
    for number in range(chosen.rounds):
        print(f"round {number + 1} of {chosen.rounds}", flush=True)
        for name in LOADS:
            if chosen.only and name not in chosen.only:
                continue
            # Another target first in each round: who comes first finds other caches.
            for turn in range(len(targets)):
                target = targets[(turn + number) % len(targets)]
                if name.startswith("rules-") and target.name != "galeway":
                    continue  # the others have none
                try:
                    rounds.append((name, target.name,
                                   run_load(name, target, node, chosen.seconds)))
                except BenchError as error:
                    failures += 1
                    print(f"  {name:<13}{target.name:<9} FAILED: {error}", flush=True)
    order = [target.name for target in targets]
    rounds.sort(key=lambda row: (list(LOADS).index(row[0]), order.index(row[1])))
    return rounds, failures


def main():
    chosen = options()
    program.begin("bench")
    node = Node(chosen.node or chosen.port_base, own=chosen.node is None)
    targets = available(node, chosen.port_base + 30, chosen.target)
    try:
        node.start(500)
        rounds, failures = run_rounds(chosen, node, targets)
    except KeyboardInterrupt:
        return 130
    finally:
        node.stop()
    missed = report.finish(rounds, OUT) if rounds else 0
    where = os.path.relpath(OUT, TOP)
    print(f"\n{where}/result.csv, {where}/result.png; {missed} missed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
