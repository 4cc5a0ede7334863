# SPDX-License-Identifier: Apache-2.0
"""A node refuses statements, or is lost under them: what runs again, what waits, what the client is told."""
import contextlib
import socket
import struct
import threading
import time

import pytest

import wire
from console import Console
from relay import Forgetful, Refusing, Stalled
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant"}
NOT_READY, DEADLOCK, LOST = 1047, 1213, 2013


@pytest.fixture
def table(fragile_cluster):
    """A schema of the test's own on the nodes that it may break."""
    return fragile_cluster.make_schema("cmp_failover")


@contextlib.contextmanager
def rejecting(cluster, *nodes):
    """Nodes that answer 1047 to whatever reads or writes a table."""
    for n in nodes:
        cluster.sql(n, "SET GLOBAL wsrep_reject_queries=ALL")
    try:
        yield
    finally:
        for n in nodes:
            cluster.sql(n, "SET GLOBAL wsrep_reject_queries=NONE")


class Running(threading.Thread):
    """A statement in the background; packets or the exception are kept."""

    def __init__(self, client, sql):
        super().__init__(daemon=True)
        self.client, self.sql, self.packets, self.failure = client, sql, None, None
        self.start()

    def run(self):
        try:
            self.packets = self.client.query(self.sql)
        except Exception as error:  # whatever it is, the test shows it
            self.failure = error

    def answer(self, timeout=30):
        self.join(timeout)
        assert not self.is_alive(), f"no answer to {self.sql}"
        assert self.failure is None, self.failure
        return self.packets[0].payload


def error_of(payload):
    assert payload[0] == 0xFF, payload
    number, _, text = wire.parse_error(payload)
    return number, text


@contextlib.contextmanager
def behind(kind, cluster, galeway, table, caps=wire.DEFAULT_CAPS, **variables):
    """A proxy whose only node is behind a relay, and that has a connection to it; no monitor looks."""
    with kind(cluster.port(1)) as relay:
        proxy = galeway(nodes=cluster, variables={"monitor_enabled": False, **variables}, servers=[
            {"address": "127.0.0.1", "port": relay.port, "hostgroup": 10}])
        with wire.Client(port=proxy.port, db=table, timeout=20, caps=caps, **TENANT) as client:
            client.rows("UPDATE t SET a = 0")
            yield relay, client, proxy


@contextlib.contextmanager
def behind_relay(*args, **options):
    with behind(Refusing, *args, **options) as (relay, client, _):
        yield relay, client


@pytest.fixture
def relayed(fragile_cluster, galeway, table):
    with behind_relay(fragile_cluster, galeway, table) as both:
        yield both


def waits(cluster, sql):
    """True while no node runs the statement."""
    return not any(info and sql in info for n in (1, 2, 3) for _, _, info in cluster.threads(n, "tenant"))


def test_a_read_leaves_a_reader_that_is_not_ready(fragile_cluster, galeway, table):
    proxy = galeway(nodes=fragile_cluster)
    with rejecting(fragile_cluster, 2):
        for _ in range(40):
            with wire.Client(port=proxy.port, db=table, **TENANT) as client:
                assert client.rows("SELECT a FROM t WHERE id = 1") == [["0"]]


def test_a_prepared_read_leaves_a_reader_that_is_not_ready(fragile_cluster, galeway, table):
    proxy = galeway(nodes=fragile_cluster)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(wire.Client(port=proxy.port, db=table, **TENANT))
                   for _ in range(8)]
        ids = []
        for client in clients:
            ids.append(client.prepare("SELECT a FROM t WHERE id = ?"))
        with rejecting(fragile_cluster, 3):
            for _ in range(5):
                for client, stmt in zip(clients, ids):
                    client.send(wire.execute_packet(stmt, [1]))
                    assert client.read_query()[0].payload[0] != 0xFF


def test_a_write_waits_for_a_writer(fragile_cluster, galeway, table):
    """Nobody else writes: it runs when the writer is ready again, once, and the client notices nothing."""
    proxy = galeway(nodes=fragile_cluster, servers=[
        {"address": "127.0.0.1", "port": fragile_cluster.port(1), "hostgroup": 10}])
    with wire.Client(port=proxy.port, db=table, **TENANT) as client:
        client.rows("SELECT a FROM t WHERE id = 1")
        with rejecting(fragile_cluster, 1):
            write = Running(client, "UPDATE t SET a = a + 1 WHERE id = 1")
            with wire.Client(port=proxy.port, **TENANT):  # logs in meanwhile
                assert write.is_alive()
        answer = write.answer()
        assert answer[0] == 0x00, answer
        assert client.rows("SELECT a FROM t WHERE id = 1") == [["1"]]


def test_a_procedure_that_is_refused_in_its_middle(fragile_cluster, galeway, table):
    """What it did before is committed: it does not run again."""
    proxy = galeway(nodes=fragile_cluster)
    fragile_cluster.sql(1, f"CREATE PROCEDURE {table}.p() BEGIN UPDATE t SET a = a + 1 WHERE id = 1; "
                           "SET GLOBAL wsrep_reject_queries=ALL; UPDATE t SET a = a + 1 WHERE id = 2; END")
    fragile_cluster.catch_up()
    with wire.Client(port=proxy.port, db=table, **TENANT) as client:
        client.rows("UPDATE t SET a = 0")
        try:
            number, text = error_of(client.query("CALL p()")[0].payload)
            assert number == NOT_READY, text
        finally:
            fragile_cluster.sql(1, "SET GLOBAL wsrep_reject_queries=NONE")
    fragile_cluster.catch_up()
    assert fragile_cluster.sql(2, f"SELECT a FROM {table}.t ORDER BY id") == ((1,), (0,))


def test_a_transaction_on_a_node_that_is_not_ready(fragile_cluster, galeway, table):
    """One clear error on an open connection; then a new transaction works."""
    proxy = galeway(nodes=fragile_cluster)
    with wire.Client(port=proxy.port, db=table, **TENANT) as client:
        client.rows("BEGIN")
        client.rows("UPDATE t SET a = 7 WHERE id = 2")
        with rejecting(fragile_cluster, 1):
            number, text = error_of(client.query("UPDATE t SET a = 8 WHERE id = 2")[0].payload)
            assert number == NOT_READY, text
        client.rows("BEGIN")
        assert client.rows("SELECT a FROM t WHERE id = 2 FOR UPDATE") == [["0"]]
        client.rows("UPDATE t SET a = 9 WHERE id = 2")
        assert client.query("COMMIT")[0].payload[0] == 0x00
        assert client.rows("SELECT a FROM t WHERE id = 2") == [["9"]]


def test_an_autocommit_statement_that_the_cluster_rolled_back(fragile_cluster, galeway, table):
    """1213: another node's commit was first. The statement runs again and nobody notices."""
    proxy = galeway(nodes=fragile_cluster)
    fragile_cluster.sql(1, "SET GLOBAL wsrep_retry_autocommit=0")
    try:
        with wire.Client(port=proxy.port, db=table, **TENANT) as client:
            sql = "UPDATE t SET a = a + 1 + SLEEP(1.5) WHERE id = 1"
            write = Running(client, sql)
            wait_until(lambda: not waits(fragile_cluster, "SLEEP(1.5)"), 10, "the UPDATE to run")
            fragile_cluster.sql(2, f"UPDATE {table}.t SET a = a + 100 WHERE id = 1")
            answer = write.answer()
            assert answer[0] == 0x00, answer
            assert client.rows("SELECT a FROM t WHERE id = 1") == [["101"]]
            # In a transaction nothing runs again: its first statements would be missing.
            client.rows("BEGIN")
            client.rows("UPDATE t SET a = a + 1 WHERE id = 2")
            fragile_cluster.sql(2, f"UPDATE {table}.t SET a = a + 100 WHERE id = 2")
            number, text = error_of(client.query("COMMIT")[0].payload)
            assert number == DEADLOCK, text
    finally:
        fragile_cluster.sql(1, "SET GLOBAL wsrep_retry_autocommit=1")


def test_a_write_in_doubt_is_an_error_and_the_connection_stays(fragile_cluster, galeway, table):
    proxy = galeway(nodes=fragile_cluster)
    with wire.Client(port=proxy.port, db=table, timeout=60, **TENANT) as client:
        write = Running(client, "UPDATE t SET a = SLEEP(20) WHERE id = 1")
        wait_until(lambda: not waits(fragile_cluster, "SLEEP(20)"), 10, "the UPDATE to run")
        fragile_cluster.script("kill", "1")
        number, text = error_of(write.answer())
        assert number == LOST and "may have run" in text, text
        assert client.rows("SELECT 1") == [["1"]]
        fragile_cluster.script("restart", "1")
        wait_until(lambda: client.query("UPDATE t SET a = 5 WHERE id = 1")[0].payload[0] == 0, 60,
                   "a write after the node is back")


# With SQL_CALC_FOUND_ROWS a question of Galeway's own goes along: its answer never comes.
ASKING = "INSERT INTO t SELECT SQL_CALC_FOUND_ROWS 10 + x.id, 1 FROM t x /* MARK */"


def test_refused_and_then_lost_before_the_reply_has_ended(relayed):
    relay, client = relayed
    relay.refuse(b"MARK", NOT_READY, b"WSREP has not yet prepared node for application use")
    answer = client.query(ASKING)[0].payload
    assert answer[0] == 0x00, answer
    assert client.rows("SELECT COUNT(*) FROM t WHERE id > 10") == [["2"]]


def test_left_its_group_and_then_lost_before_the_reply_has_ended(relayed):
    """Its port is still open: it cannot be told whether the write is on other nodes."""
    relay, client = relayed
    relay.refuse(b"MARK", 1180, b"Got error 6 during COMMIT (Not connected to Primary Component)")
    number, text = error_of(client.query(ASKING)[0].payload)
    assert number == 1180, text
    assert client.rows("SELECT COUNT(*) FROM t") == [["2"]]


def refused_by_its_head(relay, client):
    """As a node refuses a packet that is too large for it: at once, and its connection ends."""
    command = b"\x03INSERT INTO t VALUES (90, 1) /* MARK " + b"x" * 900000 + b"*/"
    packet = struct.pack("<I", len(command)) + command
    relay.refuse(b"MARK", 1153, b"Got a packet bigger than 'max_allowed_packet' bytes")
    client.sock.sendall(packet[:-1000])
    assert error_of(client.read_packet().payload)[0] == 1153
    client.sock.sendall(packet[-1000:])


def test_refused_by_its_head(relayed):
    relay, client = relayed
    refused_by_its_head(relay, client)
    assert client.rows("SELECT a FROM t WHERE id = 1") == [["0"]]
    assert client.rows("SELECT COUNT(*) FROM t WHERE id = 90") == [["0"]]


def test_refused_by_its_head_in_a_transaction(relayed):
    """Its other statements must not run on their own."""
    relay, client = relayed
    client.rows("BEGIN")
    client.rows("UPDATE t SET a = 7 WHERE id = 1")
    refused_by_its_head(relay, client)
    number, text = error_of(client.query("UPDATE t SET a = 8 WHERE id = 1")[0].payload)
    assert number == LOST and "rolled back" in text, text
    assert client.rows("SELECT a, @@in_transaction FROM t WHERE id = 1") == [["0", "0"]]


def test_refused_by_its_head_with_a_table_of_its_own(relayed):
    relay, client = relayed
    client.rows("CREATE TEMPORARY TABLE mine (id INT)")
    with contextlib.suppress(OSError):  # it is closed while it may still send
        refused_by_its_head(relay, client)
    assert client.at_end()


def test_refused_by_its_head_when_nobody_reads(fragile_cluster, galeway, table):
    """The client, who was stopped for the node, is read again: his rest is dropped."""
    with behind(Stalled, fragile_cluster, galeway, table) as (relay, client, _):
        command = b"\x03INSERT INTO t VALUES (90, 1) /* MARK " + b"x" * 16000000 + b"*/"
        packet = memoryview(struct.pack("<I", len(command)) + command)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        client.sock.setblocking(False)
        sent, stalled = 0, None
        while stalled is None or time.monotonic() < stalled + 0.5:
            try:
                sent, stalled = sent + client.sock.send(packet[sent:sent + 65536]), None
            except BlockingIOError:
                stalled = stalled or time.monotonic()
            assert sent < len(packet), "nobody was stopped"
        relay.refused.set()
        client.sock.settimeout(20)
        client.sock.sendall(packet[sent:])
        assert error_of(client.read_packet().payload)[0] == 1153
        assert client.rows("SELECT COUNT(*) FROM t WHERE id = 90") == [["0"]]


@pytest.mark.parametrize("long_data", [False, True])
def test_a_full_node_for_a_statement_that_opens_something(fragile_cluster, galeway, table, long_data):
    """Nothing of it is anywhere yet: it waits as any other, and its client stays."""
    with behind(Refusing, fragile_cluster, galeway, table) as (relay, client, proxy):
        number = client.prepare("SELECT id, ? FROM t ORDER BY id")
        relay.drop()
        console = Console(proxy)
        wait_until(lambda: console.value("SELECT sum(ConnFree) FROM stats_mysql_connection_pool") == 0, 20, "no connection")
        relay.answer_login(b"tenant", 1040, b"Too many connections")
        if long_data:
            client.send(struct.pack("<BIH", 0x18, number, 0) + b"long")
        client.send(wire.execute_packet(number, [wire.LONG_DATA if long_data else "x"], 0 if long_data else 1))
        packets = client.read_query(cursor=not long_data)
        assert packets[0].payload == b"\x02", packets
        assert relay.times == 0
        assert client.rows("SELECT 1") == [["1"]]


def test_lost_behind_its_file(fragile_cluster, galeway, table):
    """The error goes on where the client's packets have ended."""
    with behind_relay(fragile_cluster, galeway, table, caps=wire.DEFAULT_CAPS | wire.LOCAL_FILES,
                      enable_load_data_local_infile=True) as (relay, client):
        client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        assert client.read_packet().payload == b"\xfbx"
        relay.hang_up(b"95\t1\n\0\0\0\3")  # the end of the file
        client.sock.sendall(b"\5\0\0\2" b"95\t1\n" b"\0\0\0\3")
        client.seq = 4
        number, text = error_of(client.read_packet().payload)
        assert number == LOST and "may have run" in text, text
        assert client.is_in_order


MAY_HAVE_RUN, COMMITTED, ROLLED_BACK = "may have run", "may have been committed", "is rolled back"


@pytest.mark.parametrize("before,sql,said", [
    ("", "INSERT INTO t VALUES (90, 1)", MAY_HAVE_RUN),
    ("", "INSERT INTO t VALUES (90, 1); INSERT INTO t VALUES (91, 1)", MAY_HAVE_RUN),
    ("SET @x = 1", "INSERT INTO t VALUES (90, @x)", MAY_HAVE_RUN),  # and its connection ends
    ("BEGIN", "INSERT INTO t VALUES (90, 1)", ROLLED_BACK),
    ("BEGIN", "SELECT * FROM t FOR UPDATE", ROLLED_BACK),
    ("BEGIN", "ROLLBACK TO SAVEPOINT s", ROLLED_BACK),
    ("BEGIN", "INSERT INTO t VALUES (90, 1) /*" + "x" * 900000 + "*/", ROLLED_BACK),
    ("BEGIN", "COMMIT", COMMITTED),
    ("BEGIN", "INSERT INTO t VALUES (90, 1); COMMIT", COMMITTED),
    ("BEGIN", "CREATE TABLE other (id INT)", COMMITTED),
    ("SET autocommit = 0", "SET autocommit = 1", COMMITTED),
], ids=range(11))
def test_what_is_said_of_a_statement_that_is_lost(relayed, before, sql, said):
    relay, client = relayed
    if before:
        client.rows(before)
    relay.hang_up(b"MARK")
    number, text = error_of(client.query(sql + " /* MARK */")[0].payload)
    assert number == LOST and said in text, text


def test_an_id_that_only_a_lost_connection_knew(fragile_cluster, galeway, table):
    """The one before it would be a wrong foreign key."""
    with behind_relay(fragile_cluster, galeway, table) as (relay, client):
        client.rows("CREATE TABLE made (id INT PRIMARY KEY AUTO_INCREMENT, a INT)")
        client.rows("INSERT INTO made VALUES (100, 1)")
        client.rows("INSERT INTO made (a) VALUES (2)")
        client.rows("SELECT 1")  # waits until the id is known
        relay.hang_up(b"SELECT LAST_INSERT_ID()")
        client.rows("INSERT INTO made (a) VALUES (3)")
        for sql in ("INSERT INTO made (a) VALUES (LAST_INSERT_ID())", "SELECT LAST_INSERT_ID()", "SELECT @@identity",
                    "SELECT LAST_INSERT_ID(), a FROM made"):
            number, text = error_of(client.query(sql)[0].payload)
            assert number == LOST and "LAST_INSERT_ID()" in text, (sql, text)
        assert client.rows("SELECT MAX(a) FROM made") == [["3"]]
        client.rows("INSERT INTO made (a) VALUES (4)")
        assert client.rows("SELECT LAST_INSERT_ID() = MAX(id) FROM made") == [["1"]]


def test_rows_that_only_a_lost_connection_knew(fragile_cluster, galeway, table):
    with behind(Forgetful, fragile_cluster, galeway, table) as (port, client, _):
        assert client.rows("SELECT 1 UNION SELECT 2") == [["1"], ["2"]]
        port.forget(b"SQL_CALC")
        assert client.rows("SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1") == [["1"]]
        for sql in ("SELECT FOUND_ROWS()", "SELECT FOUND_ROWS(), 1"):
            number, text = error_of(client.query(sql)[0].payload)
            assert number == LOST and "FOUND_ROWS()" in text, (sql, text)
        assert client.rows("SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1") == [["1"]]
        assert client.rows("SELECT FOUND_ROWS()") == [["2"]]


def test_a_read_for_which_a_node_wanted_a_file(relayed):
    """It runs again; what was wrong with the first answer has nothing to do with the second."""
    relay, client = relayed
    relay.ask_for_file(b"MARK")
    assert client.rows("SELECT a FROM t WHERE id = 1 /* MARK */") == [["0"]]


def test_no_read_runs_again_without_retries(fragile_cluster, galeway, table):
    with behind_relay(fragile_cluster, galeway, table, query_retries_on_failure=0) as (relay, client):
        relay.hang_up(b"MARK")
        number, text = error_of(client.query("SELECT a FROM t /* MARK */")[0].payload)
        assert number == LOST, text
        assert client.rows("SELECT a FROM t WHERE id = 1") == [["0"]]


def test_a_read_behind_an_error_runs_again(relayed):
    """Only warnings keep its session where it was."""
    relay, client = relayed
    assert client.query("SELECT nothing")[0].payload[0] == 0xFF
    relay.hang_up(b"MARK")
    assert client.rows("SELECT 7 /* MARK */") == [["7"]]
    assert client.rows("SHOW WARNINGS") == []


def test_a_write_is_prepared_again(relayed):
    """To prepare changes nothing, whatever is prepared."""
    relay, client = relayed
    relay.hang_up(b"MARK")
    client.send(b"\x16UPDATE t SET a = ? WHERE id = 1 /* MARK */")
    prepared = client.read_prepare()[0].payload
    assert prepared[0] == 0x00, prepared
    client.send(wire.execute_packet(struct.unpack_from("<I", prepared, 1)[0], [5]))
    assert client.read_query()[0].payload[0] == 0x00
    assert client.rows("SELECT a FROM t WHERE id = 1") == [["5"]]
