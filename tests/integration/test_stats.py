# SPDX-License-Identifier: Apache-2.0
"""The statistics tables on real nodes: counts are exact after known traffic, what is shown is what runs."""
import json
import socket
import threading

import pymysql
import pytest

import wire
from console import Console
from util import free_port, wait_until

WRITER, READER, HERE = 10, 20, -1


def test_counts_are_exact(site):
    """Several clients on both workers, the same statements with other literals."""
    s = site()
    setup = s.client()
    setup.rows("CREATE TABLE t (a INT PRIMARY KEY, b INT)")
    setup.rows("INSERT INTO t VALUES (1,1),(2,2),(3,3)")
    clients = [s.client() for _ in range(6)]
    for n, client in enumerate(clients):
        for i in range(10):
            assert client.query(f"UPDATE t SET b = {100 * n + i + 10} WHERE a = {1 + n % 3}")[0].payload[0] == 0
            client.rows("BEGIN")
            client.rows(f"SELECT a, b FROM t WHERE a < {2 + i % 2}")
            client.rows("COMMIT")
    (update,) = s.console.digest("UPDATE t SET b = ? WHERE a = ?")
    assert (update["count_star"], update["sum_rows_affected"]) == (60, 60)
    assert (update["hostgroup"], update["username"], update["schemaname"]) == \
        (WRITER, "tenant", s.schema)
    assert update["client_address"] == ""
    assert 0 < update["min_time"] <= update["max_time"] <= update["sum_time"]
    assert update["min_time"] * 60 <= update["sum_time"]
    assert update["digest"].startswith("0x") and len(update["digest"]) == 18
    (select,) = s.console.digest("SELECT a,b FROM t WHERE a < ?")
    assert (select["count_star"], select["sum_rows_sent"]) == (60, 6 * 5 * (1 + 2))
    (begin,) = s.console.digest("BEGIN")
    assert begin["count_star"] == 60
    for command, count in (("UPDATE", 60), ("BEGIN", 60), ("COMMIT", 60), ("SELECT", 60),
                           ("CREATE_TABLE", 1), ("INSERT", 1), ("DELETE", 0)):
        row = s.console.row(f"SELECT * FROM stats_mysql_commands_counters WHERE Command='{command}'")
        buckets = sum(v for k, v in row.items() if k.startswith("cnt_"))
        assert (row["Total_cnt"], buckets) == (count, count), row
    row = s.console.row(f"SELECT * FROM stats_sites WHERE user='tenant' AND schema='{s.schema}'")
    assert row["statements"] == 2 + 4 * 60 and row["errors"] == 0
    assert 0 < row["p50_us"] <= row["p95_us"] <= row["p99_us"]
    assert s.console.status("Questions") >= row["statements"]
    assert s.console.status("Com_commit") == 60


def test_what_is_answered_here_has_no_hostgroup(site):
    s = site()
    client = s.client()
    for _ in range(3):
        client.rows("SET NAMES utf8mb4")  # the first time a node is asked
        client.rows("DO 1")
    seen = {row["hostgroup"]: row["count_star"] for row in s.console.digest("SET NAMES utf8mb4")}
    assert sum(seen.values()) == 3 and seen[HERE] >= 1
    (do,) = s.console.digest("DO ?")
    assert (do["hostgroup"], do["count_star"]) == (HERE, 3)


def test_reads_and_writes_have_their_hostgroups(site, cluster):
    s = site(variables={"causal_window_ms": 0})
    writer = s.client()
    writer.rows("CREATE TABLE t (a INT)")
    writer.rows("INSERT INTO t VALUES (1)")
    cluster.catch_up()
    reader = s.client()
    for _ in range(5):
        assert reader.value("SELECT a FROM t") == "1"
    (row,) = s.console.digest("SELECT a FROM t")
    assert (row["hostgroup"], row["count_star"]) == (READER, 5)
    pool = s.console.rows("SELECT * FROM stats_mysql_connection_pool ORDER BY hostgroup, srv_port")
    by_group = {group: sum(r["Queries"] for r in pool if r["hostgroup"] == group)
                for group in (WRITER, READER)}
    assert by_group == {WRITER: s.console.status("To_writer"),
                        READER: s.console.status("To_reader")}
    assert sum(r["Bytes_data_recv"] for r in pool) == s.console.status("Queries_backends_bytes_recv")
    assert sum(r["ConnOK"] for r in pool) == s.console.status("Server_Connections_created")
    assert sorted(r["status"] for r in pool if r["hostgroup"] == WRITER) == [
        "ONLINE", "SHUNNED", "SHUNNED"]
    assert {r["status"] for r in pool if r["hostgroup"] == READER} == {"ONLINE"}
    assert sum(r["ConnUsed"] for r in pool) == 0
    assert len([r for r in pool if r["hostgroup"] == WRITER]) == 3
    assert len([r for r in pool if r["hostgroup"] == READER]) == 2


def test_prepared_statements_count_as_their_text(site):
    s = site()
    client = s.client()
    client.rows("CREATE TABLE t (a INT, b INT)")

    def is_looked_at():
        """Until then no connection keeps what was prepared: a trigger may have left something there."""
        before = s.console.status("Pool_resets")
        client.rows("DELETE FROM t")
        return s.console.status("Pool_resets") == before

    wait_until(is_looked_at, what="the schema to be looked at")
    client.send(bytes([wire.COM_STMT_PREPARE]) + b"INSERT INTO t VALUES (?, 5)")
    prepared = client.read_prepare()
    number = int.from_bytes(prepared[0].payload[1:5], "little")
    for value in range(4):
        client.send(wire.execute_packet(number, [value]))
        assert client.read_query()[0].payload[0] == 0
    (row,) = s.console.digest("INSERT INTO t VALUES (?,?)")
    assert (row["count_star"], row["sum_rows_affected"]) == (4, 4)
    info = s.console.row("SELECT * FROM stats_mysql_prepared_statements_info")
    assert (info["query"], info["num_params"], info["num_columns"]) == \
        ("INSERT INTO t VALUES (?, 5)", 1, 0)
    assert (info["ref_count_client"], info["username"], info["schemaname"]) == (1, "tenant", s.schema)
    assert info["ref_count_server"] >= 1 and info["digest"] == row["digest"]
    assert s.console.status("Com_frontend_stmt_execute") == 4
    assert s.console.status("Stmt_Client_Active_Total") == 1


def test_reset_and_truncate_start_from_zero(site):
    s = site()
    client = s.client()
    client.rows("SELECT 1 FROM DUAL")
    (row,) = s.console.digest("SELECT ? FROM DUAL", table="stats_mysql_query_digest_reset")
    assert row["count_star"] == 1
    assert s.console.digest("SELECT ? FROM DUAL") == []
    client.rows("SELECT 2 FROM DUAL")
    (row,) = s.console.digest("SELECT ? FROM DUAL")
    assert row["count_star"] == 1
    s.console.run("TRUNCATE TABLE stats.stats_mysql_query_digest")
    assert s.console.rows("SELECT * FROM stats_mysql_query_digest") == []
    assert s.console.value("SELECT sum(Queries) FROM stats_mysql_connection_pool_reset") >= 2
    assert s.console.value("SELECT sum(Queries) FROM stats_mysql_connection_pool") == 0


def test_errors_tell_who_where_and_what(site, cluster):
    s = site()
    client = s.client()
    for _ in range(3):
        client.query("INSERT INTO nowhere VALUES (1)")
    row = s.console.row("SELECT * FROM stats_mysql_errors WHERE errno = 1146")
    assert (row["count_star"], row["username"], row["schemaname"]) == (3, "tenant", s.schema)
    assert (row["hostgroup"], row["hostname"], row["port"]) == (WRITER, "127.0.0.1", cluster.port(1))
    assert row["client_address"] == "127.0.0.1"
    assert row["last_error"] == f"Table '{s.schema}.nowhere' doesn't exist"
    client.query("KILL 1")  # told by the proxy: no node
    here = s.console.row("SELECT * FROM stats_mysql_errors WHERE errno = 1094")
    assert (here["hostname"], here["port"], here["hostgroup"]) == ("", 0, HERE)
    assert s.console.value("SELECT errors FROM stats_sites WHERE user = 'tenant'") == 4
    assert len(s.console.rows("SELECT * FROM stats_mysql_errors_reset")) == 2
    assert s.console.rows("SELECT * FROM stats_mysql_errors") == []


def test_pins_appear_and_go(site):
    s = site()
    client = s.client()
    client.rows("BEGIN")

    def pins():
        return {row["reason"]: (row["count"], row["now"]) for row in
                s.console.rows("SELECT * FROM stats_pins WHERE user = 'tenant'")}

    assert pins() == {"transaction": (1, 1)}
    row = s.console.row("SELECT * FROM stats_mysql_processlist WHERE user = 'tenant'")
    assert json.loads(row["extended_info"])["pins"] == ["transaction"]
    assert (row["hostgroup"], row["command"], row["info"]) == (WRITER, "Sleep", "")
    assert s.console.status("Active_Transactions") == 1
    site_row = s.console.row("SELECT * FROM stats_sites WHERE user = 'tenant'")
    assert (site_row["pinned"], site_row["server_connections"]) == (1, 1)
    text = s.console.value("SELECT digest_text FROM stats_pins p "
                           "JOIN stats_mysql_query_digest d ON d.digest = p.digest")
    assert text == "BEGIN"
    client.rows("COMMIT")
    assert pins() == {"transaction": (1, 0)}
    client.rows("SET @a = 1")
    assert pins()["user variable"] == (1, 1)
    client.close()
    wait_until(lambda: pins()["user variable"] == (1, 0), what="the pin of a client that left")
    assert s.console.status("Pins") == 2


def test_a_read_that_does_not_wait_pins_no_longer_than_its_transaction(site):
    s = site()

    def unknown():
        rows = s.console.rows("SELECT count, now FROM stats_pins WHERE reason = 'unknown state change'")
        return (rows[0]["count"], rows[0]["now"]) if rows else (0, 0)

    def pins_none():
        """What its tables are, and that they have no triggers, is looked up behind the first one."""
        before = unknown()
        with wire.Client(port=s.proxy.port, user="tenant", password="tenant", db=s.schema) as first:
            first.rows("SELECT id FROM t FOR UPDATE NOWAIT")
            return unknown() == before

    client = s.client()
    client.rows("CREATE TABLE t (id INT PRIMARY KEY)")
    wait_until(pins_none, what="a read that is known to change nothing")
    before = unknown()
    for how in ("FOR UPDATE NOWAIT", "FOR UPDATE WAIT 2", "LOCK IN SHARE MODE NOWAIT"):
        for sql in ("BEGIN", f"SELECT id FROM t WHERE id = 1 {how}", "COMMIT"):
            client.rows(sql)
        client.rows(f"SELECT id FROM t WHERE id = 1 {how}")
    assert unknown() == before
    row = s.console.row("SELECT count, now FROM stats_pins WHERE reason = 'transaction'")
    assert (row["count"], row["now"]) == (3, 0)


def test_process_list_shows_what_runs_and_it_can_be_killed(site):
    s = site()
    client = s.client()
    answer = []
    thread = threading.Thread(target=lambda: answer.extend(client.query("SELECT SLEEP(20) FROM DUAL")))
    thread.start()

    def running():
        return s.console.rows("SELECT * FROM stats_mysql_processlist "
                              "WHERE info LIKE 'SELECT SLEEP%' AND time_ms > 50 "
                              "AND extended_info LIKE '%\"state\":\"running\"%'")

    (row,) = wait_until(running, what="the statement in the process list")
    assert (row["command"], row["user"], row["db"]) == ("Query", "tenant", s.schema)
    assert row["cli_host"] == "127.0.0.1" and row["cli_port"] > 0
    assert row["srv_host"] == "127.0.0.1" and row["srv_port"] > 0 and row["l_srv_port"] > 0
    assert row["ThreadID"] in (0, 1)
    s.console.run(f"KILL QUERY {row['SessionID']}")
    thread.join(15)
    assert not thread.is_alive() and answer
    wait_until(lambda: not running(), what="the statement to be gone")
    s.console.run(f"KILL CONNECTION {row['SessionID']}")
    wait_until(client.at_end, what="the client to be closed")


def test_queue_and_sites_show_who_waits(site):
    s = site(connections=1)
    holder = s.client()
    holder.rows("BEGIN")
    waiting = s.client(user="tenant2")
    thread = threading.Thread(target=waiting.query, args=("SELECT 1 FROM DUAL FOR UPDATE",))
    thread.start()
    sql = f"SELECT * FROM stats_queue WHERE hostgroup = {WRITER} AND waiting = 1 AND longest_wait_ms > 0"
    wait_until(lambda: s.console.rows(sql), what="the statement in the queue")
    assert s.console.value("SELECT waiting FROM stats_sites WHERE user = 'tenant2'") == 1
    holder.rows("COMMIT")
    thread.join(15)
    row = s.console.row(f"SELECT * FROM stats_queue WHERE hostgroup = {WRITER}")
    assert row["waiting"] == 0 and row["longest_wait_ms"] > 0
    row = s.console.row("SELECT * FROM stats_sites WHERE user = 'tenant2'")
    assert row["waiting"] == 0 and row["queued_ms"] > 0
    # Who tries again a few times waits once: what is told is not more than what passed.
    assert row["queued_ms"] <= s.console.value("SELECT longest_wait_ms FROM stats_queue "
                                               f"WHERE hostgroup = {WRITER}") + 100


def test_users_free_connections_and_memory(site):
    s = site()
    clients = [s.client() for _ in range(3)]
    clients[0].query("INSERT INTO nowhere VALUES (1)")
    clients[1].rows("SELECT 1 FROM DUAL FOR UPDATE")
    row = s.console.row("SELECT * FROM stats_mysql_users WHERE username = 'tenant'")
    assert row["frontend_connections"] == 3 and row["frontend_max_connections"] > 0
    free = s.console.rows("SELECT * FROM stats_mysql_free_connections WHERE user = 'tenant'")
    assert free and all(r["fd"] > 0 and r["srv_port"] > 0 for r in free)
    assert s.console.value("SELECT sum(ConnFree) FROM stats_mysql_connection_pool") == \
        s.console.value("SELECT count(*) FROM stats_mysql_free_connections")
    memory = {r["Variable_Name"]: r["Variable_Value"]
              for r in s.console.rows("SELECT * FROM stats_memory_metrics")}
    assert memory["clients_connected_used"] == 3 and memory["clients_connected_max"] == 6000
    assert 0 < memory["query_digests_used"] < memory["query_digests_max"] == 2 * 10000
    assert memory["clients_bytes"] > 0 and memory["refused_allocations"] == 0


def test_variables_of_statistics_act_at_once(site):
    s = site(variables={"query_digests_track_hostname": True, "query_digests_max_entries": 16,
                        "threads": 1, "long_query_time": 0})
    client = s.client()
    client.rows("SELECT 1 FROM DUAL FOR UPDATE")
    (row,) = s.console.digest("SELECT ? FROM DUAL FOR UPDATE")
    assert row["client_address"] == "127.0.0.1"
    assert s.console.status("Slow_queries") >= 1
    for n in range(40):
        client.rows(f"SELECT 1 AS column_{n} FROM DUAL FOR UPDATE")
    assert s.console.value("SELECT count(*) FROM stats_mysql_query_digest") == 16
    assert s.console.status("Query_digests_evicted") >= 25
    s.console.run("SET mysql-query_digests = 'false'")
    s.console.run("LOAD MYSQL VARIABLES TO RUNTIME")
    s.console.run("TRUNCATE TABLE stats.stats_mysql_query_digest")
    client.rows("SELECT 1")
    assert s.console.rows("SELECT * FROM stats_mysql_query_digest") == []


def test_reads_under_load_lose_nothing(site):
    """Tables are read and digests taken while statements run: each is counted exactly once."""
    s = site()
    done = threading.Event()
    taken = []

    def work(client):
        for n in range(300):
            client.rows(f"SELECT {n} FROM DUAL FOR UPDATE")

    def read():
        console = Console(s.proxy)
        while not done.is_set():
            taken.extend(console.digest("SELECT ? FROM DUAL FOR UPDATE", "count_star",
                                        "stats_mysql_query_digest_reset"))
            console.rows("SELECT * FROM stats_mysql_processlist")
            console.rows("SELECT * FROM stats_sites")
        console.db.close()

    threads = [threading.Thread(target=work, args=(s.client(),)) for _ in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    left = s.console.digest("SELECT ? FROM DUAL FOR UPDATE", "count_star")
    assert sum(row["count_star"] for row in taken + left) == 4 * 300


def test_hits_of_rules_are_counted(site):
    s = site(mysql_query_rules=[
        {"rule_id": 1, "active": 1, "match_digest": "^SELECT a FROM t", "destination_hostgroup": 10,
         "apply": 1},
        {"rule_id": 7, "active": 1, "match_digest": "^DELETE", "error_msg": "not here", "apply": 1},
        {"rule_id": 9, "active": 1, "match_digest": "^never", "destination_hostgroup": 10, "apply": 1}])
    client = s.client()
    client.rows("CREATE TABLE t (a INT)")
    for _ in range(4):
        client.rows("SELECT a FROM t")
    for _ in range(2):
        with pytest.raises(wire.ServerError, match="not here"):
            client.rows("DELETE FROM t")
    rules = s.console.rows("SELECT rule_id, hits FROM stats_mysql_query_rules ORDER BY rule_id")
    assert [(r["rule_id"], r["hits"]) for r in rules] == [(1, 4), (7, 2), (9, 0)]
    (row,) = s.console.digest("SELECT a FROM t")
    assert (row["hostgroup"], row["count_star"]) == (WRITER, 4)
    (row,) = s.console.digest("DELETE FROM t")
    assert (row["hostgroup"], row["count_star"]) == (HERE, 2)
    error = s.console.row("SELECT * FROM stats_mysql_errors WHERE errno = 1148")
    assert (error["count_star"], error["last_error"]) == (2, "not here")


def test_a_node_that_refuses_shows(site, cluster):
    dead = free_port()
    live = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10, "weight": 1}
    s = site(servers=[live, {**live, "port": dead, "weight": 1000}],
             variables={"monitor_enabled": False})  # which would keep statements from it
    assert s.client().value("SELECT 1 FROM DUAL FOR UPDATE") == "1"
    row = s.console.row("SELECT * FROM stats_mysql_connection_pool "
                        f"WHERE hostgroup = {WRITER} AND srv_port = {dead}")
    assert (row["status"], row["ConnOK"], row["Queries"]) == ("SHUNNED", 0, 0)
    assert row["ConnERR"] >= 1 and row["ConnUsed"] == row["ConnFree"] == 0
    error = s.console.row(f"SELECT * FROM stats_mysql_errors WHERE port = {dead}")
    assert (error["errno"], error["hostgroup"]) == (2003, WRITER)
    assert (error["username"], error["schemaname"]) == ("tenant", s.schema)


def test_show_commands_and_the_statistics_user(site):
    s = site()
    client = s.client()
    client.rows("BEGIN")
    assert [r["user"] for r in s.console.rows("SHOW PROCESSLIST")] == ["tenant"]
    assert [r["hostgroup"] for r in s.console.rows("SHOW FULL PROCESSLIST")] == [WRITER]
    status = {r["Variable_name"]: r["Value"] for r in s.console.rows("SHOW MYSQL STATUS")}
    assert status["Active_Transactions"] == 1 and status["Client_Connections_connected"] == 1
    assert status["Workers_missing"] == 0
    watcher = Console(s.proxy, "stats")
    assert watcher.value("SELECT count(*) FROM stats.stats_mysql_query_digest "
                         "WHERE digest_text = 'BEGIN'") == 1
    with pytest.raises(pymysql.Error):
        watcher.run("TRUNCATE TABLE stats.stats_mysql_query_digest")
    assert watcher.value("SELECT count(*) FROM stats_mysql_query_digest") >= 1
    watcher.db.close()


def test_a_statement_that_waits_for_its_connection_can_be_killed(site):
    """The node takes connections and says nothing: without KILL the client would wait for ten seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        s = site(servers=[{"address": "127.0.0.1", "port": silent.getsockname()[1], "hostgroup": 10}],
                 variables={"connect_timeout_server": 2000, "connect_timeout_server_max": 60000,
                            "monitor_enabled": False})  # which would find it silent
        client = wire.Client(port=s.proxy.port, user="tenant", password="tenant", timeout=30)
        s.opened.append(client)
        client.send(b"\x03SELECT 1 FROM DUAL FOR UPDATE")
        (row,) = wait_until(lambda: s.console.rows(
            "SELECT * FROM stats_mysql_processlist WHERE extended_info LIKE '%fitting%'"),
            what="a client whose connection is being made")
        s.console.run(f"KILL QUERY {row['SessionID']}")
        assert wire.parse_error(client.read_query()[0].payload)[0] == 1317
        assert client.value("SELECT CONNECTION_ID()") == str(row["SessionID"])
