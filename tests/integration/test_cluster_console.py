# SPDX-License-Identifier: Apache-2.0
"""What the console says of a cluster, and SWITCH WRITER, on nodes that are broken on purpose."""
import contextlib
import threading
import time

import pymysql
import pytest

from test_stats import Console
from util import NODES, wait_until

FAST = {"monitor_galera_healthcheck_interval": 100}


class Seen:
    """A proxy on nodes that may be broken, and its console."""

    def __init__(self, proxy, nodes):
        self.proxy, self.nodes = proxy, nodes
        self.console = Console(proxy)

    def node(self, n):
        """The row of node n in SHOW CLUSTER."""
        rows = self.console.rows("SHOW CLUSTER")
        return next(r for r in rows if r["node"] == f"127.0.0.1:{self.nodes.port(n)}")

    def writer(self):
        rows = self.console.rows("SELECT srv_port FROM stats_galera_nodes WHERE role = 'writer'")
        ports = {self.nodes.port(n): n for n in NODES}
        return ports[rows[0]["srv_port"]] if len(rows) == 1 else None

    def wait_for(self, n, **wanted):
        """Until node n is as wanted; the row."""
        def look():
            row = self.node(n)
            return row if all(row[k] == v for k, v in wanted.items()) else None
        return wait_until(look, 15, f"node {n} to be {wanted}: {self.node(n)}")

    @contextlib.contextmanager
    def client(self):
        db = pymysql.connect(host="127.0.0.1", port=self.proxy.port, user="galeway",
                             password="galeway", autocommit=True)
        try:
            yield db
        finally:
            db.close()


@pytest.fixture
def seen(galeway, fragile_cluster):
    def make(**options):
        variables = {**FAST, **options.pop("variables", {})}
        made = Seen(galeway(fragile_cluster, variables=variables, **options), fragile_cluster)
        made.wait_for(1, role="writer", health="up")
        return made
    return make


# ---------------------------------------------------------------- SHOW CLUSTER

def test_show_cluster_says_what_each_node_is(seen):
    s = seen()
    row = s.wait_for(1, role="writer", why="writer", state="Synced", cluster="Primary/3")
    assert row["hg"] == 10 and row["status"] == "ONLINE"
    assert 0 <= row["age_ms"] < 2000 and row["check_us"] > 0
    s.wait_for(2, role="backup", why="fit")
    s.wait_for(3, role="backup", why="fit")
    assert len(s.console.rows("SHOW CLUSTER 10")) == 3
    assert s.console.rows("SHOW CLUSTER 11") == []
    width = sum(3 + max(len(name), *(len(str(r[name])) for r in s.console.rows("SHOW CLUSTER")))
                for name in row) + 1
    assert width <= 160
    full = s.console.rows("SHOW CLUSTER NODES 10")
    assert len({r["conf_id"] for r in full}) == 1 and full[0]["conf_id"] > 0
    assert sorted(r["local_index"] for r in full) == [0, 1, 2]
    assert len({r["state_uuid"] for r in full}) == 1
    assert all(str(r["version"]).startswith("10.11") and r["max_connections"] > 0 for r in full)
    assert [r["reads"] for r in full] == [0, 1, 1]


def test_connections_and_statements_under_way_are_counted(seen):
    s = seen()
    done = threading.Event()

    def sleep():
        with s.client() as db, db.cursor() as cursor:
            cursor.execute("SELECT SLEEP(2) FROM DUAL FOR UPDATE")
        done.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    row = s.wait_for(1, busy=1)
    assert row["used"] == 1
    thread.join()
    row = s.wait_for(1, busy=0, used=0)
    assert done.is_set() and row["free"] >= 1


def test_desync_rejects_and_a_killed_node_are_told(seen):
    s = seen()
    with s.nodes.connect(3) as db, db.cursor() as cursor:
        cursor.execute("SET GLOBAL wsrep_desync=ON")
        row = s.wait_for(3, role="offline")
        assert row["why"] in ("desync", "donor", "joining"), row
        cursor.execute("SET GLOBAL wsrep_desync=OFF")
        s.wait_for(3, role="backup", why="fit")
        cursor.execute("SET GLOBAL wsrep_reject_queries=ALL")
        s.wait_for(3, role="offline", why="rejects")
        cursor.execute("SET GLOBAL wsrep_reject_queries=NONE")
        s.wait_for(3, role="backup", why="fit")
    s.nodes.script("kill", "3")
    row = s.wait_for(3, role="offline", why="refused", health="down")
    s.wait_for(1, cluster="Primary/2")
    s.nodes.script("restart", "3")
    s.wait_for(3, role="backup", why="fit", health="up")


# ---------------------------------------------------------------- SWITCH WRITER

def test_switch_writer_under_load_fails_no_statement(seen):
    s = seen()
    s.nodes.sql(1, "CREATE OR REPLACE TABLE galeway.switched (id INT PRIMARY KEY) ENGINE=InnoDB")
    stop, faults, ids = threading.Event(), [], iter(range(1, 10**6))
    lock, longest = threading.Lock(), [0]

    def write():
        try:
            with s.client() as db, db.cursor() as cursor:
                while not stop.is_set():
                    with lock:
                        number = next(ids)
                    began = time.monotonic()
                    cursor.execute("INSERT INTO galeway.switched VALUES (%s)", (number,))
                    longest[0] = max(longest[0], time.monotonic() - began)
        except pymysql.Error as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in (2, 3, 1):
        s.console.run(f"SWITCH WRITER TO '127.0.0.1':{s.nodes.port(n)} DRAIN 2000")
        s.wait_for(n, role="writer", why="writer")
        wait_until(lambda n=n: s.writer() == n, 5, f"node {n} to be the only writer")
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert longest[0] < 2, longest
    (count,) = s.nodes.sql(1, "SET SESSION wsrep_sync_wait=1") or \
        s.nodes.sql(1, "SELECT COUNT(*) FROM galeway.switched")[0]
    assert count > 100


def test_switch_writer_says_why_not(seen):
    s = seen()

    def refused(command):
        with pytest.raises(pymysql.MySQLError) as fault:
            s.console.run(command)
        return fault.value.args[1]

    host, here = "'127.0.0.1'", s.nodes.port(1)
    assert "it is the writer already" in refused(f"SWITCH WRITER TO {host}:{here}")
    assert "no server of a cluster" in refused("SWITCH WRITER TO '127.0.0.9':3306")
    assert "has not decided" in refused(f"SWITCH WRITER TO {host}:{here} HOSTGROUP 77")
    s.nodes.sql(3, "SET GLOBAL wsrep_reject_queries=ALL")
    s.wait_for(3, why="rejects")
    try:
        assert "wsrep_reject_queries" in refused(
            f"SWITCH WRITER TO {host}:{s.nodes.port(3)} HOSTGROUP 10 DRAIN 100")
    finally:
        s.nodes.sql(3, "SET GLOBAL wsrep_reject_queries=NONE")
    assert s.writer() == 1
