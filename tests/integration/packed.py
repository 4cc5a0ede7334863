# SPDX-License-Identifier: Apache-2.0
"""packed - the compressed protocol below wire.Client: packets of 7 bytes of header and zlib."""
import struct
import zlib

MAX_PAYLOAD = 0xFFFFFF
MIN_PAYLOAD = 50  # MariaDB leaves what is shorter as it is


class Broken(Exception):
    """The peer sent a compressed packet that is none, or with another number than is due."""


def pack(data, seq, level=6, plain=None):
    """One compressed packet; plain: True = not deflated, None = when that is shorter."""
    body = zlib.compress(data, level) if plain is not True else data
    if plain is None and (len(data) < MIN_PAYLOAD or len(body) >= len(data)):
        plain = True
    if plain:
        return struct.pack("<I", len(data))[:3] + bytes([seq]) + b"\0\0\0" + data
    return (struct.pack("<I", len(body))[:3] + bytes([seq])
            + struct.pack("<I", len(data))[:3] + body)


class Socket:
    """Looks like a socket. A command begins with begin(); numbers are checked as Connector/C does."""

    def __init__(self, sock, piece=MAX_PAYLOAD):
        self.sock = sock
        self.piece = piece  # bytes of one compressed packet at most
        self.seq = 0
        self.raw = bytearray()
        self.wire_in = self.wire_out = 0
        self.numbers = []  # of the packets read since begin()

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def begin(self):
        self.seq = 0
        self.numbers = []

    def sendall(self, data):
        for at in range(0, len(data), self.piece):
            packet = pack(bytes(data[at:at + self.piece]), self.seq)
            self.seq = (self.seq + 1) & 0xFF
            self.wire_out += len(packet)
            self.sock.sendall(packet)

    def _raw(self, count):
        while len(self.raw) < count:
            data = self.sock.recv(max(65536, count - len(self.raw)))
            if not data:
                return None
            self.wire_in += len(data)
            self.raw += data
        data = bytes(self.raw[:count])
        del self.raw[:count]
        return data

    def recv(self, _count):
        """What one compressed packet holds; b"" = closed."""
        header = self._raw(7)
        if header is None:
            return b""
        length = int.from_bytes(header[:3], "little")
        before = int.from_bytes(header[4:], "little")
        if header[3] != self.seq:
            raise Broken(f"compressed packet {header[3]}, but {self.seq} is due")
        if length == 0:
            raise Broken("an empty compressed packet")
        self.seq = (header[3] + 1) & 0xFF
        self.numbers.append(header[3])
        body = self._raw(length)
        if body is None:
            return b""
        if before == 0:
            return body
        data = zlib.decompress(body)
        if len(data) != before:
            raise Broken(f"{len(data)} bytes, but {before} were announced")
        return data
