# SPDX-License-Identifier: Apache-2.0
"""churn - clients that keep changing all the session state there is, as a background load.

    churn.py PORT USER PASSWORD SCHEMA SEED

Two sessions of one user take turns, statement by statement, so that whoever else uses the pool
finds connections with a foreign past. Each session checks what it sees of its own state; the
first wrong answer ends the process with an explanation. Ends at SIGTERM.
"""
import collections
import os
import random
import signal
import struct
import sys

import wire

MODES = ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "STRICT_ALL_TABLES", "PIPES_AS_CONCAT")
CHARSETS = ("utf8mb4", "latin1", "utf8mb3", "binary")
ZONES = ("+00:00", "-05:00", "+09:30")
TRAIL = 12  # statements that a failure tells about


class Churner:
    """One session; each activity is a generator that yields after every statement."""

    def __init__(self, port, user, schema, rng):
        self.connect_args = {"port": port, "user": user[0], "password": user[1], "db": schema}
        self.schema = schema
        self.rng = rng
        self.client = wire.Client(**self.connect_args)
        self.trail = collections.deque(maxlen=TRAIL)
        self.running = self.live()

    def live(self):
        activities = (self.names, self.mode, self.zone, self.user_variable, self.temporary,
                      self.transaction, self.found_rows, self.insert_id, self.prepared,
                      self.lock, self.failure, self.change_user, self.reconnect)
        while True:
            yield from self.rng.choice(activities)()

    def step(self):
        try:
            next(self.running)
        except (AssertionError, wire.ServerError) as fault:
            raise AssertionError(f"{fault}; before that: {' | '.join(self.trail)}") from fault

    def run(self, sql):
        """A statement that must succeed; its packets."""
        self.trail.append(sql)
        packets = self.client.query(sql)
        if packets[-1].payload[0] == 0xFF:
            raise wire.ServerError(packets[-1].payload)
        return packets

    def expect(self, sql, want):
        self.trail.append(sql)
        got = self.client.value(sql)
        if got != str(want):
            raise AssertionError(f"{sql}: wanted {want!r}, got {got!r}")

    def names(self):
        charset = self.rng.choice(CHARSETS)
        yield self.run(f"SET NAMES {charset}")
        yield self.expect("SELECT @@character_set_client", charset)

    def mode(self):
        mode = self.rng.choice(MODES)
        yield self.run(f"SET sql_mode='{mode}'")
        yield self.expect("SELECT @@sql_mode", mode)

    def zone(self):
        zone = self.rng.choice(ZONES)
        yield self.run(f"SET time_zone='{zone}'")
        yield self.expect("SELECT @@time_zone", zone)

    def user_variable(self):
        number = self.rng.randrange(1 << 30)
        yield self.run(f"SET @a={number}, @b='churn', @x={number}")
        yield self.expect("SELECT @a", number)

    def temporary(self):
        number = self.rng.randrange(1 << 30)
        yield self.run("CREATE TEMPORARY TABLE t (churn INT)")
        yield self.run(f"INSERT INTO t VALUES ({number})")
        yield self.expect("SELECT churn FROM t", number)
        yield self.run("DROP TEMPORARY TABLE t")

    def transaction(self):
        number = self.rng.randrange(1 << 30)
        yield self.run("BEGIN")
        yield self.run(f"INSERT INTO churn (n) VALUES ({number})")
        yield self.expect(f"SELECT COUNT(*) FROM churn WHERE n={number}", 1)
        yield self.run("ROLLBACK")

    def found_rows(self):
        count = self.rng.randrange(5, 40)
        yield self.run(f"SELECT SQL_CALC_FOUND_ROWS seq FROM seq_1_to_{count} LIMIT 3")
        yield self.expect("SELECT FOUND_ROWS()", count)

    def insert_id(self):
        packets = self.run("INSERT INTO churn (n) VALUES (0)")
        insert_id = wire.parse_ok(packets[0].payload)[1]
        yield
        yield self.expect("SELECT LAST_INSERT_ID()", insert_id)
        yield self.run(f"DELETE FROM churn WHERE id={insert_id}")

    def prepared(self):
        number = self.rng.randrange(1 << 30)
        self.trail.append("COM_STMT_PREPARE")
        statement = self.client.prepare("SELECT ? AS churn")
        yield
        self.client.send(wire.execute_packet(statement, [number]))
        row = self.client.read_query()[-2].payload
        if struct.unpack_from("<q", row, 2)[0] != number:
            raise AssertionError(f"prepared statement: wanted {number}, got {row!r}")
        yield
        self.client.send(bytes([wire.COM_STMT_CLOSE]) + struct.pack("<I", statement))

    def lock(self):
        name = f"churn{os.getpid()}-{self.rng.randrange(1 << 60)}"
        yield self.expect(f"SELECT GET_LOCK('{name}', 0)", 1)
        yield self.expect(f"SELECT RELEASE_LOCK('{name}')", 1)

    def failure(self):
        self.trail.append("an error")
        yield self.client.query("SELECT nothing FROM nowhere")
        yield self.expect("SELECT @@error_count", 1)

    def change_user(self):
        self.trail.append("COM_CHANGE_USER")
        self.client.change_user(self.client.user, self.client.password, self.schema)
        yield
        yield self.expect("SELECT DATABASE()", self.schema)
        yield self.expect("SELECT @a IS NULL", 1)

    def reconnect(self):
        self.trail.append("another connection")
        self.client.close()
        self.client = wire.Client(**self.connect_args)
        yield


def main():
    port, user, password, schema, seed = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    rng = random.Random(int(seed))
    churners = [Churner(int(port), (user, password), schema, rng) for _ in range(2)]
    print("ready", flush=True)
    while True:
        for churner in churners:
            churner.step()


if __name__ == "__main__":
    main()
