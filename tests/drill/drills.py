# SPDX-License-Identifier: Apache-2.0
"""The drills: how each breaks something, and what it must show."""

import os
import re
import time

from nodes import StatementWatch, now_us, wait_until
from run import Skipped
from verdict import Limits

GROUP_S = 9        # until survivors have voted a node out, and some seconds more
OUT_WITHIN_S = 1.3  # one interval of the monitor, its answer, a statement under way
NO_QUORUM = re.compile(r"quorum|primary|synced|no (usable |healthy |ready )?(node|writer)", re.I)
DRILLS = {}


def drill(name, limits):
    def register(function):
        DRILLS[name] = (function, limits)
        return function

    return register


@drill("kill9-writer", Limits(reads=0.1, over_own=0.1, errors="doubt", trx_errors=1))
def kill9_writer(run):
    run.begin()
    run.fault(f"kill -9 of node {run.writer}, the writer", run.cluster.kill(run.writer))
    run.hold(GROUP_S)


@drill("kill9-reader", Limits(reads=0.1, over_own=0.3))
def kill9_reader(run):
    run.begin()
    run.fault(f"kill -9 of node {run.reader}, a reader", run.cluster.kill(run.reader))
    run.hold(GROUP_S)


@drill("freeze-writer", Limits(reads=1, over_own=0.3, errors="doubt", trx_errors=1))
def freeze_writer(run):
    freeze(run, lambda: run.writer)


@drill("freeze-reader", Limits(reads=1, over_own=0.3))
def freeze_reader(run):
    freeze(run, lambda: run.reader)


def freeze(run, which):
    run.begin()
    n = which()
    run.fault(f"SIGSTOP of node {n}", run.cluster.freeze(n))
    run.hold(15)
    run.mark(f"SIGCONT of node {n}", run.cluster.thaw(n))
    run.hold(4)


@drill("shutdown-writer", Limits(trx_errors=1))
def shutdown_writer(run):
    run.begin()
    run.fault(f"clean shutdown of node {run.writer}, the writer")
    run.cluster.script("shut", run.writer)
    run.mark("it is down")
    run.hold(4)


@drill("rolling-restart", Limits(trx_errors=3))
def rolling_restart(run):
    run.begin(direct=False)
    run.fault("rolling restart")
    for n in (2, 3, 1):
        run.cluster.script("restart", n)
        run.mark(f"node {n} is back")
        run.hold(2)
    run.survivor = 1


@drill("switch-writer", Limits(reads=0.1, writes=0.1))
def switch_writer(run):
    run.begin()
    port = run.cluster.port(run.reader)
    moment = now_us()
    _, refused = run.target.console(f"SWITCH WRITER TO '{run.cluster.host(run.reader)}':{port}")
    if refused:
        raise Skipped(f"the console says: {refused}")
    run.fault(f"SWITCH WRITER from node {run.writer} to node {run.reader}", moment)
    run.hold(4)
    writer = run.target.writer()
    if writer != run.reader:
        run.reasons.append(f"the writer is node {writer}")


@drill("sst-join", Limits())
def sst_join(run):
    cluster, joiner = run.cluster, 3
    cluster.script("wipe", joiner)
    run.say(f"node {joiner} has forgotten its state")
    run.begin(direct=False)
    run.survivor = 3 - run.writer if run.writer in (1, 2) else 1
    run.start_direct()
    run.hold(1)
    run.fault(f"node {joiner} joins, its donor is node {run.writer}, the writer")
    log = f"{cluster.folder(joiner)}/tmp/general.log"
    starting = cluster.in_background(
        "restart", joiner,
        NODE_OPTIONS=f"--wsrep-sst-donor=node{run.writer} --general-log "
                     f"--general-log-file={log}")
    wait_until(lambda: cluster.status(run.writer, "wsrep_local_state") == "2", 30,
               "the writer to become the donor")
    run.mark(f"node {run.writer} is the donor")
    watch = StatementWatch(cluster, joiner, switch_on=False)
    before_us = now_us()
    deadline = time.monotonic() + 60
    while not cluster.synced(joiner):
        before_us = now_us()
        if time.monotonic() > deadline:
            run.reasons.append("the joiner was not synced after 60 s")
            break
        time.sleep(0.02)
    starting.join()
    run.mark(f"node {joiner} is synced")
    run.hold(4)
    watch.stop()
    early = watch.after(run.fault_us, before_us)
    if early:
        run.reasons.append(f"{len(early)} statements to the joiner before it was synced")
    run.notes.append(f"{len(watch.after(before_us))} statements to the joiner afterwards")


def taken_out(run, what, break_node, mend_node):
    """A reader that says it should get nothing: how long it got statements all the same."""
    run.begin()
    watch = StatementWatch(run.cluster, run.reader)
    run.hold(0.5)
    if not watch.times:
        run.reasons.append(f"node {run.reader} got no statement before the fault")
    run.fault(f"{what} on node {run.reader}, a reader")
    break_node(run.reader)
    run.hold(4)
    mended_us = now_us()
    mend_node(run.reader)
    run.mark("taken back", mended_us)
    run.hold(2)
    watch.stop()
    seen = watch.after(run.fault_us, mended_us)
    last_s = (max(seen) - run.fault_us) / 1e6 if seen else 0
    run.notes.append(f"the last statement came to it after {last_s:.2f} s")
    if last_s > OUT_WITHIN_S:
        run.reasons.append(f"the node still got statements after {last_s:.2f} s, "
                           f"limit {OUT_WITHIN_S}")


@drill("desync", Limits())
def desync(run):
    def switch(value):
        return lambda n: run.cluster.sql(n, f"SET GLOBAL wsrep_desync = {value}", timeout=20)

    taken_out(run, "wsrep_desync=ON", switch("ON"), switch("OFF"))


@drill("reject-queries", Limits())
def reject_queries(run):
    def switch(value):
        return lambda n: run.cluster.sql(n, f"SET GLOBAL wsrep_reject_queries = {value}")

    taken_out(run, "wsrep_reject_queries=ALL", switch("ALL"), switch("NONE"))


@drill("ftwrl", Limits())
def ftwrl(run):
    held = []

    def lock(n):
        held.append(run.cluster.connect(n, 20))
        held[0].cursor().execute("FLUSH TABLES WITH READ LOCK")

    taken_out(run, "FLUSH TABLES WITH READ LOCK", lock, lambda n: held[0].close())


@drill("netcut", Limits(reads=0.1, over_own=0.1, errors="doubt", trx_errors=1))
def netcut(run):
    """Neither the group nor a client can reach the node, and nobody is told."""
    if "NODE_NET" not in os.environ:
        raise Skipped("needs a network namespace of its own, so root, unshare and ip")
    cut_off(run, True)


@drill("minority", Limits(reads=0.1, over_own=0.1, errors="doubt", trx_errors=1))
def minority(run):
    """The group cannot reach the node, clients can."""
    cut_off(run, False)


def cut_off(run, clients_too):
    run.begin()
    cut = run.writer
    watch = StatementWatch(run.cluster, cut)
    connection = run.cluster.connect(cut, 20)  # a new one might not be let in
    if clients_too:
        run.fault(f"node {cut}, the writer, is cut off everything", run.cluster.unplug(cut))
    else:
        run.fault(f"node {cut}, the writer, is cut off its group")
    with connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
        deadline = time.monotonic() + 15
        minority_us = None
        while minority_us is None and time.monotonic() < deadline:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep_cluster_status'")
            if cursor.fetchone()[1] != "Primary":
                minority_us = now_us()
            time.sleep(0.02)
    if minority_us is None:
        run.reasons.append("the node never noticed that it is alone")
    else:
        run.mark("it says non-Primary", minority_us)
    run.hold(GROUP_S / 2)
    watch.stop()
    late = [] if minority_us is None else watch.after(minority_us + int(1e6 * OUT_WITHIN_S))
    if late:
        run.reasons.append(f"{len(late)} statements to the minority")


@drill("no-quorum", Limits(errors="any"))
def no_quorum(run):
    cluster = run.cluster
    run.begin(direct=False)
    gone = [run.writer, run.reader]
    moments = [cluster.kill(n) for n in gone]
    run.fault(f"kill -9 of nodes {gone[0]} and {gone[1]} at once", moments[0])
    run.hold(12)
    # The one that is left cannot know that the others are dead; the operator does.
    cluster.sql(run.survivor, "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'", timeout=20)
    wait_until(lambda: cluster.synced(run.survivor), 20, "the last node to serve alone")
    back_us = now_us()
    run.mark("the operator bootstraps the node that is left", back_us)
    run.hold(5)
    serves_again(run, back_us)
    run.must_wait = True


@drill("all-down", Limits(errors="any"))
def all_down(run):
    cluster = run.cluster
    cluster.script("stop")
    run.survivor, run.quiet_us = 1, now_us()
    run.fault("no node is up, the proxy starts")
    run.start_proxy()
    run.start_load()
    run.hold(3)
    cluster.script("start")
    back_us = now_us()
    run.mark("three nodes are up", back_us)
    run.hold(5)
    serves_again(run, back_us)


def serves_again(run, back_us):
    """To be looked at in the record: each kind succeeds within two seconds."""
    run.back_us = back_us


def check_return(run, ops):
    """What serves_again() and no-quorum asked for; returns reasons of a failure."""
    reasons = []
    if getattr(run, "back_us", None):
        for kind in ("read", "connect", "insert", "count", "trx", "ryw"):
            good = [op.ended for op in ops if op.kind == kind and op.outcome == "ok" and
                    op.ended > run.back_us]
            if not good:
                reasons.append(f"{kind}: none succeeded after the nodes were back")
            elif min(good) > run.back_us + 2e6:
                reasons.append(f"{kind}: the first succeeded {(min(good) - run.back_us) / 1e6:.1f}"
                               " s after the nodes were back")
    if getattr(run, "must_wait", False):
        # What was under way at the fault is in doubt, or its transaction is gone: told at once. Nodes take a moment to
        # die: what was sent to them meanwhile counts to it.
        errors = [op for op in ops if op.outcome == "error" and
                  not (op.code == 2013 and op.begun < run.fault_us + 0.5e6)]
        bad = [op for op in errors if not NO_QUORUM.search(op.text)]
        if bad:
            reasons.append(f"{len(bad)} errors do not name the cause (\"{bad[-1].text[:60]}\")")
        hasty = [op for op in errors if op.ended - op.begun < 1e6 and op.begun > run.fault_us]
        if hasty:
            reasons.append(f"{len(hasty)} statements got an error without having waited")
    return reasons
