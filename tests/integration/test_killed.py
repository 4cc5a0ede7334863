# SPDX-License-Identifier: Apache-2.0
"""Clients that vanish in the middle of something: nothing leaks, nothing foreign is inherited."""
import os
import struct
import subprocess
import sys

import pytest

import wire
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant"}


@pytest.fixture
def own_proxy(galeway):
    """Few connections, so that whoever comes next gets one of those used before."""
    return galeway(connections=4)


@pytest.fixture
def table(cluster, schema):
    cluster.sql(1, f"CREATE TABLE {schema}.t (id INT PRIMARY KEY, a INT)")
    cluster.sql(1, f"INSERT INTO {schema}.t VALUES (1, 1)")
    cluster.catch_up()
    return schema


def clean_state(proxy, schema):
    """Twenty newcomers in turn see nothing of those who were there before."""
    for _ in range(20):
        with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
            row = client.rows("SELECT @leak, @@in_transaction, @@autocommit, @@sql_mode LIKE 'STRICT%', "
                              "@@time_zone, DATABASE(), 1 + 1")[0]
            assert row == [None, "0", "1", "1", "SYSTEM", schema, "2"]
            assert wire.parse_error(client.query("SELECT * FROM leak")[0].payload)[0] == 1146
            assert client.rows("SELECT * FROM t WHERE id = 1") == [["1", "1"]]


def nothing_runs(cluster, text):
    for n in (1, 2, 3):
        if any(info and text in info for _, _, info in cluster.threads(n, "tenant")):
            return False
    return True


def somebody_runs(cluster, text):
    return not nothing_runs(cluster, text)


def test_mid_result(cluster, own_proxy, table):
    for i in range(6):
        client = wire.Client(port=own_proxy.port, db=table, **TENANT)
        client.send(f"\x03SELECT REPEAT('x', 1000000) /* {table} {i} */ FROM seq_1_to_300".encode())
        for _ in range(5):
            client.read_packet()
        client.abort()
    wait_until(lambda: nothing_runs(cluster, f"/* {table}"), 10, "the node to stop sending")
    clean_state(own_proxy, table)


def test_mid_statement(cluster, own_proxy, table):
    clients = [wire.Client(port=own_proxy.port, db=table, **TENANT) for _ in range(3)]
    for client in clients:
        client.send(f"\x03SELECT SLEEP(100) /* {table} */".encode())
    wait_until(lambda: somebody_runs(cluster, f"/* {table} */"), 10, "the statement to run")
    for client in clients:
        client.abort()
    wait_until(lambda: nothing_runs(cluster, f"/* {table} */"), 10, "the statement to be killed")
    clean_state(own_proxy, table)


def test_mid_write(cluster, own_proxy, table):
    client = wire.Client(port=own_proxy.port, db=table, **TENANT)
    client.send(f"\x03INSERT INTO t SELECT 50, SLEEP(100) /* {table} */".encode())
    wait_until(lambda: somebody_runs(cluster, f"/* {table} */"), 10, "the write to run")
    client.abort()
    wait_until(lambda: nothing_runs(cluster, f"/* {table} */"), 10, "the write to be killed")
    clean_state(own_proxy, table)


def test_mid_transaction(cluster, own_proxy, table):
    client = wire.Client(port=own_proxy.port, db=table, **TENANT)
    client.rows("SET @leak=1, time_zone='+01:00'")
    client.rows("BEGIN")
    client.rows("UPDATE t SET a=99 WHERE id=1")
    client.rows("CREATE TEMPORARY TABLE leak (a INT)")
    client.abort()

    def unlocked():
        with wire.Client(port=own_proxy.port, db=table, **TENANT) as other:
            packets = other.query("SELECT a FROM t WHERE id=1 FOR UPDATE NOWAIT")
            return packets[0].payload[0] != 0xFF
    wait_until(unlocked, 5, "the transaction to be rolled back")
    clean_state(own_proxy, table)


def test_idle_with_session_state(cluster, own_proxy, table):
    for _ in range(5):
        client = wire.Client(port=own_proxy.port, db=table, **TENANT)
        client.rows("SET @leak=1, sql_mode='', time_zone='+01:00', autocommit=0")
        client.rows("CREATE TEMPORARY TABLE leak (a INT)")
        client.rows("SELECT 1")
        client.abort()
    clean_state(own_proxy, table)


def test_lock_is_freed(cluster, own_proxy, table):
    client = wire.Client(port=own_proxy.port, db=table, **TENANT)
    assert client.value(f"SELECT GET_LOCK('{table}', 0)") == "1"
    client.rows("LOCK TABLES t WRITE")
    client.abort()
    wait_until(lambda: cluster.sql(1, f"SELECT IS_FREE_LOCK('{table}')")[0][0] == 1, 5, "a free lock")
    clean_state(own_proxy, table)


def test_mid_login(own_proxy, table):
    with wire.Client(port=own_proxy.port, db=table, **TENANT) as witness:
        witness.rows("SELECT 1")
        before = own_proxy.descriptors()
        for i in range(200):
            client = wire.Client(port=own_proxy.port, user="tenant", password="tenant", login=False)
            response = client.handshake_response()
            packet = struct.pack("<I", len(response))[:3] + b"\1" + response
            client.sock.sendall(packet[:i % len(packet)])
            client.abort()
        wait_until(lambda: own_proxy.descriptors() <= before, 10, "descriptors to be closed")
    clean_state(own_proxy, table)


def test_mid_upload(cluster, own_proxy, table):
    for cut in (100, 70000, 16777215, 20000000):
        client = wire.Client(port=own_proxy.port, db=table, **TENANT)
        statement = b"\x03INSERT INTO t VALUES (2, LENGTH('" + b"x" * 30000000 + b"'))"
        frames = b"\xff\xff\xff\0" + statement[:wire.MAX_FRAME]
        rest = statement[wire.MAX_FRAME:]
        frames += struct.pack("<I", len(rest))[:3] + b"\1" + rest
        client.sock.sendall(frames[:cut])
        client.abort()
    clean_state(own_proxy, table)
    assert cluster.sql(1, f"SELECT COUNT(*) FROM {table}.t")[0][0] == 1


def test_node_lost_mid_upload(cluster, own_proxy, table):
    """The client writes to the end, then reads one clear error, and the session goes on."""
    text = b"x" * 30000000
    statement = b"\x03INSERT INTO t VALUES (2, LENGTH('" + text + b"'))"
    rest = statement[wire.MAX_FRAME:]
    frames = b"\xff\xff\xff\0" + statement[:wire.MAX_FRAME]
    frames += struct.pack("<I", len(rest))[:3] + b"\1" + rest
    for cut in (700000, 16777219, 20000000):
        with wire.Client(port=own_proxy.port, db=table, **TENANT) as client:
            client.sock.sendall(frames[:cut])
            wait_until(lambda: mine(cluster, table), what="the node has some of it")
            for connection in mine(cluster, table):
                cluster.sql(1, f"KILL {connection}")
            wait_until(lambda: not mine(cluster, table), what="the node has dropped it")
            client.sock.sendall(frames[cut:])
            answer = client.read_packet()
            assert answer.seq == 2
            errno, _, message = wire.parse_error(answer.payload)
            assert (errno, "it did not run" in message) == (2013, True)
            assert client.rows("SELECT 1") == [["1"]]
    clean_state(own_proxy, table)
    assert cluster.sql(1, f"SELECT COUNT(*) FROM {table}.t")[0][0] == 1


def mine(cluster, table):
    """Connections to the writer that are in the schema, but not ours."""
    return [row[0] for row in cluster.sql(1, "SELECT ID FROM information_schema.PROCESSLIST "
                                             "WHERE USER = 'tenant' AND DB = %s", (table,))]


def test_mid_prepared_statement(cluster, own_proxy, table):
    for cursor in (0, 1):
        client = wire.Client(port=own_proxy.port, db=table, **TENANT)
        statement = client.prepare("SELECT seq FROM seq_1_to_1000000")
        client.send(wire.execute_packet(statement, [], cursor=cursor))
        client.read_packet()
        client.abort()
    clean_state(own_proxy, table)


def test_killed_process(cluster, own_proxy, table):
    """A real process, killed with SIGKILL in a transaction."""
    program = ("import sys, pymysql; db = pymysql.connect(host='127.0.0.1', port=int(sys.argv[1]), user='tenant', "
               "password='tenant', database=sys.argv[2]); c = db.cursor(); c.execute('UPDATE t SET a=5'); "
               "c.execute('SET @leak=1'); print('ready', flush=True); sys.stdin.read()")
    process = subprocess.Popen([sys.executable, "-c", program, str(own_proxy.port), table], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    wait_until(lambda: cluster.sql(1, "SELECT COUNT(*) FROM information_schema.INNODB_TRX x JOIN "
                                      "information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id "
                                      "WHERE p.DB = %s", (table,))[0][0] == 0, 5, "the rollback",
               every=0.25)  # InnoDB shows an old list to who asks more often than every 100 ms
    clean_state(own_proxy, table)


def test_nothing_leaks(cluster, own_proxy, table):
    """Memory and descriptors after many clients that left badly."""
    def round_of_clients():
        for i in range(100):
            client = wire.Client(port=own_proxy.port, db=table, **TENANT)
            client.rows("SET @leak=1")
            if i % 3 == 0:
                client.rows("BEGIN")
            if i % 3 == 1:
                client.send(b"\x03SELECT * FROM seq_1_to_100000")
            client.abort()
        clean_state(own_proxy, table)

    round_of_clients()
    descriptors, memory = own_proxy.descriptors(), own_proxy.rss_kb()
    for _ in range(4):
        round_of_clients()
    wait_until(lambda: own_proxy.descriptors() <= descriptors + 4, 10, "descriptors to be closed")
    if os.environ.get("MODE", "release") == "release":  # a sanitizer keeps freed memory
        assert own_proxy.rss_kb() < memory + 4000


def test_a_role_goes_with_its_session(cluster, own_proxy, table):
    """No reset and no change of user takes a role away (10.11.19): its connection serves nobody else."""
    cluster.sql(1, "CREATE ROLE IF NOT EXISTS cmp_killed")
    cluster.sql(1, "GRANT cmp_killed TO 'tenant'@'%'")
    cluster.catch_up()
    for statement in ("SET ROLE cmp_killed", "SET sql_mode='ANSI', ROLE cmp_killed"):
        for _ in range(4):
            with wire.Client(port=own_proxy.port, db=table, **TENANT) as client:
                assert client.query(statement)[0].payload[0] == 0x00
                assert client.value("SELECT CURRENT_ROLE() FROM t FOR UPDATE") == "cmp_killed"
        for _ in range(8):
            with wire.Client(port=own_proxy.port, db=table, **TENANT) as client:
                assert client.value("SELECT CURRENT_ROLE() FROM t FOR UPDATE") is None
    cluster.sql(1, "DROP ROLE cmp_killed")


def long_fetch(statement):
    """(head, rest) of a command that is answered by its head: there is no cursor."""
    command = b"\x1c" + statement + b"\1\0\0\0" + b"x" * 900000
    packet = struct.pack("<I", len(command)) + command
    return packet[:-1000], packet[-1000:]


@pytest.fixture(params=["idle", "dropping the rest"])
def bereft(request, cluster, own_proxy, table):
    """A client that has a prepared statement and a transaction, whose connection is killed on its node.

    It is idle meanwhile, or the rest of a long command is still to come that was answered by its head.
    """
    drops = request.param != "idle"
    with wire.Client(port=own_proxy.port, db=table, timeout=20, **TENANT) as client:
        client.send(b"\x16SELECT ?")
        statement = client.read_prepare()[0].payload[1:5]
        client.rows("BEGIN")
        client.rows("UPDATE t SET a=CONNECTION_ID() WHERE id=1")
        thread = int(client.value("SELECT a FROM t WHERE id=1"))
        head, rest = long_fetch(statement)
        if drops:
            client.sock.sendall(head)
            assert wire.parse_error(client.read_packet().payload)[0] == 1421
        cluster.sql(1, f"KILL CONNECTION {thread}")
        wait_until(lambda: "closing: lost" in own_proxy.log_path.read_text(errors="replace"), 10, "the loss")
        if drops:
            client.sock.sendall(rest)
        yield client, statement


def lost(packet):
    return wire.parse_error(packet.payload)[0] == 2013


def test_a_loss_is_not_told_to_what_has_no_reply(bereft):
    """Else each answer after it would be taken for that of the next command."""
    client, statement = bereft
    client.send(b"\x19" + statement)
    assert lost(client.query("SELECT 1")[0])
    assert client.rows("SELECT 2") == [["2"]]
    assert client.rows("SELECT 'still', COUNT(*) FROM t WHERE a<>1") == [["still", "0"]]


def test_a_parameter_of_a_lost_transaction_ends_its_client(bereft):
    """It cannot be kept, and its statement must not run without it."""
    client, statement = bereft
    client.send(b"\x18" + statement + b"\0\0data")
    assert lost(client.read_packet())
    assert client.at_end()


def test_a_long_statement_of_a_lost_transaction_does_not_run(bereft):
    client, _ = bereft
    assert lost(client.query("INSERT INTO t VALUES (5, 5) /*" + "x" * 900000 + "*/")[0])
    assert client.rows("SELECT COUNT(*) FROM t") == [["1"]]
