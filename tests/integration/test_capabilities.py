# SPDX-License-Identifier: Apache-2.0
"""Every combination of capabilities that changes a dialogue gives the same packets as a node.

A client logs in directly and through Galeway (with the query cache and without) and runs a fixed
list. What differs by nature is masked: statement ids, CONNECTION_ID(), COM_STATISTICS.
CAPABILITIES=all takes all combinations, CAPABILITIES=n other n of them than usual, by this seed.
"""
import itertools
import os
import random
import struct

import pytest

import wire
from console import Console
from relay import OldNode
from util import wait_until
from wire import (COM_FIELD_LIST, COM_INIT_DB, COM_PING, COM_RESET_CONNECTION, COM_SET_OPTION,
                  COM_STATISTICS, COM_STMT_CLOSE, COM_STMT_FETCH, COM_STMT_PREPARE, COM_STMT_RESET,
                  DEFAULT, IGNORE)

# Always there; a client without the first two is none of this century.
BASE = wire.PROTOCOL_41 | wire.SECURE_CONNECTION

# All combinations of these. What makes another kind of server connection comes first: it varies
# slowest. (LONG_PASSWORD off = MariaDB's extended bits count.)
MATTER = [wire.DEPRECATE_EOF, wire.EXTENDED_METADATA, wire.STMT_BULK, wire.FOUND_ROWS,
          wire.MULTI_RESULTS, wire.PS_MULTI_RESULTS, wire.MULTI_STATEMENTS, wire.LOCAL_FILES,
          wire.PLUGIN_AUTH, wire.CONNECT_WITH_DB]
# Any of these, by chance. Not here: COMPRESS, SSL and SESSION_TRACK have tests of their own;
# CACHE_METADATA and PROGRESS are not offered. What has no name here is unknown to a node.
REST = [wire.LONG_FLAG, wire.NO_SCHEMA, wire.ODBC, wire.IGNORE_SPACE, wire.INTERACTIVE, 1 << 12,
        wire.TRANSACTIONS, 1 << 14, wire.CONNECT_ATTRS, wire.PLUGIN_AUTH_LENENC,
        wire.EXPIRED_PASSWORDS, wire.REMEMBER_OPTIONS, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29,
        1 << 33, 1 << 40, 1 << 63]
CHUNKS = 8
SAMPLE = 96
SEED = 20261122

LONG, STRING = 0x03, 0xFD
FILES = {"enable_load_data_local_infile": True}


def combinations():
    chosen = os.environ.get("CAPABILITIES", "")
    chance = random.Random(int(chosen) if chosen.isdigit() else SEED)
    every = []
    for bits in itertools.product((0, 1), repeat=len(MATTER)):
        caps = BASE | sum(bit for bit, on in zip(MATTER, bits) if on)
        if not caps >> 32:
            caps |= chance.choice((0, wire.LONG_PASSWORD))
        every.append(caps | sum(bit for bit in REST if chance.random() < 0.3))
    if chosen == "all":
        return every
    return sorted(chance.sample(every, SAMPLE), key=every.index)


def masked_id(packets):
    first = packets[0]
    if first.payload[0] == 0:
        packets[0] = first._replace(payload=b"\0idid" + first.payload[5:])
    return packets


class Player:
    """Runs the list on one connection and notes every packet."""

    def __init__(self, client, schema):
        self.client = client
        self.schema = schema
        self.heard = [("login", client.login_packets[-1:])]

    def note(self, what, packets):
        self.heard.append((what, packets))
        return packets

    def ask(self, sql, infile=None):
        return self.note(sql, self.client.query(sql, infile))

    def command(self, what, payload, read):
        self.client.send(payload)
        return self.note(what, read())

    def prepare(self, sql):
        self.client.send(bytes([COM_STMT_PREPARE]) + sql.encode())
        packets = self.client.read_prepare()
        number = struct.unpack_from("<I", packets[0].payload, 1)[0]
        self.note("prepare " + sql, masked_id(packets))
        return number

    def execute(self, what, packet, cursor=False):
        self.command(what, packet, lambda: self.client.read_query(cursor=cursor))

    # -- the list

    def play(self):
        self.begin()
        self.text()
        self.several()
        self.prepared()
        self.cursor()
        self.bulk()
        self.diagnostics()
        self.files()
        self.commands()
        return self.heard

    def begin(self):
        client = self.client
        self.command("ping", bytes([COM_PING]), client.read_one)
        self.command("no such schema", bytes([COM_INIT_DB]) + b"cmp_none", client.read_one)
        self.command("schema", bytes([COM_INIT_DB]) + self.schema.encode(), client.read_one)
        self.ask("SET NAMES utf8mb4")
        self.ask("SELECT @@SESSION.sql_mode")
        self.ask("SELECT @@SESSION.sql_mode")
        self.ask("SET SESSION sql_mode='NO_ENGINE_SUBSTITUTION'")
        self.ask("SELECT @@sql_mode, @@wait_timeout = @@interactive_timeout")
        client.query("DELETE FROM w")

    def text(self):
        self.ask("SELECT * FROM r ORDER BY id")
        self.ask("SELECT * FROM r ORDER BY id")
        self.ask("SELECT * FROM r WHERE id = 99")
        self.ask("SELECT id, j, p FROM m")
        self.ask(f"SELECT {self.schema}.r.id FROM {self.schema}.r WHERE id = 1")
        self.ask("SELECT count (*) FROM r")
        self.ask("SELECT nothing FROM r")
        self.ask("INSERT INTO w VALUES (1, 'one'), (2, 'two')")
        self.ask("UPDATE w SET v = 'one' WHERE id < 3")
        self.ask("SELECT ROW_COUNT()")
        self.ask("SELECT SQL_CALC_FOUND_ROWS id FROM r ORDER BY id LIMIT 1")
        self.ask("SELECT FOUND_ROWS()")
        self.ask("SELECT FOUND_ROWS() + 1")
        self.ask("INSERT INTO w VALUES (LAST_INSERT_ID(5), 'five')")
        self.ask("SELECT LAST_INSERT_ID()")
        self.ask("SELECT @@identity")
        self.ask("DO 1")
        self.ask("BEGIN")
        self.ask("SELECT * FROM w ORDER BY id")
        self.ask("COMMIT")
        self.ask(f"SELECT GET_LOCK('{self.schema}', 0)")
        self.ask(f"SELECT RELEASE_LOCK('{self.schema}')")
        self.ask("INSERT INTO w VALUES (6, 'six') RETURNING id, v")
        self.ask("SELECT f(2)")
        self.ask("SELECT @@sql_mode")

    def several(self):
        self.ask("SELECT 1; SELECT 2 FROM r WHERE id = 99; DO 2; SELECT nothing")
        self.ask("CALL several()")
        self.ask("SELECT 'behind'")
        self.ask("CALL sets()")
        self.ask("SELECT @@sql_mode")
        for option in (0, 1):
            self.command(f"option {option}", bytes([COM_SET_OPTION, option, 0]),
                         self.client.read_one)
            self.ask("SELECT 3; SELECT 4")

    def prepared(self):
        self.prepare("SELECT nothing FROM r")
        self.prepare("DO 1")
        number = self.prepare("SELECT id, v, ? FROM r WHERE id <= ? ORDER BY id")
        self.execute("execute", wire.execute_packet(number, ["x", 2]))
        self.execute("execute", wire.execute_packet(number, ["y", 9], bind=False))
        self.execute("execute", wire.execute_packet(number, [None, 0]))
        number = self.prepare("SELECT j, p FROM m")
        self.execute("execute", wire.execute_packet(number, []))
        self.execute("execute", wire.execute_packet(number, []))
        number = self.prepare("SELECT LAST_INSERT_ID()")
        self.execute("local", wire.execute_packet(number, []))
        self.command("close", bytes([COM_STMT_CLOSE]) + struct.pack("<I", number),
                     self.client.read_none)
        number = self.prepare("CALL gives(?)")
        self.execute("call", wire.execute_packet(number, [1]))
        self.ask("SELECT 'behind'")
        self.execute("unknown", wire.execute_packet(4000000000, []))

    def cursor(self):
        number = self.prepare("SELECT id, v FROM r ORDER BY id")
        ask = struct.pack("<I", number)
        self.execute("cursor", wire.execute_packet(number, [], cursor=1), cursor=True)
        for rows in (2, 2):
            self.command("fetch", bytes([COM_STMT_FETCH]) + ask + struct.pack("<I", rows),
                         self.client.read_fetch)
        self.command("reset", bytes([COM_STMT_RESET]) + ask, self.client.read_one)

    def bulk(self):
        number = self.prepare("INSERT INTO w VALUES (?, ?)")
        kinds = [LONG, STRING]

        def run(what, statement, rows, flags=None, types=kinds):
            rows = [[(LONG, struct.pack("<i", v)) if isinstance(v, int) else v for v in row]
                    for row in rows]
            self.execute(what, wire.bulk_packet(statement, types, rows, flags))

        run("bulk", number, [[10, "ten"], [11, None], [12, DEFAULT]])
        run("bulk without types", number, [[13, "more"]], flags=0)
        run("bulk, a duplicate", number, [[14, "x"], [10, "again"]])
        run("bulk, none", number, [])
        run("bulk, unknown flags", number, [[15, "x"]], flags=64 | 128)
        run("bulk, unknown statement", 4000000000, [[15, "x"]])
        self.execute("bulk, cut", wire.bulk_packet(number, kinds, [])[:6])
        self.execute("bulk, no room for types", wire.bulk_packet(number, kinds, [])[:9])
        self.execute("execute", wire.execute_packet(
            number, [(LONG, struct.pack("<i", 16)), "behind"], bind=False))
        number = self.prepare("UPDATE w SET v = ? WHERE id = ?")
        run("bulk update", number, [["changed", 10], [IGNORE, 11]], types=[STRING, LONG])
        number = self.prepare("INSERT INTO w VALUES (?, ?) RETURNING id")
        run("bulk returning", number, [[20, "a"], [21, "b"]])
        number = self.prepare("SELECT v FROM w WHERE id = ?")
        run("bulk select", number, [[20], [21]], types=[LONG])
        self.ask("SELECT * FROM w ORDER BY id")

    def diagnostics(self):
        self.ask("SELECT CAST('x' AS INT)")
        self.ask("SHOW WARNINGS")
        self.ask("SHOW COUNT(*) WARNINGS")
        self.ask("SELECT nothing FROM r")
        self.ask("SHOW ERRORS")
        self.ask("KILL 4294967295")
        self.ask("SHOW WARNINGS")

    def files(self):
        self.ask("LOAD DATA LOCAL INFILE '/any' INTO TABLE w FIELDS TERMINATED BY ','",
                 infile=b"30,file\n31,file\n")
        self.ask("SELECT * FROM w WHERE id >= 30 ORDER BY id")

    def commands(self):
        client = self.client
        self.command("fields", bytes([COM_FIELD_LIST]) + b"r\0", client.read_fields)
        self.command("fields", bytes([COM_FIELD_LIST]) + b"none\0", client.read_fields)
        self.command("reset", bytes([COM_RESET_CONNECTION]), client.read_one)
        self.ask("SELECT @@sql_mode")
        self.heard.append(("change user", [p.payload[:1] for p in client.change_user(
            client.user, client.user, self.schema)]))
        self.ask("SELECT * FROM r WHERE id = 1")
        self.ask("SELECT @@sql_mode")
        client.send(bytes([COM_STATISTICS]))
        assert client.read_one()[0].payload.startswith(b"Uptime: ")
        self.heard.append(("connection id", [len(p.payload) > 0 for p in
                                             client.query("SELECT CONNECTION_ID()")]))


def make_tables(cluster, schema):
    for sql in ("CREATE TABLE r (id INT PRIMARY KEY, v VARCHAR(20), d DECIMAL(5,2))",
                "INSERT INTO r VALUES (1, 'one', 1.5), (2, NULL, 2.5), (3, '', NULL)",
                "CREATE TABLE w (id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'default')",
                "CREATE TABLE m (id INT PRIMARY KEY, j JSON, p POINT)",
                "INSERT INTO m VALUES (1, '{}', POINT(1, 2))",
                "CREATE FUNCTION f(n INT) RETURNS INT BEGIN SET sql_mode = 'ANSI'; RETURN n; END",
                "CREATE PROCEDURE several() BEGIN SELECT 1; SELECT id FROM r; DO 1; END",
                "CREATE PROCEDURE sets() BEGIN SELECT 1; SET sql_mode = 'ANSI'; SELECT 2; END",
                "CREATE PROCEDURE gives(OUT n INT) BEGIN SET n = 7; SELECT 8; END"):
        with cluster.connect(1, database=schema) as db, db.cursor() as cursor:
            cursor.execute(sql)
    cluster.catch_up()


def play(port, schema, caps):
    db = schema if caps & wire.CONNECT_WITH_DB else None
    with wire.Client(port=port, user="tenant", password="tenant", db=db, caps=caps) as client:
        return Player(client, schema).play()


def compare(caps, where, direct, heard):
    different = [f"{what}:\non a node\n" + "\n".join(map(str, expected)) + "\nthrough Galeway\n"
                 + "\n".join(map(str, got))
                 for (what, expected), (_, got) in zip(direct, heard) if got != expected]
    if different:
        pytest.fail(f"{where}, capabilities {caps:#x}\n" + "\n".join(different), pytrace=False)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_combination(cluster, galeway, schema, chunk):
    make_tables(cluster, schema)
    plain = galeway(connections=12, variables=FILES)
    cached = galeway(connections=12, variables={**FILES, "query_cache_auto": True})
    every = combinations()
    size = (len(every) + CHUNKS - 1) // CHUNKS
    for caps in every[chunk * size:(chunk + 1) * size]:
        direct = play(cluster.port(1), schema, caps)
        compare(caps, "without a cache", direct, play(plain.port, schema, caps))
        compare(caps, "with a cache", direct, play(cached.port, schema, caps))


def test_cache_answers(cluster, galeway, schema):
    """So that the comparison above is one: in each form something came from the cache."""
    make_tables(cluster, schema)
    proxy = galeway(connections=12, variables={**FILES, "query_cache_auto": True})
    console = Console(proxy)
    for caps in (0, wire.DEPRECATE_EOF, wire.EXTENDED_METADATA,
                 wire.DEPRECATE_EOF | wire.EXTENDED_METADATA):
        before = console.status("Query_Cache_count_GET_OK")
        with wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema,
                         caps=caps | BASE | wire.PLUGIN_AUTH) as client:
            direct = wire.Client(port=cluster.port(1), user="tenant", password="tenant", db=schema,
                                 caps=caps | BASE | wire.PLUGIN_AUTH)
            expected = direct.query("SELECT * FROM r ORDER BY id")
            direct.close()

            def answered():
                assert client.query("SELECT * FROM r ORDER BY id") == expected
                return console.status("Query_Cache_count_GET_OK") > before

            wait_until(answered, 10, "an answer from the cache")
    console.db.close()


# ---------------------------------------------------------------- the login's own forms

def put_zero(text):
    return text.encode() + b"\0"


def attrs(*pairs):
    return wire.put_string(b"".join(wire.put_string(part) for pair in pairs for part in pair))


AUTH, WITH_DB, ATTRS, LENENC = (wire.PLUGIN_AUTH, wire.CONNECT_WITH_DB, wire.CONNECT_ATTRS,
                                wire.PLUGIN_AUTH_LENENC)
NATIVE = put_zero("mysql_native_password")
SHORT = (b"_os", b"Linux")

# name: (capabilities besides BASE, what stands behind the user; s = response, d = schema)
LOGINS = {
    "no plugin": (0, lambda s, d: wire.put_string(s)),
    "an old response": (AUTH, lambda s, d: b"\x08" + s[:8] + NATIVE),
    "unknown plugin": (AUTH, lambda s, d: wire.put_string(s) + put_zero("no_such_plugin")),
    "plugin without a zero": (AUTH, lambda s, d: wire.put_string(s) + NATIVE[:-1]),
    "plugin left out": (AUTH, lambda s, d: wire.put_string(s)),
    "schema": (AUTH | WITH_DB, lambda s, d: wire.put_string(s) + put_zero(d) + NATIVE),
    "empty schema": (AUTH | WITH_DB, lambda s, d: wire.put_string(s) + b"\0" + NATIVE),
    "unknown schema": (AUTH | WITH_DB,
                       lambda s, d: wire.put_string(s) + put_zero("cmp_none") + NATIVE),
    "forbidden schema": (AUTH | WITH_DB,
                         lambda s, d: wire.put_string(s) + put_zero("mysql") + NATIVE),
    "schema left out": (WITH_DB, lambda s, d: wire.put_string(s)),
    "schema without a zero": (WITH_DB, lambda s, d: wire.put_string(s) + d.encode()),
    "attributes": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + attrs(SHORT)),
    "no attributes": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + b"\0"),
    "attributes left out": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE),
    "many attributes": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + attrs(
        *[(b"key%d" % i, b"value" * 20) for i in range(560)])),
    "attributes of 65535 bytes": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + attrs(
        (b"key", b"v" * (65535 - 4 - 3)))),
    "attributes of 65536 bytes": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + attrs(
        (b"key", b"v" * (65536 - 4 - 3)))),
    "an attribute of 70000 bytes": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE
                                    + attrs((b"key", b"v" * 70000))),
    "a key without a value": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE
                              + wire.put_string(wire.put_string(b"key"))),
    "a key longer than all": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + b"\x04\x7fkey"),
    "attributes cut": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + b"\x50\x03key"),
    "attributes of endless length": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE
                                     + b"\xfe" + b"\xff" * 8),
    "attributes of no length": (AUTH | ATTRS, lambda s, d: wire.put_string(s) + NATIVE + b"\xff"),
    "more behind attributes": (AUTH | ATTRS,
                               lambda s, d: wire.put_string(s) + NATIVE + attrs(SHORT) + b"more"),
    "lenenc": (AUTH | LENENC, lambda s, d: wire.put_string(s) + NATIVE),
    "lenenc of three bytes": (AUTH | LENENC, lambda s, d: b"\xfc\x14\0" + s + NATIVE),
    "lenenc of nine bytes": (AUTH | LENENC, lambda s, d: b"\xfe\x14" + bytes(7) + s + NATIVE),
    "a response of 300 bytes": (AUTH | LENENC,
                                lambda s, d: wire.put_string(s + b"x" * 280) + NATIVE),
    "a response longer than all": (AUTH | LENENC, lambda s, d: b"\xfc\xff\xff" + s + NATIVE),
    "no length": (AUTH | LENENC, lambda s, d: b"\xfb" + s + NATIVE),
    "an empty response": (AUTH, lambda s, d: b"\0" + NATIVE),
    "all": (AUTH | LENENC | ATTRS | WITH_DB,
            lambda s, d: wire.put_string(s) + put_zero(d) + NATIVE + attrs(SHORT, SHORT)),
}


# A node says "Bad handshake"; here they count as failed logins, or are not read at all.
REFUSED = ("an old response", "a response of 300 bytes", "an attribute of 70000 bytes")


def log_in(port, schema, caps, behind):
    """What the login ends with, and what the session then is."""
    with wire.Client(port=port, user="tenant", password="tenant", caps=caps, login=False) as client:
        scramble = wire.native_scramble("tenant", client.greeting.salt[:20])
        client.send_packet(client._login_head() + b"tenant\0" + behind(scramble, schema))
        try:
            packets = client._read_auth()
        except (wire.Closed, ConnectionResetError):
            return ["closed"]
        switch = [p.payload.split(b"\0")[0] for p in packets if p.payload[0] == 0xFE]
        result = switch + [packets[-1]]
        if packets[-1].payload[0] == 0:
            result.append(client.rows("SELECT DATABASE(), CURRENT_USER(), @@character_set_client"))
        return result


@pytest.mark.parametrize("extended", [0, wire.STMT_BULK | wire.EXTENDED_METADATA], ids=["", "extended"])
@pytest.mark.parametrize("form", LOGINS)
def test_login_form(cluster, proxy, schema, form, extended):
    caps, behind = LOGINS[form]
    caps |= BASE | extended | (0 if extended else wire.LONG_PASSWORD)
    expected = log_in(cluster.port(1), schema, caps, behind)
    got = log_in(proxy.port, schema, caps, behind)
    if form in REFUSED:
        assert [e.payload[0] for e in got] == [e.payload[0] for e in expected] == [0xFF]
    else:
        assert got == expected


# ---------------------------------------------------------------- nodes that offer less

NEWER = wire.DEPRECATE_EOF | wire.STMT_BULK | wire.EXTENDED_METADATA


def offered(proxy):
    with wire.Client(port=proxy.port, login=False) as client:
        return (client.greeting.caps | client.greeting.mariadb_caps << 32) & NEWER


def server(port, weight=1):
    return {"address": "127.0.0.1", "port": port, "hostgroup": 10, "weight": weight}


@pytest.mark.parametrize("lacks", [wire.DEPRECATE_EOF, wire.STMT_BULK, NEWER])
def test_old_node(cluster, galeway, schema, lacks):
    """What it lacks is not offered, and a client that uses it all the same does not get it."""
    with OldNode(cluster.port(1), lacks) as old:
        proxy = galeway(servers=[server(old.port)])
        assert offered(proxy) == NEWER & ~lacks
        caps = BASE | wire.PLUGIN_AUTH | NEWER
        with wire.Client(port=cluster.port(1), user="tenant", password="tenant", db=schema,
                         caps=caps & ~lacks) as node:
            expected = node.query("SELECT 1, 2")
        client = wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema, caps=caps)
        client.caps &= ~lacks
        assert client.query("SELECT 1, 2") == expected
        client.close()


def test_mixed_nodes(cluster, galeway):
    """What one of them lacks is offered to nobody, as soon as its greeting was seen."""
    with OldNode(cluster.port(3), wire.EXTENDED_METADATA) as old:
        proxy = galeway(servers=[server(cluster.port(1), 1000), server(cluster.port(2), 900),
                                 server(old.port, 800)])
        wait_until(lambda: offered(proxy) == NEWER & ~wire.EXTENDED_METADATA, 10,
                   "the monitor to see the old node")
        old.lacks = 0
        old.drop()
        wait_until(lambda: offered(proxy) == NEWER, 20, "the monitor to see that it was upgraded")


def test_node_becomes_old(cluster, galeway, schema):
    """Who uses what it lacks now is served by others, or told why not; never in another form."""
    with OldNode(cluster.port(1), 0) as old, OldNode(cluster.port(2), 0) as young:
        proxy = galeway(servers=[server(old.port, 1000), server(young.port, 900)])
        with wire.Client(port=proxy.port, user="tenant", password="tenant", db=schema,
                         caps=BASE | wire.PLUGIN_AUTH | NEWER) as client:
            expected = client.query("SELECT 1 FROM information_schema.ENGINES LIMIT 1")
            for node in (old, young):
                node.lacks = wire.DEPRECATE_EOF
                node.drop()
                wait_until(lambda: not offered(proxy) & wire.DEPRECATE_EOF, 20,
                           "the node to be seen as it is now")
                packets = client.query("SELECT 1 FROM information_schema.ENGINES LIMIT 1")
                if node is old:
                    assert packets == expected
            number, state, text = wire.parse_error(packets[0].payload)
            assert (number, state) == (1235, "42000")
            assert text.startswith("The node lacks a capability that the client uses (node 127.0.0.1:")
            old.lacks = young.lacks = 0
            wait_until(lambda: client.query("SELECT 1 FROM information_schema.ENGINES LIMIT 1")
                       == expected, 20, "a node that has it")


# ---------------------------------------------------------------- answers made elsewhere

FORMS = [0, wire.DEPRECATE_EOF, wire.EXTENDED_METADATA, wire.DEPRECATE_EOF | wire.EXTENDED_METADATA]


@pytest.mark.parametrize("form", FORMS)
def test_kept_warnings(cluster, galeway, schema, form):
    """They are fetched from a connection that is given back, and raised again on another."""
    proxy = galeway(connections=1, servers=[server(cluster.port(1))])
    console = Console(proxy)
    answers = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user="tenant", password="tenant", db=schema,
                         caps=BASE | wire.PLUGIN_AUTH | form) as client:
            got = [client.query("SELECT CAST('x' AS INT)")]
            if port == proxy.port:
                wait_until(lambda: console.value(
                    "SELECT SUM(ConnUsed) FROM stats_mysql_connection_pool") == 0, 10,
                    "the connection to be given back")
            got += [client.query(sql) for sql in (
                "SHOW WARNINGS", "SHOW ERRORS", "SHOW WARNINGS LIMIT 1", "SHOW COUNT(*) WARNINGS")]
            answers.append(got)
    assert answers[0] == answers[1]
    console.db.close()


@pytest.mark.parametrize("form", [0, wire.DEPRECATE_EOF])
def test_console(galeway, form):
    proxy = galeway()
    with wire.Client(port=proxy.admin_port, user="admin", password="admin",
                     caps=BASE | wire.PLUGIN_AUTH | wire.MULTI_STATEMENTS | NEWER & ~wire.DEPRECATE_EOF
                     | form) as client:
        assert client.greeting.mariadb_caps == 0, "the console has no extended ones"
        assert client.rows("SELECT 1, NULL, 'x'") == [["1", None, "x"]]
        assert client.rows("SELECT 1 WHERE 1 = 0") == []
        assert len(client.query("SELECT 1; SELECT 2")) == (8 if form else 10)
        assert client.rows("SELECT username FROM mysql_users WHERE username = 'tenant'") == [["tenant"]]
        client.send(bytes([COM_FIELD_LIST]) + b"mysql_users\0")
        assert len(client.read_fields()) > 5
        client.send(bytes([COM_SET_OPTION, 1, 0]))
        end = client.read_one()[0].payload
        assert end[0] == 0xFE and len(end) == (7 if form else 5)
        client.send(bytes([COM_STMT_PREPARE]) + b"SELECT ?, 2")
        packets = client.read_prepare()
        statement = struct.unpack_from("<I", packets[0].payload, 1)[0]
        assert len(packets) == (2 if form else 3)
        client.send(wire.execute_packet(statement, ["x"]))
        assert client.read_query()[-2].payload == b"\0\0\1x\1" + b"2"
        with pytest.raises(wire.ServerError):
            client.rows("SELECT nothing")
        assert client.rows("SELECT 3") == [["3"]]
