# SPDX-License-Identifier: Apache-2.0
"""Ports in front of real nodes that change what one side says, in threads of their own.

`bad_node.Middle` is their like in an asyncio loop, for faults that are named by a message.
"""
import contextlib
import socket
import struct
import threading


class Refused(Exception):
    """The node does not get it: these bytes are the answer, and the connection ends."""

    def __init__(self, answer):
        super().__init__(answer)
        self.answer = answer


class LastWords(Exception):
    """The client gets these bytes, and the connection ends."""

    def __init__(self, words):
        super().__init__(words)
        self.words = words


class Relay:
    """Passes on bytes as they come; a subclass, or who sets to_client, changes them on the way."""

    def __init__(self, node_port):
        self.node_port = node_port
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.drop()

    def drop(self):
        """Ends all connections."""
        sockets, self.sockets = self.sockets, []
        for sock in sockets:
            end(sock)

    def to_client(self, data):
        """What is passed on of what the node says."""
        return data

    def to_node(self, data):
        """What is passed on of what Galeway says; Refused answers in the node's place."""
        return data

    def pass_to_node(self, node, data):
        """As to_node, for who also sends to it himself."""
        return self.to_node(data)

    def greet(self, client, node):
        """Before anything is passed on."""

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        node = socket.create_connection(("127.0.0.1", self.node_port))
        self.sockets += [client, node]
        with contextlib.suppress(OSError):
            self.greet(client, node)
            other = threading.Thread(target=self._pass_on, daemon=True,
                                     args=(client, node, lambda data: self.pass_to_node(node, data)))
            other.start()
            self._pass_on(node, client, lambda data: self.to_client(data))
            other.join()
        client.close()
        node.close()

    @staticmethod
    def _pass_on(source, target, edit):
        with contextlib.suppress(OSError):
            try:
                while data := source.recv(65536):
                    target.sendall(edit(data))
            except Refused as refused:
                source.sendall(refused.answer)
                source.shutdown(socket.SHUT_WR)
                while source.recv(65536):  # unread, it would be a reset that overtakes the answer
                    pass
            except LastWords as last:
                target.sendall(last.words)
        for sock in (source, target):
            end(sock)


def end(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class OldNode(Relay):
    """A node that offers less than it can, as an older one; `lacks` may change at any time."""

    def __init__(self, node_port, lacks):
        self.lacks = lacks
        super().__init__(node_port)

    def greet(self, client, node):
        client.sendall(self._changed(read_packet(node)))

    def _changed(self, packet):
        packet = bytearray(packet)
        at = packet.index(0, 5) + 1 + 4 + 8 + 1  # behind version, thread id, salt
        low, charset, status, high = struct.unpack_from("<HBHH", packet, at)
        extended, = struct.unpack_from("<I", packet, at + 14)
        caps = (low | high << 16 | extended << 32) & ~self.lacks
        struct.pack_into("<HBHH", packet, at, caps & 0xFFFF, charset, status, caps >> 16 & 0xFFFF)
        struct.pack_into("<I", packet, at + 14, caps >> 32)
        return bytes(packet)


class Refusing(Relay):
    """The next so many bytes with the mark are answered by an error, or not at all; their connections end."""

    mark, times, answer = b"", 0, b""

    def refuse(self, mark, number, text):
        self._answer(mark, b"\xff" + struct.pack("<H", number) + b"#HY000" + text)

    def ask_for_file(self, mark):
        self._answer(mark, b"\xfbfile")

    def answer_login(self, mark, number, text):
        self._answer(mark, b"\xff" + struct.pack("<H", number) + b"#HY000" + text, 2)

    def _answer(self, mark, payload, sequence=1):
        self._refuse(mark, 1, struct.pack("<I", len(payload) | sequence << 24) + payload)

    def hang_up(self, mark, times=1):
        self._refuse(mark, times, b"")

    def _refuse(self, mark, times, answer):
        self.mark, self.answer, self.times = mark, answer, times

    def to_node(self, data):
        if self.times > 0 and self.mark in data:
            self.times -= 1
            raise Refused(self.answer)
        return data


class Stalled(Relay):
    """What has the mark is not read until refused, and then answered by an error; little is buffered."""

    mark, error = b"MARK", struct.pack("<IBH", 13 | 1 << 24, 0xFF, 1153) + b"#08S01long"

    def __init__(self, node_port):
        self.refused = threading.Event()
        super().__init__(node_port)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

    def to_node(self, data):
        if self.mark in data:
            assert self.refused.wait(60)
            raise Refused(self.error)
        return data


class Forgetful(Relay):
    """A connection that was sent the mark ends where a second reply begins."""

    mark = None

    def forget(self, mark):
        self.mark, self.seen, self.replies = mark, False, 0

    def to_node(self, data):
        if self.mark is not None and self.mark in data:
            self.seen = True
        return data

    def to_client(self, data):
        if self.mark is None or not self.seen:
            return data
        for at, sequence in packets(data):
            self.replies += sequence == 1
            if self.replies == 2:
                self.mark = None
                raise LastWords(data[:at])
        return data


def packets(data):
    """(offset, sequence number) of each that begins in it."""
    at = 0
    while at + 4 <= len(data):
        yield at, data[at + 3]
        at += 4 + int.from_bytes(data[at:at + 3], "little")


def read_packet(sock):
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:3], "little"):
        part = sock.recv(65536)
        if not part:
            raise OSError("closed")
        data += part
    return data
