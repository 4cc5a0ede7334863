# SPDX-License-Identifier: Apache-2.0
"""What a client sends before it has read the answer to what it sent before, and what it never reads."""
import hashlib
import os
import struct
import threading
import time

import pytest

import packed
import wire
from relay import Relay, end
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant"}
GROWTH_KB = 16000 if os.environ.get("MODE", "release") == "release" else 64000
CAPS = wire.DEFAULT_CAPS | wire.LOCAL_FILES


def frame(payload, seq=0):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


def fill(sock, data, limit):
    """Send data again and again until nothing more is taken for a second, or limit bytes went."""
    sock.settimeout(1)
    sent = 0
    try:
        while sent < limit:
            sent += sock.send(data[sent % len(data):])
    except TimeoutError:
        pass
    return sent


@pytest.mark.parametrize("command", [b"\x0e", b"\x02" + b"x" * 400], ids=["many", "few"])
def test_answers_that_nobody_reads(galeway, command):
    """As many commands as there is room for, or so few that they are all dealt with in a turn of the loop."""
    proxy = galeway(variables={"threads": 1})
    before = proxy.rss_kb()
    with wire.Client(port=proxy.port, receive_buffer=4096, **TENANT) as client:
        sent = fill(client.sock, frame(command) * 200, 64 << 20)
        grown = proxy.rss_kb() - before
        assert grown < GROWTH_KB, f"{grown} KB more for {sent} bytes"
        assert sent < 64 << 20


class Stuck(Relay):
    """In front of a node that reads nothing more on a connection behind one piece of it."""

    def __init__(self, node_port, at):
        self.at = at
        self.go_on = threading.Event()
        super().__init__(node_port)

    def to_node(self, data):
        if self.at in data:
            self.go_on.wait(30)
        return data


@pytest.mark.parametrize("size", [1000, 200000, 800000])
def test_data_for_a_node_that_does_not_read(galeway, cluster, size):
    """Parameters in pieces, which have no answer; the longest ones pass through in parts."""
    piece = b"y" * (size - 1) + b"!"
    with Stuck(cluster.port(1), b"!") as relay:
        proxy = galeway(variables={"threads": 1, "monitor_enabled": False},
                        servers=[{"address": "127.0.0.1", "port": relay.port, "hostgroup": 10}])
        before = proxy.rss_kb()
        with wire.Client(port=proxy.port, **TENANT) as client:
            statement = client.prepare("SELECT LENGTH(?)")
            data = frame(b"\x18" + struct.pack("<IH", statement, 0) + piece)
            limit = (60000000 // len(data)) * len(data)
            sent = fill(client.sock, data, limit)
            grown = proxy.rss_kb() - before
            relay.go_on.set()
            assert grown < GROWTH_KB, f"{grown} KB more for {sent} bytes"
            client.sock.settimeout(30)
            client.sock.sendall(data[len(data) - -sent % len(data):])
            client.send(wire.execute_packet(statement, [wire.LONG_DATA]))
            count = -(-sent // len(data))
            assert int.from_bytes(client.read_query()[3].payload[2:], "little") == count * size


def test_a_long_statement_behind_another(galeway):
    proxy = galeway(variables={"threads": 1})
    for size in (300000, 520000, 3000000):  # around what is kept, and what passes through
        with wire.Client(port=proxy.port, timeout=10, **TENANT) as client:
            client.sock.sendall(frame(b"\x03SELECT SLEEP(0.5)")
                                + frame(b"\x03SELECT LENGTH('" + b"x" * size + b"')"))
            assert wire.text_row(client.read_query()[3].payload, 1) == ["0"]
            assert wire.text_row(client.read_query()[3].payload, 1) == [str(size)]


@pytest.mark.parametrize("db", [None, "mysql"])
def test_a_command_behind_the_login(proxy, cluster, db):
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, login=False, timeout=10, **TENANT) as client:
            client.sock.sendall(frame(client.handshake_response(), 1)
                                + frame(b"\x03SELECT 1") + frame(b"\x03SELECT 2"))
            assert client.read_packet().payload[0] == 0
            for n in "12":
                client.seq = 1
                assert wire.text_row(client.read_query()[3].payload, 1) == [n]


@pytest.mark.parametrize("over", ["node", "galeway"])
@pytest.mark.parametrize("before", ["DO 1", "SET @a = 1"], ids=["free", "pinned"])
def test_a_change_of_user_with_its_answer(proxy, cluster, over, before):
    """The server asks for another method; what it is told came with the command."""
    change = b"\x11tenant\0\0\0" + struct.pack("<H", 45) + b"mysql_native_password\0"
    port = proxy.port if over == "galeway" else cluster.port(1)
    with wire.Client(port=port, timeout=10, **TENANT) as client:
        client.query(before)
        client.sock.sendall(frame(change) + frame(b"x" * 20, 2))
        client.seq = 1
        assert client.read_packet().payload[0] == 0xfe
        client.seq = 3
        assert wire.parse_error(client.read_packet().payload)[0] == 1045


@pytest.mark.parametrize("over", ["node", "galeway"])
def test_packed_commands_behind_the_login(galeway, cluster, schema, over):
    proxy = galeway(variables={"have_compress": True})
    for db in (None, schema):
        port = proxy.port if over == "galeway" else cluster.port(1)
        with wire.Client(port=port, login=False, timeout=10, **TENANT) as client:
            client.caps |= wire.COMPRESS | (wire.CONNECT_WITH_DB if db else 0)
            client.sock.sendall(frame(client.handshake_response(db), 1)
                                + packed.pack(frame(b"\x03SELECT 1"), 0)
                                + packed.pack(frame(b"\x03SELECT LENGTH('" + b"2" * 70000 + b"')"), 0))
            client.seq = 2
            assert client.read_packet().payload[0] == 0
            client.sock = packed.Socket(client.sock)
            client.sock.raw, client.buffer = client.buffer, bytearray()
            for text in ("1", "70000"):
                client.sock.seq = client.seq = 1
                assert wire.text_row(client.read_query()[3].payload, 1) == [text]


@pytest.mark.parametrize("over", ["node", "galeway"])
def test_a_file_ahead_of_its_request(galeway, cluster, schema, over):
    cluster.sql(1, f"CREATE TABLE {schema}.f (s TEXT, k INT AUTO_INCREMENT PRIMARY KEY)")
    proxy = galeway(variables={"enable_load_data_local_infile": True})
    port = proxy.port if over == "galeway" else cluster.port(1)
    with wire.Client(port=port, timeout=10, caps=CAPS, db=schema, **TENANT) as client:
        client.sock.sendall(frame(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE f (s)")
                            + frame(b"one\n" * 3, 2) + frame(b"", 3) + frame(b"\x03SELECT 1"))
        client.seq = 1
        assert client.read_packet().payload[0] == 0xfb
        client.seq = 4
        assert wire.parse_ok(client.read_packet().payload)[0] == 3
        client.seq = 1
        assert wire.text_row(client.read_query()[3].payload, 1) == ["1"]


@pytest.mark.parametrize("over", ["node", "galeway"])
def test_a_file_that_is_refused(galeway, cluster, schema, over):
    """Too long to be scanned, by a client that serves no files."""
    cluster.sql(1, f"CREATE TABLE {schema}.f (s TEXT, k INT AUTO_INCREMENT PRIMARY KEY)")
    proxy = galeway(variables={"enable_load_data_local_infile": True})
    port = proxy.port if over == "galeway" else cluster.port(1)
    with wire.Client(port=port, timeout=10, db=schema, **TENANT) as client:
        client.send(b"\x03/*" + b"x" * 900000 + b"*/LOAD DATA LOCAL INFILE 'x' INTO TABLE f (s)")
        client.read_query()
        assert client.is_in_order
        assert client.value(f"SELECT COUNT(*) FROM {schema}.f") == "0"


# ---------------------------------------------------------------- commands without an answer

def too_much(relay, mark):
    """A byte behind the first of what the node says that has the mark."""
    def edit(data):
        if mark not in data:
            return data
        relay.to_client = lambda data: data
        return data + b"x"
    return edit


@pytest.mark.parametrize("pin, answer", [(None, b"\0"), ("BEGIN", b"\xff\xdd\x07"),
                                         ("SELECT GET_LOCK('{schema}', 1)", None)])
@pytest.mark.parametrize("what", ["cursor", "long data"])
def test_a_statement_that_is_closed_where_its_node_cannot_be_told(galeway, cluster, schema, what, pin,
                                                                  answer):
    """The node said more than it was asked: what the client sent ahead cannot be sent to it."""
    with Relay(cluster.port(1)) as relay:
        proxy = galeway(variables={"threads": 1, "monitor_enabled": False},
                        servers=[{"address": "127.0.0.1", "port": relay.port, "hostgroup": 10}])
        for _ in range(3):
            with wire.Client(port=proxy.port, db=schema, timeout=10, **TENANT) as client:
                if pin:
                    client.query(pin.format(schema=schema))
                client.send(b"\x16SELECT ? FROM seq_1_to_3")
                statement = client.read_prepare()[0].payload[1:5]
                relay.to_client = too_much(relay, b"FOUND_ROWS()" if what == "cursor" else b"")
                if what == "cursor":
                    asks = frame(wire.execute_packet(int.from_bytes(statement, "little"), ["1"], cursor=1))
                else:
                    asks = frame(b"\x18" + statement + b"\0\0y") + frame(b"\x03SELECT 1")
                client.sock.sendall(asks + frame(b"\x19" + statement) + frame(b"\x0e"))
                client.seq = 1
                assert client.read_query(cursor=True)[-1].payload[0] == 0xfe
                client.seq = 1
                if answer is None or what == "cursor":  # gone with the connection
                    assert client.at_end()
                else:
                    assert client.read_packet().payload.startswith(answer)
            proxy.check_alive()


def test_a_long_statement_below_a_high_threshold(galeway):
    """What is behind its first packet of the greatest length goes behind it."""
    proxy = galeway(variables={"threads": 1, "threshold_query_length": 20 << 20})
    text = b"".join(b"%07d " % i for i in range(4 << 20))
    with wire.Client(port=proxy.port, timeout=20, **TENANT) as client:
        for _ in range(3):
            client.send(b"\x03SELECT MD5('" + text + b"')")
            row = wire.text_row(client.read_query()[3].payload, 1)
            assert row == [hashlib.md5(text).hexdigest()]


@pytest.mark.parametrize("size", [wire.MAX_FRAME - 30, wire.MAX_FRAME - 19, wire.MAX_FRAME - 18, wire.MAX_FRAME + 100,
                                  30 << 20])
def test_a_statement_below_a_threshold_of_more_than_a_packet(galeway, size):
    """What continues its first packet is not waited for."""
    proxy = galeway(variables={"threads": 1, "threshold_query_length": 32 << 20})
    with wire.Client(port=proxy.port, timeout=10, **TENANT) as client:
        client.send(b"\x03SELECT LENGTH('" + b"x" * size + b"')")
        assert wire.text_row(wire.succeeded(client.read_query())[3].payload, 1) == [str(size)]


PIECES = [5, 12, 100, 1025, 1040, 1600]


@pytest.fixture
def low(galeway):
    return galeway(variables={"threads": 1, "threshold_query_length": 1024})


def in_pieces(client, payload, at):
    """A command of which the first bytes come alone; read by who waits for no more than it must."""
    data = frame(payload)
    client.sock.sendall(data[:at])
    time.sleep(0.1)
    client.sock.sendall(data[at:])
    client.seq = 1


@pytest.mark.parametrize("at", PIECES)
def test_an_execution_above_a_low_threshold(low, cluster, schema, at):
    """Its head ends before its types do; they are kept for the execution behind it, which sends none."""
    cluster.sql(1, f"CREATE TABLE {schema}.b (a INT)")
    cluster.catch_up()
    with wire.Client(port=low.port, db=schema, timeout=10, caps=CAPS & ~wire.LONG_PASSWORD | wire.STMT_BULK, **TENANT) as client:
        client.query("SET @a = 7")
        number = client.prepare("SELECT " + ",".join("?" * 490))
        for bind in (True, False):
            in_pieces(client, wire.execute_packet(number, [1] * 490, bind=bind), at)
            assert len(wire.succeeded(client.read_query())) == 1 + 490 + 1 + 1 + 1
            assert client.is_in_order
        number = client.prepare("INSERT INTO b VALUES " + ",".join(["(?)"] * 300))
        in_pieces(client, wire.bulk_packet(number, [0x08] * 300, [[(0x08, b"7\0\0\0\0\0\0\0")] * 300]), at)
        assert wire.parse_ok(wire.succeeded(client.read_query())[0].payload)[0] == 300
        assert client.value("SELECT @a") == "7", "the session is the same"


@pytest.mark.parametrize("at", PIECES)
def test_other_commands_above_a_low_threshold(low, cluster, at):
    """Needed as a whole, and no longer than a login."""
    attributes = wire.put_string(b"a") + wire.put_string(b"x" * 60000)
    for port in (cluster.port(1), low.port):
        with wire.Client(port=port, timeout=10, caps=CAPS | wire.CONNECT_ATTRS, **TENANT) as client:
            in_pieces(client, b"\x02" + b"n" * 3000, at)
            assert wire.parse_error(client.read_packet().payload)[0] in (1049, 1102)
            in_pieces(client, b"\x11tenant\0\0\0" + struct.pack("<H", 45) + b"mysql_native_password\0"
                      + wire.put_string(attributes), at)
            packet = client.read_packet()
            assert packet.payload[0] == 0xfe, packet
            client.send_packet(wire.native_scramble("tenant", packet.payload.split(b"\0", 1)[1][:20]))
            assert client.read_packet().payload[0] == 0
            assert client.value("SELECT 5") == "5"


def test_a_broken_execution_above_a_low_threshold(low):
    """It is told, and the session goes on: as one that is read at once."""
    with wire.Client(port=low.port, timeout=10, **TENANT) as client:
        client.query("SET @a = 7")
        number = client.prepare("SELECT ?")
        payload = wire.execute_packet(number, ["x" * 300000])
        assert payload[11] == 1
        in_pieces(client, payload[:11] + b"\7" + payload[12:], 2000)
        assert client.read_query()[0].payload[0] == 0xff
        assert client.value("SELECT @a") == "7"


def test_nothing_runs_behind_the_loss_of_a_lock(galeway, cluster, schema):
    cluster.sql(1, f"CREATE TABLE {schema}.t (k INT PRIMARY KEY)")
    with Relay(cluster.port(1)) as relay:
        proxy = galeway(variables={"threads": 1, "monitor_enabled": False},
                        servers=[{"address": "127.0.0.1", "port": relay.port, "hostgroup": 10}])
        with wire.Client(port=proxy.port, db=schema, timeout=10, **TENANT) as client, \
                wire.Client(port=proxy.port, db=schema, timeout=10, **TENANT) as other:
            assert client.value(f"SELECT GET_LOCK('{schema}', 1)") == "1"
            of_lock = list(relay.sockets)
            assert other.value("SELECT 1 FROM seq_1_to_1") == "1"  # leaves a free connection
            client.sock.sendall(frame(b"\x03SELECT SLEEP(20)") + frame(b"\x03INSERT INTO t VALUES (1)"))
            wait_until(lambda: any(info and "SLEEP(20)" in info for _, _, info in cluster.threads(1, "tenant")),
                       what="the statement to run")
            for sock in of_lock:
                end(sock)
            client.seq = 1
            assert wire.parse_error(client.read_query()[-1].payload)[0] == 2013
            assert client.at_end()
        with wire.Client(port=proxy.port, db=schema, timeout=10, **TENANT) as other:
            assert other.rows("SELECT k FROM t") == []


@pytest.mark.parametrize("text", ["CALL p(?)", "SELECT SQL_CALC_FOUND_ROWS ? LIMIT 0", "SELECT ? INTO @a",
                                  "INSERT INTO f (s) SELECT ? FROM f x JOIN f y"])
def test_long_data_alone_of_what_counts_rows(proxy, schema, text):
    """It has no reply: nothing is asked behind it whose answer would come while no command is under way."""
    with wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema, timeout=20) as client:
        client.rows("CREATE TABLE f (s LONGTEXT)")
        client.rows("CREATE PROCEDURE p(x LONGTEXT) SELECT x")
        client.send(b"\x16" + text.encode())
        statement = client.read_prepare()[0].payload[1:5]
        for _ in range(20):
            client.send(b"\x18" + statement + b"\0\0piece")
            for _ in range(20):  # is answered by Galeway; what a node answers has time to come
                client.send(b"\x0e")
                assert client.read_packet().payload[0] == 0
        client.send(wire.execute_packet(struct.unpack("<I", statement)[0], [wire.LONG_DATA]))
        assert wire.succeeded(client.read_query())
        assert client.rows("SELECT 7") == [["7"]]
