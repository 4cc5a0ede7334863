# SPDX-License-Identifier: Apache-2.0
"""COM_STMT_BULK_EXECUTE away from the connection that prepared its statement, and long ones."""
import contextlib
import struct

import pymysql
import pytest

import wire
from console import Console
from util import NODES, wait_until

LONG, STRING = 0x03, 0xFD
CAPS = wire.DEFAULT_CAPS & ~wire.LONG_PASSWORD | wire.STMT_BULK


def number(value):
    return LONG, struct.pack("<i", value)


def bulk(client, statement, rows, flags=wire.BULK_TYPES):
    """How many rows a bulk execute of (INT, VARCHAR) rows changed."""
    rows = [[number(a), b] for a, b in rows]
    client.send(wire.bulk_packet(statement, [LONG, STRING], rows, flags))
    return wire.parse_ok(wire.succeeded(client.read_query())[0].payload)[0]


@pytest.fixture
def table(cluster, schema):
    cluster.sql(1, f"CREATE TABLE {schema}.b (a INT PRIMARY KEY, s MEDIUMTEXT)")
    cluster.catch_up()
    return schema


@pytest.fixture
def lose(cluster, table):
    """Ends the server connections in the schema: what runs next has a new one."""
    def threads(n):
        return cluster.sql(n, "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s", (table,))

    def kill():
        for n in NODES:
            for thread, in threads(n):
                with contextlib.suppress(pymysql.err.OperationalError):  # it has just gone
                    cluster.sql(n, f"KILL {thread}")
        wait_until(lambda: not any(threads(n) for n in NODES), 10, "all in the schema to be gone")
    return kill


@pytest.fixture
def make(galeway, table):
    opened = []

    def client(proxy, caps=CAPS):
        opened.append(wire.Client(port=proxy.port, user="tenant", password="tenant", db=table,
                                  caps=caps))
        return opened[-1]

    yield client
    for one in opened:
        one.close()


def test_types_follow_to_another_connection(galeway, make, lose):
    """Sent once by the client; prepared again and told again by Galeway."""
    client = make(galeway())
    statement = client.prepare("INSERT INTO b VALUES (?, ?)")
    assert bulk(client, statement, [(1, "a"), (2, None)]) == 2
    lose()
    assert bulk(client, statement, [(3, "c"), (4, wire.DEFAULT)], flags=0) == 2
    lose()
    client.send(wire.execute_packet(statement, [number(5), "e"], bind=False))
    wire.succeeded(client.read_query())
    lose()
    assert bulk(client, statement, [(6, "f")], flags=0) == 1
    assert client.rows("SELECT * FROM b ORDER BY a") == [
        ["1", "a"], ["2", None], ["3", "c"], ["4", None], ["5", "e"], ["6", "f"]]


def test_prepared_last(galeway, make):
    """PREPARE and bulk execute sent at once, the id not known yet."""
    client = make(galeway())
    client.send(bytes([wire.COM_STMT_PREPARE]) + b"INSERT INTO b VALUES (?, ?)")
    client.send(wire.bulk_packet(0xFFFFFFFF, [LONG, STRING], [[number(1), "x"], [number(2), "y"]]))
    wire.succeeded(client.read_prepare())
    assert wire.parse_ok(wire.succeeded(client.read_query())[0].payload)[0] == 2


@pytest.mark.parametrize("rows", [40, 800])
def test_long(galeway, make, lose, rows):
    """Beyond mysql-threshold_query_length it streams; it pins nothing, and may change connections."""
    proxy = galeway(connections=1)
    client, other = make(proxy), make(proxy)
    statement = client.prepare("INSERT INTO b VALUES (?, ?)")
    filler = "x" * 10000

    def values(first):
        return [(first + i, filler) for i in range(rows)]

    assert bulk(client, statement, values(0)) == rows
    assert other.value("SELECT COUNT(*) FROM b") == str(rows), "the only connection is free again"
    lose()
    assert bulk(client, statement, values(1000), flags=0) == rows
    # What is wrong with it is said when all of it was read.
    with pytest.raises(wire.ServerError, match="Unknown prepared statement handler"):
        bulk(client, 4000000000, values(2000))
    with pytest.raises(wire.ServerError, match="Duplicate entry"):
        bulk(client, statement, values(1000 + rows - 1))
    assert client.rows("SELECT COUNT(*), SUM(LENGTH(s)) FROM b") == [
        [str(2 * rows), str(2 * rows * 10000)]]


def test_counted_and_written(galeway, make, table):
    """It is a statement of its digest, and a write to who reads from the cache."""
    proxy = galeway(variables={"query_cache_auto": True})
    console = Console(proxy)
    client, reader = make(proxy), make(proxy, wire.DEFAULT_CAPS)
    statement = client.prepare("INSERT INTO b VALUES (?, ?)")

    def hits():
        return console.status("Query_Cache_count_GET_OK")

    for i in range(3):
        before = hits()

        def cached():
            assert reader.value("SELECT COUNT(*) FROM b") == str(2 * i)
            return hits() > before

        wait_until(cached, 10, "an answer from the cache")
        assert bulk(client, statement, [(2 * i, "x"), (2 * i + 1, "y")]) == 2
    digests = console.rows("SELECT count_star, sum_rows_affected FROM stats_mysql_query_digest "
                           f"WHERE schemaname = '{table}' AND digest_text LIKE 'INSERT INTO b%'")
    assert digests == [{"count_star": 3, "sum_rows_affected": 6}]
    console.db.close()


def test_without_the_bit(galeway, make, cluster, table):
    proxy = galeway()
    caps = wire.DEFAULT_CAPS & ~wire.LONG_PASSWORD
    answers = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", db=table,
                         caps=caps) as client:
            statement = client.prepare("INSERT INTO b VALUES (?, ?)")
            packets = []
            for packet in (wire.bulk_packet(statement, [LONG, STRING], [[number(1), "x"]]),
                           wire.bulk_packet(statement, [LONG, STRING], [[number(1), "x" * 700000]]),
                           b"\xfa\1"):
                client.send(packet)
                packets += client.read_query()
            answers.append(packets + client.query("SELECT COUNT(*) FROM b"))
    assert answers[0] == answers[1]


def test_beyond_16_mib(galeway, make, lose):
    """There is no room for types in a packet of 16 MiB - 1: they are told ahead of it."""
    client = make(galeway())
    statement = client.prepare("INSERT INTO b VALUES (?, ?)")
    filler = "x" * 6_000_000
    assert bulk(client, statement, [(i, filler) for i in range(3)]) == 3
    lose()
    assert bulk(client, statement, [(10 + i, filler) for i in range(3)], flags=0) == 3
    lose()
    client.send(wire.execute_packet(statement, [number(20), "y" * 17_000_000], bind=False))
    with pytest.raises(wire.ServerError, match="Data too long"):
        wire.succeeded(client.read_query())
    assert client.rows("SELECT COUNT(*), SUM(LENGTH(s)) FROM b") == [["6", "36000000"]]


def test_beyond_16_mib_without_the_bit(galeway, make, lose):
    """A client of before bulk execution is told; its connection goes on."""
    client = make(galeway(), wire.DEFAULT_CAPS)
    statement = client.prepare("SELECT LENGTH(?)")
    for attempt in range(2):
        client.send(wire.execute_packet(statement, ["y" * 17_000_000], bind=attempt == 0))
        packets = client.read_query()
        if attempt == 0:
            assert len(wire.succeeded(packets)) == 5
            lose()
    with pytest.raises(wire.ServerError):
        wire.succeeded(packets)
    assert client.value("SELECT 'still here'") == "still here"
    client.send(wire.execute_packet(statement, ["z" * 17_000_000]))
    assert len(wire.succeeded(client.read_query())) == 5
