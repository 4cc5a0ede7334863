# SPDX-License-Identifier: Apache-2.0
"""The monitor: what it sees of nodes that break, and who writes then. Seen in the log and in the event hook's file."""
import contextlib
import re
import time

import pymysql
import pytest

from console import Console
from relay import Refusing
from util import NODES, wait_until

FAST = {"monitor_galera_healthcheck_interval": 200}


class Watched:
    """A proxy, its log from a moment on, and the names of its nodes."""

    def __init__(self, proxy, nodes):
        self.proxy = proxy
        self.nodes = nodes
        self.offset = 0

    def name(self, n):
        return f"127.0.0.1:{self.nodes.port(n)}"

    def mark(self):
        self.offset = len(self.text(0))

    def text(self, offset=None):
        text = self.proxy.log_path.read_text(errors="replace")
        return text[self.offset if offset is None else offset:]

    def wait(self, pattern, n=None, timeout=10):
        """A line since the mark; {} in the pattern is the name of node n."""
        if n is not None:
            pattern = pattern.replace("{}", re.escape(self.name(n)))
        return wait_until(lambda: re.search(pattern, self.text()), timeout,
                          f"a line like {pattern}\n{self.text()}")

    def writer(self):
        """The node that was said to write last."""
        found = re.findall(r"node 127\.0\.0\.1:(\d+) writes now", self.text(0))
        ports = {self.nodes.port(n): n for n in NODES}
        return ports[int(found[-1])] if found else None

    @contextlib.contextmanager
    def connect(self, user="galeway", **options):
        db = pymysql.connect(host="127.0.0.1", port=self.proxy.port, user=user, password=user,
                             autocommit=True, **options)
        try:
            yield db
        finally:
            db.close()

    def sql(self, statement):
        with self.connect() as db, db.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


@pytest.fixture
def watched(galeway, fragile_cluster):
    def make(**options):
        variables = {**FAST, **options.pop("variables", {})}
        return Watched(galeway(fragile_cluster, variables=variables, **options), fragile_cluster)
    return make


def test_first_look_finds_the_writer_by_weight(watched):
    w = watched()
    w.wait("node {} writes now: as the first look found it", 1)
    for n in NODES:
        w.wait("node {} answers: its first check was answered", n)


def test_a_killed_writer_is_followed_at_once(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.mark()
    w.nodes.script("kill", "1")
    w.wait("node {} is out: ", 1, timeout=2)
    line = w.wait(r"node {} writes now: it had applied all after (\d+) ms; others: .* refused", 2)
    w.wait("the view of the cluster changed: .* with 2 nodes")
    assert int(line.group(1)) < 9000 * 3
    w.mark()
    w.nodes.script("restart", "1")
    w.wait("node {} answers: ", 1)
    w.wait("hostgroup 10: node {} takes statements again", 1)
    assert w.writer() != 1  # sticky: no failback (node 2 may be the donor of node 1, and give way to node 3)


def test_failback_when_it_is_wanted(watched):
    w = watched(variables={"monitor_galera_writer_failback": True})
    w.nodes.script("kill", "1")
    w.wait("node {} writes now", 2)
    w.mark()
    w.nodes.script("restart", "1")
    w.wait("node {} writes now", 1, timeout=20)


def test_a_frozen_node_is_suspected_then_out_then_back(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.mark()
    began = time.monotonic()
    w.nodes.script("freeze", "1")
    try:
        w.wait(r"node {} is suspect: a check is not answered after 300 ms \(last answer", 1)
        w.wait(r"node {} is out: 3 checks in a row not answered: .* \(last answer", 1)
        assert time.monotonic() - began >= 1  # not for one late answer
        w.wait("node {} writes now", 2, timeout=20)
    finally:
        w.nodes.script("thaw", "1")
    w.wait("node {} answers: ", 1, timeout=20)
    w.wait("hostgroup 10: node {} takes statements again", 1, timeout=30)
    assert w.writer() == 2


def test_a_short_freeze_puts_nobody_out(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.mark()
    w.nodes.script("freeze", "2")
    w.wait("node {} is suspect", 2)
    w.nodes.script("thaw", "2")
    w.wait("node {} answers: ", 2)
    assert "is out" not in w.text()
    assert w.writer() == 1


@pytest.mark.parametrize("variable, off, on, why", [
    ("wsrep_desync", "OFF", "ON", "wsrep_desync is ON"),
    ("wsrep_reject_queries", "NONE", "ALL", "wsrep_reject_queries is not NONE"),
])
def test_a_node_that_says_no_is_left_out(watched, variable, off, on, why):
    w = watched()
    w.wait("node {} writes now", 1)
    w.mark()
    for n in (3, 1):
        w.nodes.sql(n, f"SET GLOBAL {variable} = {on}")
        try:
            w.wait("hostgroup 10: node {} takes no new statements: " + why, n)
        finally:
            w.nodes.sql(n, f"SET GLOBAL {variable} = {off}")
        w.wait("hostgroup 10: node {} takes statements again", n)
    w.wait("node {} writes now", 2)


def test_a_read_only_writer_gives_way(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.nodes.sql(1, "SET GLOBAL read_only = ON")
    try:
        w.wait("node {} writes now: .* (read-only|donor)", 2)  # to set it, a node desyncs for a moment (10.11)
        console = Console(w.proxy)
        wait_until(lambda: [row["why"] for row in console.rows("SHOW CLUSTER") if row["node"] == w.name(1)]
                   == ["read-only"], 10, "node 1 to be known as read-only")
    finally:
        w.nodes.sql(1, "SET GLOBAL read_only = OFF")


def test_a_new_writer_waits_until_it_has_applied_all(watched):
    """The next writer cannot apply: it is not published before it can."""
    w = watched()
    w.wait("node {} writes now", 1)
    w.nodes.sql(1, "CREATE OR REPLACE DATABASE cmp_catch")
    w.nodes.catch_up()
    with w.nodes.connect(2) as blocker, blocker.cursor() as cursor:
        w.nodes.sql(3, "SET GLOBAL read_only = ON")
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        w.nodes.sql(1, "CREATE TABLE cmp_catch.t (a INT PRIMARY KEY)")
        w.mark()
        w.nodes.sql(1, "SET GLOBAL read_only = ON")
        wait_until(lambda: any(
            "wsrep_sync_wait" in str(info) or "SELECT 1" in str(info)
            for _, _, info in w.nodes.threads(2, "monitor")), 10, "the catch-up on node 2")
        assert "writes now" not in w.text()
        cursor.execute("UNLOCK TABLES")
    try:
        w.wait("node {} writes now: it had applied all", 2)
    finally:
        for n in (1, 3):
            w.nodes.sql(n, "SET GLOBAL read_only = OFF")
        w.nodes.sql(2, "DROP DATABASE cmp_catch")


def test_a_wrong_password_of_the_monitor_stops_no_traffic(watched):
    w = watched(variables={"monitor_password": "wrong"})
    for n in NODES:
        w.wait("node {} the monitor may not log in: user 'monitor': error 1045", n)
    assert w.sql("SELECT 1 + 1") == ((2,),)
    assert w.text().count("may not log in") == 3  # once each, not at every check
    assert "is out" not in w.text()
    w.proxy.data["mysql_variables"]["monitor_password"] = "monitor"
    w.proxy.reload()
    for n in NODES:
        w.wait("node {} answers: its first check", n)
    w.wait("node {} writes now", 1)


def test_the_monitor_can_be_turned_off_and_on(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.proxy.data["mysql_variables"]["monitor_enabled"] = False
    w.proxy.reload()
    wait_until(lambda: not w.nodes.threads(1, "monitor"), 10, "no connection of the monitor")
    assert w.sql("SELECT 1 + 1") == ((2,),)
    w.mark()
    w.proxy.data["mysql_variables"]["monitor_enabled"] = True
    w.proxy.reload()
    w.wait("node {} writes now: as the first look found it", 1)


def test_a_node_that_leaves_the_configuration_is_let_go(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    servers = w.proxy.data["mysql_servers"]
    w.proxy.data["mysql_servers"] = servers[1:]
    w.proxy.reload()
    wait_until(lambda: not w.nodes.threads(1, "monitor"), 10, "no connection of the monitor")
    w.wait("node {} writes now", 2)
    w.mark()
    w.proxy.data["mysql_servers"] = servers
    w.proxy.reload()
    w.wait("node {} answers", 1)


def test_one_connection_a_node(watched):
    w = watched(variables={"monitor_galera_healthcheck_interval": 50})
    w.wait("node {} writes now", 1)
    before = {n: [i for i, _, _ in w.nodes.threads(n, "monitor")] for n in NODES}
    status = "SHOW GLOBAL STATUS LIKE 'Com_show_status'"
    count = int(w.nodes.sql(1, status)[0][1])
    wait_until(lambda: int(w.nodes.sql(1, status)[0][1]) > count + 20, 20, "twenty checks")
    assert {n: [i for i, _, _ in w.nodes.threads(n, "monitor")] for n in NODES} == before
    assert all(len(ids) == 1 for ids in before.values())


def test_a_killed_connection_is_opened_again_without_an_outage(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.mark()
    (old, _, _), = w.nodes.threads(1, "monitor")
    w.nodes.sql(1, f"KILL CONNECTION {old}")
    wait_until(lambda: [i for i, _, _ in w.nodes.threads(1, "monitor")] not in ([], [old]), 10,
               "another connection of the monitor")
    assert "is out" not in w.text() and "suspect" not in w.text()


CHECK = b"wsrep_cluster_status"


def test_connections_that_are_lost_alone_are_no_outage(watched, fragile_cluster):
    with Refusing(fragile_cluster.port(2)) as relay:
        ports = {10: fragile_cluster.port(1), 20: relay.port}
        w = watched(servers=[{"address": "127.0.0.1", "port": port, "hostgroup": hostgroup}
                             for hostgroup, port in ports.items()])
        node = rf"node 127\.0\.0\.1:{relay.port} "
        w.wait(node + "answers: ")
        w.mark()
        relay.hang_up(CHECK, 3)  # on the kept connection, and on two new ones
        w.wait(node + "is suspect: Lost connection")
        w.wait(node + "answers: answered in .* was suspect")
        assert "is out" not in w.text()
        relay.hang_up(CHECK, 1000)
        w.wait(node + "is out: Lost connection")
        relay.hang_up(CHECK, 0)
        w.wait(node + "answers: answered in .* was down")


def test_the_pool_to_a_node_that_comes_back_is_warmed(watched):
    w = watched()
    w.wait("node {} writes now", 1)
    w.sql("DO SLEEP(0)")  # the connection stays at node 1 after its client has left
    assert w.nodes.threads(1, "galeway")
    w.mark()
    w.nodes.sql(3, "SET GLOBAL wsrep_desync = ON")
    try:
        w.wait("node {} takes no new statements", 3)
        wait_until(lambda: not w.nodes.threads(3, "galeway"), 10, "no connection to node 3")
    finally:
        w.nodes.sql(3, "SET GLOBAL wsrep_desync = OFF")
    w.wait("node {} takes statements again", 3)
    wait_until(lambda: w.nodes.threads(3, "galeway"), 10, "a connection to node 3 without a client")


def test_nodes_on_unix_sockets_are_checked(watched, fragile_cluster):
    servers = [{"address": fragile_cluster.unix(n), "port": 0, "hostgroup": 10,
                "weight": 1100 - 100 * n} for n in NODES]
    w = watched(servers=servers)
    w.wait(re.escape(f"node {fragile_cluster.unix(1)} writes now"))


def test_the_hook_is_run_for_each_event(watched, tmp_path):
    hook = tmp_path / "hook.sh"
    told = tmp_path / "told"
    hook.write_text("#!/bin/sh\n"
                    f'echo "$GALEWAY_EVENT/$GALEWAY_HOSTGROUP/$GALEWAY_NODE/$GALEWAY_CAUSE" >>{told}\n')
    hook.chmod(0o755)
    w = watched(variables={"galera_event_hook": str(hook)})
    wait_until(lambda: told.exists() and "new_writer/10/" + w.name(1) in told.read_text(), 10,
               "the hook to be told of the writer")
    w.nodes.script("kill", "2")
    wait_until(lambda: f"node_down//{w.name(2)}/" in told.read_text(), 10,
               "the hook to be told of the node")


def test_all_nodes_down_at_the_start(watched):
    w = watched()
    w.proxy.stop()
    for n in NODES:
        w.nodes.script("kill", str(n))
    w.mark()
    w.proxy.start()
    for n in NODES:
        w.wait("node {} is out", n)
    w.wait("hostgroup 10: nobody may write: .*refused")
    w.mark()
    w.nodes.script("start")
    w.wait("writes now: it had applied all", timeout=60)
    assert w.sql("SELECT 1 + 1") == ((2,),)
