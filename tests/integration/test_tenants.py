# SPDX-License-Identifier: Apache-2.0
"""Hundreds of users at once on few server connections: every answer belongs to who asked."""
import concurrent.futures
import random
import struct

import pytest

import wire
from util import account

USERS = 200
THREADS = 6
ROUNDS = 24
LIMIT = 12  # server connections per node

MODES = ("", "ANSI_QUOTES", "STRICT_ALL_TABLES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT")
COLLATIONS = ("utf8mb4_unicode_520_ci", "utf8mb4_bin", "latin1_swedish_ci", "utf8mb4_general_ci")
ZONES = ("+00:00", "+01:00", "-08:00")


@pytest.fixture
def tenants(cluster):
    """Users with a schema each, which holds its owner's name. Made once for a cluster's life."""
    with cluster.use.held():
        yield _tenants(cluster)


def _tenants(cluster):
    names = [f"many_{i}" for i in range(USERS)]
    there = {row[0] for row in cluster.sql(1, "SHOW DATABASES LIKE 'many\\_%'")}
    with cluster.connect(1) as db, db.cursor() as cursor:
        for name in names:
            if name not in there:
                cursor.execute(f"CREATE DATABASE {name}")
                cursor.execute(f"CREATE TABLE {name}.whoami (id INT AUTO_INCREMENT PRIMARY KEY, "
                               f"name VARCHAR(64)) SELECT '{name}' AS name")
        accounts = ",".join(f"{name} IDENTIFIED BY '{name}'" for name in names)
        cursor.execute("CREATE USER IF NOT EXISTS " + accounts)
        cursor.execute("GRANT ALL ON `many\\_%`.* TO " + ",".join(names))
    cluster.catch_up()
    return names


class Tenant:
    """A client that sets its session up as a site does, and checks all that it is told."""

    def __init__(self, port, name, number):
        self.rng = random.Random(number)
        self.port, self.name = port, name
        self.number = number
        self.open()

    def open(self):
        self.client = wire.Client(port=self.port, user=self.name, password=self.name, timeout=60)
        self.mode = self.rng.choice(MODES)
        self.collation = self.rng.choice(COLLATIONS)
        self.zone = self.rng.choice(ZONES)
        charset = self.collation.split("_")[0]
        for sql in (f"SET NAMES {charset} COLLATE {self.collation}",
                    f"SET SESSION sql_mode='{self.mode}'", f"SET time_zone='{self.zone}'"):
            packet = self.client.query(sql)[0].payload
            assert packet[0] == 0, wire.describe(wire.Packet(0, packet))
        self.client.send(bytes([wire.COM_INIT_DB]) + self.name.encode())
        assert self.client.read_packet().payload[0] == 0

    def same(self, want, got):
        assert got == want, f"{self.name} was told {got!r}, wanted {want!r}"

    def ask(self):
        self.rng.choice((self.identity, self.schema, self.mode_alone, self.own_row, self.insert,
                         self.prepared, self.transaction, self.tables, self.reconnect,
                         self.variable, self.failure))()

    def identity(self):
        row = self.client.rows("SELECT DATABASE(), CURRENT_USER(), @@sql_mode, @@collation_connection, "
                               "@@time_zone, (SELECT MIN(name) FROM whoami)")[0]
        self.same([self.name, self.name + "@%", self.mode, self.collation, self.zone, self.name], row)

    def schema(self):
        self.same(self.name, self.client.value("SELECT DATABASE()"))

    def mode_alone(self):
        self.same(self.mode, self.client.value("SELECT @@SESSION.sql_mode"))
        status = wire.parse_ok(self.client.query("DO 1")[0].payload)[2]
        self.same("NO_BACKSLASH_ESCAPES" == self.mode, bool(status & wire.STATUS_NO_BACKSLASH_ESCAPES))

    def own_row(self):
        self.same(self.name, self.client.value("SELECT name FROM whoami ORDER BY id LIMIT 1"))

    def insert(self):
        packet = self.client.query(f"INSERT INTO whoami (name) VALUES ('{self.name}')")[0].payload
        number = wire.parse_ok(packet)[1]
        self.same(str(number), self.client.value("SELECT LAST_INSERT_ID()"))
        self.same(self.name, self.client.value(f"SELECT name FROM whoami WHERE id={number}"))

    def prepared(self):
        statement = self.client.prepare("SELECT name FROM whoami WHERE id=?")
        self.client.send(wire.execute_packet(statement, [self._first_id()]))
        row = self.client.read_query()[-2].payload
        self.same(self.name.encode(), row[3:])
        self.client.send(bytes([wire.COM_STMT_CLOSE]) + struct.pack("<I", statement))

    def _first_id(self):
        return int(self.client.value("SELECT MIN(id) FROM whoami"))

    def transaction(self):
        self.client.rows("BEGIN")
        self.client.rows("UPDATE whoami SET name='changed'")
        self.same("changed", self.client.value("SELECT MAX(name) FROM whoami"))
        self.client.rows("ROLLBACK")
        self.same(self.name, self.client.value("SELECT MAX(name) FROM whoami"))

    def tables(self):
        self.same([["whoami"]], self.client.rows("SHOW TABLES"))

    def variable(self):
        self.client.rows(f"SET @mine={self.number}")
        self.same(str(self.number), self.client.value("SELECT @mine"))
        # A user variable keeps the server connection; give it back.
        self.client.send(bytes([wire.COM_RESET_CONNECTION]))
        self.client.read_packet()
        self.reconnect()

    def failure(self):
        packet = self.client.query("SELECT * FROM wp_1.whoami")[0].payload
        errno, _, text = wire.parse_error(packet)
        assert errno == 1142 and f"'{self.name}'" in text, text

    def reconnect(self):
        self.client.close()
        self.open()


def test_every_answer_belongs_to_who_asked(cluster, galeway, tenants):
    proxy = galeway(users=[account(name) for name in tenants], connections=LIMIT)

    def work(share):
        clients = [Tenant(proxy.port, name, int(name.rsplit("_", 1)[1])) for name in share]
        rng = random.Random(len(share))
        for _ in range(ROUNDS):
            rng.shuffle(clients)
            for client in clients:
                client.ask()
        for client in clients:
            client.client.close()

    peak = 0
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(work, tenants[i::THREADS]) for i in range(THREADS)]
        while not all(job.done() for job in running):
            peak = max(peak, *(_connections(cluster, n) for n in (1, 2, 3)))
            concurrent.futures.wait(running, timeout=0.2)
        for job in running:
            job.result()
    assert 0 < peak <= LIMIT, f"a node had {peak} connections, {LIMIT} are allowed"


def _connections(cluster, n):
    return cluster.sql(n, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE %s",
                       ("many\\_%",))[0][0]


def test_no_rights_on_other_schemas(proxy):
    with wire.Client(port=proxy.port, user="site1", password="site1") as client:
        client.send(bytes([wire.COM_INIT_DB]) + b"mysql")
        assert wire.parse_error(client.read_packet().payload)[0] == 1044
        assert client.value("SELECT DATABASE()") is None
