# SPDX-License-Identifier: Apache-2.0
"""What triggers and views leave in a session and no node tells: it stays the session's, and never comes to another."""
import contextlib

import pytest

import wire
from conftest import worker_name
from util import account, wait_until

INSERT = "INSERT INTO t VALUES (1)"
FUNCTION = "CREATE FUNCTION f() RETURNS INT BEGIN SELECT 5 INTO @x; RETURN 1; END"
SEE_X, SEE_LOCK = "SELECT @x FROM t LIMIT 1 FOR UPDATE", "SELECT IS_USED_LOCK('hidden') = CONNECTION_ID() FROM t LIMIT 1 FOR UPDATE"


def trigger(body, when="BEFORE INSERT"):
    return f"CREATE TRIGGER tr {when} ON t FOR EACH ROW {body}"


# Its DDL, what runs it, what its session sees then, and what others do when they have nothing of it.
LEFT = {
    "into": ((trigger("SELECT 5 INTO @x"),), INSERT, SEE_X, "5", None),
    "assignment": ((trigger("SET NEW.a = (@x := 5)"),), INSERT, SEE_X, "5", None),
    "update": ((trigger("SELECT 5 INTO @x", "AFTER UPDATE"),), "UPDATE t SET a = a + 1", SEE_X, "5", None),
    "delete": ((trigger("SELECT 5 INTO @x", "AFTER DELETE"),), "DELETE FROM t LIMIT 1", SEE_X, "5", None),
    "function": ((FUNCTION, trigger("SET NEW.a = f()")), INSERT, SEE_X, "5", None),
    "view": ((FUNCTION, "CREATE VIEW v AS SELECT f() AS b, a FROM t"), "SELECT * FROM v LIMIT 1", SEE_X, "5", None),
    "lock": ((trigger("DO GET_LOCK('hidden', 0)"),), INSERT, SEE_LOCK, "1", None),
    "lock-in-a-view": (("CREATE VIEW v AS SELECT GET_LOCK('hidden', 0) AS b FROM t",), "SELECT * FROM v LIMIT 1", SEE_LOCK,
                       "1", None),
    "variable": ((trigger("SET @@lock_wait_timeout = 7"),), INSERT, "SELECT @@lock_wait_timeout FROM t LIMIT 1 FOR UPDATE", "7", "86400"),
}


@pytest.fixture
def narrow(site, cluster):
    """Two connections of one node: what one session leaves there the next one gets."""
    cluster.trust_creators()
    server = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10, "max_connections": 2}
    made = site(servers=[server], variables={"threads": 1})
    with made.client() as client:
        client.rows("CREATE TABLE t (a BIGINT)")
        client.rows("INSERT INTO t SELECT seq FROM seq_1_to_3000")
    return made


def is_pinned(made, client):
    why = made.console.value("SELECT extended_info FROM stats_mysql_processlist WHERE cli_port = "
                             f"{client.sock.getsockname()[1]}")
    return "trigger or view that leaves state" in why


def sees(client, statement):
    return client.rows(statement)[0][0]


@pytest.mark.parametrize("kind", LEFT)
def test_it_stays_with_its_session(narrow, kind):
    """As soon as the schema was looked at; nobody else has it, of a write not before that either."""
    ddl, statement, see, own, others = LEFT[kind]
    with narrow.client() as maker:
        for sql in ddl:
            maker.rows(sql)

    def is_kept():
        if "view" in kind:
            with narrow.client() as writer:
                writer.rows("DELETE FROM t WHERE a < 0")  # it has the schema looked at
        with narrow.client() as owner:
            owner.rows(statement)
            with narrow.client() as other:
                what = sees(other, see)
                assert "view" in kind or what in (others, "0" if see == SEE_LOCK else others)
            return is_pinned(narrow, owner) and sees(owner, see) == own

    wait_until(is_kept, 10, "the schema to be looked at")
    for _ in range(4):
        assert is_kept()
        with narrow.client() as other:
            assert sees(other, see) == others


@pytest.mark.parametrize("kind", [kind for kind in LEFT if "view" not in kind])
def test_nobody_gets_it_before_its_schema_was_looked_at(narrow, kind):
    ddl, statement, see, _, others = LEFT[kind]
    for round_number in range(3):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(narrow.client()) for _ in range(3)]
            if round_number == 0:
                for sql in ddl:
                    clients[0].rows(sql)
            clients[0].rows("ALTER TABLE t COMMENT 'what was seen does not hold'")
            clients[0].rows(statement)
            clients[0].close()
            for client in clients[1:]:
                assert sees(client, see) == others


def test_a_harmless_trigger_keeps_no_connection(narrow):
    with narrow.client() as client, narrow.client() as other, narrow.client() as third:
        client.rows(trigger("SET NEW.a = NEW.a * 2"))
        for each in (client, other, third) * 5:  # two connections would be held by two of them
            each.rows(INSERT)


@pytest.fixture
def writer(cluster, schema):
    """A user who may write, and is not shown what the triggers of the schema are."""
    with cluster.user_with(f"writer_{worker_name()}", "SELECT, INSERT", schema) as user:
        yield user


def test_nobody_gets_what_its_user_is_not_shown(galeway, cluster, schema, writer):
    server = {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10, "max_connections": 1}
    proxy = galeway(servers=[server], users=[account(writer["user"])], variables={"threads": 1})
    cluster.sql(1, f"CREATE TABLE {schema}.t (a BIGINT)")
    cluster.sql(1, f"CREATE TRIGGER {schema}.tr BEFORE INSERT ON {schema}.t FOR EACH ROW SELECT 5 INTO @x")
    cluster.sql(1, f"INSERT INTO {schema}.t VALUES (1)")
    with wire.Client(port=proxy.port, db=schema, **writer) as one:
        for _ in range(20):
            one.rows(INSERT)
            with wire.Client(port=proxy.port, db=schema, **writer) as other:
                assert sees(other, SEE_X) is None
