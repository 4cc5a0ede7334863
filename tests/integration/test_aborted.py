# SPDX-License-Identifier: Apache-2.0
"""A transaction that is gone: its client hears of it, and nothing that it sent runs outside of it."""
import contextlib
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

    def pass_to_node(self, node, data):
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


def test_what_was_sent_ahead_of_a_loss_under_a_long_statement(writer, cluster, tables):
    """All of it had come, and waits for a lock."""
    with contextlib.closing(cluster.connect(1, database=tables)) as db, db.cursor() as cursor, \
            wire.Client(port=writer.port, db=tables, **TENANT) as client:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE t SET a = 7 WHERE id = 1")
        send_all(client, ["START TRANSACTION", "INSERT INTO child (v) VALUES ('10')",
                          "UPDATE t SET a = 5 WHERE id = LENGTH('%s') - 1999999" % ("x" * 2000000), *BEHIND])
        thread, = wait_until(lambda: connections(cluster, tables, "UPDATE t SET a = 5%"),
                             what="the lock to be waited for")
        cluster.sql(1, f"KILL {thread}")
        told = answers(client)
        assert told == [None, None, 2013][:len(told)]
        cursor.execute("ROLLBACK")
    assert left(cluster, tables) == (0, [])


@pytest.mark.parametrize("first", [None, 1213])
def test_a_long_statement_behind_a_loss(writer, cluster, tables, first):
    """The first to be told, or one behind it: it is not closed for its own bytes, nor for what is behind it."""
    long = "INSERT INTO child (v) SELECT LEFT('%s', 9)" % ("x" * 3000000)
    with wire.Client(port=writer.port, db=tables, **TENANT) as client:
        client.rows("START TRANSACTION")
        client.rows("INSERT INTO child (v) VALUES ('10')")
        lose(cluster, tables)
        if first:
            assert client.query("DO 1")[0].payload[0] == 0xFF
        send_all(client, [long])
        client.seq = 1
        answer = client.read_query()[0].payload
        assert answer[0] == 0 if first else wire.parse_error(answer)[0] == 2013
        send_all(client, [long, "INSERT INTO child (v) VALUES ('12')"])
        assert [client.read_query()[0].payload[0] for _ in range(2)] == [0, 0]
    assert left(cluster, tables)[1][-1] == "12"


def test_a_file_under_which_a_transaction_is_lost(galeway, cluster, tables):
    """Its rest is read; then its client is told, and goes on."""
    proxy = galeway(servers=[{"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10}],
                    variables={"enable_load_data_local_infile": True})
    with wire.Client(port=proxy.port, db=tables, caps=wire.DEFAULT_CAPS | wire.LOCAL_FILES, **TENANT) as client:
        client.rows("START TRANSACTION")
        client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE child (v)")
        assert client.read_packet().payload[0] == 0xFB
        part = b"line\n" * 100000
        client.sock.sendall(len(part).to_bytes(3, "little") + b"\2" + part)
        lose(cluster, tables)
        client.sock.sendall(len(part).to_bytes(3, "little") + b"\3" + part + b"\0\0\0\4")
        client.seq = 5
        assert wire.parse_error(client.read_packet().payload)[0] == 2013
        client.rows("INSERT INTO child (v) VALUES ('12')")
    assert left(cluster, tables) == (0, ["12"])


def test_a_retry_that_calls_a_procedure(writer, cluster, tables):
    """What the client was told once is no news to its next transaction."""
    with wire.Client(port=writer.port, db=tables, caps=CAPS, **TENANT) as client:
        for sql in ("START TRANSACTION", "UPDATE t SET a = a + 1 WHERE id = 1", COUNTS):
            client.rows(sql)
        abort(cluster, tables)
        assert wire.parse_error(client.query("CALL p()")[0].payload) == DEADLOCK
        client.send(b"\x0e")
        assert wire.parse_ok(client.read_packet().payload)[2] & 1 == 0  # no transaction
        assert client.rows("SHOW WARNINGS") == [["Error", "1213", DEADLOCK[2]]]
        for sql in ("ROLLBACK", "START TRANSACTION", "CALL p()", "COMMIT"):
            assert client.query(sql)[0].payload[0] == 0, sql
    assert left(cluster, tables) == (1000, ["p"])


def test_what_was_lent_to_a_statement_that_never_ran(galeway, cluster, tables):
    """The connection tells nothing of variables then: nobody else may get it so."""
    proxy = galeway(servers=[{"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10}],
                    variables={"threads": 1})
    with wire.Client(port=proxy.port, db=tables, **TENANT) as warm:
        warm.rows("UPDATE t SET a = 0 WHERE id = 1")
        warm.rows("SELECT * FROM t")
    with wire.Client(port=proxy.port, db=tables, **TENANT) as client:
        client.rows("START TRANSACTION")
        client.rows("UPDATE t SET a = a + 1 WHERE id = 1")
        abort(cluster, tables)
        assert wire.parse_error(client.query("SELECT @@session_track_schema")[0].payload) == DEADLOCK
        client.rows("COMMIT")
    with wire.Client(port=proxy.port, db=tables, caps=CAPS, **TENANT) as other:
        other.query("SELECT 1; SET SESSION group_concat_max_len = 7")
        with wire.Client(port=proxy.port, db=tables, **TENANT) as third:
            assert third.value("SELECT @@group_concat_max_len FOR UPDATE") != "7"


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
