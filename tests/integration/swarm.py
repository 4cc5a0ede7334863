# SPDX-License-Identifier: Apache-2.0
"""swarm - many raw clients in one asyncio loop, for what is cut, garbled and without end.

Unlike wire.py's client this one takes any bytes for an answer: it tells what came (Outcome).
"""
import asyncio
import collections
import contextlib
import struct
import time

import wire

# kind: answer (whole), error (an ERR and nothing before), late (ERR behind a part of an answer),
# closed (the end, perhaps behind a part), endless (more than was wanted), hang.
Outcome = collections.namedtuple("Outcome", "kind data text", defaults=("",))

ANSWER_MAX = 1 << 20


class TooMuch(Exception):
    """The answer is longer than any that is expected."""


class Client:
    """One connection to a proxy. Nothing waits longer than `patience` seconds."""

    def __init__(self, port, user, caps=wire.DEFAULT_CAPS, patience=30, limit=ANSWER_MAX):
        self.port, self.user, self.caps, self.patience, self.limit = port, user, caps, patience, limit
        self.data = bytearray()

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        seq, payload = await self.packet()
        greeting = wire.parse_greeting(payload)
        self.send(struct.pack("<IIB23x", self.caps, 1 << 30, 45) + self.user.encode() + b"\0"
                  + wire.put_string(wire.native_scramble(self.user, greeting.salt[:20]))
                  + b"mysql_native_password\0", seq + 1)
        _, payload = await self.packet()
        if payload[:1] != b"\0":
            raise AssertionError(f"login of {self.user}: {payload!r}")
        return self

    def send(self, payload, seq=0):
        self.writer.write(len(payload).to_bytes(3, "little") + bytes([seq]) + payload)

    async def packet(self):
        """(sequence, payload); of one that is continued the first part, and no other byte."""
        head = await self.reader.readexactly(4)
        self.data += head
        length = int.from_bytes(head[:3], "little")
        payload = await self._take(length)
        while length == wire.MAX_FRAME:
            more = await self.reader.readexactly(4)
            length = int.from_bytes(more[:3], "little")
            await self._take(length)
        return head[3], payload

    async def _take(self, length):
        """So many bytes; of many only the first are kept."""
        first = await self.reader.readexactly(min(length, 1 << 16))
        self.data += first
        left = length - len(first)
        while left:
            part = await self.reader.read(min(left, 1 << 20))
            if not part:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(part)
            self.limit -= len(part)
            if self.limit < 0:
                raise TooMuch
        if len(self.data) > self.limit:
            raise TooMuch
        return first

    async def ask(self, payload, kind="result"):
        """Send a command; its Outcome."""
        self.data = bytearray()
        try:
            self.send(payload)
            end = await asyncio.wait_for(self._follow(kind), self.patience)
        except asyncio.TimeoutError:
            return Outcome("hang", bytes(self.data))
        except TooMuch:
            return Outcome("endless", b"")
        except (asyncio.IncompleteReadError, ConnectionError):
            return Outcome("closed", bytes(self.data))
        if end[:1] != b"\xff" or kind == "one" and len(end) < 3:
            return Outcome("answer", bytes(self.data))
        text = "%d %s" % (wire.parse_error(end)[0], wire.parse_error(end)[2])
        return Outcome("error" if len(self.data) == 4 + len(end) else "late", bytes(self.data), text)

    async def _follow(self, kind):
        """The last packet of an answer."""
        if kind == "one":
            return (await self.packet())[1]
        if kind == "prepare":
            return await self._follow_prepare()
        if kind in ("rows", "fields"):
            return await self._rows()
        while True:
            end, status = await self._one_result(kind)
            if end[:1] == b"\xff" or not status & wire.STATUS_MORE_RESULTS:
                return end

    async def _one_result(self, kind):
        seq, first = await self.packet()
        if first[:1] == b"\xfb":
            self.send(b"", seq + 1 & 0xFF)
            _, first = await self.packet()
        if first[:1] == b"\xff":
            return first, 0
        if first[:1] == b"\0":
            return first, wire.parse_ok(first)[2]
        end = await self._definitions(wire.lenenc(first, 0)[0])
        if end[:1] == b"\xff":
            return end, 0
        status, = struct.unpack_from("<H", end, 3)
        if kind == "cursor" and status & wire.STATUS_CURSOR_EXISTS:
            return end, status
        end = await self._rows()
        return end, struct.unpack_from("<H", end, 3)[0]

    async def _definitions(self, count):
        """So many, and their EOF; an ERR in their place."""
        for _ in range(count + 1):
            _, payload = await self.packet()
            if payload[:1] == b"\xff":
                return payload
        return payload

    async def _rows(self):
        while True:
            _, payload = await self.packet()
            if payload[:1] == b"\xff" or payload[:1] == b"\xfe" and len(payload) < 9:
                return payload

    async def _follow_prepare(self):
        _, first = await self.packet()
        if first[:1] == b"\xff":
            return first
        columns, params = struct.unpack_from("<HH", first, 5)
        end = first
        for count in filter(None, (params, columns)):
            end = await self._definitions(count)
            if end[:1] == b"\xff":
                return end
        return end

    async def query(self, text, kind="result"):
        return await self.ask(b"\x03" + text.encode(), kind)

    async def close(self):
        with contextlib.suppress(ConnectionError, RuntimeError):
            self.send(b"\1")
            self.writer.close()
            await self.writer.wait_closed()

    def abort(self):
        self.writer.transport.abort()


class Witness:
    """A client of good nodes, asking all the time: how long it had to wait, how much memory it saw used.

    may: how its answers end; "late" where the node that has begun one may be taken for lost meanwhile.
    """

    def __init__(self, proxy, may=("answer",)):
        self.proxy, self.longest, self.n, self.most_kb, self.may = proxy, 0, 0, 0, may

    async def work(self, is_over):
        client = await Client(self.proxy.port, "tenant").open()
        while not is_over.is_set():
            began = time.monotonic()
            out = await client.query(f"SELECT {self.n}, ENGINE FROM information_schema.ENGINES LIMIT 1")
            assert out.kind in self.may, out
            self.longest = max(self.longest, time.monotonic() - began)
            self.n += 1
            self.most_kb = max(self.most_kb, self.proxy.rss_kb())
            await asyncio.sleep(0.02)  # how often it asks
        await client.close()
