# SPDX-License-Identifier: Apache-2.0
"""The query cache: what is answered without a node is what a node would answer now."""
import re
import threading

import pytest

import wire
from conftest import worker_name
from util import DEFAULT_ACCOUNTS, Background, account, wait_until

CACHED = {"query_cache_auto": True, "query_cache_auto_ttl_ms": 600000,
          "query_cache_wait_ms": 60000}
TENANT = {"user": "tenant", "password": "tenant"}
ALL = "SELECT option_id, option_name, option_value FROM wp_options ORDER BY option_id"
EOF = b"\xfe\0\0\x02\0"
ONE = "SELECT option_value FROM wp_options WHERE option_name = '{}' LIMIT 1"


@pytest.fixture
def site(cluster, schema):
    """A schema with options and posts."""
    cluster.sql(1, f"""CREATE TABLE {schema}.wp_options (option_id BIGINT UNSIGNED AUTO_INCREMENT
        PRIMARY KEY, option_name VARCHAR(191) UNIQUE, option_value LONGTEXT)""")
    cluster.sql(1, f"INSERT INTO {schema}.wp_options (option_name, option_value) VALUES "
                   "('home', 'h'), ('siteurl', 's'), ('counter', '0')")
    cluster.sql(1, f"CREATE TABLE {schema}.posts (id INT PRIMARY KEY, title VARCHAR(100))")
    cluster.sql(1, f"INSERT INTO {schema}.posts VALUES (1, 'one'), (2, 'two'), (3, 'drei')")
    cluster.catch_up()
    return schema


@pytest.fixture
def cached(galeway):
    return galeway(variables=CACHED)


def connect(proxy, schema, **more):
    return wire.Client(port=proxy.port, db=schema, **{**TENANT, **more})


def console(proxy, statement):
    with wire.Client(port=proxy.admin_port, user="admin", password="admin") as admin:
        return admin.rows(statement)


def hits(proxy):
    (value,), = console(proxy, "SELECT variable_value FROM stats_mysql_global WHERE "
                               "variable_name = 'Query_Cache_count_GET_OK'")
    return int(value)


def is_hit(proxy, client, statement):
    """Is the statement answered by the cache?"""
    before = hits(proxy)
    client.rows(statement)
    return hits(proxy) > before


def until_cached(proxy, client, statement):
    """A schema has to be looked at, and a reader seen to have applied everything."""
    wait_until(lambda: is_hit(proxy, client, statement), 20, f"the cache to answer {statement}")


def bytes_of(client, statement):
    return [(p.seq, p.payload) for p in wire.succeeded(client.query(statement))]


# ---------------------------------------------------------------- the same bytes

def test_an_answer_is_given_twice(cached, site):
    with connect(cached, site) as client, connect(cached, site) as other:
        first = bytes_of(client, ALL)
        until_cached(cached, client, ALL)
        assert bytes_of(client, ALL) == first
        assert bytes_of(other, ALL) == first
        assert is_hit(cached, other, ALL)


def test_what_follows_an_answer_is_as_behind_the_statement(cached, site):
    counted = "SELECT SQL_CALC_FOUND_ROWS title FROM posts ORDER BY id LIMIT 1"
    plain = "SELECT title FROM posts ORDER BY id LIMIT 2"
    with connect(cached, site) as client:
        until_cached(cached, client, counted)
        until_cached(cached, client, plain)
        assert is_hit(cached, client, counted)
        assert client.value("SELECT FOUND_ROWS()") == "3"
        assert is_hit(cached, client, plain)
        assert client.value("SELECT FOUND_ROWS()") == "2"
        assert is_hit(cached, client, plain)
        assert client.value("SELECT ROW_COUNT()") == "-1"
        client.rows("SELECT CAST('x' AS SIGNED)")
        assert is_hit(cached, client, plain)
        assert client.rows("SHOW WARNINGS") == []


def test_sessions_that_differ_do_not_share(cached, site, cluster):
    cluster.sql(1, f"INSERT INTO {site}.posts VALUES (4, 'gr\u00fcn')")
    statement = "SELECT title, 'a' 'b', \"title\" FROM posts WHERE id = 4"
    setups = ["SET NAMES utf8mb4", "SET NAMES latin1", "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
              "SET sql_mode = 'ANSI_QUOTES'", "SET time_zone = '+03:00'"]
    answers = {}
    with connect(cached, site) as client:
        for setup in setups:
            client.rows("SET sql_mode = DEFAULT")
            client.rows(setup)
            answers[setup] = bytes_of(client, statement)
            until_cached(cached, client, statement)
        for setup in setups:
            client.rows("SET sql_mode = DEFAULT")
            client.rows(setup)
            assert bytes_of(client, statement) == answers[setup], setup
    assert answers["SET NAMES latin1"] != answers["SET NAMES utf8mb4"]
    assert answers["SET sql_mode = 'ANSI_QUOTES'"] != answers["SET NAMES utf8mb4"]


def test_users_do_not_share(cached, site):
    with connect(cached, site) as client, connect(cached, site, user="tenant2",
                                                  password="tenant2") as other:
        until_cached(cached, client, ALL)
        assert not is_hit(cached, other, ALL)


# ---------------------------------------------------------------- never older than a write

def test_a_write_shows_at_once(cached, site):
    """On its own connection, and on others: each value as soon as it was acknowledged."""
    one = ONE.format("counter")
    with connect(cached, site) as client, connect(cached, site) as other:
        until_cached(cached, other, one)
        for value in range(300):
            client.rows(f"UPDATE wp_options SET option_value = '{value}' "
                        "WHERE option_name = 'counter'")
            assert client.value(one) == str(value)
            assert other.value(one) == str(value)
            assert other.rows(ALL)[2][2] == str(value)


def test_a_transaction_shows_when_it_commits(cached, site):
    one = ONE.format("home")
    with connect(cached, site) as client, connect(cached, site) as other:
        until_cached(cached, other, one)
        for value in range(50):
            client.rows("BEGIN")
            client.rows(f"UPDATE wp_options SET option_value = '{value}' "
                        "WHERE option_name = 'home'")
            assert client.value(one) == str(value)
            assert other.value(one) == ("h" if value == 0 else str(value - 1))
            client.rows("COMMIT")
            assert other.value(one) == str(value)


def test_writers_and_readers_at_once(cached, site):
    """What a reader sees never goes back, and is never older than what was acknowledged before."""
    acknowledged = [0]
    one = ONE.format("counter")

    class Readers(Background):
        def __init__(self):
            super().__init__(4)
            self.seen = 0

        def work(self, number):
            with connect(cached, site) as client:
                while self.goes_on():
                    at_least = acknowledged[0]
                    value = int(client.value(one))
                    assert value >= at_least, f"{value} was read after {at_least} was acknowledged"
                    self.seen += 1

    with Readers() as readers, connect(cached, site) as client:
        for value in range(1, 400):
            client.rows(f"UPDATE wp_options SET option_value = '{value}' "
                        "WHERE option_name = 'counter'")
            acknowledged[0] = value
        wait_until(lambda: readers.faults or readers.seen > 2000, 30, "2000 reads")
    assert not readers.faults, readers.faults
    assert hits(cached) > 100


def test_one_option_does_not_throw_away_the_others(cached, site):
    home, siteurl = ONE.format("home"), ONE.format("siteurl")
    with connect(cached, site) as client:
        def home_stays():
            until_cached(cached, client, home)
            until_cached(cached, client, siteurl)
            client.rows("UPDATE `wp_options` SET `option_value` = 'x' "
                        "WHERE `option_name` = 'siteurl'")
            return is_hit(cached, client, home)

        # what was kept before the schema was known to have no views depends on all of it
        wait_until(home_stays, what="the other option to stay")
        assert home_stays()
        assert client.value(siteurl) == "x"
        client.rows("DELETE FROM wp_options WHERE option_name = 'home'")
        assert client.rows(home) == []
        client.rows("INSERT INTO `wp_options` (`option_name`, `option_value`) VALUES "
                    "('home', 'again') ON DUPLICATE KEY UPDATE `option_name` = "
                    "VALUES(`option_name`), `option_value` = VALUES(`option_value`)")
        assert client.value(home) == "again"
        client.rows("UPDATE wp_options SET option_value = 'all'")
        assert client.value(home) == "all" and client.value(siteurl) == "all"


def execute(client, statement_id, number):
    client.send(wire.execute_packet(statement_id, [number]))
    return b"".join(p.payload for p in wire.succeeded(client.read_query()))


def test_prepared_statements_share_by_their_parameters(cached, site):
    with connect(cached, site) as client:
        statement_id = client.prepare(b"SELECT title FROM posts WHERE id = ?")
        before = hits(cached)

        def is_answered():
            assert execute(client, statement_id, 1).endswith(b"\x03one" + EOF)
            return hits(cached) > before

        wait_until(is_answered, 20, "the cache to answer a prepared statement")
        assert execute(client, statement_id, 2).endswith(b"\x03two" + EOF)
        client.rows("UPDATE posts SET title = 'eins' WHERE id = 1")
        assert execute(client, statement_id, 1).endswith(b"\x04eins" + EOF)


def test_a_prepared_write_counts_where_it_was_prepared(cached, site, cluster):
    """Its table is of the schema that was current then, whatever is current now."""
    posts = "SELECT title FROM posts WHERE id = 1"
    cluster.sql(1, f"CREATE OR REPLACE DATABASE {site}_other")
    with connect(cached, site) as client, connect(cached, site) as other:
        statement_id = client.prepare(b"UPDATE posts SET title = 'neu' WHERE id = ?")
        client.rows(f"USE {site}_other")
        until_cached(cached, other, posts)
        execute(client, statement_id, 1)
        assert other.value(posts) == "neu"
    cluster.sql(1, f"DROP DATABASE {site}_other")


# ---------------------------------------------------------------- what is not kept

@pytest.mark.parametrize("statement", [
    "SELECT NOW(6), id FROM posts",
    "SELECT RAND(), id FROM posts",
    "SELECT UUID(), id FROM posts",
    "SELECT CONNECTION_ID(), id FROM posts",
    "SELECT @@hostname, id FROM posts",
    "SELECT id FROM posts FOR UPDATE",
    "SELECT id, LAST_INSERT_ID() FROM posts",
    "SELECT TABLE_ROWS FROM information_schema.TABLES LIMIT 1",
    "SELECT id FROM posts WHERE SLEEP(0) = 0",
    "SELECT CURRENT_USER(), id FROM posts",
    "SHOW TABLES",
])
def test_not_kept(cached, site, statement):
    with connect(cached, site) as client:
        until_cached(cached, client, ALL)  # the schema is known, and readers are
        for _ in range(3):
            assert not is_hit(cached, client, statement)


def test_nothing_is_kept_of_a_session_with_state(cached, site):
    with connect(cached, site) as client:
        until_cached(cached, client, ALL)
        for begin, end in (("BEGIN", "ROLLBACK"), ("SET autocommit = 0", "SET autocommit = 1"),
                           ("SET @a = 1", None)):
            client.rows(begin)
            assert not is_hit(cached, client, ALL), begin
            if end:
                client.rows(end)


def test_a_temporary_table_hides_the_answer(cached, site):
    with connect(cached, site) as client, connect(cached, site) as other:
        until_cached(cached, client, "SELECT title FROM posts WHERE id = 1")
        client.rows("CREATE TEMPORARY TABLE posts (id INT, title VARCHAR(10))")
        client.rows("INSERT INTO posts VALUES (1, 'mine')")
        assert client.value("SELECT title FROM posts WHERE id = 1") == "mine"
        assert other.value("SELECT title FROM posts WHERE id = 1") == "one"


# What it makes, a write, and a read that shows it though it names nothing of the write.
HIDDEN = [
    ("CREATE TRIGGER count_posts AFTER INSERT ON posts FOR EACH ROW "
     "UPDATE wp_options SET option_value = NEW.id WHERE option_name = 'counter'",
     "INSERT INTO posts VALUES ({}, 'n')", ONE.format("counter")),
    ("CREATE TABLE child (id INT PRIMARY KEY, post INT, "
     "FOREIGN KEY (post) REFERENCES posts (id) ON UPDATE CASCADE)",
     "UPDATE posts SET id = {} ORDER BY id DESC LIMIT 1", "SELECT MAX(post) FROM child"),
]


@pytest.mark.parametrize("ddl, write, read", [
    ("CREATE VIEW latest AS SELECT MAX(id) AS m FROM posts",
     "INSERT INTO posts VALUES ({}, 'n')", "SELECT m FROM latest"),
    *HIDDEN,
])
def test_what_a_statement_does_not_name(cached, site, cluster, ddl, write, read):
    """Views, triggers and cascading keys: answers of such a schema are not kept."""
    if "TRIGGER" in ddl:
        cluster.trust_creators()
    with connect(cached, site) as client, connect(cached, site) as other:
        until_cached(cached, other, ALL)
        client.rows(ddl)
        if "child" in ddl:
            client.rows("INSERT INTO child SELECT 1, MAX(id) FROM posts")
        for value in range(10, 40):
            other.rows(read)
            client.rows(write.format(value))
            assert other.value(read) == str(value)


@pytest.fixture
def viewer(cluster, site):
    """A user who may only read: a node shows him neither triggers nor foreign keys."""
    with cluster.user_with(f"viewer_{worker_name()}", "SELECT", site) as user:
        yield user


@pytest.mark.parametrize("ddl, write, read", HIDDEN)
def test_what_its_user_is_not_shown(galeway, site, viewer, cluster, ddl, write, read):
    """Nobody who may not write can tell that a schema is plain."""
    cluster.trust_creators()
    proxy = galeway(users=[account("tenant"), account(viewer["user"])], variables={
        "query_cache_auto": True, "query_cache_auto_ttl_ms": 600000})
    with connect(proxy, site) as client, connect(proxy, site, **viewer) as other:
        client.rows(ddl)
        if "child" in ddl:
            client.rows("INSERT INTO child SELECT 1, MAX(id) FROM posts")
        for value in range(10, 15):
            until_cached(proxy, other, read)
            client.rows(write.format(value))
            assert other.value(read) == str(value)


def test_a_dropped_table_is_gone(cached, site):
    with connect(cached, site) as client, connect(cached, site) as other:
        until_cached(cached, other, "SELECT title FROM posts WHERE id = 1")
        client.rows("DROP TABLE posts")
        with pytest.raises(wire.ServerError, match="1146|doesn't exist"):
            other.rows("SELECT title FROM posts WHERE id = 1")


@pytest.fixture
def guest(cluster, site):
    """A user with no right but to read the posts of the site."""
    name = f"guest_{worker_name()}"
    cluster.sql(1, f"CREATE OR REPLACE USER {name}@'%' IDENTIFIED VIA mysql_native_password "
                   f"USING PASSWORD('{name}')")
    cluster.sql(1, f"GRANT SELECT ON {site}.posts TO {name}@'%'")
    cluster.catch_up()
    yield name
    cluster.sql(1, f"DROP USER {name}@'%'")


@pytest.mark.parametrize("of_the_site", [True, False])
def test_a_right_that_is_revoked_is_gone(galeway, site, guest, of_the_site):
    """What a user was given from the cache, he is not given any more."""
    proxy = galeway(variables=CACHED, users=[*DEFAULT_ACCOUNTS, account(guest)])
    posts = "SELECT title FROM posts WHERE id = 1"

    with connect(proxy, site if of_the_site else "mysql", user="galeway",
                 password="galeway") as dba, \
            connect(proxy, site, user=guest, password=guest) as client:
        for _ in range(10):
            until_cached(proxy, client, posts)
            assert client.value(posts) == "one"
            dba.rows(f"REVOKE SELECT ON {site}.posts FROM {guest}@'%'")
            with pytest.raises(wire.ServerError) as denied:
                client.rows(posts)
            assert denied.value.errno in (1142, 1044), denied.value
            dba.rows(f"GRANT SELECT ON {site}.posts TO {guest}@'%'")


# ---------------------------------------------------------------- rules, console

def test_a_rule_keeps_for_its_time(galeway, site):
    proxy = galeway(variables={"query_cache_auto": False}, mysql_query_rules=[
        {"rule_id": 1, "active": 1, "match_digest": "FROM posts", "cache_ttl": 600000,
         "apply": 1}])
    with connect(proxy, site) as client:
        until_cached(proxy, client, "SELECT title FROM posts WHERE id = 1")
        for _ in range(3):
            assert not is_hit(proxy, client, ALL)


def test_flush(cached, site):
    posts = "SELECT title FROM posts WHERE id = 1"
    with connect(cached, site) as client:
        for command, left in (("FLUSH QUERY CACHE", False),
                              (f"FLUSH QUERY CACHE SITE '{site}'", False),
                              ("FLUSH QUERY CACHE SITE 'other'", True),
                              (f"FLUSH QUERY CACHE TABLE '{site}.posts'", False),
                              (f"FLUSH QUERY CACHE TABLE '{site}.wp_options'", True),
                              ("PROXYSQL FLUSH QUERY CACHE", False)):
            until_cached(cached, client, posts)
            console(cached, command)
            assert is_hit(cached, client, posts) == left, command


def test_statistics(cached, site):
    with connect(cached, site) as client:
        until_cached(cached, client, ALL)
        row = console(cached, f"SELECT hits, entries, bytes FROM stats.stats_query_cache WHERE "
                              f"schema = '{site}' AND hits > 0")
        assert row and int(row[0][0]) >= 1 and int(row[0][1]) == 1 and int(row[0][2]) > 100
        text = "\n".join("\t".join(map(str, r)) for r in console(cached, "SHOW QUERY CACHE"))
        assert re.search(site, text)


# ---------------------------------------------------------------- many at once

def test_the_same_slow_read_runs_once(cached, site, cluster):
    """64 clients ask at once: the nodes count what they ran."""
    cluster.sql(1, f"CREATE TABLE {site}.seven (a INT) ENGINE=InnoDB")
    cluster.sql(1, f"INSERT INTO {site}.seven VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)")
    cluster.catch_up()
    slow = ("SELECT COUNT(*) FROM seven a, seven b, seven c, seven d, seven e, seven f "
            "WHERE a.a + b.a + c.a + d.a + e.a + f.a = 6")
    with connect(cached, site) as first:
        until_cached(cached, first, ALL)

    barrier = threading.Barrier(64)
    answers = []

    def ask():
        with connect(cached, site) as client:
            barrier.wait()
            answers.append(client.value(slow))

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["1"] * 64
    digests = console(cached, "SELECT hostgroup, count_star FROM stats_mysql_query_digest WHERE "
                              "digest_text LIKE 'SELECT COUNT(*) FROM seven%' AND hostgroup >= 0")
    assert sum(int(count) for _, count in digests) == 1
