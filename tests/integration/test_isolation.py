# SPDX-License-Identifier: Apache-2.0
"""No client reaches another tenant: not his rows, session, statements, threads or statistics.

Two sites share two server connections of one node, so that what one leaves behind is what the other
gets. The second listens: no byte that it is ever sent may hold the first one's secret. `test_leaks`
compares sessions of one site; here a site attacks.
"""
import contextlib
import itertools
import random
import struct
import threading

import pymysql
import pytest

import wire
from conftest import worker_name
from util import account, wait_until

SECRET = "s3cr3t-of-site1"
ROUNDS = 60
SEED = 20261122
_number = itertools.count(1)


class Listener(wire.Client):
    """A client that keeps every byte that it was sent."""

    def __init__(self, **options):
        self.heard = bytearray()
        super().__init__(**options)

    def _fill(self, need):
        before = len(self.buffer)
        try:
            super()._fill(need)
        finally:
            self.heard += self.buffer[before:]

    def heard_nothing_of(self, *words):
        for word in words:
            assert word.encode() not in self.heard, \
                f"{word} in {bytes(self.heard[-2000:])}"

    def fails(self, sql):
        """The number of the statement's error; None when it worked."""
        packet = self.query(sql)[-1].payload
        return wire.parse_error(packet)[0] if packet[0] == 0xFF else None


class House:
    """A proxy with two tenants, site1 who has something to hide and site2 who is curious."""

    def __init__(self, proxy, cluster, schemas):
        self.proxy, self.cluster = proxy, cluster
        self.secret_schema, self.own_schema = schemas
        self.opened = []

    def _open(self, kind, user, **options):
        options.setdefault("caps", wire.DEFAULT_CAPS | wire.MULTI_STATEMENTS)
        client = kind(port=self.proxy.port, user=user, password=user, **options)
        self.opened.append(client)
        return client

    def victim(self, **options):
        return self._open(wire.Client, "site1", db=self.secret_schema, **options)

    def attacker(self, **options):
        return self._open(Listener, "site2", db=self.own_schema, **options)

    def close(self):
        for client in self.opened:
            client.close()


@pytest.fixture
def make_house(galeway, cluster):
    names = [f"{site}_{worker_name()}_{next(_number)}" for site in ("site1", "site2")]
    for name in names:
        cluster.sql(1, f"CREATE OR REPLACE DATABASE {name}")
    cluster.sql(1, f"CREATE TABLE {names[0]}.posts (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT)")
    cluster.sql(1, f"INSERT INTO {names[0]}.posts (t) VALUES ('{SECRET}'), ('{SECRET}')")
    cluster.sql(1, f"CREATE PROCEDURE {names[0]}.tell() SELECT t FROM posts")
    cluster.sql(1, f"CREATE TABLE {names[1]}.posts (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT)")
    made = []

    def make(connections):
        server = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10,
                  "max_connections": connections, "weight": 1000}
        proxy = galeway(servers=[server], users=[account("site1"), account("site2")],
                        variables={"threads": 1, "query_cache_auto": True,
                                   "enable_load_data_local_infile": True})
        made.append(House(proxy, cluster, names))
        return made[-1]

    yield make
    for house in made:
        house.close()
    for name in names:
        cluster.sql(1, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def house(make_house):
    return make_house(connections=2)


# ---------------------------------------------------------------- rows

# {s}: the other's schema. Each is an error; what a node answers without the right to it.
ROWS = [
    "SELECT t FROM {s}.posts",
    "select  `t`  from `{s}` . `posts`",
    "/*!50000 SELECT t FROM {s}.posts */",
    "SELECT (SELECT t FROM {s}.posts LIMIT 1)",
    "WITH x AS (SELECT t FROM {s}.posts) SELECT * FROM x",
    "TABLE {s}.posts",
    "EXPLAIN SELECT t FROM {s}.posts",
    "ANALYZE SELECT t FROM {s}.posts",
    "DESCRIBE {s}.posts",
    "SHOW CREATE TABLE {s}.posts",
    "SHOW COLUMNS FROM {s}.posts",
    "SHOW TABLES FROM {s}",
    "CHECKSUM TABLE {s}.posts",
    "HANDLER {s}.posts OPEN",
    "CREATE TABLE mine SELECT t FROM {s}.posts",
    "CREATE TABLE mine LIKE {s}.posts",
    "CREATE VIEW mine AS SELECT t FROM {s}.posts",
    "INSERT INTO posts (t) SELECT t FROM {s}.posts",
    "UPDATE posts SET t = (SELECT t FROM {s}.posts LIMIT 1)",
    "UPDATE {s}.posts SET t = 'gone'",
    "DELETE FROM {s}.posts",
    "TRUNCATE {s}.posts",
    "DROP TABLE {s}.posts",
    "DROP DATABASE {s}",
    "ALTER TABLE {s}.posts RENAME TO {own}.posts2",
    "RENAME TABLE {s}.posts TO {own}.posts2",
    "LOCK TABLES {s}.posts READ",
    "CALL {s}.tell()",
    "USE {s}",
    "SET @x = (SELECT t FROM {s}.posts LIMIT 1)",
    "DO (SELECT t FROM {s}.posts LIMIT 1)",
    "EXECUTE IMMEDIATE 'SELECT t FROM {s}.posts'",
    "PREPARE p FROM 'SELECT t FROM {s}.posts'",
    "SELECT 1; SELECT t FROM {s}.posts",
    "BEGIN; SELECT t FROM {s}.posts",
    "SELECT t FROM {s}.posts INTO OUTFILE '/tmp/never'",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE {s}.posts",
    "SELECT user, priv FROM mysql.global_priv",
    "SELECT LOAD_FILE('/etc/passwd') FROM {s}.posts",
]


def test_rows(house):
    """Also such as the cache holds for their owner, and such as are being read right now."""
    victim, attacker = house.victim(), house.attacker()
    schema = house.secret_schema
    for _ in range(3):  # the schema is looked at once; then answers are kept
        assert victim.value(f"SELECT t FROM {schema}.posts") == SECRET
        assert victim.value("SELECT t FROM posts") == SECRET
    for form in ROWS:
        sql = form.format(s=schema, own=house.own_schema)
        assert attacker.fails(sql) is not None, sql
        assert attacker.fails("ROLLBACK") is None
    attacker.heard_nothing_of(SECRET)
    assert attacker.value("SELECT DATABASE()") == house.own_schema
    assert attacker.rows("SELECT t FROM posts") == []  # the same words, his own table
    assert victim.rows("SELECT t FROM posts") == [[SECRET]] * 2


def test_rows_of_a_read_that_is_on_its_way(house):
    """Equal reads run once: of one user."""
    victim, attacker = house.victim(), house.attacker()
    slow = f"SELECT t, SLEEP(0.3) FROM {house.secret_schema}.posts"
    got = []
    reads = threading.Thread(target=lambda: got.extend(victim.rows(slow)))
    reads.start()
    assert attacker.fails(slow) == 1142
    reads.join()
    assert got == [[SECRET, "0"]] * 2
    attacker.heard_nothing_of(SECRET)


def test_rows_by_other_commands(house):
    victim, attacker = house.victim(), house.attacker()
    schema = house.secret_schema
    victim.rows(f"SELECT t FROM {schema}.posts")
    attacker.send(bytes([wire.COM_INIT_DB]) + schema.encode())
    assert wire.parse_error(attacker.read_packet().payload)[0] == 1044
    attacker.send(bytes([wire.COM_STMT_PREPARE]) + f"SELECT t FROM {schema}.posts".encode())
    assert wire.parse_error(attacker.read_prepare()[0].payload)[0] == 1142
    for name in (f"{schema}.posts", f"`{schema}`.`posts`", f"../{schema}/posts"):
        attacker.send(bytes([wire.COM_FIELD_LIST]) + name.encode() + b"\0")
        assert wire.parse_error(attacker.read_packet().payload)[0] in (1146, 1103, 1142), name
    attacker.heard_nothing_of(SECRET)


@pytest.mark.parametrize("password", ["site2", "", SECRET])
def test_becoming_somebody_else(house, password):
    house.victim().rows("SELECT t FROM posts")
    attacker = house.attacker()
    packet = attacker.change_user("site1", password, house.secret_schema)[-1].payload
    assert wire.parse_error(packet)[0] == 1045
    # A node leaves the connection to its old user (10.11), and so it is.
    assert attacker.value("SELECT CURRENT_USER()") == "site2@%"
    assert attacker.fails(f"SELECT t FROM {house.secret_schema}.posts") == 1142
    with pytest.raises(wire.ServerError) as refused:
        Listener(port=house.proxy.port, user="site1", password=password, db=house.secret_schema)
    assert refused.value.errno == 1045


def test_a_login_that_was_seen_is_of_no_use_again(house):
    """What one login proved with its salt proves nothing with another's."""
    victim = house.victim()
    seen = wire.native_scramble("site1", victim.greeting.salt[:20])
    with Listener(port=house.proxy.port, user="site1", password="", login=False) as attacker:
        response = attacker.handshake_response(None)
        forged = response.replace(b"site1\0\0", b"site1\0" + wire.put_string(seen), 1)
        assert forged != response
        attacker.send_packet(forged)
        packet = attacker.read_packet().payload
        if packet[0] == 0xFE:
            attacker.send_packet(seen)
            packet = attacker.read_packet().payload
        assert wire.parse_error(packet)[0] == 1045


# ---------------------------------------------------------------- what a session leaves behind

LEFT = {
    "user variable": ["SET @mine = '{secret}'"],
    "assigned": ["SELECT @mine := '{secret}'"],
    "temporary table": ["CREATE TEMPORARY TABLE hidden SELECT '{secret}' AS t"],
    "prepared": ["PREPARE mine FROM \"SELECT '{secret}'\""],
    "insert id": ["INSERT INTO posts (id, t) VALUES (7777, 'x')"],
    "found rows": ["SELECT SQL_CALC_FOUND_ROWS t FROM posts LIMIT 1"],
    "warnings": ["SELECT CAST('{secret}' AS SIGNED)"],
    "error": ["SELECT '{secret}' FROM nowhere"],
    "transaction": ["BEGIN", "UPDATE posts SET t = '{secret}' WHERE id = 1"],
    "locked tables": ["LOCK TABLES posts WRITE"],
    "lock": ["SELECT GET_LOCK('{secret}', 0)"],
    "profile": ["SET profiling = 1", "SELECT '{secret}'"],
    "handler": ["HANDLER posts OPEN AS mine", "HANDLER mine READ FIRST"],
    "variables": ["SET init_connect = '{secret}'", "SET time_zone = '+05:00'",
                  "SET sql_mode = 'ANSI_QUOTES'", "SET NAMES latin1", "SET insert_id = 7777"],
    "diagnostics": ["SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{secret}'"],
}
ASKED = ["SELECT @mine", "SELECT * FROM hidden", "EXECUTE mine", "SELECT LAST_INSERT_ID()",
         "SELECT @@last_insert_id", "SELECT @@identity", "SELECT FOUND_ROWS()",
         "SELECT ROW_COUNT()", "SHOW WARNINGS", "SHOW ERRORS", "SELECT @@warning_count",
         "GET DIAGNOSTICS CONDITION 1 @seen = MESSAGE_TEXT", "SELECT @seen", "SHOW PROFILES",
         "SELECT STATE FROM information_schema.PROFILING", "HANDLER mine READ NEXT",
         "SELECT @@in_transaction, @@autocommit, @@sql_mode, @@time_zone, @@character_set_client",
         "SELECT @@insert_id", "SELECT CURRENT_USER(), CURRENT_ROLE(), DATABASE()",
         "INSERT INTO posts (id, t) VALUES (1, 'own')", "SELECT id, t FROM posts",
         "DELETE FROM posts"]
ENDS = ["close", "abort", "reset", "another user", "idle"]


def asked(client):
    """What the first of two questions of each kind gives: the packets of its answer."""
    return [(sql, [p.payload for p in client.query(sql)]) for sql in ASKED]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("what", LEFT)
def test_a_session_leaves_nothing(make_house, what, end):
    """The curious site gets the connection of the other, and is told what it was told before."""
    house = make_house(connections=2 if end == "idle" else 1)
    with house.attacker() as attacker:
        before = asked(attacker)
    victim = house.victim()
    for sql in LEFT[what]:
        victim.query(sql.format(secret=SECRET))
    leave(victim, end)
    attacker = house.attacker()
    assert asked(attacker) == before
    attacker.heard_nothing_of(SECRET, house.secret_schema)


def leave(victim, end):
    if end == "close":
        victim.close()
    elif end == "abort":
        victim.abort()
    elif end == "reset":
        victim.send(bytes([wire.COM_RESET_CONNECTION]))
        assert victim.read_packet().payload[0] == 0
    elif end == "another user":
        victim.change_user("site2", "site2")


def test_counters_of_a_session(house):
    with house.victim() as victim:
        for _ in range(50):
            victim.rows("INSERT INTO posts (t) VALUES ('x')")
    attacker = house.attacker()
    for _ in range(4):  # of either connection
        assert int(attacker.rows("SHOW SESSION STATUS LIKE 'Com_insert'")[0][1]) < 50


# ---------------------------------------------------------------- statement ids

def test_statement_ids(house):
    """Numbers are a client's own: another's says nothing of them, and does nothing to them."""
    victim, attacker = house.victim(), house.attacker()
    statement = victim.prepare(f"SELECT t, '{SECRET}' FROM posts WHERE id = ?")
    victim.send(bytes([wire.COM_STMT_SEND_LONG_DATA]) + struct.pack("<IH", statement, 0) + b"1")
    unknown = [n for n in range(12) if n != 0] + [statement + 1, 2**31, 2**32 - 2]
    for number in sorted({statement, *unknown}):
        attacker.send(wire.execute_packet(number, ["1"]))
        assert wire.parse_error(attacker.read_packet().payload)[0] == 1243, number
        for command, rest in ((wire.COM_STMT_FETCH, struct.pack("<II", number, 9)),
                              (wire.COM_STMT_RESET, struct.pack("<I", number))):
            attacker.send(bytes([command]) + rest)
            assert wire.parse_error(attacker.read_packet().payload)[0] == 1243, (command, number)
        # No answer comes to these.
        attacker.send(bytes([wire.COM_STMT_SEND_LONG_DATA])
                      + struct.pack("<IH", number, 0) + b"2")
        attacker.send(bytes([wire.COM_STMT_CLOSE]) + struct.pack("<I", number))
    assert attacker.value("SELECT 1") == "1"
    victim.send(wire.execute_packet(statement, [wire.LONG_DATA]))
    packets = wire.succeeded(victim.read_query())
    assert sum(SECRET.encode() in p.payload for p in packets) == 2  # the column's name and the row
    attacker.heard_nothing_of(SECRET)


# ---------------------------------------------------------------- threads

KILLS = ["KILL {id}", "KILL CONNECTION {id}", "KILL QUERY {id}", "KILL HARD {id}",
         "KILL SOFT QUERY {id}", "KILL QUERY ID {query}", "KILL {id}+0", "KILL (SELECT {id})",
         "KILL QUERY @victim", "KILL USER site1", "KILL QUERY USER 'site1'@'%'",
         "/*!50000 KILL {id} */", "EXECUTE IMMEDIATE 'KILL {id}'", "SELECT 1; KILL {id}",
         "SELECT 1; KILL QUERY ID {query}"]
INSIDE = ["KILL {thread}", "KILL QUERY {thread}", "KILL QUERY @thread", "KILL {thread}+0",
          "EXECUTE IMMEDIATE 'KILL {thread}'", "SELECT 1; KILL {thread}"]


@contextlib.contextmanager
def busy(house):
    """The other site's statement, which goes on until the block ends; (its ids)."""
    victim = house.victim(timeout=60)
    own = int(victim.value("SELECT CONNECTION_ID()"))
    got = []
    text = f"SELECT t, GET_LOCK('{house.secret_schema}', 60) FROM posts LIMIT 1"
    with house.cluster.connect(1) as db, db.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (house.secret_schema,))
        runs = threading.Thread(target=lambda: got.extend(victim.query(text)))
        runs.start()
        find = ("SELECT ID, QUERY_ID FROM information_schema.PROCESSLIST "
                f"WHERE USER = 'site1' AND INFO LIKE '%{house.secret_schema}%'")
        (thread, query), = wait_until(lambda: house.cluster.sql(1, find), what="the statement")
        yield {"id": own, "thread": thread, "query": query}
        cursor.execute("SELECT RELEASE_LOCK(%s)", (house.secret_schema,))
        runs.join()
    assert SECRET.encode() in wire.succeeded(got)[-2].payload
    assert victim.value("SELECT CONNECTION_ID()") == str(own)


def test_threads(house):
    """Neither by the number that Galeway gave the client, nor by the node's own."""
    attacker = house.attacker()
    with busy(house) as ids:
        attacker.rows("SET @victim = {id}, @thread = {thread}".format(**ids))
        for form in KILLS + INSIDE:
            sql = form.format(**ids)
            # To a user who may not see it a node says 1094, 1095 or 1979, and OK when he names
            # all of a user: of those that he may kill, which are none.
            works = (None,) if "USER" in sql else ()
            assert attacker.fails(sql) in (1094, 1095, 1064, 1235, 1295, 1957, 1979, *works), sql
        for number in (ids["id"], ids["thread"]):
            attacker.send(bytes([wire.COM_PROCESS_KILL]) + struct.pack("<I", number))
            assert wire.parse_error(attacker.read_packet().payload)[0] in (1094, 1095)
        for sql in ("SELECT 1; KILL {thread}", "KILL {thread}; SELECT 1", "SELECT 1; KILL {thread}; SELECT 2",
                    "SELECT 1;/*!KILL HARD {thread}*/;SELECT 2", "SET STATEMENT max_statement_time=9 FOR KILL {thread}",
                    "SELECT 1; SET STATEMENT max_statement_time=9 FOR KILL {thread};DO 1"):
            sql = sql.format(**ids)
            assert attacker.fails(sql) == 1235
        attacker.send(bytes([wire.COM_STMT_PREPARE]) + b"KILL QUERY ?")  # it would be a thread of the node
        assert wire.parse_error(attacker.read_packet().payload)[0] == 1295


# ---------------------------------------------------------------- statistics

LOOKS = ["SHOW PROCESSLIST", "SHOW FULL PROCESSLIST",
         "SELECT * FROM information_schema.PROCESSLIST",
         "SHOW EXPLAIN FOR {thread}", "SHOW EXPLAIN FOR {id}",
         "SHOW ANALYZE FORMAT=JSON FOR {thread}", "SHOW DATABASES",
         "SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE 'site1%'",
         "SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA LIKE 'site1%'",
         "SELECT * FROM information_schema.INNODB_TRX", "SHOW ENGINE INNODB STATUS",
         "SELECT * FROM information_schema.USER_STATISTICS", "SHOW GRANTS FOR site1",
         "SELECT * FROM performance_schema.events_statements_current",
         "SELECT * FROM performance_schema.threads", "SHOW BINLOG EVENTS",
         "SELECT * FROM mysql.user", "SHOW CREATE USER site1",
         "SELECT * FROM stats_mysql_processlist", "SELECT * FROM stats.stats_mysql_processlist",
         "SELECT * FROM stats_mysql_query_digest", "SELECT * FROM mysql_users",
         "SELECT * FROM runtime_mysql_users", "SELECT * FROM main.mysql_users",
         "SHOW QUERY CACHE", "SHOW MYSQL USERS", "SHOW CLUSTER", "PROXYSQL FLUSH LOGS",
         "EXPLAIN ROUTE SELECT 1", "SHOW STATUS", "SHOW GLOBAL STATUS", "SHOW VARIABLES",
         "HELP 'KILL'"]


def test_statistics(house):
    attacker = house.attacker()
    with busy(house) as ids:
        for form in LOOKS:
            attacker.query(form.format(**ids))
        attacker.send(bytes([wire.COM_STATISTICS]))
        attacker.read_packet()
    attacker.heard_nothing_of(SECRET, house.secret_schema, "posts LIMIT")


def test_the_console_is_not_for_sites(house):
    for user, password in (("site1", "site1"), ("site2", "site2"), ("site2", ""), ("admin", ""),
                           ("stats", "")):
        with pytest.raises(pymysql.OperationalError) as refused:
            pymysql.connect(host="127.0.0.1", port=house.proxy.admin_port, user=user,
                            password=password)
        assert refused.value.args[0] == 1045
    for user in ("admin", "stats"):  # nor are its users clients
        with pytest.raises(wire.ServerError) as refused:
            wire.Client(port=house.proxy.port, user=user, password=user)
        assert refused.value.errno == 1045


# ---------------------------------------------------------------- sessions that break off

def break_off(rng, victim):
    """The other site's client ends in the middle of something that has his secret in it."""
    large = f"SELECT REPEAT('{SECRET}', 40000), t FROM posts"
    kind = rng.choice(["reading", "asking", "uploading", "preparing", "file", "transaction"])
    if kind == "reading":
        victim.send(bytes([wire.COM_QUERY]) + large.encode())
        victim.sock.recv(rng.choice((1, 5, 100, 70000)))
    elif kind == "asking":
        victim.send(bytes([wire.COM_QUERY]) + f"SELECT '{SECRET}', SLEEP(0.05)".encode())
    elif kind == "uploading":
        text = f"SELECT LENGTH('{SECRET * 20000}')".encode()
        head = struct.pack("<I", len(text) + 1)[:3] + b"\0" + bytes([wire.COM_QUERY])
        victim.sock.sendall((head + text)[:rng.randrange(4, len(text))])
    elif kind == "preparing":
        number = victim.prepare(f"SELECT '{SECRET}', t FROM posts WHERE id > ?")
        victim.send(wire.execute_packet(number, [0], cursor=rng.choice((0, 1))))
    elif kind == "file":
        victim.rows("SET @secret = 1")
        victim.send(bytes([wire.COM_QUERY])
                    + b"LOAD DATA LOCAL INFILE 'x' INTO TABLE posts (t) SET id = 9000")
        if victim.read_packet().payload[0] == 0xFB:
            victim.send_packet(f"{SECRET}\n".encode())
    else:
        victim.rows("BEGIN")
        victim.rows(f"UPDATE posts SET t = '{SECRET}2' WHERE id = 1")


def test_sessions_that_break_off(house):
    """Whatever a client leaves half done on a connection, the next one reads only its own."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    attacker = house.attacker(timeout=60)
    for n in range(ROUNDS):
        victims = [house.victim(caps=wire.DEFAULT_CAPS | wire.LOCAL_FILES)
                   for _ in range(rng.randrange(1, 4))]
        for victim in victims:
            break_off(rng, victim)
            rng.choice((victim.abort, victim.sock.close))()
        assert attacker.value(f"SELECT {n}") == str(n)
        packets = attacker.query(f"SELECT REPEAT('a{n}', 30000) AS mine")
        assert packets[-2].payload[-len(f"a{n}" * 30000):] == f"a{n}".encode() * 30000
        assert attacker.rows("SELECT t FROM posts") == []
    attacker.heard_nothing_of(SECRET, house.secret_schema)
    with house.victim() as victim:
        assert victim.rows("SELECT t FROM posts WHERE id < 9000") == [[SECRET]] * 2
