# SPDX-License-Identifier: Apache-2.0
"""The compressed protocol: with clients, with nodes, with both; packets that are none."""
import contextlib
import random
import socket
import struct
import zlib

import pytest

import packed
import wire
from console import Console
from relay import Relay
from test_clients import environment
from test_tls import own_ca, trusting
from util import CLIENTS, NODES, Background, run, wait_until

TENANT = {"user": "tenant", "password": "tenant"}
CAPS = wire.DEFAULT_CAPS | wire.MULTI_STATEMENTS | wire.LOCAL_FILES
MAX = 0xFFFFFF


def servers(cluster, **more):
    return [{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10,
             "weight": 1100 - 100 * n, **more} for n in NODES]


@pytest.fixture(params=["clients", "nodes", "both"])
def side(request, cluster, galeway):
    """A proxy that compresses on one side or on both; proxy.client(...) is a client of it."""
    proxy = galeway(variables={"have_compress": request.param != "nodes",
                               "enable_load_data_local_infile": True},
                    servers=servers(cluster, compression=int(request.param != "clients")))
    proxy.side = request.param
    proxy.client = lambda **options: wire.Client(
        port=proxy.port, compress=proxy.side != "nodes", **{"caps": CAPS, **TENANT, **options})
    yield proxy
    for name in ("client", "server"):
        is_used = {"client": proxy.side != "nodes", "server": proxy.side != "clients"}[name]
        assert (counter(proxy, f"{name}_bytes_recv") > 0) == is_used
        assert (counter(proxy, f"{name}_bytes_sent") > 0) == is_used


def counter(proxy, name):
    console = Console(proxy)
    with contextlib.closing(console.db):
        return console.status("Compressed_" + name)


def offering(galeway, **options):
    return galeway(variables={"have_compress": True}, **options)


def compressing(proxy, **options):
    return wire.Client(port=proxy.port, compress=True, **{"caps": CAPS, **TENANT, **options})


# ---------------------------------------------------------------- who compresses

def test_only_who_is_offered_it_and_asks(galeway):
    proxy = galeway()
    with compressing(proxy) as client:  # as with a node: what was not offered is not there
        assert client.greeting.caps & wire.COMPRESS == 0
        assert client.value("SELECT 1") == "1"
    proxy.data["mysql_variables"]["have_compress"] = True
    proxy.reload()
    wait_until(lambda: wire.Client(port=proxy.port, login=False).greeting.caps & wire.COMPRESS,
               what="compression to be offered")
    with compressing(proxy) as client, wire.Client(port=proxy.port, compress=False,
                                                   **TENANT) as other:
        assert isinstance(client.sock, packed.Socket)
        assert client.value("SELECT 2") == other.value("SELECT 2") == "2"
        assert counter(proxy, "clients") == 1
        proxy.data["mysql_variables"]["have_compress"] = False
        proxy.reload()
        wait_until(lambda: not wire.Client(port=proxy.port, login=False).greeting.caps
                   & wire.COMPRESS, what="no more offers")
        assert client.value("SELECT 3") == "3"  # who has it keeps it
    wait_until(lambda: counter(proxy, "clients") == 0, what="the client to be gone")


def test_a_refused_login_is_told_plainly(galeway):
    proxy = offering(galeway)
    with pytest.raises(wire.ServerError) as error:
        compressing(proxy, password="wrong")
    assert error.value.errno == 1045
    with compressing(proxy) as client:
        assert wire.parse_error(client.change_user("tenant2", "wrong")[-1].payload)[0] == 1045
        assert client.value("SELECT 1") == "1"


def test_levels(galeway):
    sent = {}
    for level in (-1, 0, 1, 9):
        proxy = galeway(variables={"have_compress": True, "protocol_compression_level": level})
        with compressing(proxy) as client:
            words = " ".join(random.Random(1).choices(["node", "client", "server", "zlib"], k=9000))
            assert client.value(f"SELECT '{words}'") == words
        sent[level] = counter(proxy, "client_bytes_sent")
        assert counter(proxy, "client_bytes_sent_plain") > len(words)
    assert sent[9] < sent[1] < sent[0]
    assert sent[0] > len(words)
    assert sent[-1] < sent[1]


# ---------------------------------------------------------------- what clients do

def test_results_and_statements_of_all_sizes(side):
    noise = random.Random(3).randbytes(1 << 20).hex()
    for piece in (MAX, 1000003):
        with side.client() as client:
            if isinstance(client.sock, packed.Socket):
                client.sock.piece = piece
            for size in (1, 40, 50, 51, 1000, 61440, 100000, MAX - 40, MAX, MAX + 20, 30 << 20):
                # Behind "SELECT LENGTH(''), " the packet has size bytes, MAX among them.
                text = (noise * (size // len(noise) + 1))[:max(size - 20, 1)]
                assert client.value(f"SELECT LENGTH('{text}')") == str(len(text))
            for size in (10, 60000, MAX - 10, MAX - 5, MAX - 4, MAX - 3, MAX, 20 << 20):
                assert len(client.value(f"SELECT REPEAT('x', {size})")) == size
            assert client.value(f"SELECT CONCAT('{noise}', REPEAT('y', 100000), '{noise}')") \
                == noise + "y" * 100000 + noise
            assert client.is_in_order


def test_dialogs(side, schema):
    with side.client(db=schema) as client:
        packets = client.query("SELECT 1; SELECT 2; SELECT * FROM seq_1_to_1000; DO 0; SELECT 3")
        assert [p.seq for p in packets] == [n % 256 for n in range(1, len(packets) + 1)]
        client.rows("CREATE TABLE t (id INT PRIMARY KEY, s LONGTEXT)")
        client.rows("CREATE TABLE l (s TEXT)")
        insert = client.prepare("INSERT INTO t VALUES (?, ?)")
        long = "long " * 500000
        client.send(bytes([wire.COM_STMT_SEND_LONG_DATA]) + struct.pack("<IH", insert, 1)
                    + long.encode())
        client.send(wire.execute_packet(insert, [1, wire.LONG_DATA]))
        wire.succeeded(client.read_query())
        client.send(bytes([wire.COM_STMT_CLOSE]) + struct.pack("<I", insert))
        assert client.value("SELECT s FROM t WHERE id = 1") == long
        select = client.prepare("SELECT seq FROM seq_1_to_500 WHERE seq > ?")
        client.send(wire.execute_packet(select, [7], cursor=1))
        wire.succeeded(client.read_query(cursor=True))
        for _ in range(3):
            client.send(bytes([wire.COM_STMT_FETCH]) + struct.pack("<II", select, 100))
            assert len(client.read_fetch()) == 101
        assert client.query("SELECT * FROM nowhere")[0].payload[0] == 0xFF
        assert client.change_user("tenant", "tenant", db=schema)[-1].payload[0] == 0
        assert client.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE l",
                            b"one\ntwo\n")[-1].payload[0] == 0
        assert client.value("SELECT COUNT(*) FROM l") == "2"
        for _ in range(3):
            client.value("SELECT SQL_CALC_FOUND_ROWS seq FROM seq_1_to_30000 LIMIT 3")
            assert client.value("SELECT FOUND_ROWS()") == "30000"
        assert client.is_in_order


def test_a_file_of_many_packets(side, schema):
    """Numbers wrap on both levels; packets of a few bytes, cut where it hurts."""
    with side.client(db=schema) as client:
        client.rows("CREATE TABLE l (s TEXT)")
        for lines in (255, 256, 1000):
            client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE l")
            assert client.read_packet().payload == b"\xfbx"
            for n in range(lines):
                client.send_packet(b"%d\n" % n)
            client.send_packet(b"")
            assert client.read_packet().payload[0] == 0
            assert client.value("SELECT COUNT(*), SUM(s) FROM l") == str(lines)
            client.rows("TRUNCATE l")
        client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE l")
        client.read_packet()
        stream = b"".join(struct.pack("<I", 5)[:3] + bytes([n % 256]) + b"%04d\n" % n
                          for n in range(2, 502)) + struct.pack("<I", 502 % 256 << 24)
        for at in range(0, len(stream), 7):
            client.sock.sendall(stream[at:at + 7])
        packet = client.read_packet()
        assert packet.payload[0] == 0
        assert client.rows("SELECT COUNT(*), SUM(s) FROM l") \
            == [["500", str(sum(range(2, 502)))]]


@pytest.mark.parametrize("program", ["php/mysqli.php", "php/pdo.php", "perl/dbd.pl",
                                     "node/mysql2.js", "node/mariadb.js", "java/Clients.java"])
def test_programs(galeway, cluster, schema, node_modules, program):
    proxy = offering(galeway, servers=servers(cluster, compression=1))
    start = {"php": ["php", "-d", "mysqli.allow_local_infile=1", "-d", "display_errors=stderr"],
             "perl": ["perl"], "node": ["node"],
             "java": ["java", "-Xmx256m", "-cp", "/usr/share/java/mariadb-java-client.jar"]}
    if program.startswith("java") and run(["sh", "-c", "command -v javac"], check=False).returncode:
        pytest.skip("there is no Java compiler")
    run([*start[program.split("/")[0]], CLIENTS / program],
        env={**environment(proxy, schema), "DB_COMPRESS": "1", "NODE_PATH": str(node_modules)})
    assert counter(proxy, "client_bytes_recv") > 1000
    assert counter(proxy, "server_bytes_recv") > 1000
    assert counter(proxy, "malformed") == 0


def test_dump_and_reload(galeway, cluster, schema, tmp_path):
    proxy = offering(galeway, servers=servers(cluster, compression=1))
    login = ["-h127.0.0.1", f"-P{proxy.port}", "-utenant", "-ptenant", "--compress"]
    with compressing(proxy, db=schema) as client:
        client.rows("CREATE TABLE d (id INT PRIMARY KEY, s LONGTEXT, b LONGBLOB)")
        client.rows("INSERT INTO d SELECT seq, REPEAT(MD5(seq), seq), UNHEX(SHA2(seq, 512)) "
                    "FROM seq_1_to_500")
        client.rows("INSERT INTO d VALUES (1000, REPEAT('x', 5000000), RANDOM_BYTES(1000))")
        check = "SELECT COUNT(*), SUM(CRC32(s)), SUM(CRC32(b)) FROM d"
        before = client.rows(check)
        for tls in ([], [f"--ssl-ca={own_ca(proxy)}", "--ssl-verify-server-cert"]):
            dump = tmp_path / "dump.sql"
            run(["mariadb-dump", *login, *tls, "--skip-lock-tables", "--hex-blob", schema,
                 f"--result-file={dump}"])
            client.rows("DROP TABLE d")
            with open(dump, "rb") as source:
                run(["mariadb", *login, *tls, schema], stdin=source)
            assert client.rows(check) == before
    assert counter(proxy, "client_bytes_recv") < 3000000


def test_over_tls(side):
    with side.client(tls=trusting(own_ca(side))) as client:
        for size in (1, 1000, 20 << 20):
            assert len(client.value(f"SELECT REPEAT('x', {size})")) == size
            assert client.value(f"SELECT LENGTH('{'y' * size}')") == str(size)
        assert client.change_user("tenant", "tenant")[-1].payload[0] == 0
        assert client.value("SELECT 1") == "1"


def test_a_connection_moves_to_the_other_worker(galeway, cluster, schema):
    proxy = galeway(variables={"have_compress": True, "monitor_enabled": False},
                    servers=servers(cluster, compression=1, max_connections=1)[:1])
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(compressing(proxy, db=schema)) for _ in range(6)]
        for n in range(100):
            client = clients[n % len(clients)]
            assert client.value(f"SELECT {n} FROM seq_1_to_1") == str(n)
        console = Console(proxy)
        assert console.status("Server_Connections_moved") > 0
        assert counter(proxy, "servers") == 1


# ---------------------------------------------------------------- memory

def test_large_results_to_a_slow_client(side, schema):
    """What is not read waits in the node, compressed or not."""
    query = "\x03SELECT REPEAT(MD5(RAND() + seq), 30), REPEAT('z', 10000) FROM seq_1_to_7000"
    with side.client(receive_buffer=65536, db=schema) as client, side.client() as other:
        other.value("SELECT 1")
        before = side.rss_kb()
        client.send(query.encode())
        for n in range(100):
            assert other.value(f"SELECT {n}") == str(n)
        assert side.rss_kb() - before < 20000
        assert sum(len(p.payload) > 10000 for p in client.read_query()) == 7000
        assert side.rss_kb() - before < 20000


def test_large_uploads(side, schema):
    text = random.Random(4).randbytes(1 << 20).hex() * 14 + "x" * (30 << 20)
    with side.client(db=schema) as client:
        client.value("SELECT 1")
        before = side.rss_kb()
        assert client.value(f"SELECT CRC32('{text}')") == str(zlib.crc32(text.encode()))
        assert side.rss_kb() - before < 20000


def test_bombs_wait_packed(galeway):
    """Clients that send what becomes a gigabyte behind a statement that runs."""
    proxy = offering(galeway)
    sql = b"\x03SELECT 1 /*" + b"x" * (MAX - 17) + b"*/"
    bomb = packed.pack(struct.pack("<I", len(sql))[:3] + b"\0" + sql, 0, 9)
    assert len(bomb) < 20000
    with compressing(proxy) as other, contextlib.ExitStack() as stack:
        other.value("SELECT 1")
        before = proxy.rss_kb()
        clients = [stack.enter_context(compressing(proxy)) for _ in range(10)]
        for client in clients:
            client.send(b"\x03SELECT SLEEP(20)")
            client.sock.sock.sendall(bomb * 6)
        for n in range(50):
            assert other.value(f"SELECT {n}") == str(n)
        assert proxy.rss_kb() - before < 20000
        for client in clients:
            client.abort()
        assert other.value("SELECT 1") == "1"


# ---------------------------------------------------------------- nonsense

def command(sql=b"SELECT 1 /* some text that becomes shorter, shorter, shorter, shorter */"):
    return struct.pack("<I", len(sql) + 1)[:3] + b"\0\x03" + sql


def deflated(data, before=None, seq=0, tail=b"", cut=0):
    body = zlib.compress(data) + tail
    body = body[:len(body) - cut]
    return (struct.pack("<I", len(body))[:3] + bytes([seq])
            + struct.pack("<I", len(data) if before is None else before)[:3] + body)


BAD = {
    "empty": (packed.pack(b"", 0, plain=True), 1157),
    "empty, deflated": (b"\0\0\0\0\x05\0\0", 1157),
    "garbage": (b"\x10\0\0\0\x64\0\0" + b"g" * 16, 1157),
    "more": (deflated(command(), len(command()) + 1), 1157),
    "less": (deflated(command(), len(command()) - 1), 1157),
    "most": (deflated(command(), MAX), 1157),
    "tail": (deflated(command(), tail=b"x"), 1157),
    "cut": (deflated(command(), cut=1), 1157),
    "bomb": (deflated(b"\0" * (10 << 20), 1000), 1157),
    "not plain": (packed.pack(command(), 0, plain=True)[:4] + b"\x50\0\0" + command(), 1157),
    "number 1": (packed.pack(command(), 1), 1156),
    "number 255": (packed.pack(command(), 255), 1156),
    "number 2 behind 0": (packed.pack(command()[:9], 0) + packed.pack(command()[9:], 2), 1156),
    "number 0 in the middle": (packed.pack(command()[:9], 0) + packed.pack(command()[9:], 0), 1156),
    "plain protocol": (command(), 1157),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_packets(galeway, kind):
    data, number = BAD[kind]
    proxy = offering(galeway)
    with compressing(proxy) as other:
        with compressing(proxy) as client:
            client.sock.sock.sendall(data)
            header = client.sock._raw(7)
            error = client.sock._raw(int.from_bytes(header[:3], "little"))
            assert wire.parse_error(error[4:])[0] == number
            assert client.at_end()
        assert other.value("SELECT 1") == "1"
        assert counter(proxy, "malformed") == 1
        assert "a malformed packet: " + {1156: "Got packets out of order", 1157: "Couldn't uncompress"
                                         }[number] in proxy.tail()


def test_bad_packets_within_a_command(galeway, schema):
    """While it runs, while it is sent, within a file: the connection ends; nothing of it ran."""
    proxy = galeway(variables={"have_compress": True, "enable_load_data_local_infile": True})
    bad = BAD["garbage"][0]
    with compressing(proxy, db=schema) as other:
        other.rows("CREATE TABLE t (s LONGTEXT)")
        with compressing(proxy) as client:
            client.send(b"\x03SELECT SLEEP(20)")
            client.sock.sock.sendall(bad)
            assert client.at_end()
        with compressing(proxy, db=schema) as client:
            insert = b"INSERT INTO t VALUES ('" + b"x" * 2000000 + b"')"
            insert = struct.pack("<I", len(insert) + 1)[:3] + b"\0\x03" + insert
            client.sock.sock.sendall(packed.pack(insert[:1500000], 0))
            client.sock.sock.sendall(packed.pack(insert[1500000:], 1)[:-2] + b"xx")
            assert client.at_end()
        with compressing(proxy, db=schema) as client:
            client.send(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
            client.read_packet()
            client.send_packet(b"one\n")
            client.sock.sock.sendall(bad)
            assert client.at_end()
        wait_until(lambda: counter(proxy, "malformed") == 3, what="three malformed packets")
        assert other.value("SELECT COUNT(*) FROM t") == "0"
        wait_until(lambda: counter(proxy, "clients") == 1, what="only one client")


def test_cut_anywhere(galeway, schema):
    proxy = offering(galeway)
    with compressing(proxy, db=schema) as other:
        other.rows("CREATE TABLE t (a INT)")
        insert = b"INSERT INTO t VALUES (1)" + b" " * 60
        whole = packed.pack(command(insert), 0)
        for cut in range(1, len(whole)):
            with compressing(proxy, db=schema) as client:
                client.sock.sock.sendall(whole[:cut])
                client.sock.sock.shutdown(socket.SHUT_WR)
                assert client.at_end()
        with compressing(proxy, db=schema) as client:
            for at in range(len(whole)):
                client.sock.sock.sendall(whole[at:at + 1])
            client.sock.seq = 1
            assert client.read_query()[0].payload[0] == 0
        assert other.value("SELECT COUNT(*) FROM t") == "1"
        wait_until(lambda: counter(proxy, "clients") == 1, what="only one client")
        assert counter(proxy, "malformed") == 0


def test_noise(galeway):
    """Bytes of chance behind a good login, many times; others are served meanwhile."""
    proxy = offering(galeway)
    chance = random.Random(9)

    class Others(Background):
        def work(self, number):
            with compressing(proxy) as client:
                while self.goes_on():
                    assert client.value(f"SELECT {number}") == str(number)

    with Others(2):
        for _ in range(200):
            with compressing(proxy) as client:
                data = bytearray(packed.pack(command(), 0))
                for _ in range(chance.randrange(1, 4)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                client.sock.sock.sendall(data + chance.randbytes(chance.randrange(300)))
                client.sock.sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(packed.Broken, zlib.error):
                    client.at_end()
    proxy.check_alive()
    wait_until(lambda: counter(proxy, "clients") == 0, what="all to be gone")


# ---------------------------------------------------------------- nodes

def behind(galeway, relay):
    return galeway(variables={"have_compress": True, "monitor_enabled": False},
                   servers=[{"address": "127.0.0.1", "port": relay.port, "hostgroup": 10,
                             "compression": 1}])


def test_a_node_that_does_not_offer_it(galeway, cluster, schema):
    def hide(data):
        if len(data) > 60 and data[4] == 10 and data[5:11] == b"5.5.5-":
            at = data.index(b"\0", 5) + 1 + 4 + 8 + 1
            data = data[:at] + bytes([data[at] & ~wire.COMPRESS]) + data[at + 1:]
        return data

    with Relay(cluster.port(1)) as relay:
        relay.to_client = hide
        proxy = behind(galeway, relay)
        with compressing(proxy) as client, compressing(proxy, db=schema) as other:
            assert client.value("SELECT 1") == "1"
            client.query("BEGIN")
            assert other.value("SELECT 2 FROM seq_1_to_1") == "2"  # on a connection of its own
            client.query("COMMIT")
        assert counter(proxy, "servers") == 0
        assert proxy.tail().count("does not offer compression") == 1


def test_a_node_that_says_nonsense(galeway, cluster):
    with Relay(cluster.port(1)) as relay:
        proxy = behind(galeway, relay)
        with compressing(proxy) as client, compressing(proxy) as other:
            for noise in (b"\x10\0\0\x01\x64\0\0" + b"g" * 16, b"\0\0\0\x01\0\0\0"):
                assert client.value("SELECT 1") == "1"
                relay.to_client = lambda data, noise=noise: (setattr(relay, "to_client", lambda d: d)
                                                             or noise)
                packets = client.query("DO RELEASE_LOCK('x')")
                assert wire.parse_error(packets[-1].payload)[0] in (2013, 2027)
                assert other.value("SELECT 2") == "2"
        assert "reading a compressed packet: Couldn't uncompress" in proxy.tail() \
            or "Couldn't uncompress" in proxy.tail()
        assert counter(proxy, "malformed") == 2
