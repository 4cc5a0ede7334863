# SPDX-License-Identifier: Apache-2.0
"""COM_PING of a session that keeps its server connection: the node hears of it, and nothing else changes."""
import time

import pytest

import wire
from relay import Refused, Relay
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant"}
PINS = {
    "none": "DO 1",
    "variable": "SET @a = 1",
    "lock": "SELECT GET_LOCK('{schema}', 1)",
    "temporary": "CREATE TEMPORARY TABLE x (a INT)",
    "autocommit": "SET autocommit = 0",
    "next": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "transaction": "BEGIN",
}
BEFORE = ["DO 0", "SELECT 1 UNION SELECT 2", "SELECT SQL_CALC_FOUND_ROWS 1 UNION SELECT 2 LIMIT 1",
          "INSERT INTO t VALUES (NULL), (NULL)", "SELECT 1/0", "SELECT nothing", "INSERT INTO t VALUES (LAST_INSERT_ID(77))",
          "SET @b = (SELECT COUNT(*) FROM t)"]
BEHIND = ["SELECT FOUND_ROWS()", "SELECT ROW_COUNT()", "SELECT LAST_INSERT_ID()", "SHOW WARNINGS", "DO 1",
          "SELECT ROW_COUNT(), FOUND_ROWS(), LAST_INSERT_ID()"]


def ping(client):
    client.send(bytes([wire.COM_PING]))
    return client.read_packet()


@pytest.fixture
def table(cluster, schema):
    cluster.sql(1, f"CREATE TABLE {schema}.t (id INT AUTO_INCREMENT PRIMARY KEY)")
    cluster.catch_up()
    return schema


@pytest.mark.parametrize("caps", [0, wire.SESSION_TRACK], ids=["", "track"])
@pytest.mark.parametrize("pin", PINS)
def test_what_a_ping_leaves(cluster, proxy, table, pin, caps):
    """Its answer, and all that the session knows behind it, as on a node."""
    def play(port):
        with wire.Client(port=port, db=table, timeout=20, caps=wire.DEFAULT_CAPS | caps, **TENANT) as client:
            client.query("SELECT 1")  # before it a node has any FOUND_ROWS()
            client.query(PINS[pin].format(schema=table))
            heard = []
            for before in BEFORE:
                for behind in BEHIND:
                    client.query(before)
                    heard.append((before, behind, [ping(client), ping(client)], client.query(behind)))
            client.query("ROLLBACK")
            assert client.is_in_order
        cluster.sql(1, f"TRUNCATE TABLE {table}.t")
        return heard

    got, expected = play(proxy.port), play(cluster.port(1))
    differ = [(g, e) for g, e in zip(got, expected) if g != e]
    assert not differ, f"{len(differ)}: {differ[0]}"


def test_a_node_does_not_find_it_idle(fragile_cluster, galeway):
    """Neither does Galeway; both sessions keep what they have for longer than the node's wait_timeout."""
    nodes = fragile_cluster
    proxy = galeway(nodes)
    nodes.sql(1, "SET GLOBAL wait_timeout = 2")
    try:
        for port in (nodes.port(1), proxy.port):
            with wire.Client(port=port, timeout=10, **TENANT) as client:
                client.query("SET @a = 1")
                for _ in range(8):
                    time.sleep(0.5)
                    assert ping(client).payload[0] == 0
                assert client.value("SELECT @a") == "1"
    finally:
        nodes.sql(1, "SET GLOBAL wait_timeout = 28800")


def test_a_transaction_that_galera_has_aborted(proxy, cluster, table):
    """A node tells it to a PING, and what is sent then runs outside of it; here the statement is told."""
    cluster.sql(1, f"INSERT INTO {table}.t VALUES (1), (2)")
    with wire.Client(port=proxy.port, db=table, timeout=20, **TENANT) as client:
        client.query("BEGIN")
        assert wire.parse_ok(client.query("UPDATE t SET id = 5 WHERE id = 1")[0].payload)[0] == 1
        cluster.sql(2, f"UPDATE {table}.t SET id = 7 WHERE id = 1")
        wait_until(lambda: (7,) in cluster.sql(1, f"SELECT id FROM {table}.t"), what="the other write")
        assert ping(client).payload[0] == 0
        packet = client.query("UPDATE t SET id = 6 WHERE id = 2")[0]
        assert wire.parse_error(packet.payload)[0] == 1213
        assert client.value("SELECT COUNT(*) FROM t WHERE id = 2") == "1"


def test_a_ping_finds_the_connection_gone(galeway, cluster):
    with Relay(cluster.port(1)) as relay:
        proxy = galeway(variables={"threads": 1, "monitor_enabled": False},
                        servers=[{"address": "127.0.0.1", "port": relay.port, "hostgroup": 10}])
        with wire.Client(port=proxy.port, timeout=10, **TENANT) as client:
            client.query("SET @a = 1")
            relay.to_node = lose
            with pytest.raises((wire.Closed, ConnectionResetError)):
                assert wire.parse_error(ping(client).payload)[0] == 2013
                client.read_packet()


def lose(_):
    raise Refused(b"")
