# SPDX-License-Identifier: Apache-2.0
"""A node that offers less than it can, as an older one: a relay that changes its greeting."""
import contextlib
import socket
import struct
import threading


class OldNode:
    """Listens on `port` for the node on `node_port`; `lacks` may change at any time."""

    def __init__(self, node_port, lacks):
        self.node_port = node_port
        self.lacks = lacks
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
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        node = socket.create_connection(("127.0.0.1", self.node_port))
        self.sockets += [client, node]
        with contextlib.suppress(OSError):
            client.sendall(self._changed(_read_packet(node)))
            threading.Thread(target=_pump, args=(client, node), daemon=True).start()
            _pump(node, client)

    def _changed(self, packet):
        packet = bytearray(packet)
        at = packet.index(0, 5) + 1 + 4 + 8 + 1  # behind version, thread id, salt
        low, charset, status, high = struct.unpack_from("<HBHH", packet, at)
        extended, = struct.unpack_from("<I", packet, at + 14)
        caps = (low | high << 16 | extended << 32) & ~self.lacks
        struct.pack_into("<HBHH", packet, at, caps & 0xFFFF, charset, status, caps >> 16 & 0xFFFF)
        struct.pack_into("<I", packet, at + 14, caps >> 32)
        return bytes(packet)


def _read_packet(sock):
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:3], "little"):
        part = sock.recv(65536)
        if not part:
            raise OSError("closed")
        data += part
    return data


def _pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
