# SPDX-License-Identifier: Apache-2.0
"""bad_node - nodes that say what no node says, at a chosen message.

`Node` is a scripted node: it speaks the dialogue of a MariaDB server with canned answers. `Middle`
stands in front of a real one and passes bytes. In both, a `Break` names one message and has it sent
by a fault of its own: cut, garbled, twice, without end. All of it runs in one asyncio loop.
"""
import asyncio
import contextlib
import ssl
import struct

SALT = b"abcdefgh12345678ijkl"
PLUGIN_NATIVE = b"mysql_native_password"
PLUGIN_SHA2 = b"caching_sha2_password"

# LONG_PASSWORD is off: that is how MariaDB says that its extended capabilities follow.
CAPS = 0x81BFF7FE & ~0x00000020 & ~0x0800
CAP_SSL = 0x0800
AUTOCOMMIT, MORE, TRACKED = 2, 8, 0x4000
MAX = 0xFFFFFF


ENDLESS_PIECE = 60000
ENDLESS_FAST = 3 << 20  # bytes that go as fast as they can
CHANGED_WAIT = 0.3  # seconds
DRIP_MAX = 300  # bytes that go one by one


class Gone(Exception):
    """The other side of a connection has left, or this one is to end."""


# ---------------------------------------------------------------- messages

def packet(payload, seq):
    return len(payload).to_bytes(3, "little") + bytes([seq & 0xFF]) + payload


def number(n):
    if n < 0xFB:
        return bytes([n])
    return b"\xfc" + n.to_bytes(2, "little") if n < 1 << 16 else b"\xfd" + n.to_bytes(3, "little")


def string(data):
    return number(len(data)) + data


def packets(payloads, seq=1):
    return b"".join(packet(p, seq + i) for i, p in enumerate(payloads))


def split(data):
    """[packet] of bytes that are whole packets."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[:3], "little")
        found.append(data[:end])
        data = data[end:]
    return found


def ok(seq=1, status=AUTOCOMMIT, track=b"", affected=1, insert_id=0):
    body = b"\0" + number(affected) + number(insert_id)
    if track:
        return packet(body + struct.pack("<HH", status | TRACKED, 0) + b"\0" + string(track), seq)
    return packet(body + struct.pack("<HH", status, 0), seq)


def eof(status=AUTOCOMMIT):
    return b"\xfe\0\0" + struct.pack("<H", status)


def error(code, text, seq=1, state=b"HY000"):
    return packet(b"\xff" + struct.pack("<H", code) + b"#" + state + text, seq)


def column(name, kind=253):
    return (string(b"def") + string(b"s") + string(b"t") + string(b"t") + string(name)
            + string(name) + b"\x0c\x21\0" + struct.pack("<I", 90) + bytes([kind, 0, 0, 0, 0, 0]))


def result(names, rows, status=AUTOCOMMIT, seq=1):
    """A result set in the text protocol."""
    return packets([number(len(names)), *map(column, names), eof(),
                    *(b"".join(map(string, row)) for row in rows), eof(status)], seq)


def binary_result(rows, status=AUTOCOMMIT, head_status=AUTOCOMMIT):
    return packets([b"\1", column(b"a"), eof(head_status),
                    *(b"\0\0" + string(row) for row in rows), eof(status)])


def greeting(plugin=PLUGIN_NATIVE, caps=CAPS):
    return packet(b"\x0a" + b"5.5.5-10.11.6-MariaDB-log\0" + struct.pack("<I", 4711) + SALT[:8] + b"\0"
                  + struct.pack("<HBHH", caps & 0xFFFF, 45, AUTOCOMMIT, caps >> 16)
                  + b"\x15" + b"\0" * 6 + struct.pack("<I", 0x1D) + SALT[8:] + b"\0" + plugin + b"\0", 0)


def auth_switch(seq, plugin=PLUGIN_NATIVE, salt=b"lkji87654321hgfedcba"):
    return packet(b"\xfe" + plugin + b"\0" + salt + b"\0", seq)


def variable(name, value):
    """An entry of a session-track block."""
    pair = string(name) + string(value)
    return b"\0" + string(pair)


TRACK = (variable(b"sql_mode", b"ANSI") + b"\1" + string(string(b"cmp_there"))
         + b"\2" + string(string(b"1")) + variable(b"lc_messages", b"de_DE"))

TWO = result([b"a", b"b"], [(b"1", b"one"), (b"2", b"two")])

# Statements of clients are known by the word that they contain.
ANSWERS = {
    "rows": TWO,
    "none": result([b"a"], []),
    "done": ok(),
    "tracked": ok(track=TRACK),
    "refused": error(1064, b"You have an error in your SQL syntax"),
    "several": result([b"a"], [(b"1",)], AUTOCOMMIT | MORE)
    + packets([b"\1", column(b"b"), eof(), string(b"2"), eof(AUTOCOMMIT | MORE)], 6)
    + ok(seq=11),
    "infile": packet(b"\xfb/nowhere", 1),
    "found": result([b"a"], [(b"1",), (b"2",)]),
    "inserted": ok(insert_id=7),
    "long": result([b"a"], [(b"x" * 70000,), (b"y" * 300,), (b"z" * 200000,)]),
}

PREPARED = packets([b"\0" + struct.pack("<IHHBH", 1, 2, 1, 0, 0), column(b"?"), eof(),
                    column(b"a"), column(b"b"), eof()])

FIELDS = packets([column(b"a") + b"\xfb", column(b"b") + b"\xfb", eof()])


# ---------------------------------------------------------------- faults

class Fault:
    """How a message is sent. play() sends; after it the dialogue goes on when `goes_on`.

    may: outcomes that are right: "answer" = what a good node's client gets, "other" = some whole
    answer, "error" = an ERR with the node's name, "late" = an error or the end behind a part of the
    answer. without_end: as long as somebody reads.
    """
    goes_on = False
    without_end = False
    spoils = True
    may = {"error", "late"}

    async def play(self, conn, data):
        raise NotImplementedError

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class Cut(Fault):
    """So many bytes, then: close, reset, silent, half (no more is sent, but it reads), drip (go on slowly)."""

    def __init__(self, at, then):
        self.at, self.then = at, then
        if then == "drip":
            self.goes_on, self.may, self.spoils = True, {"answer"}, False

    async def play(self, conn, data):
        await conn.send(data[:self.at])
        if self.then == "drip":
            slowly = data[self.at:self.at + DRIP_MAX]
            for i in range(len(slowly)):
                await conn.send(slowly[i:i + 1])
                await asyncio.sleep(0)  # a byte in a segment: the others have their turn
            await conn.send(data[self.at + DRIP_MAX:])
            return
        await conn.end(self.then)


class Changed(Fault):
    """Other bytes, then the rest of the dialogue; without one, the end after a moment."""
    goes_on = True
    may = {"error", "late", "other", "answer"}

    def __init__(self, what, change, may=None, spoils=False):
        self.what, self.change = what, change
        self.spoils = spoils  # the connection, whatever the client gets
        if may:
            self.may = may

    def __repr__(self):
        return f"Changed({self.what})"

    async def play(self, conn, data):
        changed = self.change(data)
        conn.node.sent += changed
        await conn.send(changed)


class Endless(Fault):
    """The same again and again after a beginning, as long as it is read; KILL does not end it."""
    without_end = True
    may = {"error", "late", "endless", "other"}

    def __init__(self, what, begin, again):
        self.what, self.begin, self.again = what, begin, again

    def __repr__(self):
        return f"Endless({self.what})"

    async def play(self, conn, data):
        begin = self.begin(data)
        await conn.send(begin)
        seq = split(begin)[-1][3] if begin else data[3] - 1
        sent = 0
        while True:
            block = bytearray()
            while len(block) < ENDLESS_PIECE:
                seq += 1
                block += self.again(seq)
            for at in range(0, len(block), ENDLESS_PIECE):
                await conn.send(bytes(block[at:at + ENDLESS_PIECE]))
                sent += ENDLESS_PIECE
                # Without end, but not at the cost of all other cases of the machine.
                await asyncio.sleep(0 if sent < ENDLESS_FAST else 0.05)


def with_packet(i, change):
    """The message with its i-th packet changed."""
    def changed(data):
        parts = split(data)
        parts[i % len(parts)] = change(parts[i % len(parts)])
        return b"".join(parts)
    return changed


def changes(data, rng):
    """Faults that change a message: [Fault]."""
    count = len(split(data))
    found = []

    def add(what, change, may=None):
        found.append(Changed(what, change, may))

    for i in range(count):
        bad = with_packet(i, lambda p: p[:3] + bytes([p[3] + 7 & 0xFF]) + p[4:])
        # Of the first packet of an answer clients know the number, and see for themselves.
        add(f"sequence of {i}", bad, {"error", "late"} if i else None)
        add(f"length of {i} greater by one", with_packet(i, lambda p: (int.from_bytes(p[:3], "little") + 1)
                                                         .to_bytes(3, "little") + p[3:]))
        add(f"length of {i} smaller by one", with_packet(
            i, lambda p: (max(0, int.from_bytes(p[:3], "little") - 1)).to_bytes(3, "little") + p[3:]))
        add(f"length of {i} greatest", with_packet(i, lambda p: b"\xff\xff\xff" + p[3:]))
        add(f"{i} empty", with_packet(i, lambda p: b"\0\0\0" + p[3:4]))
        add(f"empty one before {i}", with_packet(i, lambda p: b"\0\0\0" + p[3:]))
        add(f"{i} twice", with_packet(i, lambda p: p + p))
        add(f"{i} left out", with_packet(i, lambda p: b""))
        add(f"{i} with bytes behind", with_packet(i, lambda p: packet(p[4:] + b"\0\1\2\3", p[3])))
        add(f"an OK before {i}", with_packet(i, lambda p: ok(p[3]) + p))
        add(f"an ERR before {i}", with_packet(i, lambda p: error(1105, b"odd", p[3]) + p))
        add(f"an EOF before {i}", with_packet(i, lambda p: packet(eof(), p[3]) + p))
        for lead in (b"\xfb", b"\xfc\xff\xff", b"\xfd\xff\xff\xff", b"\xfe" + b"\xff" * 8, b"\xff", b"\xff\0"):
            add(f"{i} begins with {lead.hex()}", with_packet(
                i, lambda p, lead=lead: packet(lead + p[4 + len(lead):], p[3])))
        for _ in range(4):
            at = rng.randrange(1 << 16)
            junk = rng.randbytes(rng.randrange(1, 9))
            add(f"{i} has {junk.hex()} at {at}", with_packet(
                i, lambda p, at=at, junk=junk: _overwrite(p, 4 + at % max(1, len(p) - 4), junk)))
    for _ in range(4):
        junk = rng.randbytes(rng.randrange(1, 300))
        add(f"junk {junk.hex()}", lambda _, junk=junk: junk)
        add(f"junk framed {junk.hex()}", lambda d, junk=junk: packet(junk, d[3]))
        add(f"junk behind {junk.hex()}", lambda d, junk=junk: d + junk)
    add("http", lambda _: b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    return found


def _overwrite(data, at, junk):
    return data[:at] + junk + data[at + len(junk):] if at < len(data) else data


def unasked(data, is_clients):
    """A whole answer and more: what is behind it is nobody's. is_clients: he has all he asked for."""
    may = {"answer"} if is_clients else {"answer", "error"}
    return [Changed(f"{what} behind", lambda d, more=more: d + more, may, True)
            for what, more in (("the same", data), ("an OK", ok()), ("a tracked OK", ok(track=TRACK)),
                               ("an ERR", error(1927, b"Connection was killed")), ("a byte", b"\7"),
                               ("a result", TWO), ("a cut one", TWO[:9]))]


UNASKED_OKS = ("the same behind", "an OK behind", "a tracked OK behind")  # the same: of an OK


def _result_head(count):
    return lambda _: packet(number(count), 1)


def endless_answers():
    """What an answer to a statement can have without end."""
    defs = b"\1" + column(b"a")
    return [
        Endless("rows", lambda _: packets([b"\1", column(b"a"), eof()]), lambda s: packet(b"\5" + b"r" * 5, s)),
        Endless("greatest rows", lambda _: packets([b"\1", column(b"a"), eof()]),
                lambda s: b"\xff\xff\xff" + bytes([s & 0xFF]) + b"\xfd" + b"r" * (MAX - 1)),
        Endless("columns", _result_head(0xFFFF), lambda s: packet(column(b"a"), s)),
        Endless("greatest columns", _result_head(3),
                lambda s: b"\xff\xff\xff" + bytes([s & 0xFF]) + defs + b"c" * (MAX - len(defs))),
        Endless("results", lambda _: b"", lambda s: ok(s, AUTOCOMMIT | MORE)),
        Endless("results with tracking", lambda _: b"", lambda s: ok(s, AUTOCOMMIT | MORE, TRACK)),
        Endless("tracking", lambda _: packet(b"\0\0\0" + struct.pack("<HH", AUTOCOMMIT | TRACKED, 0) + b"\0"
                                             + b"\xfe" + (1 << 40).to_bytes(8, "little"), 1)[4:],
                lambda _: variable(b"sql_mode", b"ANSI")),
        Endless("a great OK", lambda _: b"", lambda s: b"\xff\xff\xff" + bytes([s & 0xFF]) + b"\0" * MAX),
        Endless("empty packets", lambda _: b"", lambda s: b"\0\0\0" + bytes([s & 0xFF])),
        Endless("requests for files", lambda _: b"", lambda s: packet(b"\xfb/nowhere", s)),
    ]


def endless_logins():
    return [
        Endless("switches", lambda _: b"", auth_switch),
        Endless("more data", lambda _: b"", lambda s: packet(b"\1\4", s)),
        Endless("keys", lambda _: b"", lambda s: packet(b"\1-----BEGIN PUBLIC KEY-----\n", s)),
        Endless("fast logins", lambda _: b"", lambda s: packet(b"\1\3", s)),
        Endless("empty packets", lambda _: b"", lambda s: b"\0\0\0" + bytes([s & 0xFF])),
        Endless("OKs", lambda _: b"", ok),
        Endless("greetings", lambda _: b"", lambda s: greeting()),
        Endless("great packets", lambda _: b"", lambda s: b"\xff\xff\xff" + bytes([s & 0xFF]) + b"\xfe" * MAX),
    ]


class Break:
    """One message that is sent by a fault, each time it comes up, or the first time only."""

    def __init__(self, message, fault, times=1 << 30):
        self.message, self.fault, self.left = message, fault, times
        self.played = 0

    def takes(self, message):
        if message != self.message or self.left == 0:
            return False
        self.left -= 1
        self.played += 1
        return True


# ---------------------------------------------------------------- one connection

class Conn:
    """One connection to a node that a Galeway has opened."""

    def __init__(self, node, reader, writer):
        self.node, self.reader, self.writer = node, reader, writer
        self.tls = None
        self.reads = None  # the task that reads what Galeway says, when it is not this one
        self.spoilt = False  # a fault was played that nothing good may follow
        self.n_after = 0  # commands that came on it all the same
        self.user = b""

    async def send(self, data):
        if self.writer.is_closing():
            raise Gone
        if self.tls is not None:
            data = self.tls.seal(data)
        try:
            self.writer.write(data)
            await self.writer.drain()
        except (ConnectionError, RuntimeError):  # the latter: its end was sent
            raise Gone from None

    async def end(self, then):
        """Leave, or stay and say nothing until the other side leaves."""
        self.spoilt = True
        if then == "reset":
            sock = self.writer.get_extra_info("socket")
            sock.setsockopt(6, 1, 1)
            sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER
            self.writer.transport.abort()
        elif then == "half":
            self.writer.write_eof()
        elif then == "close":
            self.writer.close()
        if then in ("half", "silent"):
            with contextlib.suppress(ConnectionError):
                if self.reads is not None:
                    await asyncio.wait([self.reads])
                else:
                    while await self.reader.read(1 << 16):
                        pass
        raise Gone

    async def receive(self):
        """A packet: (sequence, payload)."""
        try:
            if self.tls is not None:
                return await self.tls.receive()
            head = await self.reader.readexactly(4)
            return head[3], await self.reader.readexactly(int.from_bytes(head[:3], "little"))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Gone from None

    async def say(self, message, data):
        """Send a message, or what is to come of it."""
        self.node.said[message] = data
        broken = self.node.broken
        if broken is None or not broken.takes(message):
            await self.send(data)
            return
        fault = broken.fault
        self.spoilt = fault.spoils
        await fault.play(self, data)
        if not fault.goes_on:
            raise Gone


class Tls:
    """TLS in memory: what is sealed can be broken like anything else."""

    def __init__(self, conn, context):
        self.conn = conn
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    async def handshake(self):
        flight = 0
        while True:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError:
                raise Gone from None
            if self.outgoing.pending:
                flight += 1
                await self.conn.say(f"tls flight {flight}", self.outgoing.read())
            if done:
                return
            await self._fill()

    async def _fill(self):
        try:
            data = await self.conn.reader.read(1 << 16)
        except ConnectionError:
            raise Gone from None
        if not data:
            raise Gone
        self.incoming.write(data)

    def seal(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    async def _read(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.tls.read(count - len(data))
                if not part:
                    raise Gone
                data += part
            except ssl.SSLWantReadError:
                await self._fill()
            except ssl.SSLError:
                raise Gone from None
        return data

    async def receive(self):
        head = await self._read(4)
        return head[3], await self._read(int.from_bytes(head[:3], "little"))


# ---------------------------------------------------------------- the scripted node

class Listener:
    """A port that Galeway comes to; a subclass serves each connection, and takes it out of conns at its end."""

    def __init__(self):
        self.broken = None
        self.conns = set()
        self.said = {}  # message: its bytes, the last time
        self.sent = b""  # by faults, instead of what they were to send

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def close(self):
        """Returns when the last connection is served no more."""
        self.server.close()
        while True:
            await asyncio.sleep(0)  # one that was accepted just before is served first, then ended too
            if not self.conns:
                return
            for conn in list(self.conns):
                conn.writer.transport.abort()


class Node(Listener):
    """A node on a port of its own. `login`: native, switch, denied, sha2-fast, sha2-full, sha2-switch."""

    def __init__(self, context=None):
        super().__init__()
        self.context = context  # of TLS
        self.login = "native"
        self.misused = []

    async def _serve(self, reader, writer):
        conn = Conn(self, reader, writer)
        self.conns.add(conn)
        try:
            await self._greet(conn)
            while True:
                await self._answer(conn, *await self._next(conn))
        except (Gone, ConnectionError):
            pass
        finally:
            self.conns.discard(conn)
            if not writer.is_closing():
                writer.close()
            if conn.n_after:
                self.misused.append((conn.n_after, repr(self.broken and self.broken.fault)))

    async def _next(self, conn):
        """A command. After a change that may be no fault at all, the wait for one ends here."""
        fault = self.broken and self.broken.fault
        if not isinstance(fault, Changed) or fault.spoils or not self.broken.played:
            return await conn.receive()
        command = asyncio.ensure_future(conn.receive())
        await asyncio.wait({command}, timeout=CHANGED_WAIT)
        if not command.done() and self.broken is not None:
            command.cancel()
            raise Gone
        return await command

    async def left(self):
        """Returns when Galeway has let go of all connections by itself."""
        while self.conns:
            await asyncio.sleep(0.01)

    async def drained(self):
        """Let go of all connections; returns when Galeway has, too."""
        for conn in list(self.conns):
            if conn.writer.can_write_eof() and not conn.writer.is_closing():
                with contextlib.suppress(OSError):
                    conn.writer.write_eof()
        while self.conns:
            await asyncio.sleep(0.002)

    # -- the login

    async def _greet(self, conn):
        plugin = PLUGIN_SHA2 if self.login.startswith("sha2-") and self.login != "sha2-switch" else PLUGIN_NATIVE
        caps = CAPS | (CAP_SSL if self.context else 0)
        await conn.say("greeting", greeting(plugin, caps))
        seq, payload = await conn.receive()
        if self.context and len(payload) == 32:
            conn.tls = None
            tls = Tls(conn, self.context)
            await tls.handshake()
            conn.tls = tls
            if tls.outgoing.pending:
                conn.writer.write(tls.outgoing.read())
            seq, payload = await conn.receive()
        conn.user = payload[32:].split(b"\0")[0]
        await self._authenticate(conn, seq)

    async def _authenticate(self, conn, seq):
        way = self.login
        if way in ("switch", "sha2-switch"):
            plugin = PLUGIN_NATIVE if way == "switch" else PLUGIN_SHA2
            await conn.say("switch", auth_switch(seq + 1, plugin))
            seq, _ = await conn.receive()
        if way == "denied":
            await conn.say("login error", error(1045, b"Access denied for user 'x'", seq + 1, b"28000"))
            raise Gone
        if way == "sha2-fast":
            await conn.say("fast", packet(b"\1\3", seq + 1))
            seq += 1
        elif way in ("sha2-full", "sha2-switch"):
            await conn.say("full", packet(b"\1\4", seq + 1))
            seq, payload = await conn.receive()
            if payload == b"\2":
                await conn.say("key", packet(b"\1" + RSA_KEY, seq + 1))
                seq, _ = await conn.receive()
        await conn.say("login ok", ok(seq + 1))

    # -- commands

    async def _answer(self, conn, seq, payload):
        if conn.spoilt:
            conn.n_after += b"/* after */" in payload
        command, body = payload[:1], payload[1:]
        if not command:  # a file is refused that was asked for out of place
            return
        command = command[0]
        if command == 0x01:
            raise Gone
        if command == 0x03:
            await self._answer_text(conn, body)
        elif command == 0x16:
            await conn.say("prepared", PREPARED)
        elif command == 0x17:
            has_cursor = body[4] != 0
            await conn.say("executed", packets([b"\1", column(b"a"), eof(AUTOCOMMIT | 0x40)])
                           if has_cursor else binary_result([b"one", b"two"]))
        elif command == 0x1c:
            await conn.say("fetched", packets([b"\0\0" + string(b"one"), eof(AUTOCOMMIT | 0x40)]))
        elif command == 0x04:
            await conn.say("fields", FIELDS)
        elif command == 0x09:
            await conn.say("statistics", packet(b"Uptime: 1  Threads: 1  Questions: 1", 1))
        elif command == 0x11:
            await conn.say("user switch", auth_switch(1, PLUGIN_NATIVE, SALT))
            await conn.receive()
            await conn.say("user ok", ok(3))
        elif command in (0x18, 0x19):
            pass
        elif command == 0x1b:
            await conn.say("option", packet(eof(), 1))
        else:
            await conn.say({0x02: "schema", 0x1f: "reset"}.get(command, "other"), ok(affected=0))

    async def _answer_text(self, conn, text):
        if text.startswith(b"SET session_track_system_variables='*'"):
            await conn.say("setup", ok(affected=0, track=TRACK))
        elif text == b"SELECT LAST_INSERT_ID()":
            await conn.say("last id", result([b"LAST_INSERT_ID()"], [(b"7",)]))
        elif text == b"SELECT FOUND_ROWS()":
            await conn.say("found rows", result([b"FOUND_ROWS()"], [(b"2",)]))
        elif text.startswith(b"SHOW WARNINGS"):
            await conn.say("warnings", result([b"Level", b"Code", b"Message"], [(b"Note", b"1", b"x")]))
        elif text.startswith(b"KILL"):
            await conn.say("kill", ok(affected=0))
        elif text.startswith(b"SET "):
            await conn.say("set", ok(affected=0))
        else:
            word = next((w for w in ANSWERS if w.encode() in text), "done")
            await conn.say(word, ANSWERS[word])
            if word == "infile":
                await self._take_file(conn)

    async def _take_file(self, conn):
        seq, payload = await conn.receive()
        while payload:
            seq, payload = await conn.receive()
        await conn.say("file taken", ok(seq + 1))


RSA_KEY = b""


def use_rsa_key(pem):
    """The public key that caching_sha2_password's nodes show."""
    global RSA_KEY  # pylint: disable=global-statement
    RSA_KEY = pem


# ---------------------------------------------------------------- between Galeway and a real node

class Middle(Listener):
    """Passes bytes to a real node and back; a break names a message as (user, number of the packet).

    The number counts the node's packets on the connection from 0, the greeting.
    """

    def __init__(self, port):
        super().__init__()
        self.node_port = port
        self.counts = {}  # packets seen so far by user, on the connection that had most

    async def _serve(self, reader, writer):
        conn = Conn(self, reader, writer)
        self.conns.add(conn)
        try:
            there, to_node = await asyncio.open_connection("127.0.0.1", self.node_port)
        except OSError:
            writer.close()
            self.conns.discard(conn)
            return
        up = conn.reads = asyncio.ensure_future(self._up(conn, to_node))
        try:
            await self._down(conn, there)
        except (Gone, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            up.cancel()
            self.conns.discard(conn)
            to_node.close()
            if not writer.is_closing():
                writer.close()

    async def _up(self, conn, to_node):
        """What Galeway says; the user is the first packet's."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await conn.reader.readexactly(4)
            login = await conn.reader.readexactly(int.from_bytes(head[:3], "little"))
            conn.user = login[32:].split(b"\0")[0]
            to_node.write(head + login)
            while data := await conn.reader.read(1 << 16):
                to_node.write(data)
                await to_node.drain()
        to_node.close()
        conn.writer.transport.abort()

    async def _down(self, conn, there):
        count = 0
        while True:
            head = await there.readexactly(4)
            data = head + await there.readexactly(int.from_bytes(head[:3], "little"))
            self.counts[conn.user] = max(self.counts.get(conn.user, 0), count + 1)
            await conn.say((conn.user, count), data)
            count += 1
