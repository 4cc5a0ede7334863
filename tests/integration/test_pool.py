# SPDX-License-Identifier: Apache-2.0
"""The pool at its limits: what waits, what is told, and what works afterwards."""
import queue
import threading

import pytest

import wire
from console import Console


def hold(proxy):
    """A client that keeps the only connection to the writer."""
    client = wire.Client(port=proxy.port, user="tenant", password="tenant")
    client.rows("BEGIN")
    return client


def error_of(client, sql):
    packet = client.query(sql)[0].payload
    assert packet[0] == 0xFF, packet
    return int.from_bytes(packet[1:3], "little"), packet[9:].decode()


def test_deadline_says_who_where_and_how_long(galeway):
    proxy = galeway(connections=1, variables={"connect_timeout_server_max": 1000})
    holder = hold(proxy)
    waiting = wire.Client(port=proxy.port, user="tenant", password="tenant", timeout=20)
    number, text = error_of(waiting, "UPDATE mysql.nothing SET a=1")
    assert number == 9001
    for word in ("'tenant'", "hostgroup 10", "connect_timeout_server_max", "statements wait"):
        assert word in text, text
    holder.rows("COMMIT")
    assert waiting.value("SELECT 1 FROM DUAL FOR UPDATE") == "1"  # the writer's connection is free


def test_full_queue_is_an_error_and_the_client_goes_on(galeway):
    proxy = galeway(connections=1, variables={"queue_max_length": 1})
    holder = hold(proxy)
    clients = [wire.Client(port=proxy.port, user="tenant", password="tenant", timeout=20)
               for _ in range(3)]
    told = queue.Queue()
    threads = [threading.Thread(target=lambda c=c: told.put(
        (c, c.query("SELECT 1 FROM DUAL FOR UPDATE")))) for c in clients]
    for thread in threads:
        thread.start()
    refused = [told.get(timeout=20), told.get(timeout=20)]  # one waits, there is no room for two
    for _, packets in refused:
        number, text = wire.parse_error(packets[0].payload)[0::2]
        assert number == 9001 and "queue_max_length" in text, text
    holder.rows("COMMIT")
    _, packets = told.get(timeout=20)
    assert packets[-2].payload == b"\x011"  # who waited is served
    for thread in threads:
        thread.join()
    for client, _ in refused:
        assert client.value("SELECT 1 FROM DUAL FOR UPDATE") == "1"
    assert Console(proxy).status("Queue_refused") == 2
    assert "Too many statements wait for a server connection" in proxy.log_path.read_text()


def test_who_waits_on_another_worker_gets_the_connection(galeway, schema):
    """One connection to the writer, clients on both workers: each write waits for the one before."""
    proxy = galeway(connections=1)
    setup = wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema)
    setup.rows("CREATE TABLE counter (n INT)")
    setup.rows("INSERT INTO counter VALUES (0)")
    faults = []

    def write():
        try:
            client = wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema,
                                 timeout=60)
            for _ in range(25):
                packet = client.query("UPDATE counter SET n = n + 1")[0].payload
                assert packet[0] == 0, packet
        except Exception as fault:  # told to the main thread, which fails the test with it
            faults.append(fault)

    threads = [threading.Thread(target=write) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    assert setup.value("SELECT n FROM counter FOR UPDATE") == str(12 * 25)


@pytest.mark.parametrize("bit", [0, wire.FOUND_ROWS])
def test_connections_of_another_kind_make_room(galeway, schema, bit):
    """The only connection was opened without a capability bit that the next client needs, and back."""
    proxy = galeway(connections=1)
    first = wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema, caps=wire.DEFAULT_CAPS | bit)
    first.rows("CREATE TABLE t (a INT)")
    first.rows("INSERT INTO t VALUES (1)")
    other = wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema,
                        caps=wire.DEFAULT_CAPS | (bit ^ wire.FOUND_ROWS))
    for client, found_rows in ((other, not bit), (first, bool(bit)), (other, not bit)):
        affected = wire.parse_ok(client.query("UPDATE t SET a = 1")[0].payload)[0]
        assert affected == int(found_rows)  # matched or changed rows


def test_warnings_that_cannot_be_fetched_are_nobodys_error(cluster, galeway, schema):
    """An idle session's warnings are fetched after a second; its schema may be gone by then."""
    own, gone = galeway(servers=[{"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10,
                                  "max_connections": 1}]), f"{schema}_gone"
    cluster.sql(1, f"CREATE DATABASE {gone}")
    cluster.catch_up()
    with wire.Client(port=own.port, db=gone, user="tenant", password="tenant") as client:  # so that USE needs no node
        assert client.rows("SELECT 1") == [["1"]]
    with wire.Client(port=own.port, db=schema, user="tenant", password="tenant") as client:
        assert client.rows("SELECT CAST('x' AS INT)") == [["0"]]
        client.rows(f"USE {gone}")
        cluster.sql(1, f"DROP DATABASE {gone}")
        assert not client.readable(2.5), client.read_packet()
        answer = client.query("SELECT 5")  # no connection can come there any more, but one may be there still
        assert answer[0].payload[0] != 0xFF or wire.parse_error(answer[0].payload)[0] == 1049
        assert client.rows(f"USE {schema}") == []
        assert client.rows("SELECT DATABASE()") == [[schema]]
