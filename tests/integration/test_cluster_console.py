# SPDX-License-Identifier: Apache-2.0
"""What the console says of a cluster, and SWITCH WRITER, on nodes that are broken on purpose."""
import contextlib
import threading
import time

import pymysql
import pytest

from console import Console
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
    s.nodes.sql(1, "CREATE OR REPLACE DATABASE switched")
    s.nodes.sql(1, "CREATE TABLE switched.t (id INT PRIMARY KEY)")
    stop, faults, ids = threading.Event(), [], iter(range(1, 10**6))
    lock, longest, written = threading.Lock(), [0], [0]

    def write():
        try:
            with s.client() as db, db.cursor() as cursor:
                while not stop.is_set():
                    with lock:
                        number = next(ids)
                    began = time.monotonic()
                    cursor.execute("INSERT INTO switched.t VALUES (%s)", (number,))
                    with lock:
                        longest[0] = max(longest[0], time.monotonic() - began)
                        written[0] += 1
        except pymysql.Error as fault:
            faults.append(fault)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in (2, 3, 1):
        s.console.run(f"SWITCH WRITER TO '127.0.0.1':{s.nodes.port(n)} DRAIN 2000")
        s.wait_for(n, role="writer", why="writer")
        wait_until(lambda n=n: s.writer() == n, 5, f"node {n} to be the only writer")
        before = written[0]
        wait_until(lambda: faults or written[0] >= before + 20, 20, "twenty more writes")
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert longest[0] < 2, longest
    s.nodes.catch_up()
    assert s.nodes.sql(1, "SELECT COUNT(*) FROM switched.t")[0][0] == written[0]
    s.nodes.sql(1, "DROP DATABASE switched")


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
    told = {r["what"]: r["value"] for r in s.console.rows(
        "EXPLAIN ROUTE FOR 'galeway'@'x' 'SELECT a FROM t'") if r["step"] == "node"}
    assert "wsrep_reject_queries is not NONE" in told[f"127.0.0.1:{s.nodes.port(3)}"]
    assert "why: Synced" in told[f"127.0.0.1:{s.nodes.port(2)}"]
    try:
        assert "wsrep_reject_queries" in refused(
            f"SWITCH WRITER TO {host}:{s.nodes.port(3)} HOSTGROUP 10 DRAIN 100")
    finally:
        s.nodes.sql(3, "SET GLOBAL wsrep_reject_queries=NONE")
    assert s.writer() == 1


# ---------------------------------------------------------------- events, checks, retries

def test_events_name_the_node_and_the_cause(seen):
    s = seen()
    s.console.run(f"SWITCH WRITER TO '127.0.0.1':{s.nodes.port(2)}")
    s.wait_for(2, role="writer", why="writer")
    events = s.console.rows("SELECT * FROM stats_galera_events ORDER BY number")
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    switched = [e for e in events if e["event"] == "switch"]
    assert switched[0]["srv_port"] == s.nodes.port(2) and "SWITCH WRITER" in switched[0]["cause"]
    writes = [e["srv_port"] for e in events if e["event"] == "new_writer"]
    assert writes == [s.nodes.port(1), s.nodes.port(2)]
    assert all(abs(e["time_us"] / 1e6 - time.time()) < 300 for e in events)
    assert s.console.status("Monitor_events") >= len(events)


def test_the_monitors_logs_have_proxysqls_columns(seen):
    s = seen()
    s.nodes.script("freeze", "3")
    try:
        s.wait_for(3, health="down")
    finally:
        s.nodes.script("thaw", "3")
    s.wait_for(3, role="backup", health="up")
    port = s.nodes.port(1)
    row = s.console.rows("SELECT * FROM monitor.mysql_server_galera_log "
                         f"WHERE port={port} ORDER BY time_start_us DESC LIMIT 1")[0]
    assert row["primary_partition"] == "YES" and row["read_only"] == "NO"
    assert row["wsrep_local_state"] == 4 and row["wsrep_desync"] == "NO"
    assert row["error"] is None and row["success_time_us"] > 0
    pings = s.console.rows("SELECT * FROM monitor.mysql_server_ping_log "
                           f"WHERE port={s.nodes.port(3)} AND ping_error IS NOT NULL")
    assert pings and all(p["ping_success_time_us"] == 0 for p in pings)
    assert s.console.value(f"SELECT COUNT(*) FROM mysql_server_connect_log WHERE port={port}") == 1
    assert s.console.value("SELECT COUNT(*) FROM monitor.mysql_server_read_only_log") == 0
    assert s.console.status("MySQL_Monitor_galera_check_OK") > 3
    assert s.console.status("Monitor_timeouts") >= 1
    assert s.console.status("MySQL_Monitor_ping_check_ERR") >= len(pings)
    guest = Console(s.proxy, "stats")
    assert guest.value("SELECT COUNT(*) > 0 FROM monitor.mysql_server_galera_log") == 1


def test_a_statement_that_ran_again_is_in_the_ledger(seen):
    s = seen()
    with s.client() as db, db.cursor() as cursor:
        reader = next(r["srv_port"] for r in s.console.rows("SHOW CLUSTER NODES") if r["reads"])
        stop = threading.Event()

        def read():
            cursor.execute("SELECT SLEEP(4)")
            stop.set()

        thread = threading.Thread(target=read)
        thread.start()
        wait_until(lambda: s.console.rows("SELECT srv_port FROM stats_mysql_processlist "
                                          "WHERE srv_port > 0 AND info LIKE '%SLEEP%'"), 5)
        reader = s.console.value("SELECT srv_port FROM stats_mysql_processlist "
                                 "WHERE info LIKE '%SLEEP%'")
        number = next(n for n in NODES if s.nodes.port(n) == reader)
        s.nodes.script("kill", str(number))
        thread.join()
        assert stop.is_set()
    row = s.console.rows("SELECT * FROM stats_retries")[0]
    assert row["decision"] == "read" and row["srv_port"] == reader and row["user"] == "galeway"
    assert row["bytes_sent"] > 0 and row["error"] == 0 and row["retries"] == 0
    assert row["ran_us"] > 0 and "run again" in row["text"]
    assert s.console.status("Retry_read") == 1 and s.console.status("Retry_in_doubt") == 0


# ---------------------------------------------------------------- runtime_mysql_servers

def test_runtime_mysql_servers_shows_the_roles_and_save_the_configuration(seen):
    s = seen()

    def runtime():
        rows = s.console.rows("SELECT hostgroup_id, port, status FROM runtime_mysql_servers")
        ports = {s.nodes.port(n): n for n in NODES}
        return {(r["hostgroup_id"], ports[r["port"]]): r["status"] for r in rows}

    for n in (2, 3):
        s.wait_for(n, role="backup")
    shunned = {(10, 2): "SHUNNED", (10, 3): "SHUNNED"}
    reads = {(hostgroup, n): "ONLINE" for hostgroup in (20, 30) for n in (2, 3)}
    assert runtime() == {(10, 1): "ONLINE", **shunned, **reads}
    s.console.run(f"SWITCH WRITER TO '127.0.0.1':{s.nodes.port(2)}")
    wait_until(lambda: runtime().get((10, 2)) == "ONLINE", 5, "node 2 to be the writer")
    assert runtime()[10, 1] == "SHUNNED" and runtime()[30, 1] == "ONLINE"
    pool = s.console.rows("SELECT srv_port, status FROM stats_mysql_connection_pool "
                          "WHERE hostgroup=10")
    assert {r["srv_port"]: r["status"] for r in pool}[s.nodes.port(1)] == "SHUNNED"
    s.nodes.sql(3, "SET GLOBAL wsrep_reject_queries=ALL")
    s.wait_for(3, why="rejects")
    assert runtime()[40, 3] == "ONLINE" and (10, 3) not in runtime() and (20, 3) not in runtime()
    s.nodes.sql(3, "SET GLOBAL wsrep_reject_queries=NONE")
    s.wait_for(3, why="fit")
    before = s.console.rows("SELECT * FROM mysql_servers ORDER BY port")
    s.console.run("DELETE FROM mysql_servers")
    s.console.run("SAVE MYSQL SERVERS FROM RUNTIME")
    assert s.console.rows("SELECT * FROM mysql_servers ORDER BY port") == before
    s.console.run(f"UPDATE mysql_servers SET status='OFFLINE_SOFT' WHERE port={s.nodes.port(3)}")
    s.console.run("LOAD MYSQL SERVERS TO RUNTIME")
    wait_until(lambda: runtime() == {(10, 1): "SHUNNED", (10, 2): "ONLINE", (20, 1): "ONLINE",
                                     (30, 1): "ONLINE", (10, 3): "OFFLINE_SOFT"}, 5,
               f"node 3 to be OFFLINE_SOFT: {runtime()}")


# ---------------------------------------------------------------- CHECK CLUSTER

def only_monitors(nodes):
    """The monitor's account as cluster.sh made it, whatever a test that failed has left."""
    nodes.sql(1, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'monitor'@'%'")
    nodes.sql(1, "GRANT BINLOG MONITOR ON *.* TO 'monitor'@'%'")
    nodes.catch_up()


def test_check_cluster_finds_what_is_wrong(seen):
    s = seen()
    only_monitors(s.nodes)

    def check():
        return {r["check"]: r for r in s.console.rows("CHECK CLUSTER")}

    rows = check()
    assert rows["nodes"]["result"] == "ok" and rows["version"]["result"] == "ok"
    for name in ("binlog_format", "innodb_autoinc_lock_mode", "character_set_server", "wsrep_on",
                 "wsrep_provider_version", "clocks", "lower_case_table_names"):
        assert rows[name]["result"] == "ok", rows[name]
    assert rows["users"]["result"] == "warning"
    assert "GRANT SELECT ON mysql.global_priv TO 'monitor'@'%'" in rows["users"]["detail"]
    assert rows["write and read"]["result"] == "warning"
    assert "ON galeway_probe.* TO 'monitor'@'%'" in rows["write and read"]["detail"]
    try:
        s.nodes.sql(1, "GRANT SELECT ON mysql.global_priv TO 'monitor'@'%'")
        s.nodes.sql(1, "GRANT SELECT, INSERT, DELETE, CREATE ON galeway_probe.* TO 'monitor'@'%'")
        s.nodes.sql(2, "SET GLOBAL collation_server='utf8mb4_unicode_ci', wsrep_slave_threads=3")
        with s.nodes.connect(3) as db, db.cursor() as cursor:  # a user that only this node lacks
            s.nodes.catch_up()
            cursor.execute("SET SESSION wsrep_on=OFF")
            cursor.execute("DROP USER IF EXISTS 'site2'@'%'")
        s.console.run("UPDATE mysql_servers SET max_connections=100000 "
                      f"WHERE port={s.nodes.port(3)}")
        s.console.run("LOAD MYSQL SERVERS TO RUNTIME")
        rows = check()
        assert rows["collation_server"]["result"] == "error"
        assert f":{s.nodes.port(2)}: 'utf8mb4_unicode_ci'" in rows["collation_server"]["detail"]
        assert rows["wsrep_slave_threads"]["result"] == "warning"
        assert rows["users"]["result"] == "error"
        assert f"'site2' is not on 127.0.0.1:{s.nodes.port(3)}" in rows["users"]["detail"]
        assert rows["max_connections"]["result"] == "error"
        assert "100000 of" in rows["max_connections"]["detail"]
        assert rows["write and read"]["result"] == "ok", rows["write and read"]
        assert rows["write and read"]["detail"].count("had it") == 2
    finally:
        s.nodes.sql(2, "SET GLOBAL collation_server=@@collation_server, wsrep_slave_threads=1")
        collation = s.nodes.sql(1, "SELECT @@GLOBAL.collation_server")[0][0]
        s.nodes.sql(2, f"SET GLOBAL collation_server={collation}")
        threads = s.nodes.sql(1, "SELECT @@GLOBAL.wsrep_slave_threads")[0][0]
        s.nodes.sql(2, f"SET GLOBAL wsrep_slave_threads={threads}")
        with s.nodes.connect(3) as db, db.cursor() as cursor:
            cursor.execute("SET SESSION wsrep_on=OFF")
            cursor.execute("CREATE OR REPLACE USER 'site2'@'%' IDENTIFIED VIA "
                           "mysql_native_password USING PASSWORD('site2')")
            cursor.execute("GRANT ALL PRIVILEGES ON `site2\\_%`.* TO 'site2'@'%'")
        only_monitors(s.nodes)
        s.nodes.sql(1, "DROP DATABASE IF EXISTS galeway_probe")


def test_the_console_goes_on_while_a_cluster_is_checked(seen):
    s = seen()
    other = Console(s.proxy)
    s.nodes.script("freeze", "3")
    try:
        s.wait_for(3, health="down")
        answer = {}
        thread = threading.Thread(
            target=lambda: answer.update(rows=s.console.rows("CHECK CLUSTER 10")))
        began = time.monotonic()
        thread.start()
        while thread.is_alive():
            asked = time.monotonic()
            assert len(other.rows("SHOW CLUSTER")) == 3
            assert time.monotonic() - asked < 1
        assert 1 < time.monotonic() - began < 12
        (nodes,) = [r for r in answer["rows"] if r["check"] == "nodes"]
        assert nodes["result"] == "error" and f":{s.nodes.port(3)}: error" in nodes["detail"]
    finally:
        s.nodes.script("thaw", "3")
    with pytest.raises(pymysql.MySQLError):
        other.run("CHECK CLUSTER 99")
