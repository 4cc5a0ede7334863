# SPDX-License-Identifier: Apache-2.0
"""wire - a minimal raw client of the MySQL protocol.

It sends any command packet and gives back every packet of the answer as bytes, undecoded, with
its sequence number. It decodes only what it must to know where an answer ends.
"""
import collections
import hashlib
import os
import select
import socket
import ssl
import struct

import packed

# Capabilities, protocol 4.1.
LONG_PASSWORD = 1
FOUND_ROWS = 1 << 1
LONG_FLAG = 1 << 2
CONNECT_WITH_DB = 1 << 3
NO_SCHEMA = 1 << 4
COMPRESS = 1 << 5
ODBC = 1 << 6
LOCAL_FILES = 1 << 7
IGNORE_SPACE = 1 << 8
PROTOCOL_41 = 1 << 9
INTERACTIVE = 1 << 10
SSL = 1 << 11
TRANSACTIONS = 1 << 13
SECURE_CONNECTION = 1 << 15
MULTI_STATEMENTS = 1 << 16
MULTI_RESULTS = 1 << 17
PS_MULTI_RESULTS = 1 << 18
PLUGIN_AUTH = 1 << 19
CONNECT_ATTRS = 1 << 20
PLUGIN_AUTH_LENENC = 1 << 21
EXPIRED_PASSWORDS = 1 << 22
SESSION_TRACK = 1 << 23
DEPRECATE_EOF = 1 << 24
REMEMBER_OPTIONS = 1 << 31
# MariaDB's extended ones: they count when LONG_PASSWORD is off.
PROGRESS = 1 << 32
STMT_BULK = 1 << 34
EXTENDED_METADATA = 1 << 35
CACHE_METADATA = 1 << 36

# What PHP's mysqlnd sends, less LOCAL_FILES (asked for by the tests that want it).
DEFAULT_CAPS = (LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION
                | MULTI_RESULTS | PLUGIN_AUTH)

# Commands.
COM_QUIT = 0x01
COM_INIT_DB = 0x02
COM_QUERY = 0x03
COM_FIELD_LIST = 0x04
COM_STATISTICS = 0x09
COM_PROCESS_KILL = 0x0C
COM_PING = 0x0E
COM_CHANGE_USER = 0x11
COM_STMT_PREPARE = 0x16
COM_STMT_EXECUTE = 0x17
COM_STMT_SEND_LONG_DATA = 0x18
COM_STMT_CLOSE = 0x19
COM_STMT_RESET = 0x1A
COM_SET_OPTION = 0x1B
COM_STMT_FETCH = 0x1C
COM_RESET_CONNECTION = 0x1F
COM_STMT_BULK_EXECUTE = 0xFA

# Status bits.
STATUS_IN_TRANS = 0x0001
STATUS_AUTOCOMMIT = 0x0002
STATUS_MORE_RESULTS = 0x0008
STATUS_CURSOR_EXISTS = 0x0040
STATUS_LAST_ROW_SENT = 0x0080
STATUS_NO_BACKSLASH_ESCAPES = 0x0200
STATUS_SESSION_STATE_CHANGED = 0x4000

STATUS_NAMES = {
    0x0001: "IN_TRANS", 0x0002: "AUTOCOMMIT", 0x0008: "MORE_RESULTS", 0x0010: "NO_GOOD_INDEX",
    0x0020: "NO_INDEX", 0x0040: "CURSOR", 0x0080: "LAST_ROW", 0x0100: "DB_DROPPED",
    0x0200: "NO_BACKSLASH_ESCAPES", 0x0400: "METADATA_CHANGED", 0x0800: "SLOW",
    0x1000: "OUT_PARAMS", 0x2000: "IN_TRANS_READONLY", 0x4000: "STATE_CHANGED",
}

# WIRE_TLS=1 plays all that logs in over TLS, where it is offered.
TLS_EVERYWHERE = "WIRE_TLS" in os.environ
# WIRE_COMPRESS=1 plays it compressed, where that is offered.
COMPRESS_EVERYWHERE = "WIRE_COMPRESS" in os.environ

# WIRE_TRACK=1: all that logs in asks for session changes.
TRACK_EVERYWHERE = SESSION_TRACK if "WIRE_TRACK" in os.environ else 0

MAX_FRAME = 0xFFFFFF
MARIADB_VERSION_PREFIX = b"5.5.5-"

Packet = collections.namedtuple("Packet", "seq payload")
Greeting = collections.namedtuple(
    "Greeting", "protocol version thread_id salt caps charset status filler mariadb_caps plugin")


class Closed(Exception):
    """The other side closed the connection."""


class ServerError(Exception):
    """An ERR packet where success was needed."""

    def __init__(self, payload):
        self.payload = payload
        self.errno, self.sqlstate, self.text = parse_error(payload)
        super().__init__(f"{self.errno} ({self.sqlstate}): {self.text}")


# ---------------------------------------------------------------- bytes

def lenenc(data, pos):
    """A length-encoded integer: (value, next position)."""
    first = data[pos]
    if first < 0xFB:
        return first, pos + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[pos + 1:pos + 1 + width], "little"), pos + 1 + width


def put_lenenc(number):
    if number < 0xFB:
        return bytes([number])
    if number < 1 << 16:
        return b"\xfc" + number.to_bytes(2, "little")
    if number < 1 << 24:
        return b"\xfd" + number.to_bytes(3, "little")
    return b"\xfe" + number.to_bytes(8, "little")


def put_string(data):
    return put_lenenc(len(data)) + data


def native_scramble(password, salt):
    if not password:
        return b""
    once = hashlib.sha1(password.encode()).digest()
    twice = hashlib.sha1(once).digest()
    mix = hashlib.sha1(salt + twice).digest()
    return bytes(a ^ b for a, b in zip(once, mix))


def parse_greeting(payload):
    protocol = payload[0]
    end = payload.index(b"\0", 1)
    version = payload[1:end]
    pos = end + 1
    thread_id, = struct.unpack_from("<I", payload, pos)
    salt = payload[pos + 4:pos + 12]
    caps, charset, status, caps_high = struct.unpack_from("<HBHH", payload, pos + 13)
    salt_len = payload[pos + 20]
    filler = payload[pos + 21:pos + 27]
    mariadb_caps, = struct.unpack_from("<I", payload, pos + 27)
    rest = payload[pos + 31:]
    part = max(13, salt_len - 8)
    salt += rest[:part].rstrip(b"\0")
    plugin = rest[part:].split(b"\0")[0]
    return Greeting(protocol, version, thread_id, salt, caps | caps_high << 16, charset, status,
                    filler, mariadb_caps, plugin)


def parse_error(payload):
    errno, = struct.unpack_from("<H", payload, 1)
    if payload[3:4] == b"#":
        return errno, payload[4:9].decode(), payload[9:].decode("utf8", "replace")
    return errno, "", payload[3:].decode("utf8", "replace")


def parse_ok(payload):
    """OK packet: (affected, insert id, status, warnings, the rest)."""
    affected, pos = lenenc(payload, 1)
    insert_id, pos = lenenc(payload, pos)
    status, warnings = struct.unpack_from("<HH", payload, pos)
    return affected, insert_id, status, warnings, payload[pos + 4:]


def ok_changes(payload):
    """(where it begins, the block of session changes) of an OK, also of one behind rows; None: it has none."""
    if payload[:1] not in (b"\0", b"\xfe"):
        return None
    try:
        _, _, status, _, rest = parse_ok(payload)
        if not status & STATUS_SESSION_STATE_CHANGED:
            return None
        length, pos = lenenc(rest, 0)
        size, start = lenenc(rest, pos + length)
    except (IndexError, KeyError, struct.error):
        return None  # a row
    if start + size != len(rest):
        return None
    return len(payload) - size, rest[start:]


def changes_of(block):
    """[(type, data)] of a block of session changes; of a variable data is (name, value)."""
    changes, pos = [], 0
    while pos < len(block):
        kind = block[pos]
        length, pos = lenenc(block, pos + 1)
        data = block[pos:pos + length]
        pos += length
        if kind != 0:
            changes.append((kind, data))
            continue
        at = 0
        while at < len(data):
            pair = []
            for _ in range(2):
                size, at = lenenc(data, at)
                pair.append(data[at:at + size])
                at += size
            changes.append((kind, tuple(pair)))
    return changes


def in_order(packet):
    """The same packet with the variables of its session changes sorted.

    A node's order is that of a hash of addresses: nodes differ, and one from itself after a restart.
    """
    found = ok_changes(packet.payload)
    if found is None:
        return packet
    try:
        changes = changes_of(found[1])
    except (IndexError, KeyError):
        return packet  # a row
    entries = [(kind, b"".join(map(put_string, data)) if kind == 0 else data)
               for kind, data in changes]
    variables = sorted(entry for entry in entries if entry[0] == 0)
    block = b"".join(bytes([kind]) + put_string(data)
                     for kind, data in variables + [e for e in entries if e[0] != 0])
    if len(block) != len(found[1]):
        return packet
    return Packet(packet.seq, packet.payload[:found[0]] + block)


def status_text(status):
    names = [name for bit, name in STATUS_NAMES.items() if status & bit]
    return "|".join(names) or "0"


def is_eof(payload):
    return payload[0] == 0xFE and len(payload) < 9


def describe(packet):
    """One line for a person; never used to compare."""
    payload = packet.payload
    try:
        text = _describe(payload)
    except (IndexError, struct.error, KeyError):
        text = "?"
    head = payload[:48].hex(" ")
    more = f" ... {len(payload)} bytes" if len(payload) > 48 else ""
    return f"#{packet.seq:<3} {text}\n          {head}{more}"


def _describe(payload):
    if not payload:
        return "empty packet"
    if payload[0] == 0xFF:
        return "ERR %d %s %r" % parse_error(payload)
    if is_eof(payload):
        warnings, status = struct.unpack_from("<HH", payload, 1)
        return f"EOF warnings={warnings} status={status_text(status)}"
    if payload[0] == 0 and len(payload) >= 7:
        affected, insert_id, status, warnings, rest = parse_ok(payload)
        return (f"OK affected={affected} insert_id={insert_id} warnings={warnings} "
                f"status={status_text(status)} rest={rest!r}")
    return "data %r" % bytes(payload[:80])


# ---------------------------------------------------------------- the client

def unchecked():
    """TLS with whoever it is."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """One connection. Every read has a deadline: a hanging server is an error, not a hang."""

    def __init__(self, host="127.0.0.1", port=None, unix=None, user="", password="", db=None,
                 caps=DEFAULT_CAPS, charset=45, timeout=30, login=True, attrs=None,
                 receive_buffer=None, source=None, ahead=b"", tls=None, tls_session=None,
                 compress=None):
        """source: the address to come from. ahead: bytes that go before all others. tls: an
        ssl.SSLContext; tls_session: of a connection before, to be resumed. compress: True asks for
        it, None as WIRE_COMPRESS says."""
        self.caps = caps | TRACK_EVERYWHERE | (CONNECT_WITH_DB if db is not None else 0)
        self.timeout = timeout
        self.user, self.password, self.charset = user, password, charset
        self.seq = 0
        self.is_in_order = True  # the sequence numbers of all that was read
        self.buffer = bytearray()
        self.login_packets = []
        self.sock = self._open(host, port, unix, receive_buffer, source)
        try:
            self.sock.sendall(ahead)
            self._greet()
            if tls is None and login and TLS_EVERYWHERE and self.greeting.caps & SSL:
                tls = unchecked()
            if tls is not None:
                self.secure(tls, tls_session)
            if compress is None:
                compress = login and COMPRESS_EVERYWHERE
            self.caps |= COMPRESS if compress else 0
            if login:
                self.log_in(db, attrs)
            if login and self.is_compressed():
                self.sock = packed.Socket(self.sock)
        except BaseException:
            self.sock.close()
            raise

    def _open(self, host, port, unix, receive_buffer, source):
        family = socket.AF_UNIX if unix else socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            sock.bind((source, 0))
        sock.settimeout(self.timeout)
        sock.connect(unix or (host, port))
        if not unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def is_compressed(self):
        """From the login's OK on."""
        return bool(self.caps & self.greeting.caps & COMPRESS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Say goodbye and close."""
        try:
            self.send(bytes([COM_QUIT]))
        except OSError:
            pass
        self.sock.close()

    def abort(self):
        """Close with a reset, as a killed process with unread data does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # -- frames

    def send_packet(self, payload):
        """One packet, split in frames of 16 MB, continuing the sequence."""
        pos = 0
        while True:
            part = payload[pos:pos + MAX_FRAME]
            header = struct.pack("<I", len(part))[:3] + bytes([self.seq])
            self.seq = (self.seq + 1) & 0xFF
            self.sock.sendall(header + part if len(part) < 65536 else header)
            if len(part) >= 65536:
                self.sock.sendall(part)
            pos += len(part)
            if len(part) < MAX_FRAME:
                return

    def send(self, payload):
        """A command: a packet that starts a sequence."""
        self.seq = 0
        if isinstance(self.sock, packed.Socket):
            self.sock.begin()
        self.send_packet(payload)

    def _fill(self, need):
        while len(self.buffer) < need:
            data = self.sock.recv(max(65536, need - len(self.buffer)))
            if not data:
                raise Closed(f"closed by the server, {len(self.buffer)} bytes of a packet read")
            self.buffer += data

    def _take(self, count):
        self._fill(count)
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_packet(self):
        payload = b""
        while True:
            header = self._take(4)
            length = int.from_bytes(header[:3], "little")
            # In compressed packets a node has numbers that say nothing: nobody looks at them.
            seq = self.seq if isinstance(self.sock, packed.Socket) else header[3]
            self.is_in_order &= header[3] == self.seq
            self.seq = (seq + 1) & 0xFF
            part = self._take(length)
            payload = payload + part if payload else part
            if length < MAX_FRAME:
                return Packet(seq, payload)

    def at_end(self):
        """True when the server has closed the connection and sent nothing more."""
        try:
            self._fill(1)
        except (Closed, ConnectionResetError):
            return True
        return False

    # -- login

    def secure(self, context, session=None):
        """Ask for TLS; the handshake."""
        self.caps |= SSL
        self.send_packet(self._login_head())
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost", session=session)

    def _greet(self):
        packet = self.read_packet()
        self.login_packets.append(packet)
        if packet.payload[0] == 0xFF:
            raise ServerError(packet.payload)
        self.greeting = parse_greeting(packet.payload)
        self.thread_id = self.greeting.thread_id

    def _login_head(self):
        extended = 0 if self.caps & LONG_PASSWORD else self.caps >> 32
        return struct.pack("<IIB19xI", self.caps & 0xFFFFFFFF, 1 << 30, self.charset, extended)

    def handshake_response(self, db=None, attrs=None):
        parts = [self._login_head(),
                 self.user.encode() + b"\0",
                 put_string(native_scramble(self.password, self.greeting.salt[:20]))]
        if self.caps & CONNECT_WITH_DB:
            parts.append((db or "").encode() + b"\0")
        if self.caps & PLUGIN_AUTH:
            parts.append(b"mysql_native_password\0")
        if attrs is not None:
            pairs = b"".join(put_string(k.encode()) + put_string(v.encode())
                             for k, v in attrs.items())
            parts.append(put_string(pairs))
        return b"".join(parts)

    def log_in(self, db=None, attrs=None):
        """Answer the greeting; of a client made with login=False, later."""
        if attrs is not None:
            self.caps |= CONNECT_ATTRS
        elif self.caps & CONNECT_ATTRS:
            attrs = {}
        self.send_packet(self.handshake_response(db, attrs))
        packets = self._read_auth()
        # One packet was sent before: the same login as without, to who compares them.
        moved = 1 if TLS_EVERYWHERE and self.caps & SSL else 0
        self.login_packets += [p._replace(seq=p.seq - moved) for p in packets]
        if packets[-1].payload[0] == 0xFF:
            raise ServerError(packets[-1].payload)

    def _read_auth(self):
        """What the server says until OK or ERR; an auth switch is answered."""
        packets = []
        while True:
            packet = self.read_packet()
            packets.append(packet)
            if packet.payload[0] in (0x00, 0xFF):
                return packets
            if packet.payload[0] != 0xFE:
                raise AssertionError("unknown login packet: " + describe(packet))
            plugin, _, salt = packet.payload[1:].partition(b"\0")
            if plugin != b"mysql_native_password":
                raise AssertionError(f"asked for plugin {plugin!r}")
            self.send_packet(native_scramble(self.password, salt[:20]))

    # -- answers: each returns the list of packets up to the last one

    def read_one(self):
        return [self.read_packet()]

    def read_query(self, infile=None, cursor=False):
        """The answer of COM_QUERY, COM_STMT_EXECUTE: one or several results."""
        packets = []
        while True:
            status = self._read_result(packets, infile, cursor)
            if not status & STATUS_MORE_RESULTS:
                return packets

    def _read_result(self, packets, infile, cursor):
        """One result appended to packets; its final status bits."""
        packet = self.read_packet()
        packets.append(packet)
        first = packet.payload[0]
        if first == 0xFF:
            return 0
        if first == 0x00:
            return parse_ok(packet.payload)[2]
        if first == 0xFB:
            return self._answer_infile(packets, infile)
        return self._read_rows_of(packets, lenenc(packet.payload, 0)[0], cursor)

    def _answer_infile(self, packets, content):
        if content:
            self.send_packet(content)
        self.send_packet(b"")
        return self._read_result(packets, None, False)

    def _read_rows_of(self, packets, columns, cursor):
        for _ in range(columns):
            packets.append(self.read_packet())
        if not self.caps & DEPRECATE_EOF:
            eof = self.read_packet()
            packets.append(eof)
            status = struct.unpack_from("<H", eof.payload, 3)[0]
            # A procedure's own cursor sets the bit too, on results whose rows follow.
            if cursor and status & STATUS_CURSOR_EXISTS and not status & STATUS_MORE_RESULTS:
                return status
        return self._read_rows(packets)

    def _read_rows(self, packets):
        while True:
            packet = self.read_packet()
            packets.append(packet)
            payload = packet.payload
            if payload[0] == 0xFF:
                return 0
            if payload[0] != 0xFE:
                continue
            if self.caps & DEPRECATE_EOF:
                if len(payload) < MAX_FRAME:
                    return parse_ok(payload)[2]
            elif len(payload) < 9:
                return struct.unpack_from("<H", payload, 3)[0]

    def read_fetch(self):
        packets = []
        self._read_rows(packets)
        return packets

    def read_fields(self):
        return self.read_fetch()

    def read_prepare(self):
        first = self.read_packet()
        packets = [first]
        if first.payload[0] == 0xFF:
            return packets
        columns, params = struct.unpack_from("<HH", first.payload, 5)
        for count in (params, columns):
            extra = 0 if self.caps & DEPRECATE_EOF or not count else 1
            for _ in range(count + extra):
                packets.append(self.read_packet())
        return packets

    def read_none(self):
        return []

    # -- commands most tests want

    def query(self, sql, infile=None):
        """All packets of the answer, also when it is an error: where none may be, use rows()."""
        self.send(bytes([COM_QUERY]) + (sql if isinstance(sql, bytes) else sql.encode()))
        return self.read_query(infile)

    def readable(self, seconds=0):
        """Is there anything to read, within that time? (select() knows no descriptor above 1023.)"""
        there = select.poll()
        there.register(self.sock, select.POLLIN)
        return bool(self.buffer) or bool(there.poll(seconds * 1000))

    def prepare(self, sql):
        """The number of a prepared statement; an error raises ServerError."""
        self.send(bytes([COM_STMT_PREPARE]) + (sql if isinstance(sql, bytes) else sql.encode()))
        return struct.unpack_from("<I", succeeded(self.read_prepare())[0].payload, 1)[0]

    def rows(self, sql):
        """Rows of one text result, each value as str or None; an error raises ServerError."""
        packets = succeeded(self.query(sql))
        if packets[0].payload[0] == 0x00:
            return []
        columns, _ = lenenc(packets[0].payload, 0)
        body = packets[1 + columns:-1]
        if not self.caps & DEPRECATE_EOF:
            body = body[1:]
        return [text_row(p.payload, columns) for p in body]

    def value(self, sql):
        return self.rows(sql)[0][0]

    def change_user(self, user, password, db="", charset=None):
        self.user, self.password = user, password
        charset = self.charset if charset is None else charset
        payload = (bytes([COM_CHANGE_USER]) + user.encode() + b"\0"
                   + put_string(native_scramble(password, self.greeting.salt[:20]))
                   + db.encode() + b"\0" + struct.pack("<H", charset))
        if self.caps & PLUGIN_AUTH:
            payload += b"mysql_native_password\0"
        if self.caps & CONNECT_ATTRS:
            payload += put_string(b"")
        self.send(payload)
        return self._read_auth()


def succeeded(packets):
    """The packets of an answer; ServerError when it is an error, or ends with one."""
    for packet in (packets[0], packets[-1]):
        if packet.payload[0] == 0xFF:
            raise ServerError(packet.payload)
    return packets


def text_row(payload, columns):
    values, pos = [], 0
    for _ in range(columns):
        if payload[pos] == 0xFB:
            values.append(None)
            pos += 1
            continue
        length, pos = lenenc(payload, pos)
        values.append(payload[pos:pos + length].decode("utf8", "surrogateescape"))
        pos += length
    return values


# ---------------------------------------------------------------- prepared statement packets

def _binary_value(value):
    """(type, bytes) of a parameter; a tuple (type, bytes) goes as it is."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return 0x01, bytes([value])
    if isinstance(value, int):
        return 0x08, struct.pack("<q", value)
    if isinstance(value, float):
        return 0x05, struct.pack("<d", value)
    if isinstance(value, str):
        return 0xFD, put_string(value.encode())
    return 0xFC, put_string(bytes(value))


LONG_DATA = object()  # the value of this parameter went ahead by COM_STMT_SEND_LONG_DATA


def execute_packet(statement_id, values, cursor=0, bind=True):
    head = bytes([COM_STMT_EXECUTE]) + struct.pack("<IBI", statement_id, cursor, 1)
    if not values:
        return head
    nulls = bytearray((len(values) + 7) // 8)
    types, data = b"", b""
    for i, value in enumerate(values):
        if value is None:
            nulls[i // 8] |= 1 << i % 8
            types += b"\x06\0"
        elif value is LONG_DATA:
            types += b"\xfc\0"
        else:
            kind, encoded = _binary_value(value)
            types += struct.pack("<H", kind)
            data += encoded
    return head + bytes(nulls) + (b"\x01" + types if bind else b"\0") + data


BULK_TYPES = 128
DEFAULT, IGNORE = object(), object()  # for a parameter of one row; None is NULL


def bulk_packet(statement_id, types, rows, flags=None):
    """COM_STMT_BULK_EXECUTE; types (numbers) go along unless flags say otherwise."""
    flags = BULK_TYPES if flags is None else flags
    parts = [bytes([COM_STMT_BULK_EXECUTE]) + struct.pack("<IH", statement_id, flags)]
    if flags & BULK_TYPES:
        parts += [struct.pack("<H", kind) for kind in types]
    for value in (value for row in rows for value in row):
        if value in (None, DEFAULT, IGNORE):
            parts.append(bytes([1 + (None, DEFAULT, IGNORE).index(value)]))
        else:
            parts.append(b"\0" + _binary_value(value)[1])
    return b"".join(parts)
