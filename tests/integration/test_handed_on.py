# SPDX-License-Identifier: Apache-2.0
"""A connection that goes from one client to the next within one turn: what was one's is none of the other's."""
import contextlib
import socket
import struct

import wire
from console import Console
from util import wait_until

TENANT = {"user": "tenant", "password": "tenant", "timeout": 20}


def one_connection(galeway, cluster):
    return galeway(variables={"threads": 1, "monitor_enabled": False}, servers=[
        {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10, "max_connections": 1}])


def waiting(console, n):
    return lambda: console.value(
        "SELECT Variable_Value FROM stats_memory_metrics WHERE Variable_Name = 'queue_waiting_used'") == n


def test_a_client_that_is_gone_when_its_reply_comes(galeway, cluster, schema):
    """The next one has sent what has no reply: the end of the reply is none for it."""
    proxy = one_connection(galeway, cluster)
    console = Console(proxy)
    with wire.Client(port=proxy.port, db=schema, **TENANT) as other:
        for _ in range(5):
            number = other.prepare(b"SELECT ?")
            gone = wire.Client(port=proxy.port, db=schema, **TENANT)
            gone.send(b"\x03SELECT SLEEP(0.5)")
            with contextlib.suppress(BlockingIOError):  # so much ahead that it is not read any more
                gone.sock.setblocking(False)
                for _ in range(400):
                    gone.sock.send(b"\x01\0\0\0\x0e" * 4000)
            other.send(struct.pack("<BIH", 0x18, number, 0) + b"long")
            wait_until(waiting(console, 1), 10, "the other to wait")
            gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.sock.close()
            wait_until(waiting(console, 0), 10, "the other to be served")
            other.send(wire.execute_packet(number, [wire.LONG_DATA]))
            assert b"long" in other.read_query()[-2].payload
            other.send(b"\x19" + struct.pack("<I", number))
            proxy.check_alive()
