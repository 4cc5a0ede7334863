# SPDX-License-Identifier: Apache-2.0
"""smoke.sh's program: every kind of load for a moment, right answers only, never timing."""

import os
import re
import signal
import subprocess
import sys
import time

import loads
import program
from targets import BenchError, Node, available

SITES = 20
PORT_BASE = int(os.environ.get("SMOKE_PORT", "3860"))
LIMIT = 10  # server connections that Galeway may open


class Tally:
    """Counts checks and prints those that fail."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, test):
        began = time.monotonic()
        try:
            problem = test()
        except (BenchError, OSError, subprocess.CalledProcessError) as error:
            problem = str(error)
        self.passed += not problem
        self.failed += bool(problem)
        verdict = f"FAILED: {problem}" if problem else "ok"
        print(f"{name:<44}{verdict}  ({time.monotonic() - began:.1f} s)", flush=True)


def page(target):
    """Each page asks at its end who it is, and one in five writes, reads back and is read again."""
    got = loads.loadgen(target.port, "page", clients=8, sites=SITES, count=300, seed=7,
                        probe_percent=100, write_percent=20)
    if not 300 <= got["n"] <= 316:  # each of 8 clients ends a page, and the one after a write
        return f"{got['n']:.0f} pages instead of 300"
    if not 19 * got["n"] <= got["stmts"] <= 20 * got["n"]:
        return f"{got['stmts']:.0f} statements for {got['n']:.0f} pages"
    if got["writes"] < 20 or got["reads"] < 3 * got["n"] or loads.stale(got):
        return f"strange counters: {got}"
    return None


def point(target):
    got = loads.loadgen(target.port, "point", clients=16, count=5000)
    if got["n"] < 5000 or got["stmts"] != got["n"] or not 0 < got["p50_us"] <= got["p99_us"]:
        return f"strange numbers: {got}"
    return None


def big(target):
    got = loads.loadgen(target.port, "big", rows=50000, rate_mb=100, pause_ms=200)
    return None if got["bytes"] > 50000 * 1000 else f"only {got['bytes']:.0f} bytes"


def many(per_conn):
    def run(target):
        got = loads.loadgen(target.port, "many", clients=16, sites=SITES, per_conn=per_conn,
                            count=2000)
        return None if got["n"] >= 2000 else f"only {got['n']:.0f} statements"
    return run


def hold(target):
    """The session of a held client is the same after others have used the server connections."""
    crowd = subprocess.Popen([loads.LOADGEN, "hold", "--port", str(target.port), "--clients", "60",
                              "--sites", str(SITES)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True,
                             preexec_fn=loads.die_with_parent)
    line = crowd.stdout.readline()
    try:
        loads.loadgen(target.port, "page", clients=8, sites=SITES, count=100)
    finally:
        crowd.send_signal(signal.SIGTERM)
        rest = crowd.communicate()[0]
    if crowd.returncode != 0 or loads.numbers(line).get("held") != 60:
        return line + rest
    return None


def limited(target, node):
    """More clients than server connections: all are served and the limit holds."""
    with loads.Sampler(node.connections, 0.1) as sampler:
        many(0)(target)
        page(target)
    if sampler.largest > LIMIT:
        return f"{sampler.largest} server connections, the limit is {LIMIT}"
    return None


def sysbench(target):
    got = loads.sysbench(target.port, "oltp_read_only", 1, "auto", threads=4)
    return None if got["stmts"] > 0 and 0 < got["p50_us"] <= got["p99_us"] else str(got)


def notices(target, **options):
    """The load generator says so when an answer is wrong."""
    mode = options.pop("mode")
    try:
        loads.loadgen(target.port, mode, **options)
    except BenchError as error:
        return None if re.search(r"WRONG .*errors=[1-9]", str(error), re.S) else str(error)
    return "wrong answers were taken for right ones"


def foreign_row(target, node):
    """One title of site 3 says for a moment that it belongs to site 4."""
    title = "UPDATE site_3.wp_posts SET post_title = '{}Post 50' WHERE ID = 50"
    node.sql(title.format("s4;"))
    try:
        return notices(target, mode="page", sites=SITES, count=300)
    finally:
        node.sql(title.format("s3;"))


def stale_counter(target, node):
    """A write of site 3 is acknowledged and changes nothing: every read of it is stale."""
    node.sql("CREATE OR REPLACE TRIGGER site_3.keep BEFORE UPDATE ON site_3.wp_posts"
             " FOR EACH ROW SET NEW.comment_count = OLD.comment_count")
    try:
        got = loads.loadgen(target.port, "page", sites=3, count=200, write_percent=50)
    finally:
        node.sql("DROP TRIGGER site_3.keep")
    seen = [got[key] for key in ("stale", "stale_new", "stale_other")]
    return None if all(seen) else f"stale reads were taken for right ones: {seen}"


def smoke_target(tally, target, node):
    named = (("page", page), ("point", point), ("big", big), ("many, new connections", many(5)),
             ("many, long connections", many(0)), ("hold", hold), ("sysbench", sysbench))
    try:
        target.start(sites=SITES, server_connections=LIMIT)
        for name, test in named:
            tally.check(f"{target.name}: {name}", lambda test=test: test(target))
        if target.name == "galeway":
            tally.check("galeway: limit of server connections", lambda: limited(target, node))
        if target.name == "direct":
            tally.check("a missing row is noticed",
                        lambda: notices(target, mode="point", rows=20000, count=1000))
            tally.check("a missing site is noticed",
                        lambda: notices(target, mode="page", sites=10 * SITES, count=300))
            tally.check("a row of another site is noticed", lambda: foreign_row(target, node))
            tally.check("a stale counter is noticed", lambda: stale_counter(target, node))
        tally.check(f"{target.name}: ends as it should", target.stop)
    finally:
        target.kill()


def main():
    own = len(sys.argv) < 2
    node = Node(PORT_BASE if own else int(sys.argv[1]), own, "smoke-node")
    tally = Tally()
    try:
        program.begin("bench")
        node.start(SITES)
        for target in available(node, PORT_BASE + 30, ("direct", "galeway")):
            smoke_target(tally, target, node)
    except (BenchError, subprocess.CalledProcessError) as error:
        tally.check("setup", lambda: str(error))
    finally:
        node.stop()
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
