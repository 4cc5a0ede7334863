# SPDX-License-Identifier: Apache-2.0
"""ryw.sh's program: pages that write and read back, on three nodes. See README.md."""

import argparse
import statistics
import sys
import time

import loads
import program
from cluster import Cluster, ClusterGaleway
from targets import BenchError, Direct

LOADS = {"ryw-5": 5, "ryw-20": 20, "ryw-50": 50}  # percent of pages that write
# What Galeway does with them. The last is there to be caught.
VARIANTS = {
    "plain": {},
    "cache": {"query_cache_auto": "true"},
    "home": {"site_home_nodes": "true"},
    "cache-home": {"query_cache_auto": "true", "site_home_nodes": "true"},
    "stale": {"causal_window_ms": "0"},
}
SHOWN = ("plain", "cache", "home", "cache-home")
LEAST_SHARE = 0.8  # of reads that leave the writer with ryw-5
SITES = 100


def options():
    parser = argparse.ArgumentParser(prog="ryw.sh", description="Does every page see what its site "
                                     "wrote, and do reads still leave the writer?")
    parser.add_argument("--only", action="append", choices=list(LOADS), metavar="LOAD",
                        help="only this load; may be repeated: " + ", ".join(LOADS))
    parser.add_argument("--variant", action="append", choices=["direct", *VARIANTS],
                        help="only this; may be repeated. stale (a plain split) must be caught")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=5, help="seconds of each load (5)")
    parser.add_argument("--sites", type=int, default=SITES)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--port-base", type=int, default=5211,
                        help="first of 50 free ports (5211)")
    return parser.parse_args()


def difference(after, before, name):
    return after.get(name, 0) - before.get(name, 0)


def shares(target, before, after, queries, got):
    """Where the reads went: of all, those the writer did not serve; and each node's statements."""
    hits = difference(after, before, "Query_Cache_count_GET_OK")
    left = difference(after, before, "To_reader") + hits
    at_writer = max(0, difference(after, before, "To_writer") - got["writes"])
    each = [b - a for a, b in zip(queries, target.queries())]
    return {"left": left / max(1, left + at_writer), "hits": hits / max(1, left + at_writer),
            "nodes": [n / max(1, sum(each)) for n in each]}


def one(target, name, chosen, variables):
    """Numbers of one load on one target; a wrong answer is a BenchError."""
    load = {"write_percent": LOADS[name], "clients": chosen.clients, "sites": chosen.sites,
            "seed": int(time.monotonic()) % 100000}
    is_proxy = isinstance(target, ClusterGaleway)
    try:
        target.start(variables=variables, server_connections=100)
        loads.loadgen(target.port, "page", seconds=1, **load)
        if is_proxy:
            before, queries = target.statistics(), target.queries()
        result = loads.loadgen(target.port, "page", seconds=chosen.seconds, **load)
        if is_proxy:
            result |= shares(target, before, target.statistics(), queries, result)
            if "site_home_nodes" in variables:
                del result["left"]  # every node writes and reads: see the share of each
        target.stop()
    finally:
        target.kill()
    return result


def print_row(name, variant, result):
    nodes = "/".join(f"{100 * n:.0f}" for n in result.get("nodes", ())) or "-"

    def percent(key):
        return f"{100 * result[key]:.1f}" if key in result else "-"

    print(f"{name:<8}{variant:<12}{result['throughput']:>8.0f}{result['p50_us']:>9.0f}"
          f"{result['p99_us']:>9.0f}{result['writes']:>8.0f}{result['reads']:>9.0f}"
          f"{result['stale']:>7.0f}{result['stale_new']:>7.0f}{result['stale_other']:>7.0f}"
          f"{percent('left'):>8}{percent('hits'):>8}{nodes:>12}", flush=True)


def judge(name, variant, result):
    """What was missed."""
    missed = []
    n = loads.stale(result)
    if result["writes"] == 0:
        missed.append("nothing was written")
    if variant == "stale":
        if n == 0:
            missed.append("the plain split was not caught")
        return missed
    if n > 0:
        missed.append(f"{n:.0f} stale reads")
    if name == "ryw-5" and result.get("left", 1) < LEAST_SHARE:
        missed.append(f"only {100 * result['left']:.0f} % of the reads left the writer")
    return missed


def median(results):
    """Rates are medians; what must not be is added up."""
    total = ("stale", "stale_new", "stale_other", "writes", "reads")
    merged = {}
    for key in results[0]:
        values = [result[key] for result in results]
        if key == "nodes":
            merged[key] = [statistics.median(n) for n in zip(*values)]
        else:
            merged[key] = sum(values) if key in total else statistics.median(values)
    return merged


def run(chosen, cluster):
    """(what was missed, how many failed)."""
    missed, failed, rows = [], 0, {}
    targets = {"direct": Direct(cluster, 0)}
    proxy = ClusterGaleway(cluster, chosen.port_base + 40)
    print(f"{'load':<8}{'variant':<12}{'page/s':>8}{'p50 us':>9}{'p99 us':>9}{'writes':>8}"
          f"{'reads':>9}{'stale':>7}{'new':>7}{'other':>7}{'left %':>8}{'hits %':>8}"
          f"{'nodes %':>12}")
    for _ in range(chosen.rounds):
        for name in chosen.only or LOADS:
            for variant in chosen.variant or ("direct", *SHOWN):
                try:
                    result = one(targets.get(variant, proxy), name, chosen,
                                 VARIANTS.get(variant, {}))
                except BenchError as error:
                    failed += 1
                    print(f"{name:<8}{variant:<12}FAILED: {error}", flush=True)
                    continue
                rows.setdefault((name, variant), []).append(result)
                print_row(name, variant, result)
    for (name, variant), results in rows.items():
        merged = median(results)
        if chosen.rounds > 1:
            print_row(name, variant, merged)
        missed += [f"{name} {variant}: {what}" for what in judge(name, variant, merged)]
    return missed, failed


def main():
    chosen = options()
    program.begin("bench")
    cluster = Cluster(chosen.port_base)
    try:
        cluster.start(chosen.sites)
        missed, failed = run(chosen, cluster)
    except KeyboardInterrupt:
        return 130
    finally:
        cluster.stop()
    for what in missed:
        print(f"MISSED {what}")
    print(f"{len(missed)} missed, {failed} failed")
    return 1 if missed or failed else 0


if __name__ == "__main__":
    sys.exit(main())
