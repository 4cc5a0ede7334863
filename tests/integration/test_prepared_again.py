# SPDX-License-Identifier: Apache-2.0
"""A statement that is executed on a connection where it was not prepared: what the session has there stays."""
import struct

import pytest

import wire
from console import Console
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant", "timeout": 20}


def execute(client, number, values=()):
    client.send(wire.execute_packet(number, values))
    return client.read_query()


@pytest.fixture
def table(cluster, schema):
    cluster.sql(1, f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
    cluster.catch_up()
    return f"{schema}.t"


@pytest.mark.parametrize("begin,left", [
    ("BEGIN", "SELECT COUNT(*) FROM t"),
    ("CREATE TEMPORARY TABLE t (id INT)", "SELECT COUNT(*) FROM t"),
    ("SET @x = 7", "SELECT @x = 7"),
])
def test_prepared_without_a_schema(galeway, schema, table, begin, left):
    """As wpdb: no schema at the login. A change of user, the only way back to none, would end all that."""
    proxy = galeway()
    with wire.Client(port=proxy.port, **TENANT) as client:
        number = client.prepare(f"SELECT COUNT(*) FROM {table} WHERE id > ?")  # on a reader
        client.send(b"\x02" + schema.encode())
        client.read_packet()
        client.rows(begin)
        client.rows("INSERT INTO t VALUES (1)")
        packets = execute(client, number, [0])
        assert packets[0].payload == b"\x01", packets
        assert client.rows(left) == [["1"]]
        client.rows("COMMIT")
        assert client.rows("SELECT DATABASE(), COUNT(*) FROM t") == [[schema, "1"]]


@pytest.mark.parametrize("before,begin", [((), "SET autocommit = 0"),
                                          (("SET autocommit = 0", "SET autocommit = 1"), "BEGIN")])
def test_prepared_with_another_autocommit(galeway, schema, table, before, begin):
    """To set it to 1, if only for the time of a preparation, would commit."""
    proxy = galeway()
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        for sql in before[:1]:
            client.rows(sql)
        number = client.prepare("SELECT COUNT(*) FROM t WHERE id > ?")
        for sql in (*before[1:], begin):
            client.rows(sql)
        client.rows("INSERT INTO t VALUES (1)")
        execute(client, number, [0])
        client.rows("ROLLBACK")
        assert client.rows("SELECT COUNT(*) FROM t") == [["0"]]


def test_prepared_in_a_schema_that_was_dropped(galeway, schema):
    """The session is in no schema, and cannot come back to none from the statement's."""
    proxy = galeway()
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        number = client.prepare("SELECT ?")
        client.rows(f"DROP DATABASE {schema}")
        client.rows(f"CREATE DATABASE {schema}")
        packets = execute(client, number, ["x"])
        if packets[0].payload[0] == 0xFF:
            assert wire.parse_error(packets[0].payload)[0] == 1046, packets
        assert client.is_in_order
        assert client.rows("SELECT 1, DATABASE()") == [["1", None]]
        client.send(b"\x02" + schema.encode())
        assert client.read_packet().payload[0] == 0
        assert len(execute(client, number, ["x"])) > 1


def test_a_cursor_that_no_node_got(galeway, schema):
    """It keeps no connection for the session afterwards."""
    proxy = galeway(variables={"connect_timeout_server_max": 300})
    console = Console(proxy)
    cursors = "SELECT now FROM stats_pins WHERE reason = 'cursor'"
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        number = client.prepare("SELECT 1 UNION SELECT 2")
        console.run("UPDATE mysql_servers SET status = 'OFFLINE_HARD'")
        console.run("LOAD MYSQL SERVERS TO RUNTIME")
        client.send(wire.execute_packet(number, [], cursor=1))
        assert wire.parse_error(client.read_query(cursor=True)[0].payload)[0] == 9001
        client.send(bytes([wire.COM_STMT_FETCH]) + struct.pack("<II", number, 5))
        assert wire.parse_error(client.read_packet().payload)[0] == 1421
        console.run("UPDATE mysql_servers SET status = 'ONLINE'")
        console.run("LOAD MYSQL SERVERS TO RUNTIME")
        assert wait_until(lambda: client.query("DO 1")[0].payload[0] == 0, what="a node")
        assert [row["now"] for row in console.rows(cursors)] in ([], [0])
        client.send(wire.execute_packet(number, [], cursor=1))
        client.read_query(cursor=True)
        assert [row["now"] for row in console.rows(cursors)] == [1]
    console.db.close()
