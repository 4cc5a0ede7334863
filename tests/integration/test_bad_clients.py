# SPDX-License-Identifier: Apache-2.0
"""Each message of a client cut at every byte and garbled, on the traffic port and on the console.

A case opens a connection, goes to one message of one scene, sends a part of it, and ends in one of
ways: hundreds of them at once on one proxy. What comes of each is known; afterwards nothing is left.
"""
import asyncio
import contextlib
import os
import random
import resource
import ssl
import struct
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.hazmat.primitives import hashes

import wire
from swarm import Client, Witness
from console import Console
from test_login import sha2_hash
from util import DEFAULT_ACCOUNTS, PATIENCE, account, wait_until

SEED = int(os.environ.get("BAD_SEED", "1"))
ALL = os.environ.get("BAD_CUTS") == "all"
SAMPLE = 30  # cases of each message
HELD_MS = int(3000 * PATIENCE)  # who says nothing for so long is closed
TLS = wire.unchecked()  # made once: it reads the system's certificates
GROWTH_KB = 24000 if os.environ.get("MODE", "release") == "release" else 160000


# ---------------------------------------------------------------- scenes

class Door:
    """Where clients come to: a port and an account. schema: one that exists."""

    def __init__(self, port, user, schema, has_nodes=True):
        self.port, self.user, self.schema, self.has_nodes = port, user, schema, has_nodes


class Visitor(Client):
    """A client whose next message is not sent yet."""

    def __init__(self, door, **options):
        super().__init__(door.port, door.user, **options)
        self.door = door
        self.raw = []  # what is on the wire, when that is not the message

    async def greeted(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        self.seq, payload = await self.packet()
        if payload[:1] == b"\xff":
            raise ConnectionRefusedError(wire.parse_error(payload))
        self.salt = wire.parse_greeting(payload).salt[:20]
        return self

    def response(self, plugin=b"mysql_native_password", user=None, caps=0):
        auth = wire.native_scramble(self.user, self.salt) if plugin == b"mysql_native_password" else b""
        return (struct.pack("<IIB23x", self.caps | caps | wire.CONNECT_ATTRS, 1 << 30, 45)
                + (user or self.user).encode() + b"\0" + wire.put_string(auth) + plugin + b"\0"
                + wire.put_string(wire.put_string(b"_pid") + wire.put_string(b"12345")))


def framed(payload, seq=0):
    return len(payload).to_bytes(3, "little") + bytes([seq & 0xFF]) + payload


async def login(door):
    client = await Visitor(door).greeted()
    return client, framed(client.response(), 1)


async def switch(door):
    client = await Visitor(door).greeted()
    client.send(client.response(b"some_plugin"), 1)
    seq, payload = await client.packet()
    salt = payload.split(b"\0", 1)[1][:20]
    return client, framed(wire.native_scramble(client.user, salt), seq + 1)


async def tls_request(door):
    client = await Visitor(door).greeted()
    return client, framed(struct.pack("<IIB23x", client.caps | wire.SSL, 1 << 30, 45), 1)


async def tls_hello(door):
    client, request = await tls_request(door)
    client.writer.write(request)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client.tls = TLS.wrap_bio(incoming, outgoing, server_hostname="localhost")
    client.incoming, client.outgoing = incoming, outgoing
    try:
        client.tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return client, outgoing.read()


async def tls_login(door):
    """The end of the handshake and the login behind it."""
    client, hello = await tls_hello(door)
    client.writer.write(hello)
    while True:
        data = await client.reader.read(1 << 16)
        if not data:
            raise ConnectionResetError("in the handshake")
        client.incoming.write(data)
        try:
            client.tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
    client.tls.write(framed(client.response(caps=wire.SSL), 2))
    return client, client.outgoing.read()


async def sha2_response(door):
    client = await Visitor(door).greeted()
    client.send(client.response(user="sha2"), 1)
    seq, payload = await client.packet()
    assert payload.startswith(b"\xfecaching_sha2_password"), payload
    client.salt = payload[1:].split(b"\0", 1)[1][:20]
    wrong = hashes.Hash(hashes.SHA256())
    wrong.update(client.salt)
    return client, framed(wrong.finalize(), seq + 1)


async def sha2_key(door):
    """The full way: nothing was answered right, so a key is asked for."""
    client, response = await sha2_response(door)
    client.writer.write(response)
    seq, payload = await client.packet()
    assert payload == b"\1\4", payload
    return client, framed(b"\2", seq + 1)


async def sha2_password(door):
    client, ask = await sha2_key(door)
    client.writer.write(ask)
    seq, payload = await client.packet()
    clear = b"sha2\0"
    mask = (client.salt * 2)[:len(clear)]
    sealed = load_pem_public_key(payload[1:]).encrypt(
        bytes(a ^ b for a, b in zip(clear, mask)),
        padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    return client, framed(sealed, seq + 1)


async def logged_in(door, caps=0):
    client = await Visitor(door, caps=wire.DEFAULT_CAPS | caps).greeted()
    client.send(client.response(caps=caps), 1)
    _, payload = await client.packet()
    if payload[:1] == b"\xfe":
        salt = payload.split(b"\0", 1)[1][:20]
        client.send(wire.native_scramble(client.user, salt), 3)
        _, payload = await client.packet()
    assert payload[:1] == b"\0", payload
    client.data = bytearray()
    return client


def command(payload):
    async def scene(door):
        client = await logged_in(door)
        return client, framed(payload(client) if callable(payload) else payload)
    return scene


def change_user(client):
    return (b"\x11" + client.user.encode() + b"\0" + wire.put_string(wire.native_scramble(client.user, client.salt))
            + b"\0" + struct.pack("<H", 45) + b"mysql_native_password\0" + wire.put_string(b""))


async def change_user_switch(door):
    client = await logged_in(door)
    client.send(b"\x11" + client.user.encode() + b"\0\0\0" + struct.pack("<H", 45) + b"some_plugin\0\0")
    seq, payload = await client.packet()
    return client, framed(wire.native_scramble(client.user, payload.split(b"\0", 1)[1][:20]), seq + 1)


DATE = bytes([11]) + struct.pack("<HBBBBBI", 2024, 2, 29, 1, 2, 3, 456789)
TIME = bytes([12]) + struct.pack("<BIBBBI", 0, 1, 2, 3, 4, 567)
VALUES = [(0x01, b"\x7f"), (0x02, b"\1\2"), (0x03, b"\1\2\3\4"), (0x08, b"\1\2\3\4\5\6\7\x08"), 1.5,
          (0x04, struct.pack("<f", 2.5)), None, "text", b"blob", (0x0a, b"\4" + struct.pack("<HBB", 2024, 2, 29)),
          (0x0c, DATE), (0x07, DATE), (0x0b, TIME), (0xf6, wire.put_string(b"12.34")), (0x0d, struct.pack("<H", 1999)),
          (0x10, wire.put_string(b"\1"))]


async def prepared(door):
    client = await logged_in(door)
    sql = b"SELECT " + b",".join([b"?"] * len(VALUES)) + b" FROM information_schema.ENGINES"
    out = await client.ask(b"\x16" + sql, "prepare")
    assert out.kind == "answer", out
    client.statement, = struct.unpack_from("<I", out.data, 5)
    return client


async def execute(door):
    client = await prepared(door)
    return client, framed(wire.execute_packet(client.statement, VALUES))


def of_statement(payload, cursor=False):
    """A command about a prepared statement."""
    async def scene(door):
        client = await prepared(door)
        if cursor:
            out = await client.ask(wire.execute_packet(client.statement, VALUES, 1), "cursor")
            assert out.kind == "answer", out
        return client, framed(payload(client.statement))
    return scene


async def infile(door):
    """The content, and the empty packet that ends it."""
    client = await logged_in(door, wire.LOCAL_FILES)
    client.send(b"\x02" + door.schema.encode())
    await client.packet()
    await client.query("SET net_read_timeout=2")  # it is the node that ends who sends nothing more
    client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE f")
    seq, payload = await client.packet()
    assert payload == b"\xfbx", payload
    return client, framed(b"one\ntwo\n", seq + 1) + framed(b"", seq + 2)


LOGINS = {"login": login, "switch": switch, "TLS request": tls_request, "TLS hello": tls_hello,
          "TLS login": tls_login}
SHA2 = {"sha2 response": sha2_response, "sha2 key": sha2_key, "sha2 password": sha2_password}
# A password that was right once would be known by its hash from then on, and not be asked for so.
NEVER_WHOLE = {"sha2 password"}
COMMANDS = {
    "query": command(b"\x03SELECT 1, ENGINE FROM information_schema.ENGINES LIMIT 1"),
    "query here": command(b"\x03SELECT 1"), "ping": command(b"\x0e"), "statistics": command(b"\x09"),
    "schema": command(b"\x02nowhere"), "fields": command(b"\x04f\0%\0"), "option": command(b"\x1b\0\0"),
    "kill": command(b"\x0c\x40\x42\x0f\0"), "reset": command(b"\x1f"), "change of user": command(change_user),
    "change of user, switch": change_user_switch, "prepare": command(b"\x16SELECT ?"),
}
STATEMENTS = {
    "execute": execute, "infile": infile,
    "long data": of_statement(lambda n: b"\x18" + struct.pack("<IH", n, 8) + b"some more"),
    "close": of_statement(lambda n: b"\x19" + struct.pack("<I", n)),
    "reset statement": of_statement(lambda n: b"\x1a" + struct.pack("<I", n)),
    "fetch": of_statement(lambda n: b"\x1c" + struct.pack("<II", n, 2), cursor=True),
}


# ---------------------------------------------------------------- cases

async def read_to_end(client, patience):
    """True when the other side ends the connection in time."""
    async def read():
        try:
            while await client.reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
    try:
        await asyncio.wait_for(read(), patience * PATIENCE)
        return True
    except asyncio.TimeoutError:
        return False


async def before_message(scene, door):
    """On a busy machine a client may have been too slow until here; or there was no room for him: those
    who say nothing have it until a timeout ends them."""
    until = time.monotonic() + (40 if ALL else 4) * HELD_MS / 1000
    while True:
        try:
            return await scene(door)
        except (ConnectionError, asyncio.IncompleteReadError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)  # others leave meanwhile


def say_no_more(writer):
    with contextlib.suppress(OSError):  # it may have been closed
        writer.write_eof()


async def play(door, scene, at, ending, rng):
    """What is wrong, or None."""
    client, message = await before_message(scene, door)
    writer = client.writer
    try:
        if ending == "garbled":
            message = bytearray(message)
            for i in rng.sample(range(len(message)), min(len(message), rng.randrange(1, 4))):
                message[i] ^= rng.randrange(1, 256)  # never as it was: a right password would be learnt
            writer.write(bytes(message))
            say_no_more(writer)
        elif ending == "slow":
            for i in range(len(message)):
                writer.write(message[i:i + 1])
                await asyncio.sleep(0)  # a byte in a segment
            say_no_more(writer)
        else:
            writer.write(message[:at])
            await asyncio.sleep(0)
        if ending == "reset":
            writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER
            writer.transport.abort()
            return None
        if ending == "close":
            return None
        if ending == "half":
            say_no_more(writer)
        if ending == "huge":
            writer.write(b"\xff\xff\xff" + bytes([rng.randrange(256)]) + rng.randbytes(20))
            say_no_more(writer)
        return None if await read_to_end(client, 20) else f"it is not ended: {bytes(client.data)!r}"
    finally:
        writer.close()


ENDINGS = ("close", "reset", "half", "silent")


def cases_of(scenes, lengths, rng):
    """[(name, scene, at, ending)]"""
    found = []
    for name, scene in scenes.items():
        made = [(name, scene, at, ending) for at in range(lengths[name]) for ending in ENDINGS]
        made = made if ALL else rng.sample(made, min(len(made), SAMPLE))
        if name not in NEVER_WHOLE:
            made += [(name, scene, lengths[name], ending) for ending in (*ENDINGS, "slow")]
        made += [(name, scene, 0, ending) for ending in ("huge", "garbled") for _ in range(200 if ALL else 10)]
        found += made
    rng.shuffle(found)
    return found


async def storm(proxy, door, scenes, at_once):
    """Play all; the witness of it."""
    rng = random.Random(SEED)
    lengths, wrong, over, witness = {}, [], asyncio.Event(), Witness(proxy)
    for name, scene in scenes.items():
        client, message = await scene(door)
        lengths[name] = len(message)
        client.writer.close()
    left = cases_of(scenes, lengths, rng)
    count = len(left)

    async def work():
        while left and len(wrong) < 40:
            name, scene, at, ending = left.pop()
            try:
                fault = await play(door, scene, at, ending, rng)
            except Exception as raised:  # told with its case
                fault = repr(raised)
            if fault:
                wrong.append(f"{name} / {ending} at {at}: {fault}")

    began = time.monotonic()
    watching = asyncio.ensure_future(witness.work(over))
    await asyncio.gather(*(work() for _ in range(at_once)))
    over.set()
    await watching
    print(f"seed {SEED}: {count} cases in {time.monotonic() - began:.1f} s, the witness waited "
          f"{witness.longest:.3f} s at most in {witness.n} statements, at most {witness.most_kb} KB")
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(sorted(wrong))
    return witness


@pytest.fixture
def proxy(galeway, cluster, schema):
    cluster.sql(1, f"CREATE TABLE {schema}.f (a VARCHAR(100))")
    cluster.catch_up()
    proxy = galeway(variables={
        "threads": 2, "connect_timeout_client": HELD_MS, "wait_timeout": HELD_MS, "failed_login_delay_ms": 0,
        "client_host_error_counts": 0, "enable_load_data_local_infile": True, "auditlog_filename": "",
        "max_transaction_idle_time": 1000, "default_query_timeout": 2000},
        users=[*DEFAULT_ACCOUNTS, account("sha2", sha2_hash("sha2"))])
    return proxy


def ask(proxy, sql):
    """Of a console that is not idle for too long."""
    console = Console(proxy)
    with contextlib.closing(console.db):
        return console.rows(sql)


def status(proxy, name):
    (row,) = ask(proxy, f"SELECT Variable_Value FROM stats_mysql_global WHERE Variable_Name = '{name}'")
    return row["Variable_Value"]


def used(proxy):
    """Memory and descriptors of clients, once each worker had some."""
    for _ in range(16):
        with wire.Client(port=proxy.port, user="tenant", password="tenant") as db:
            db.value("SELECT 1")
    rows = ask(proxy, "SELECT * FROM stats_memory_metrics WHERE Variable_Name IN "
                      "('clients_blocks', 'clients_connected_used')")
    return {row["Variable_Name"]: row["Variable_Value"] for row in rows}


def nothing_is_left(proxy, before, rss, witness, growth_kb=GROWTH_KB):
    wait_until(lambda: status(proxy, "Client_Connections_connected") == 0, 20, "all clients to be gone")
    wait_until(lambda: used(proxy) == before, 20, f"{before} blocks of memory")
    for name in ("Stmt_Client_Active_Total", "Clients_waiting"):
        assert status(proxy, name) == 0, name
    assert witness.longest < 5 * PATIENCE, f"the witness waited {witness.longest:.1f} s"
    assert witness.most_kb < rss + growth_kb, f"resident memory grew from {rss} to {witness.most_kb} KB"
    proxy.check_alive()


def test_clients(proxy, schema):
    before, rss = used(proxy), proxy.rss_kb()
    door = Door(proxy.port, "tenant", schema)
    witness = asyncio.run(storm(proxy, door, {**LOGINS, **SHA2, **COMMANDS, **STATEMENTS}, 80))
    nothing_is_left(proxy, before, rss, witness)


def test_clients_of_the_console(proxy):
    before, rss, descriptors = used(proxy), proxy.rss_kb(), proxy.descriptors()
    door = Door(proxy.admin_port, "admin", "main")
    witness = asyncio.run(storm(proxy, door, {"login": login, "switch": switch, **COMMANDS}, 16))
    nothing_is_left(proxy, before, rss, witness)
    wait_until(lambda: proxy.descriptors() <= descriptors + 8, 20, "descriptors to be given back")


SOME = {name: {**LOGINS, **COMMANDS}[name] for name in ("login", "TLS hello", "TLS login", "query", "prepare")}


def short_of(proxy, what, limit):
    """Room for so much more than there is in use."""
    _, hard = resource.getrlimit(what)
    resource.prlimit(proxy.process.pid, what, (limit, hard))


@pytest.mark.skipif(os.environ.get("MODE", "release") != "release", reason="sanitizers reserve address space")
def test_clients_when_memory_is_short(proxy, schema):
    """Of what they send in part no more is held than mysql-threshold_query_length of each."""
    before, rss = used(proxy), proxy.rss_kb()
    door = Door(proxy.port, "tenant", schema)
    short_of(proxy, resource.RLIMIT_AS, (proxy.status_kb("VmSize") + 48000) * 1024)
    long = [wire.Client(port=proxy.port, user="tenant", password="tenant") for _ in range(40)]
    for client in long:  # 40 * 3 of 60 MB
        client.sock.sendall(b"\x00\x00\xf0\0\x03SELECT LENGTH('" + b"x" * 3000000)
    witness = asyncio.run(storm(proxy, door, SOME, 80))
    for client in long:
        client.abort()
    nothing_is_left(proxy, before, rss, witness, 48000)


def test_clients_when_descriptors_are_short(proxy, schema):
    """Not all find room at once: they are told so, and come again."""
    before, rss = used(proxy), proxy.rss_kb()
    door = Door(proxy.port, "tenant", schema)
    short_of(proxy, resource.RLIMIT_NOFILE, proxy.descriptors() + 40)
    witness = asyncio.run(storm(proxy, door, SOME, 80))
    nothing_is_left(proxy, before, rss, witness)
