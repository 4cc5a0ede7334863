# SPDX-License-Identifier: Apache-2.0
"""Slow clients and big results: constant memory, and nobody waits for a slow one."""
import os
import time

import pytest

import wire
from console import Console
from util import PATIENCE, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
ROW = 1000000
ROWS = 200
BIG = f"SELECT REPEAT('x', {ROW}) FROM seq_1_to_{ROWS}"
GROWTH_KB = 16000 if os.environ.get("MODE", "release") == "release" else 64000


@pytest.fixture
def own_proxy(galeway):
    return galeway(connections=8, variables={"threads": 2})


def others_go_on(proxy, schema, clients=8, statements=50):
    """Newcomers on every worker get their answers; the time they took."""
    began = time.monotonic()
    for _ in range(clients):
        with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
            for i in range(statements):
                assert client.value(f"SELECT {i}") == str(i)
    return time.monotonic() - began


def test_reader_that_stops(own_proxy, schema):
    usual = others_go_on(own_proxy, schema)
    before = own_proxy.rss_kb()
    slow = wire.Client(port=own_proxy.port, db=schema, receive_buffer=65536, **TENANT)
    slow.send(b"\x03" + BIG.encode())
    assert slow.read_packet().payload == b"\1"
    taken = others_go_on(own_proxy, schema)
    assert taken < 5 * usual + 2 * PATIENCE, f"{taken:.2f} s, {usual:.2f} s without the slow client"
    peak = own_proxy.rss_kb()
    assert peak < before + GROWTH_KB, f"resident memory grew from {before} to {peak} KB"
    # It reads on, and everything is there.
    packets = [slow.read_packet() for _ in range(2)]
    rows = [slow.read_packet() for _ in range(ROWS)]
    eof = slow.read_packet()
    assert wire.is_eof(eof.payload) and len(packets) == 2
    assert all(len(row.payload) == ROW + 4 for row in rows)
    assert own_proxy.rss_kb() < before + GROWTH_KB
    slow.close()


def test_several_slow_readers(own_proxy, schema):
    """One per server connection of a node less than there are; the rest still serves."""
    before = own_proxy.rss_kb()
    slow = []
    for _ in range(6):
        client = wire.Client(port=own_proxy.port, db=schema, receive_buffer=65536, **TENANT)
        client.send(b"\x03" + BIG.encode())
        client.read_packet()
        slow.append(client)
    others_go_on(own_proxy, schema)
    assert own_proxy.rss_kb() < before + GROWTH_KB
    for client in slow:
        client.abort()
    others_go_on(own_proxy, schema)


def test_big_result_in_constant_memory(own_proxy, schema):
    before = own_proxy.rss_kb()
    peak = 0
    with wire.Client(port=own_proxy.port, db=schema, **TENANT) as client:
        client.send(b"\x03" + BIG.encode())
        for i in range(3 + ROWS + 1):
            client.read_packet()
            if i % 20 == 0:
                peak = max(peak, own_proxy.rss_kb())
    assert peak < before + GROWTH_KB, f"resident memory grew from {before} to {peak} KB"


def test_big_upload_in_constant_memory(own_proxy, schema):
    size = 60000000
    before = own_proxy.rss_kb()
    with wire.Client(port=own_proxy.port, db=schema, **TENANT) as client:
        for _ in range(3):
            assert client.value("SELECT LENGTH('" + "x" * size + "')") == str(size)
            peak = own_proxy.rss_kb()
            assert peak < before + GROWTH_KB, f"resident memory grew from {before} to {peak} KB"


def test_slow_writer(own_proxy, schema):
    """A statement that arrives in small pieces holds up nobody."""
    statement = b"\x03SELECT LENGTH('" + b"y" * 3000000 + b"')"
    with wire.Client(port=own_proxy.port, db=schema, **TENANT) as slow:
        header = len(statement).to_bytes(3, "little") + b"\0"
        slow.sock.sendall(header + statement[:1000000])
        others_go_on(own_proxy, schema)
        slow.sock.sendall(statement[1000000:2000000])
        others_go_on(own_proxy, schema)
        slow.sock.sendall(statement[2000000:])
        assert wire.text_row(slow.read_query()[3].payload, 1) == ["3000000"]


def test_byte_by_byte(own_proxy, schema):
    """Every cut of a conversation's bytes is understood."""
    with wire.Client(port=own_proxy.port, login=False, **TENANT) as client:
        client.caps |= wire.CONNECT_WITH_DB
        response = client.handshake_response(schema)
        _drip(client, len(response).to_bytes(3, "little") + b"\1" + response)
        assert client.read_packet().payload[0] == 0
        for sql in (b"SELECT 1", b"SET @a=5", b"SELECT @a", b"SELECT DATABASE()"):
            _drip(client, (len(sql) + 1).to_bytes(3, "little") + b"\0\x03" + sql)
            client.read_query()


def _drip(client, data):
    for i in range(len(data)):
        client.sock.sendall(data[i:i + 1])


def test_pipelined_commands(own_proxy, schema):
    """Several commands in one write: one answer after the other, in order."""
    with wire.Client(port=own_proxy.port, db=schema, **TENANT) as client:
        texts = [f"SELECT {i}".encode() for i in range(50)]
        client.sock.sendall(b"".join((len(t) + 1).to_bytes(3, "little") + b"\0\x03" + t for t in texts))
        for i in range(50):
            assert wire.text_row(client.read_query()[3].payload, 1) == [str(i)]
        texts = [b"SET @p=1", b"SELECT @p", b"BEGIN", b"SELECT 2", b"ROLLBACK"]
        client.sock.sendall(b"".join((len(t) + 1).to_bytes(3, "little") + b"\0\x03" + t for t in texts))
        answers = [client.read_query() for _ in texts]
        assert wire.text_row(answers[1][3].payload, 1) == ["1"]
        assert wire.parse_ok(answers[4][0].payload)[2] == wire.STATUS_AUTOCOMMIT


def stopped(proxy, schema, *before):
    """A client that asks for much and takes none of it."""
    client = wire.Client(port=proxy.port, db=schema, receive_buffer=65536, **TENANT)
    for sql in before:
        client.rows(sql)
    client.send(b"\x03" + BIG.encode())
    return client


def taken_to_the_end(client):
    """How many packets come before the connection ends."""
    count = 0
    try:
        while True:
            client.read_packet()
            count += 1
    except (OSError, wire.Closed):
        return count


def test_reader_that_stops_for_good(galeway, schema):
    """It gives its server connection back, after mysql-net_write_timeout or what its session has set."""
    proxy = galeway(connections=2, variables={"threads": 2, "net_write_timeout": 1500})
    console = Console(proxy)
    patient = stopped(proxy, schema, "SET net_write_timeout=3600")
    slow = stopped(proxy, schema)
    wait_until(lambda: console.status("Write_timeouts") == 1, 20, "the end of who takes nothing")
    assert "it took nothing of its answer for mysql-net_write_timeout" in proxy.tail()
    assert taken_to_the_end(slow) < ROWS
    others_go_on(proxy, schema, clients=2)
    for _ in range(3 + ROWS + 1):  # it has waited for longer, and is there
        patient.read_packet()
    assert patient.value("SELECT 5") == "5"
    hasty = stopped(proxy, schema, "SET net_write_timeout=1")
    proxy.data["mysql_variables"]["net_write_timeout"] = 3600000
    proxy.reload()
    wait_until(lambda: console.status("Write_timeouts") == 2, 20, "the end by the session's own time")
    hasty.abort()


def test_reader_that_goes_on_slowly(galeway, schema):
    proxy = galeway(variables={"net_write_timeout": int(3000 * PATIENCE)})
    console = Console(proxy)
    slow, other = stopped(proxy, schema), stopped(proxy, schema)
    for i in range(3 + ROWS + 1):
        if console.status("Write_timeouts") == 0:  # until then it takes a MB now and then
            time.sleep(0.2)  # slower than it could
        slow.read_packet()
    assert console.status("Write_timeouts") == 1  # the other one's
    assert slow.value("SELECT 5") == "5"
    other.abort()


def test_reader_that_stops_can_be_killed(cluster, own_proxy, schema):
    slow = wire.Client(port=own_proxy.port, db=schema, receive_buffer=65536, **TENANT)
    slow.send(b"\x03" + f"{BIG} /* {schema} */".encode())
    slow.read_packet()
    slow.abort()

    def gone():
        return not any(info and f"/* {schema} */" in info for n in (1, 2, 3)
                       for _, _, info in cluster.threads(n, "tenant"))
    wait_until(gone, 10, "the node to be rid of the statement")
