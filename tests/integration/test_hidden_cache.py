# SPDX-License-Identifier: Apache-2.0
"""The query cache: what an answer depends on though its statement does not name it."""
import pytest

import wire
from test_cache import ALL, CACHED, cached, connect, is_hit, site, until_cached

# pylint: disable=redefined-outer-name
FIXTURES = (cached, site, CACHED)

# What it makes, and a read whose answer is another each time.
VOLATILE = {
    "view-of-now": ("CREATE VIEW v AS SELECT id, NOW(6) AS x FROM posts", "SELECT x FROM v WHERE id=1"),
    "view-of-uuid": ("CREATE VIEW v AS SELECT id, UUID() AS x FROM posts", "SELECT x FROM v WHERE id=1"),
    "view-of-random": ("CREATE VIEW v AS SELECT id, RAND() AS x FROM posts", "SELECT x FROM v WHERE id=1"),
    "view-of-function": ("CREATE FUNCTION f() RETURNS VARCHAR(36) RETURN UUID()", "SELECT x FROM v WHERE id=1",
                         "CREATE VIEW v AS SELECT id, f() AS x FROM posts"),
    "view-of-status": ("CREATE VIEW v AS SELECT QUERY_ID AS x FROM information_schema.PROCESSLIST ORDER BY 1 DESC LIMIT 1",
                       "SELECT x FROM v"),
    "virtual-column": ("ALTER TABLE posts ADD x VARCHAR(36) AS (UUID()) VIRTUAL", "SELECT x FROM posts WHERE id=1"),
    "virtual-column-of-now": ("ALTER TABLE posts ADD x DATETIME(6) AS (NOW(6)) VIRTUAL", "SELECT x FROM posts WHERE id=1"),
    "default-of-now": ("ALTER TABLE posts ADD x DATETIME(6) DEFAULT NOW(6)", "SELECT DEFAULT(x) FROM posts WHERE id=1"),
    "default-of-uuid": ("ALTER TABLE posts ADD x VARCHAR(36) DEFAULT UUID()", "SELECT DEFAULT(x) FROM posts WHERE id=1"),
}


@pytest.mark.parametrize("name", VOLATILE)
def test_what_is_another_each_time_is_not_kept(cached, site, name):
    ddl, read, *more = VOLATILE[name]
    with connect(cached, site) as client, connect(cached, site) as other:
        until_cached(cached, client, ALL)
        for statement in (ddl, *more):
            client.rows(statement)
        answers = [c.value(read) for _ in range(100) for c in (client, other)]
        assert len(set(answers)) > 150, answers  # two nodes may say the same


@pytest.fixture
def second(cluster, schema):
    name = f"{schema}_second"
    cluster.sql(1, f"CREATE OR REPLACE DATABASE {name}")
    cluster.sql(1, f"CREATE TABLE {name}.parent (id INT PRIMARY KEY, n INT)")
    cluster.sql(1, f"INSERT INTO {name}.parent VALUES (1, 0)")
    cluster.catch_up()
    yield name
    cluster.sql(1, f"DROP TABLE IF EXISTS {schema}.child")
    cluster.sql(1, f"DROP DATABASE {name}")


# What is made in the site of what another schema has, a write there, and a read here.
ACROSS = {
    "view": ("CREATE VIEW v AS SELECT n FROM $2.parent", "UPDATE parent SET n={}", "SELECT n FROM v"),
    "function": ("CREATE FUNCTION f() RETURNS INT RETURN (SELECT n FROM $2.parent)", "UPDATE parent SET n={}",
                 "SELECT n FROM v", "CREATE VIEW v AS SELECT f() AS n"),
    "view-of-a-view": ("CREATE VIEW $2.w AS SELECT n FROM $2.parent", "UPDATE parent SET n={}", "SELECT n FROM v",
                       "CREATE VIEW v AS SELECT n FROM $2.w"),
    "cascade": ("CREATE TABLE child (id INT PRIMARY KEY, n INT, FOREIGN KEY (n) REFERENCES $2.parent (id) ON UPDATE CASCADE)",
                "UPDATE parent SET id={}", "SELECT n FROM child", "INSERT INTO child VALUES (1, 1)"),
}


@pytest.mark.parametrize("name", ACROSS)
def test_what_another_schema_shows_here(cached, site, second, cluster, name):
    ddl, write, read, *more = ACROSS[name]
    cluster.trust_creators()
    with connect(cached, site) as client, connect(cached, second) as other, connect(cached, site) as third:
        until_cached(cached, client, ALL)
        for statement in (ddl, *more):
            client.rows(statement.replace("$1", site).replace("$2", second))
        for value in range(10, 40):
            is_hit(cached, client, read)
            is_hit(cached, third, read)
            other.rows(write.format(value))
            cluster.catch_up()
            assert third.value(read) == str(value)
            assert client.value(read) == str(value)


# Calls that MariaDB resolves to a stored function, though the word alone is built in.
CALLS = {"keyword-in-quotes": "SELECT `language`(5)", "space-behind-dot": "SELECT $1. concat(5)",
         "spaces-around-dot": "SELECT `$1` . `concat`(5)"}


def make_functions(client):
    client.rows("CREATE TABLE log (n INT)")
    for name in ("language", "concat", "nolang"):
        client.rows(f"CREATE FUNCTION `{name}`(a INT) RETURNS INT BEGIN INSERT INTO log VALUES (a); RETURN a; END")


def check_writes(cached, site, cluster, write):
    """Each run of it adds a row to the log: what is kept of the log is void then."""
    read = "SELECT COUNT(*) FROM log"
    with connect(cached, site) as client, connect(cached, site) as third:
        until_cached(cached, client, read)
        before = int(client.value(read))
        for n in range(1, 6):
            is_hit(cached, client, read)
            is_hit(cached, third, read)
            write()
            cluster.catch_up()
            assert int(third.value(read)) == before + n
            assert int(client.value(read)) == before + n


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_stored_functions_void_what_they_write(cached, site, cluster, name):
    cluster.trust_creators()
    with connect(cached, site) as writer:
        make_functions(writer)
        check_writes(cached, site, cluster, lambda: writer.rows(CALLS[name].replace("$1", site)))


# To gbk the backslash is the second half of a character: the string ends in front of the call.
HIDDEN = {"select": b"SELECT '\xbf\\', nolang(5) -- '", "set": b"SET @a = '\xbf\\', @b = nolang(5) -- '"}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("prepared", (False, True), ids=("text", "prepared"))
def test_calls_that_a_character_set_hides_void_what_they_write(cached, site, cluster, name, prepared):
    cluster.trust_creators()
    with connect(cached, site) as writer:
        make_functions(writer)
        writer.rows("SET NAMES gbk")
        number = writer.prepare(HIDDEN[name]) if prepared else None

        def write():
            if prepared:
                writer.send(wire.execute_packet(number, []))
                wire.succeeded(writer.read_query())
            else:
                writer.rows(HIDDEN[name])

        check_writes(cached, site, cluster, write)
