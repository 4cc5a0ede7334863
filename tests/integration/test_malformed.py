# SPDX-License-Identifier: Apache-2.0
"""Bytes that no honest client sends: the proxy answers what a node answers, and lives on."""
import random
import select
import socket
import struct

import pytest

import wire
from util import Direct, wait_until

CAPS = wire.DEFAULT_CAPS
FLOOD = 400000  # commands


def frame(payload, seq):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


def login(caps=CAPS, user=b"tenant\0", auth=b"\0", rest=b"mysql_native_password\0", charset=45):
    return struct.pack("<IIB23x", caps & 0xFFFFFFFF, 1 << 30, charset) + user + auth + rest


# What goes out instead of a login, as raw bytes.
LOGINS = {
    "empty": frame(b"", 1),
    "one-byte": frame(b"\0", 1),
    "caps-only": frame(struct.pack("<I", CAPS), 1),
    "header-only": frame(struct.pack("<IIB23x", CAPS, 1 << 30, 45), 1),
    "no-user-end": frame(login(user=b"tenant", auth=b"", rest=b""), 1),
    "auth-length-beyond": frame(login(auth=b"\xfaabc", rest=b""), 1),
    "wrong-sequence": frame(login(), 7),
    "sequence-zero": frame(login(), 0),
    "http": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "old-protocol": frame(struct.pack("<H", 0x0005) + b"\0\0\1tenant\0", 1),
    "bad-charset": frame(login(charset=254), 1),
    "old-protocol-cut": frame(b"\5\0\0\0", 1),
    "old-protocol-password": frame(struct.pack("<H", 0x0005) + b"\0\0\1tenant\0secret\0", 1),
    "no-plugin": frame(login(rest=b""), 1),
    "attributes-cut": frame(login(caps=CAPS | wire.CONNECT_ATTRS, rest=b"mysql_native_password\0\xfa\3ab"), 1),
    "long-user": frame(login(user=b"u" * 300 + b"\0"), 1),
    "schema-without-end": frame(login(caps=CAPS | wire.CONNECT_WITH_DB, rest=b"nowhere"), 1),
    "two-in-one": frame(login(), 1) + frame(b"\x03SELECT 1", 0),
}

# What goes out after a good login, as raw bytes.
COMMANDS = {
    "wrong-sequence": frame(b"\x03SELECT 1", 5),
    "zero-length": frame(b"", 0),
    "garbage-command": frame(b"\x99\x98\x97", 0),
    "execute-too-short": frame(b"\x17\1\0", 0),
    "execute-unknown": frame(b"\x17" + struct.pack("<IBI", 12345, 0, 1), 0),
    "prepare-empty": frame(b"\x16", 0),
    "change-user-empty": frame(b"\x11", 0),
    "change-user-cut": frame(b"\x11tenant", 0),
    "change-user-no-plugin": frame(b"\x11tenant\0\0\0", 0),
    "set-option-cut": frame(b"\x1b\0", 0),
    "fetch-cut": frame(b"\x1c\0\0", 0),
    "reset-cut": frame(b"\x1a\0\0", 0),
    "close-cut": frame(b"\x19\1", 0),
    "long-data-cut": frame(b"\x18\0\0\0", 0),
    "execute-cut-head": frame(b"\x17\1\0\0\0\0\1\0\0", 0),
    "kill-cut": frame(b"\x0c\xff\xff\xff", 0),  # bytes that are missing are zero
    "init-db-empty": frame(b"\x02", 0),
    "init-db-long": frame(b"\x02" + b"d" * 300, 0),
    "query-empty": frame(b"\x03", 0),
    "query-zero-bytes": frame(b"\x03SELECT\0 1", 0),
    "connect-command": frame(b"\x0b", 0),
    "change-user-schema-missing": frame(b"\x11tenant\0\0", 0),
    "change-user-response-cut": frame(b"\x11tenant\0\x14abc", 0),
    "change-user-one-byte-more": frame(b"\x11tenant\0\0\0\x2d", 0),
    "statistics-with-more": frame(b"\x0dxyz", 0)[:4] + b"\x0dxyz",
    "field-list-no-end": frame(b"\x04t", 0),
}


# Neither has an answer; COM_STMT_SEND_LONG_DATA complains when the statement is executed.
SILENT = ("close-cut", "long-data-cut")


def answer(client, data, want_close, silent=False):
    """All packets until silence is certain: the answer to a ping behind, or the end."""
    client.sock.sendall(data)
    packets = []
    try:
        if not silent:
            packets.append(client.read_packet())
        if want_close:
            while True:
                packets.append(client.read_packet())
        packets += client.query("SELECT 'still here'")
    except (wire.Closed, ConnectionResetError, BrokenPipeError):
        packets.append("closed")
    return packets


@pytest.mark.parametrize("name", LOGINS)
def test_bad_login(cluster, proxy, name):
    answers = []
    for target in (Direct(cluster), proxy):
        client = wire.Client(port=target.port, login=False, timeout=15)
        answers.append(answer(client, LOGINS[name], True))
        client.sock.close()
    assert [_shown(p) for p in answers[0]] == [_shown(p) for p in answers[1]]


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_command(cluster, proxy, name):
    answers = []
    for target in (Direct(cluster), proxy):
        client = wire.Client(port=target.port, user="tenant", password="tenant", timeout=15)
        answers.append(answer(client, COMMANDS[name], False, name in SILENT))
        client.sock.close()
    assert [_shown(p) for p in answers[0]] == [_shown(p) for p in answers[1]]


def _shown(packet):
    if isinstance(packet, str):
        return packet
    if packet.payload[:1] == b"\x0a":  # a cut COM_CHANGE_USER is answered by a new greeting
        return f"#{packet.seq} greeting"
    if packet.payload[:1] == b"\xfe" and len(packet.payload) > 9:  # an auth switch: random salt
        packet = wire.Packet(packet.seq, packet.payload[:23])
    return wire.describe(packet)


def test_packet_above_the_limit(cluster, proxy):
    """A statement beyond max_allowed_packet: error 1153, then the end."""
    limit = int(cluster.sql(1, "SELECT @@global.max_allowed_packet")[0][0])
    statement = b"\x03SELECT '" + b"x" * (limit + 1000) + b"'"
    for port in (cluster.port(1), proxy.port):
        client = wire.Client(port=port, user="tenant", password="tenant")
        try:
            client.send(statement)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may answer and close before it has read all
        try:
            packet = client.read_packet()
            assert wire.parse_error(packet.payload)[0] == 1153, wire.describe(packet)
        except (wire.Closed, ConnectionResetError):
            pass  # a reset may overtake the error packet; a node behaves so, too
        client.sock.close()
    with wire.Client(port=proxy.port, user="tenant", password="tenant") as client:
        assert client.value("SELECT 1") == "1"


def test_random_bytes(proxy):
    """Noise before and after login; nobody else notices."""
    rng = random.Random(20240229)
    with wire.Client(port=proxy.port, user="tenant", password="tenant") as witness:
        for i in range(300):
            logged_in = i % 2
            login_as = {"user": "tenant", "password": "tenant"} if logged_in else {"login": False}
            client = wire.Client(port=proxy.port, timeout=15, **login_as)
            noise = rng.randbytes(rng.randrange(1, 400))
            if i % 3:
                noise = frame(noise, 0 if logged_in else 1)
            client.sock.sendall(noise)
            client.abort()
            if i % 50 == 0:
                assert witness.value("SELECT 'well'") == "well"
    wait_until(lambda: _works(proxy), 10, "a login after all the noise")


def test_many_small_commands_do_not_hold_up_others(galeway):
    """Of each client so many in a turn of the loop; 64 KB of them would be thousands."""
    proxy = galeway(variables={"threads": 1})
    with wire.Client(port=proxy.port, user="tenant", password="tenant") as flood, \
            wire.Client(port=proxy.port, user="tenant", password="tenant") as other:
        flood.send(b"")
        answer = flood.read_packet()
        assert wire.parse_error(answer.payload)[0] == 1047
        out, left = b"\0\0\0\0" * FLOOD, FLOOD * (len(answer.payload) + 4)
        answers = 0
        other.send(b"\x03DO 1")
        turns = select.poll()
        turns.register(flood.sock, select.POLLIN | select.POLLOUT)
        turns.register(other.sock, select.POLLIN)
        while left > 0:
            ready = dict(turns.poll(30000))
            may = ready.get(flood.sock.fileno(), 0)
            if may & select.POLLOUT:
                out = out[flood.sock.send(out[:65536], socket.MSG_DONTWAIT):]
                turns.modify(flood.sock, select.POLLIN | (select.POLLOUT if out else 0))
            if may & select.POLLIN:
                left -= len(flood.sock.recv(1 << 16))
            if other.sock.fileno() in ready:
                other.read_query()
                other.send(b"\x03DO 1")
                answers += 1
        other.read_query()
        assert left == 0
        assert flood.value("SELECT 2") == "2"
    # As many as there are buffers of 64 KB, when all that one holds is dealt with in one turn.
    assert answers > FLOOD / 16384 * 4


def _works(proxy):
    with wire.Client(port=proxy.port, user="tenant", password="tenant") as client:
        return client.value("SELECT 1") == "1"


def test_silent_connections_do_not_disturb(proxy):
    """Connected, greeted, and nothing said."""
    silent = [wire.Client(port=proxy.port, login=False) for _ in range(300)]
    assert _works(proxy)
    for client in silent:
        client.abort()
    assert _works(proxy)


def long_statement(second):
    """A statement of two packets; the second has this sequence number."""
    text = b"\x03SELECT LENGTH('" + b"x" * (1 << 24) + b"')"
    first, rest = text[:wire.MAX_FRAME], text[wire.MAX_FRAME:]
    return b"\xff\xff\xff\0" + first + frame(rest, second)


def test_wrong_sequence_in_a_long_statement(cluster, proxy):
    """Its first packet is on its way when the second turns out to be wrong: only its client is closed."""
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant") as client:
            client.sock.sendall(long_statement(1))
            assert wire.text_row(client.read_query()[3].payload, 1) == [str(1 << 24)]
        client = wire.Client(port=port, user="tenant", password="tenant")
        client.sock.sendall(long_statement(9))
        packet = client.read_packet()
        assert packet.seq == 1 and wire.parse_error(packet.payload)[0] == 1156, wire.describe(packet)
        assert client.at_end()
        client.sock.close()
    assert _works(proxy)


PINGS = frame(b"\x0e", 0) * 300000  # beyond mysql-threshold_query_length
UNKNOWN = struct.pack("<I", 12345)
# Commands of 1.5 MB that are answered, if at all, by their first bytes: the rest must not be taken for commands. Each
# with the number of its answers, of a statement that is prepared and has no parameters.
LONG_COMMANDS = {
    "close-unknown": (lambda stmt: b"\x19" + UNKNOWN, 0),
    "close": (lambda stmt: b"\x19" + stmt, 0),
    "long-data-unknown": (lambda stmt: b"\x18" + UNKNOWN + b"\0\0", 0),
    "execute-unknown": (lambda stmt: b"\x17" + UNKNOWN + b"\0\1\0\0\0", 1),
    "reset-unknown": (lambda stmt: b"\x1a" + UNKNOWN, 1),
    "reset": (lambda stmt: b"\x1a" + stmt, 1),
    "fetch-unknown": (lambda stmt: b"\x1c" + UNKNOWN + b"\1\0\0\0", 1),
    "fetch-without-cursor": (lambda stmt: b"\x1c" + stmt + b"\1\0\0\0", 1),
    "execute": (lambda stmt: b"\x17" + stmt + b"\0\1\0\0\0", 5),
}


@pytest.mark.parametrize("name", LONG_COMMANDS)
def test_the_rest_of_a_long_command_is_no_command(cluster, proxy, name):
    head, count = LONG_COMMANDS[name]
    answers = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", timeout=20) as client:
            client.send(b"\x16SELECT LAST_INSERT_ID()")
            stmt = client.read_prepare()[0].payload[1:5]
            client.sock.sendall(frame(head(stmt) + PINGS, 0))
            packets = [client.read_packet() for _ in range(count)]
            answers.append([wire.parse_error(p.payload)[0] if p.payload[0] == 0xff else wire.describe(p)
                            for p in packets])  # an error's text has the statement's id
            assert client.rows("SELECT 7") == [["7"]]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("length", [900000, 17 << 20])
def test_a_long_load_of_who_reads_no_files(cluster, galeway, schema, length):
    proxy = galeway(variables={"enable_load_data_local_infile": True})
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", db=schema, timeout=20) as client:
            client.rows("CREATE OR REPLACE TABLE f (s VARCHAR(100))")
            client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE f /*" + b"x" * length + b"*/")
            packet = client.read_packet()
            assert wire.parse_error(packet.payload)[0] == 4166, wire.describe(packet)
            assert client.is_in_order
            assert client.rows("SELECT 7") == [["7"]]


LOAD = "LOAD DATA LOCAL INFILE 'x' INTO TABLE f (a)"


def loader(port, schema, caps=CAPS | wire.LOCAL_FILES):
    """A client that has a table f to load into, and reads files when its caps say so."""
    client = wire.Client(port=port, user="tenant", password="tenant", db=schema, timeout=20, caps=caps)
    client.rows("CREATE OR REPLACE TABLE f (id INT PRIMARY KEY AUTO_INCREMENT, a INT)")
    return client


@pytest.fixture
def loading_ports(cluster, galeway):
    """Of a node, and of a proxy that serves LOAD DATA LOCAL."""
    return cluster.port(1), galeway(variables={"enable_load_data_local_infile": True}).port


def execute_prepared(client, sql):
    client.send(wire.execute_packet(client.prepare(sql), []))


@pytest.mark.parametrize("sql", [f'EXECUTE IMMEDIATE "{LOAD}"', f'PREPARE p FROM "{LOAD}"; EXECUTE p', LOAD])
def test_a_load_that_is_prepared(loading_ports, schema, sql):
    """Nothing is asked behind it: the node would take the question for the file."""
    for port in loading_ports:
        with loader(port, schema) as client:
            if sql == LOAD:
                execute_prepared(client, sql)
                packets = client.read_query(infile=b"7\n8\n")
            else:
                *before, last = sql.split("; ")
                for statement in before:
                    client.rows(statement)
                packets = client.query(last, infile=b"7\n8\n")
            assert wire.parse_ok(packets[-1].payload)[0] == 2, wire.describe(packets[-1])
            assert client.rows("SELECT a FROM f ORDER BY id") == [["7"], ["8"]]


COUNTED = "SELECT SQL_CALC_FOUND_ROWS seq FROM seq_1_to_30 LIMIT 3"


@pytest.mark.parametrize("sql", [f"PREPARE p FROM '{COUNTED}'; EXECUTE p", f"EXECUTE IMMEDIATE '{COUNTED}'",
                                 COUNTED + " /*" + "x" * 900000 + "*/"], ids=["prepared", "immediate", "long"])
def test_rows_that_may_not_be_asked_for(loading_ports, schema, sql):
    """They are asked for when somebody wants to know, on the same connection."""
    for port in loading_ports:
        with loader(port, schema) as client:
            client.rows("SELECT 1")
            for statement in sql.split("; "):
                client.rows(statement)
            assert client.rows("SELECT FOUND_ROWS()") == [["30"]]
            assert client.rows("SELECT FOUND_ROWS()") == [["1"]]


def test_a_load_among_several(loading_ports, schema):
    for port in loading_ports:
        with loader(port, schema, CAPS | wire.LOCAL_FILES | wire.MULTI_STATEMENTS) as client:
            packets = client.query(f'SELECT 1; EXECUTE IMMEDIATE "{LOAD}"; SELECT 2', infile=b"7\n8\n")
            assert wire.text_row(packets[-2].payload, 1) == ["2"]
            assert client.rows("SELECT a FROM f ORDER BY id") == [["7"], ["8"]]


def test_a_load_that_is_run_by_who_reads_no_files(loading_ports, schema):
    """A connection to a node may; nothing is asked behind it, and its client is told as by a node."""
    for port in loading_ports:
        with loader(port, schema, CAPS) as client:
            client.rows("BEGIN")
            client.rows("INSERT INTO f (a) VALUES (5)")
            for sql in (f'EXECUTE IMMEDIATE "{LOAD}"', f'EXECUTE IMMEDIATE "{LOAD} SET id = LAST_INSERT_ID()"'):
                packets = client.query(sql)
                assert wire.parse_error(packets[-1].payload)[0] == 4166, wire.describe(packets[-1])
            assert client.is_in_order
            assert client.rows("SHOW WARNINGS")[0][:2] == ["Error", "4166"]
            assert client.rows("SELECT LAST_INSERT_ID(), ROW_COUNT()") == [["1", "-1"]]
            client.rows("COMMIT")
            assert client.rows("SELECT a FROM f") == [["5"]]


def test_a_load_among_several_by_who_reads_no_files(loading_ports, schema):
    """What stands behind it does not run; of how far it came, Galeway is not told."""
    for port, number in zip(loading_ports, (4166, 2013)):
        with loader(port, schema, CAPS | wire.MULTI_STATEMENTS) as client:
            packets = client.query(f'INSERT INTO f (a) VALUES (5); EXECUTE IMMEDIATE "{LOAD}"; '
                                   "INSERT INTO f (a) VALUES (6)")
            assert wire.parse_error(packets[-1].payload)[0] == number, wire.describe(packets[-1])
            assert client.is_in_order
            assert client.rows("SELECT a FROM f") == [["5"]]


def test_a_load_in_a_procedure_by_who_reads_no_files(cluster, loading_ports, schema):
    cluster.sql(1, f"CREATE PROCEDURE {schema}.p() BEGIN EXECUTE IMMEDIATE \"{LOAD}\"; INSERT INTO f (a) VALUES (6); END")
    cluster.catch_up()
    for port, number in zip(loading_ports, (4166, 2013)):
        with loader(port, schema, CAPS) as client:
            packets = client.query("CALL p()")
            assert wire.parse_error(packets[-1].payload)[0] == number, wire.describe(packets[-1])
            assert client.is_in_order
            assert client.rows("SELECT a FROM f") == []


def test_a_load_that_is_prepared_by_who_may_not(galeway, schema):
    with loader(galeway().port, schema) as client:
        execute_prepared(client, LOAD)
        assert wire.parse_error(client.read_packet().payload)[0] == 4166
        assert client.rows("SELECT a FROM f") == []


@pytest.mark.parametrize("sequence", [2, 7])
def test_wrong_sequence_in_a_file(cluster, galeway, schema, sequence):
    """What LOAD DATA LOCAL sends continues the numbers of the request."""
    proxy = galeway(variables={"enable_load_data_local_infile": True})
    caps = CAPS | wire.LOCAL_FILES
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", db=schema, caps=caps) as client:
            client.rows("CREATE OR REPLACE TABLE f (s VARCHAR(100))")
            client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE f")
            assert client.read_packet().payload == b"\xfbx"
            client.sock.sendall(frame(b"one\n", sequence) + frame(b"", sequence + 1))
            packet = client.read_packet()
            if sequence == 2:
                assert packet.payload[0] == 0, wire.describe(packet)
            else:
                with pytest.raises(wire.Closed):  # a node takes the rest for a command, and says it twice
                    while True:
                        assert wire.parse_error(packet.payload)[0] == 1156, wire.describe(packet)
                        packet = client.read_packet()


def test_file_of_one_whole_packet(galeway, schema):
    """A packet of the greatest length is continued by an empty one; only the next empty one ends the file."""
    proxy = galeway(variables={"enable_load_data_local_infile": True})
    with wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema,
                     caps=CAPS | wire.LOCAL_FILES) as client:
        client.rows("CREATE TABLE f (s VARCHAR(100))")
        client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE f (@a) SET s = LENGTH(@a)")
        client.read_packet()
        client.sock.sendall(b"\xff\xff\xff\2" + b"y" * wire.MAX_FRAME + frame(b"", 3)
                            + frame(b"z\n", 4) + frame(b"", 5))
        packet = client.read_packet()
        assert packet.payload[:2] == b"\0\1", wire.describe(packet)
        assert client.value("SELECT s FROM f") == str(wire.MAX_FRAME + 1)


def test_statement_id_of_the_last_one(cluster, proxy, schema):
    """PREPARE and EXECUTE in one write, the id being the one that stands for the last (MariaDB)."""
    last = 0xFFFFFFFF
    answers = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", db=schema) as client:
            seen = []
            for text in (b"SELECT 40 + ?", b"SELECT nothing", b"SELECT 'again', ?"):
                values = [] if b"?" not in text else [2]
                client.sock.sendall(frame(b"\x16" + text, 0) + frame(wire.execute_packet(last, values), 0))
                seen.append([wire.describe(p) for p in client.read_prepare()[1:]])
                seen.append([wire.describe(p) for p in client.read_query()])
            client.send(b"\x19" + struct.pack("<I", last))
            client.send(wire.execute_packet(last, [3]))
            seen.append([wire.describe(p) for p in client.read_query()])
            answers.append(seen)
    assert answers[0] == answers[1]
    assert "1243" in str(answers[0][3]) and "1243" in str(answers[0][-1])


def test_the_log_names_the_reason_once(galeway):
    proxy = galeway()
    cases = {
        "Got packets out of order": frame(b"\x03SELECT 1", 5),
        "an unknown command": frame(b"\x99", 0),
        "an empty packet": frame(b"", 0),
    }
    for data in cases.values():
        client = wire.Client(port=proxy.port, user="tenant", password="tenant")
        client.sock.sendall(data)
        client.read_packet()
        client.close()
    client = wire.Client(port=proxy.port, login=False)
    client.sock.sendall(frame(b"nonsense", 1))
    client.read_packet()
    for user, password in (("tenant", "wrong"), ("nobody", "x")):
        with pytest.raises(wire.ServerError):
            wire.Client(port=proxy.port, user=user, password=password)
    proxy.stop()
    lines = [line for line in proxy.log_path.read_text().splitlines() if "tenant" in line or "nobody" in line
             or "Bad handshake" in line]
    reasons = [*cases, "Bad handshake", "Access denied for user 'tenant'", "Access denied for user 'nobody'"]
    assert len(lines) == len(reasons), lines
    for reason in reasons:
        assert sum(reason in line for line in lines) == 1, (reason, lines)
