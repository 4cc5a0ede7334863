# SPDX-License-Identifier: Apache-2.0
"""Cursors that a client asks for, and those that a procedure or a program has open for itself."""
import struct
import time

import pytest

import wire
from util import account

TENANT = {"user": "tenant", "password": "tenant"}
CAPS = wire.DEFAULT_CAPS | wire.PS_MULTI_RESULTS
OPEN = "DECLARE c CURSOR FOR SELECT 1; OPEN c; SELECT 11, 22; SELECT 33; CLOSE c;"
STATEMENTS = {
    "block": f"BEGIN NOT ATOMIC {OPEN} END",
    "if": f"IF 1 THEN BEGIN NOT ATOMIC {OPEN} END; END IF",
    "if-block": f"IF 1 THEN BEGIN {OPEN} END; END IF",
    "for": "FOR i IN (SELECT 1 AS a UNION SELECT 2) DO SELECT i.a; END FOR",
    "case": f"CASE 1 WHEN 1 THEN BEGIN {OPEN} END; END CASE",
    "repeat": f"REPEAT BEGIN {OPEN} END; UNTIL 1 END REPEAT",
    "call": "CALL p()",
    "hinted-call": "/*!50000 CALL p() */",
    "set-statement-call": "SET STATEMENT max_statement_time=100 FOR CALL p()",
    "set-statement": "SET STATEMENT max_statement_time=100 FOR SELECT 5",
    "select": "SELECT f() UNION SELECT 6",
    "parentheses": "(SELECT 5)",
    "with": "WITH x AS (SELECT f()) SELECT * FROM x",
    "values": "VALUES (1), (2)",
    "show": "SHOW TABLES",
    "plugins": "SHOW STORAGE ENGINES",  # no column at PREPARE, and a cursor
    "describe": "DESCRIBE t",
    "create-table": "SHOW CREATE TABLE t",  # columns at PREPARE, and none
    "check": "CHECK TABLE t",
    "returning": "INSERT INTO t VALUES (f()) RETURNING a",
    "explain": "EXPLAIN SELECT * FROM t",
    "into": "SELECT 1 INTO @a",
    "do": "DO f()",
}


@pytest.fixture
def site(cluster, schema):
    for sql in ("CREATE TABLE t (a INT)",
                f"CREATE PROCEDURE p() BEGIN {OPEN} END",
                "CREATE FUNCTION f() RETURNS INT BEGIN DECLARE x INT; DECLARE c CURSOR FOR SELECT 1; "
                "OPEN c; FETCH c INTO x; RETURN x; END"):
        with cluster.connect(1, database=schema) as db, db.cursor() as cursor:
            cursor.execute(sql)
    cluster.catch_up()
    return schema


def play(port, schema, sql, caps, fetches=2):
    with wire.Client(port=port, db=schema, timeout=10, caps=CAPS | caps, **TENANT) as client:
        number = client.prepare(sql)
        for _ in range(2):
            client.send(wire.execute_packet(number, [], cursor=1))
            packets = client.read_query(cursor=True)
            answers = [packets]
            for _ in range(fetches):
                client.send(bytes([wire.COM_STMT_FETCH]) + struct.pack("<II", number, 5))
                answers.append(client.read_fetch())
                if answers[-1][-1].payload[0] == 0xff:
                    answers[-1] = wire.parse_error(answers[-1][-1].payload)[0]
                    break
            client.send(bytes([wire.COM_STMT_RESET]) + struct.pack("<I", number))
            client.read_one()
        assert client.is_in_order
        assert client.value("SELECT 7") == "7"
        return answers


@pytest.mark.parametrize("caps", [0, wire.DEPRECATE_EOF], ids=["eof", "no-eof"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_cursor_is_open_where_a_node_says_so(cluster, proxy, site, name, caps):
    """And nowhere else: rows that come at once are no replies to what was asked behind them."""
    got = play(proxy.port, site, STATEMENTS[name], caps)
    assert got == play(cluster.port(1), site, STATEMENTS[name], caps)


@pytest.mark.parametrize("sql", ["DELETE FROM t WHERE a = f() RETURNING a, f()", "ANALYZE SELECT f()",
                                 "ANALYZE FORMAT=JSON SELECT f()"])
def test_a_node_is_not_asked_for_what_it_does_not_survive(proxy, cluster, site, sql):
    """With a cursor 10.11.19 dies of the first, and answers the others by what no client can read."""
    cluster.sql(1, f"INSERT INTO {site}.t VALUES (1)")
    with wire.Client(port=proxy.port, db=site, timeout=10, caps=CAPS, **TENANT) as client:
        number = client.prepare(sql)
        client.send(wire.execute_packet(number, [], cursor=1))
        packets = wire.succeeded(client.read_query(cursor=True))
        assert packets[-1].payload[0] == 0xfe and packets[-2].payload[0] == 0
        assert client.value("SELECT 7") == "7"


COLUMNS = 246  # a row behind them and their EOF has the number of a reply's first packet
BUFFER = 16384  # a node writes as much at once


def forger(site, row, second, third, rest, pause):
    """A program whose rows are a cursor's, for who is mistaken, and then replies: OK, OK, a count."""
    columns = ["NULL" if i == 15 else "IF(seq BETWEEN 10 AND 263, NULL, '')" if i == 17
               else "IF(seq >= 265, NULL, '')" if i == 0 else "''" for i in range(COLUMNS - 1)]
    length = (f"CASE WHEN seq=1 THEN {row} WHEN seq<8 THEN 1 WHEN seq=8 THEN {second} WHEN seq<264 THEN 1 "
              f"WHEN seq=264 THEN {third} ELSE {rest} END")
    columns.append(f"CONCAT(IF(seq IN (3,9,10,265,266,267,268,269), SLEEP({pause}), '0'), REPEAT('x', {length}))")
    return ("BEGIN NOT ATOMIC FOR i IN (SELECT 1 AS a) DO SELECT "
            + ", ".join(f"{column} x" for column in columns) + f" FROM {site}.seq_1_to_400; END FOR; END")


def lengths(port, site):
    """The same with the lengths that make each write of the node end with a row, measured at a node."""
    with wire.Client(port=port, timeout=20, caps=CAPS, **TENANT) as client:
        client.send(wire.execute_packet(client.prepare(forger(site, 300, 300, 300, 300, 0)), [], cursor=1))
        head = sum(4 + len(client.read_packet().payload) for _ in range(1 + COLUMNS + 1))
        sizes = [4 + len(client.read_packet().payload) for _ in range(400)]
    return (300 + BUFFER - head - sizes[1] - sizes[0], 300 + BUFFER - sum(sizes[2:7]) - sizes[7],
            300 + -sum(sizes[8:264]) % BUFFER, 300 + BUFFER - sizes[300])


def test_nobody_answers_for_a_node(galeway, cluster, schema):
    """Rows of one user's program are no answer to another user's statement on that connection."""
    forged = forger(schema, *lengths(cluster.port(1), schema), 0.4)
    cluster.sql(1, f"CREATE TABLE {schema}.t (id INT)")
    cluster.catch_up()
    proxy = galeway(variables={"threads": 1}, connections=1, users=[account("tenant"), account("galeway")])
    one = wire.Client(port=proxy.port, timeout=20, caps=CAPS, **TENANT)
    with wire.Client(port=proxy.port, timeout=20, caps=CAPS, user="galeway", password="galeway") as other:
        one.send(wire.execute_packet(one.prepare(forged), [], cursor=1))
        for _ in range(1 + COLUMNS + 2):
            one.read_packet()
        time.sleep(0.3)
        one.close()
        packets = other.query(f"INSERT INTO {schema}.t VALUES (1)")
        assert wire.parse_ok(packets[0].payload)[0] == 1, wire.describe(packets[0])
    assert cluster.sql(1, f"SELECT COUNT(*) FROM {schema}.t") == ((1,),)
