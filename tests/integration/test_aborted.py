# SPDX-License-Identifier: Apache-2.0
"""A transaction that is gone: its client hears of it, and nothing that it sent runs outside of it."""
import contextlib
import socket
import threading

import pytest

import wire
from relay import Relay
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant", "timeout": 20}
DEADLOCK = (1213, "40001", "Deadlock found when trying to get lock; try restarting transaction")


@pytest.fixture
def tables(cluster, schema):
    """Rows that two nodes write, and a table that nothing may be in."""
    for sql in ("CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 0)",
                "CREATE TABLE child (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(99))",
                "CREATE TABLE ids (id INT PRIMARY KEY AUTO_INCREMENT)",
                "CREATE PROCEDURE p() INSERT INTO child (v) VALUES ('p')"):
        with contextlib.closing(cluster.connect(1, database=schema)) as db, db.cursor() as cursor:
            cursor.execute(sql)
    cluster.catch_up()
    return schema


@pytest.fixture
def writer(galeway, cluster):
    return galeway(servers=[{"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10}])


def aborts(cluster):
    return int(cluster.sql(1, "SHOW STATUS LIKE 'wsrep_local_bf_aborts'")[0][1])


def abort(cluster, schema):
    """Another node writes the same row: the transaction at node 1 is aborted while its client is idle."""
    before = aborts(cluster)
    cluster.sql(2, f"UPDATE {schema}.t SET a = a + 1000 WHERE id = 1")
    wait_until(lambda: aborts(cluster) > before, what="the transaction to be aborted")


def left(cluster, schema):
    cluster.catch_up()
    return (cluster.sql(1, f"SELECT a FROM {schema}.t")[0][0],
            [v for v, in cluster.sql(1, f"SELECT v FROM {schema}.child")])


COUNTS = "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1"  # Galeway asks for the number behind it

# What the session did before, what in the transaction, and the first statement behind the abort.
NEXT = {
    "plain": ((), (), "INSERT INTO child (v) VALUES ('x')"),
    "last-id": (["INSERT INTO ids VALUES (NULL)"], (), "INSERT INTO child (v) VALUES ('x')"),
    "multi": ((), (), "INSERT INTO child (v) VALUES ('a;b')"),
    "call": ((), [COUNTS], "CALL p()"),
    "immediate": ((), [COUNTS], "EXECUTE IMMEDIATE 'INSERT INTO child (v) VALUES (1)'"),
    "row-count": ((), [COUNTS], "INSERT INTO child (v) VALUES (ROW_COUNT())"),
    "found-rows": ((), [COUNTS], "SELECT FOUND_ROWS() + 0"),
    "explain": ((), [COUNTS], "EXPLAIN SELECT 1"),
    "warnings": ((), [COUNTS], "SHOW WARNINGS"),
    "own-tracking": (["SET session_track_schema = OFF"], (), "SELECT @@session_track_schema"),
    "several": ((), (), "SELECT 1; INSERT INTO child (v) VALUES ('x')"),
    "commit": ((), (), "COMMIT"),
    "begin": ((), (), "BEGIN"),
    "use": ((), (), "USE mysql"),
}
CAPS = wire.DEFAULT_CAPS | wire.MULTI_STATEMENTS


@pytest.mark.parametrize("case", NEXT)
def test_the_first_statement_behind_an_abort_is_told(writer, cluster, tables, case):
    before, within, sql = NEXT[case]
    with wire.Client(port=writer.port, db=tables, **TENANT) as other, \
            wire.Client(port=writer.port, db=tables, caps=CAPS, **TENANT) as client:
        for statement in before:
            client.rows(statement)
        other.rows("BEGIN")  # so that the session's next is on another connection
        client.rows("START TRANSACTION")
        client.rows("UPDATE t SET a = a + 1 WHERE id = 1")
        for statement in within:
            client.rows(statement)
        abort(cluster, tables)
        packets = client.query(sql)
        assert wire.parse_error(packets[0].payload) == DEADLOCK
        assert client.rows("COMMIT") == []
        other.rows("COMMIT")
    assert left(cluster, tables) == (1000, [])


def test_a_statement_that_is_prepared_again_behind_an_abort(writer, cluster, tables):
    with wire.Client(port=writer.port, db=tables, **TENANT) as other, \
            wire.Client(port=writer.port, db=tables, **TENANT) as client:
        number = client.prepare("INSERT INTO child (v) VALUES (?)")
        other.rows("BEGIN")
        client.rows("SET sql_mode = 'ANSI_QUOTES'")
        client.rows("START TRANSACTION")
        client.rows("UPDATE t SET a = a + 1 WHERE id = 1")
        abort(cluster, tables)
        client.send(wire.execute_packet(number, ["x"]))
        assert wire.parse_error(client.read_query()[0].payload) == DEADLOCK
        assert client.rows("COMMIT") == []
        other.rows("COMMIT")
    assert left(cluster, tables) == (1000, [])


class Between(Relay):
    """The transaction is aborted between a client's statement and the question that goes behind it."""

    QUESTION = b"\x14\0\0\0\x03SELECT FOUND_ROWS()"

    def __init__(self, cluster, schema):
        self.cluster, self.schema = cluster, schema
        self.answered, self.is_on = threading.Event(), False
        super().__init__(cluster.port(1))

    def _serve(self, client):
        node = socket.create_connection(("127.0.0.1", self.node_port))
        self.sockets += [client, node]
        threading.Thread(target=self._pass_on, args=(client, node, lambda data: self.parted(node, data)),
                         daemon=True).start()
        self._pass_on(node, client, self.to_client)

    def parted(self, node, data):
        at = data.find(self.QUESTION)
        if not self.is_on or at <= 0:
            return data
        self.is_on = False
        self.answered.clear()
        node.sendall(data[:at])
        assert self.answered.wait(20)
        abort(self.cluster, self.schema)
        return data[at:]

    def to_client(self, data):
        self.answered.set()
        return data


@pytest.mark.parametrize("then", ["INSERT INTO child (v) VALUES ('x')", "SELECT FOUND_ROWS()", "COMMIT", None])
def test_an_abort_that_only_a_question_behind_a_statement_is_told(galeway, cluster, tables, then):
    """None: COM_PING, which a node answers by it, too."""
    with Between(cluster, tables) as relay:
        proxy = galeway(variables={"threads": 1, "monitor_enabled": False},
                        servers=[{"address": "127.0.0.1", "port": relay.port, "hostgroup": 10}])
        with wire.Client(port=proxy.port, db=tables, **TENANT) as client:
            client.rows("START TRANSACTION")
            client.rows("UPDATE t SET a = a + 1 WHERE id = 1")
            relay.is_on = True
            assert client.rows(COUNTS) == [["1"]]
            client.send(b"\x0e" if then is None else b"\x03" + then.encode())
            assert wire.parse_error(client.read_packet().payload) == DEADLOCK
            assert not relay.is_on
            client.rows("INSERT INTO child (v) VALUES ('y')")
            client.rows("COMMIT")
    assert left(cluster, tables) == (1000, ["y"])


def connections(cluster, schema, runs="%"):
    return [i for i, in cluster.sql(1, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'tenant' "
                                       "AND DB = %s AND IFNULL(INFO, '') LIKE %s", (schema, runs))]


def lose(cluster, schema):
    for thread in connections(cluster, schema):
        cluster.sql(1, f"KILL {thread}")
    wait_until(lambda: not connections(cluster, schema), what="the connection to be gone")


def answers(client):
    """Of each command that was sent: None or the number of its error; the end of the connection ends it."""
    out = []
    with contextlib.suppress(wire.Closed, OSError):
        while True:
            packet = client.read_query()[0].payload
            out.append(wire.parse_error(packet)[0] if packet[0] == 0xFF else None)
    return out


def frame(sql):
    return (len(sql) + 1).to_bytes(3, "little") + b"\0\x03" + sql.encode()


def send_all(client, statements):
    client.sock.sendall(b"".join(frame(sql) for sql in statements))


BEHIND = ["INSERT INTO child (v) VALUES ('11')", "INSERT INTO child (v) VALUES ('12')", "COMMIT"]


def test_what_was_sent_ahead_of_a_loss_does_not_run(writer, cluster, tables):
    """A client that does not wait for answers: its transaction's connection is lost under one of its statements."""
    with contextlib.closing(cluster.connect(1, database=tables)) as db, db.cursor() as cursor, \
            wire.Client(port=writer.port, db=tables, **TENANT) as client:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE t SET a = 7 WHERE id = 1")
        send_all(client, ["START TRANSACTION", "INSERT INTO child (v) VALUES ('10')",
                          "UPDATE t SET a = 5 WHERE id = 1", *BEHIND])
        thread, = wait_until(lambda: connections(cluster, tables, "UPDATE t SET a = 5%"),
                             what="the lock to be waited for")
        cluster.sql(1, f"KILL {thread}")
        told = answers(client)
        assert told == [None, None, 2013][:len(told)]  # a reset may overtake them
        cursor.execute("ROLLBACK")
    assert left(cluster, tables) == (0, [])


@pytest.mark.parametrize("behind", [[], BEHIND])
def test_behind_a_long_statement_under_which_it_is_lost(writer, cluster, tables, behind):
    """Its rest is read first; the client goes on when there is nothing behind that."""
    with wire.Client(port=writer.port, db=tables, **TENANT) as client:
        client.rows("START TRANSACTION")
        client.rows("INSERT INTO child (v) VALUES ('10')")
        long = b"\x03INSERT INTO child (v) SELECT LEFT('" + b"x" * 2000000 + b"', 9)"
        packet = len(long).to_bytes(3, "little") + b"\0" + long
        client.sock.sendall(packet[:1000000])
        lose(cluster, tables)
        client.sock.sendall(packet[1000000:] + b"".join(frame(sql) for sql in behind))
        client.seq = 1
        if behind:
            assert answers(client) in ([2013], [])
        else:
            assert wire.parse_error(client.read_packet().payload)[0] == 2013
            client.rows("INSERT INTO child (v) VALUES ('12')")
    assert left(cluster, tables) == (0, [] if behind else ["12"])


def test_what_is_sent_at_once_behind_a_loss_does_not_run(writer, cluster, tables):
    with wire.Client(port=writer.port, db=tables, **TENANT) as client:
        client.rows("START TRANSACTION")
        client.rows("INSERT INTO child (v) VALUES ('10')")
        lose(cluster, tables)
        send_all(client, BEHIND)
        assert answers(client) in ([2013], [])
    assert left(cluster, tables) == (0, [])


def test_who_waits_for_the_answer_goes_on(writer, cluster, tables):
    """WordPress would run a write again on another connection: it keeps its own, and is told once."""
    with wire.Client(port=writer.port, db=tables, **TENANT) as client:
        client.rows("START TRANSACTION")
        client.rows("INSERT INTO child (v) VALUES ('10')")
        lose(cluster, tables)
        assert wire.parse_error(client.query("INSERT INTO child (v) VALUES ('11')")[0].payload)[0] == 2013
        client.rows("INSERT INTO child (v) VALUES ('12')")
    assert left(cluster, tables) == (0, ["12"])
