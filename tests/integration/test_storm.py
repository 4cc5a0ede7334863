# SPDX-License-Identifier: Apache-2.0
"""Bad clients in numbers: whatever they do, others are served and nothing is left of them."""
import contextlib
import os
import resource
import socket
import struct
import time

import pytest

import wire
from console import Console
from util import Galeway, PATIENCE, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
ABORTS = int(os.environ.get("STORM_ABORTS", "20000"))
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def proxy(galeway):
    proxy = galeway(variables={"threads": 2, "connect_timeout_client": 60000,
                               "failed_login_delay_ms": 0})
    proxy.console = Console(proxy)
    return proxy


def tcp(proxy):
    sock = socket.create_connection(("127.0.0.1", proxy.port), 10)
    sock.settimeout(10)
    return sock


def serves(proxy, statements=20):
    """A newcomer is served; how long it took."""
    began = time.monotonic()
    with wire.Client(port=proxy.port, **TENANT) as db:
        for n in range(statements):
            assert db.value(f"SELECT {n}") == str(n)
    return time.monotonic() - began


def blocks(proxy):
    """Blocks of memory in use that clients have, once each worker had some."""
    for _ in range(16):
        serves(proxy, 1)
    rows = proxy.console.rows("SELECT * FROM stats_memory_metrics WHERE Variable_Name IN "
                              "('clients_blocks', 'clients_connected_used')")
    return {row["Variable_Name"]: row["Variable_Value"] for row in rows}


def nothing_is_left(proxy, before):
    wait_until(lambda: proxy.console.status("Client_Connections_connected") == 0, 20,
               "all clients to be gone")
    wait_until(lambda: blocks(proxy) == before, 10, f"{before} blocks of memory")
    assert proxy.console.status("Stmt_Client_Active_Total") == 0
    assert proxy.console.status("Clients_waiting") == 0
    wait_until(lambda: proxy.console.value("SELECT Variable_Value FROM stats_memory_metrics WHERE "
                                           "Variable_Name = 'client_addresses_used'") == 0,
               10, "their addresses to be forgotten")
    proxy.check_alive()


def test_slowloris_on_login(proxy):
    """Hundreds that send one byte at a time; their time is up together."""
    serves(proxy)
    before = blocks(proxy)
    proxy.console.run("SET mysql-connect_timeout_client=3000")
    proxy.console.run("LOAD MYSQL VARIABLES TO RUNTIME")
    slow = [tcp(proxy) for _ in range(300)]
    packet = b"\0\x20\0\1" + b"x" * 8192
    began = time.monotonic()
    for byte in packet:
        for sock in slow:
            with contextlib.suppress(OSError):
                sock.sendall(bytes([byte]))
        if time.monotonic() - began > 1.5:
            break
    assert serves(proxy) < 2 * PATIENCE
    wait_until(lambda: proxy.console.status("Login_timeouts") == len(slow), 20, "their end")
    for sock in slow:
        sock.close()
    nothing_is_left(proxy, before)


def test_connects_and_aborts(proxy):
    """Thousands that come and reset, at every stage of a login."""
    serves(proxy)
    before, descriptors = blocks(proxy), proxy.descriptors()
    with wire.Client(port=proxy.port, **TENANT) as first:
        login = first.handshake_response(None)
    login = len(login).to_bytes(3, "little") + b"\1" + login
    slowest = 0
    for n in range(ABORTS):
        sock = socket.socket()
        sock.connect(("127.0.0.1", proxy.port))
        if n % 4 == 1:
            sock.sendall(login[:n % len(login)])
        elif n % 4 == 2:
            sock.recv(100)
            sock.sendall(login)
        elif n % 4 == 3:
            sock.sendall(b"\x16\3\1" * 20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()
        if n % 1000 == 0:
            slowest = max(slowest, serves(proxy))
    assert slowest < 2 * PATIENCE
    nothing_is_left(proxy, before)
    assert proxy.descriptors() <= descriptors + 8  # server connections may have come
    assert proxy.console.status("Client_Connections_created") > ABORTS * 0.9


def test_half_closed(proxy):
    """A client that shuts its side down at each stage gets its answer or its end, and goes."""
    before = blocks(proxy)
    for stage in ("greeting", "login", "query"):
        sock = tcp(proxy)
        sock.recv(100)
        if stage == "query":
            db = wire.Client(port=proxy.port, **TENANT)
            db.sock.sendall(b"\x09\0\0\0\x03SELECT 7")
            sock, old = db.sock, sock
            old.close()
        elif stage == "login":
            sock.sendall(b"\x60\0\0\1xyz")
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(1000):
                pass
        sock.close()
    serves(proxy)
    nothing_is_left(proxy, before)


def test_resets_in_the_middle(proxy, schema):
    """Of a statement, of its answer, of a prepared statement, of a transaction."""
    serves(proxy)
    before = blocks(proxy)
    for n in range(60):
        db = wire.Client(port=proxy.port, db=schema, **TENANT)
        if n % 4 == 0:
            db.send(b"\x03SELECT SLEEP(30)")
        elif n % 4 == 1:
            db.send(b"\x03SELECT REPEAT('x', 1000000) FROM seq_1_to_50")
            assert db.read_packet().payload == b"\1"  # one column
        elif n % 4 == 2:
            db.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT ?")
            assert db.read_packet().payload[0] == 0
        else:
            db.rows("BEGIN")
            db.sock.sendall(b"\x40\0\0\0\x03INSERT INTO")
        db.abort()
    assert serves(proxy) < 3 * PATIENCE
    nothing_is_left(proxy, before)


def test_too_few_descriptors(cluster, tmp_path):
    """A client too many gets error 1040; the console and server connections go on."""
    proxy = Galeway(cluster, tmp_path, connections=5, variables={"threads": 2})
    proxy.prefix = ["prlimit", "--nofile=200:200"]
    proxy.start()
    held, refused = [], 0
    try:
        proxy.console = Console(proxy)
        for _ in range(400):
            try:
                held.append(wire.Client(port=proxy.port, timeout=20, **TENANT))
            except wire.ServerError as error:
                assert error.errno == 1040
                refused += 1
        assert (len(held), refused) == (150, 250)
        assert proxy.console.status("Access_Denied_Descriptors") == refused
        assert held[0].value("SELECT 1") == "1" and held[-1].value("SELECT 2") == "2"
        assert "there will be 150 clients at most" in proxy.log_path.read_text()
        held.pop().close()
        wait_until(lambda: try_connect(proxy), 5, "a free place").close()
    finally:
        for db in held:
            db.close()
        proxy.stop()


@pytest.mark.parametrize("is_hopeless", [False, True], ids=["one-is-kept", "hopeless"])
def test_no_descriptor_at_all(proxy, is_hopeless):
    """accept() fails: who comes is turned away, who is there is served; then it goes on.

    libuv keeps one descriptor for that; hopeless is when even that is no help.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with wire.Client(port=proxy.port, **TENANT) as db:
        assert db.value("SELECT 1") == "1"
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (10 if is_hopeless else proxy.descriptors(), hard))
        for _ in range(50):
            with contextlib.suppress(OSError, wire.Closed, wire.ServerError):
                wire.Client(port=proxy.port, timeout=0.05, **TENANT).abort()
        for n in range(20):
            assert db.value(f"SELECT {n}") == str(n)
        used = cpu_seconds(proxy)
        assert db.value("SELECT SLEEP(1)") == "0"
        assert cpu_seconds(proxy) - used < 0.3 * PATIENCE  # it does not spin meanwhile
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        wait_until(lambda: try_connect(proxy), 10, "clients to be taken again").close()
    wait_until(lambda: proxy.console.status("Client_Connections_connected") == 0, 10, "the end")
    assert (1 if is_hopeless else 0) <= proxy.console.status("Accept_failures") < 100
    with wire.Client(unix=proxy.unix, **TENANT) as db:
        assert db.value("SELECT 3") == "3"


def cpu_seconds(proxy):
    fields = open(f"/proc/{proxy.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def try_connect(proxy):
    try:
        return wire.Client(port=proxy.port, **TENANT)
    except (OSError, wire.Closed, wire.ServerError):
        return None
