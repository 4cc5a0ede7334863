# SPDX-License-Identifier: Apache-2.0
"""Rights that were changed: who logs in from then on has them, on whatever pooled connection."""
import contextlib
import itertools
import os

import pytest

import wire
from causal import behind
from console import Console
from util import account, wait_until

DENIED = 1142  # to a table
ONE = {"threads": 1}  # so that later clients get the connections of earlier ones
_numbers = itertools.count(1)


class Town:
    """A schema with a table t, a user who has had connections to all nodes, and who changes rights."""

    def __init__(self, cluster, schema):
        self.cluster, self.schema = cluster, schema
        number = f"{os.getpid()}_{next(_numbers)}"
        self.user, self.role = f"ri_{number}", f"rr_{number}"
        cluster.sql(1, f"CREATE TABLE {schema}.t (id INT AUTO_INCREMENT PRIMARY KEY)")
        cluster.sql(1, f"CREATE USER {self.user}@'%' IDENTIFIED BY '{self.user}'")
        cluster.sql(1, f"CREATE ROLE {self.role}")
        cluster.sql(1, f"GRANT {self.role} TO galeway@'%' WITH ADMIN OPTION")
        self.proxy = None

    def close(self):
        self.cluster.sql(1, f"DROP USER IF EXISTS {self.user}@'%'")
        self.cluster.sql(1, f"DROP ROLE IF EXISTS {self.role}")

    def text(self, sql):
        return sql.format(user=f"{self.user}@'%'", role=self.role, schema=self.schema, name=self.user)

    def on_node(self, *statements):
        for sql in statements:
            self.cluster.sql(1, self.text(sql))
        self.cluster.catch_up()

    def here(self, *statements, caps=wire.DEFAULT_CAPS):
        """Through Galeway, by an administrator; all nodes have it then."""
        with self.login("galeway", caps=caps) as dba:
            for sql in statements:
                last = dba.query(self.text(sql))[-1].payload
                assert last[0] != 0xFF, (sql, wire.parse_error(last))
        self.cluster.catch_up()

    def login(self, user=None, **options):
        user = user or self.user
        return wire.Client(port=self.proxy.port, user=user, password=user, timeout=30, **options)

    def tries(self, sql, **options):
        """A new client: the number of the statement's error; None when it worked."""
        with self.login(**options) as client:
            return failure(client, self.text(sql))

    def reads(self, **options):
        return self.tries("SELECT id FROM {schema}.t", **options)

    def writes(self):
        return self.tries("INSERT INTO {schema}.t VALUES ()")

    def role_of_new(self):
        """CURRENT_ROLE() of a new client, at a reader and at the writer."""
        with self.login() as client:
            return client.value("SELECT CURRENT_ROLE()"), client.value("SELECT CURRENT_ROLE() FOR UPDATE")

    def crowd(self, sql, **options):
        """The same of several clients at once, on as many connections to the writer: the errors."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.login(**options)) for _ in range(4)]
            for client in clients:
                assert failure(client, "BEGIN") is None
            found = {failure(client, self.text(sql)) for client in clients}
            for client in clients:
                assert failure(client, "ROLLBACK") is None
            return found

    def settle(self, what):
        """Pooled connections that can do it, and the nodes know."""
        self.cluster.catch_up()
        for _ in range(4):
            assert what() is None

    def settle_crowd(self, sql, **options):
        """As long as it is not known what triggers leave in a session, connections log in again."""
        self.cluster.catch_up()
        for _ in range(4):
            assert self.crowd(sql, **options) == {None}

    def relogins(self):
        console = Console(self.proxy)
        with contextlib.closing(console.db):
            return console.status("Pool_fit_change_user")


def failure(client, sql):
    packet = client.query(sql)[-1].payload
    return wire.parse_error(packet)[0] if packet[0] == 0xFF else None


@pytest.fixture
def town(cluster, schema):
    made = Town(cluster, schema)
    yield made
    made.close()


@pytest.fixture(params=["configured", "followed"])
def served(request, town, galeway, users_monitor):
    """served(): Galeway has the user, as a row of mysql_users or as a user of the nodes."""
    def make(**variables):
        if request.param == "followed":
            users, more = [account("galeway")], {"users_from_hostgroup": 10,
                                                 "users_refresh_interval": 60000, **users_monitor}
        else:
            users, more = [account("galeway"), account(town.user)], {}
        town.proxy = galeway(users=users, connections=6, variables={**ONE, **more, **variables})
        return town

    return make


# ---------------------------------------------------------------- statements that pass here

def test_rights_on_a_schema(served, town):
    town.on_node("GRANT SELECT, INSERT ON {schema}.* TO {user}")
    served()
    insert = "INSERT INTO t VALUES ()"
    town.settle_crowd(insert, db=town.schema)  # connections that are in it keep its rights
    town.here("REVOKE INSERT ON {schema}.* FROM {user}")
    assert town.crowd(insert, db=town.schema) == {DENIED}
    assert town.tries("SELECT id FROM t", db=town.schema) is None
    town.here("GRANT INSERT ON {schema}.* TO {user}")
    assert town.crowd(insert, db=town.schema) == {None}


@pytest.mark.parametrize("cached", [False, True])
def test_rights_on_everything(served, town, cached):
    town.on_node("GRANT SELECT, INSERT ON *.* TO {user}")
    served(query_cache_auto=cached)
    town.settle(lambda: town.reads(db=town.schema))
    town.settle(town.writes)
    town.here("REVOKE SELECT ON *.* FROM {user}")
    for _ in range(4):
        assert town.reads() == DENIED
        assert town.writes() is None
    town.here("GRANT SELECT ON *.* TO {user}")
    for _ in range(4):
        assert town.reads(db=town.schema) is None


@pytest.mark.parametrize("cached", [False, True])
def test_user_made_again_with_fewer_rights(served, town, cached):
    """The same name and password; nor does he get what was cached for the one before."""
    town.on_node("GRANT SELECT ON *.* TO {user}")
    served(query_cache_auto=cached)
    town.settle(lambda: town.reads(db="information_schema"))
    town.settle_crowd("SELECT id FROM {schema}.t")
    town.here("CREATE OR REPLACE USER {user} IDENTIFIED BY '{name}'", "GRANT PROCESS ON *.* TO {user}")
    assert town.crowd("SELECT id FROM {schema}.t") == {DENIED}
    for _ in range(4):
        assert town.reads(db="information_schema") == DENIED


def test_role_taken_away(served, town):
    town.on_node("GRANT SELECT, INSERT ON {schema}.* TO {role}", "GRANT {role} TO {user}",
                 "SET DEFAULT ROLE {role} FOR {user}")
    served()
    town.settle(town.reads)
    town.settle(town.writes)
    town.here("REVOKE {role} FROM {user}")
    for _ in range(4):
        assert town.reads() == town.writes() == DENIED
        assert town.role_of_new() == (None, None)


def test_default_role_given(served, town):
    town.on_node("GRANT SELECT ON {schema}.* TO {role}", "GRANT {role} TO {user}")
    served()
    town.settle(lambda: town.tries("SELECT 1"))
    town.settle(lambda: town.tries("SELECT 1 FOR UPDATE"))
    assert town.role_of_new() == (None, None) and town.reads() == DENIED
    town.here("SET DEFAULT ROLE {role} FOR {user}")
    for _ in range(4):
        assert town.role_of_new() == (town.role, town.role)
        assert town.reads() is None


def test_role_stays_with_its_user(town, galeway):
    """A connection that serves another user next: COM_CHANGE_USER alone leaves the role in (10.11)."""
    town.on_node("GRANT SELECT ON mysql.* TO {role}", "GRANT {role} TO {user}",
                 "SET DEFAULT ROLE {role} FOR {user}")
    town.proxy = galeway(users=[account("tenant"), account(town.user)], variables=ONE,
                         servers=[{"address": "127.0.0.1", "port": town.cluster.port(1), "hostgroup": 10,
                                   "max_connections": 1}])
    for _ in range(3):
        assert town.role_of_new() == (town.role, town.role)
        with town.login("tenant") as other:
            assert other.value("SELECT CURRENT_ROLE()") is None
            assert failure(other, "SELECT COUNT(*) FROM mysql.db") == DENIED


REVOKE = "REVOKE INSERT ON *.* FROM {user}"


@pytest.mark.parametrize("statements", [
    [f"SELECT 1; {REVOKE}; SELECT 2"],
    [f"SET STATEMENT max_statement_time = 9 FOR {REVOKE}"],
    [f"EXECUTE IMMEDIATE \"{REVOKE}\""],
    [f"BEGIN NOT ATOMIC {REVOKE}; END"],
    [f"/*!50000 {REVOKE} */"],
    ["UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.access', 0) WHERE User = '{name}'",
     "FLUSH PRIVILEGES"],
], ids=["several", "set_statement", "immediate", "block", "comment", "flush"])
def test_ways_to_say_it(town, galeway, statements):
    town.on_node("GRANT INSERT ON *.* TO {user}")
    town.proxy = galeway(users=[account("galeway"), account(town.user)], connections=6,
                         variables=ONE)
    town.settle(town.writes)
    town.here(*statements, caps=wire.DEFAULT_CAPS | wire.MULTI_STATEMENTS)
    for _ in range(4):
        assert town.writes() == DENIED


def test_prepared_by_the_protocol(town, galeway):
    town.on_node("GRANT INSERT ON *.* TO {user}")
    town.proxy = galeway(users=[account("galeway"), account(town.user)], connections=6,
                         variables=ONE)
    town.settle(town.writes)
    with town.login("galeway") as dba:
        number = dba.prepare(town.text(REVOKE))
        before = town.relogins()
        assert town.writes() is None and town.relogins() == before  # it has not run
        dba.send(wire.execute_packet(number, []))
        assert dba.read_packet().payload[0] == 0x00
    town.cluster.catch_up()
    for _ in range(4):
        assert town.writes() == DENIED


# ---------------------------------------------------------------- who is there, and who is late

def test_session_under_way_goes_on(served, town):
    """As on a node: with what it logged in with, whatever became of its user."""
    town.on_node("GRANT SELECT, INSERT ON *.* TO {user}")
    served()
    town.settle(town.writes)
    with town.login("galeway") as dba, town.login() as client, town.login() as pinned:
        insert = town.text("INSERT INTO {schema}.t VALUES ()")
        assert failure(dba, "SET @has = 'a connection of his own'") is None  # he takes none of theirs
        assert failure(pinned, "BEGIN") is None and failure(pinned, insert) is None
        assert failure(client, insert) is None
        assert failure(dba, town.text("ALTER USER {user} IDENTIFIED BY 'another'")) is None
        town.cluster.catch_up()
        for _ in range(4):
            assert failure(client, insert) is None
        assert failure(pinned, insert) is None
        assert failure(pinned, "COMMIT") is None


def test_who_may_not_change_rights_costs_nothing(town, galeway):
    """Refused statements make nobody log in again."""
    town.on_node("GRANT SELECT, INSERT ON {schema}.* TO {user}")
    town.proxy = galeway(users=[account("galeway"), account(town.user)], connections=6,
                         variables=ONE)
    town.settle(town.writes)
    before = town.relogins()
    for sql in ("GRANT SELECT ON *.* TO {user}", "DROP USER {user}", "CREATE ROLE x", "FLUSH PRIVILEGES"):
        assert town.tries(sql) in (1044, 1045, 1142, 1227)
    for _ in range(4):
        assert town.writes() is None
    assert town.relogins() == before


def test_once_is_enough(town, galeway):
    """When all nodes have the change a connection logs in again once."""
    town.on_node("GRANT INSERT ON {schema}.* TO {user}")
    town.proxy = galeway(users=[account("galeway"), account(town.user)], connections=6,
                         variables=ONE)
    town.settle(town.writes)
    town.here("GRANT SELECT ON {schema}.* TO {user}")

    def comes_to_rest():
        before = town.relogins()
        for _ in range(4):
            assert town.writes() is None
        return town.relogins() == before

    wait_until(comes_to_rest, 20, "connections that are not logged in again")


def test_node_that_is_behind(town, galeway):
    """It has the change later than who acknowledged it: what logged in there meanwhile does again."""
    town.on_node("GRANT SELECT, INSERT ON *.* TO {user}")
    town.proxy = galeway(users=[account("galeway"), account(town.user)], variables=ONE,
                         servers=[{"address": "127.0.0.1", "port": town.cluster.port(n), "hostgroup": 10,
                                   "weight": 3 - n} for n in (1, 2)])
    town.settle(town.writes)
    town.settle(town.reads)
    old = f"SELECT @@port, id FROM {town.schema}.t"

    def reads_at_the_reader():
        with town.login() as client:
            return client.value("SELECT @@port") == str(town.cluster.port(2))

    wait_until(reads_at_the_reader, what="reads at the reader")
    with behind(town.cluster, 2):
        with town.login("galeway") as dba:
            assert failure(dba, town.text("REVOKE SELECT ON *.* FROM {user}")) is None
        for _ in range(8):  # on a node behind it may still, as on the node itself
            with town.login() as client:
                assert failure(client, old) in (None, DENIED)
    town.cluster.catch_up()
    for _ in range(8):
        assert town.tries(old) == DENIED


# ---------------------------------------------------------------- changed elsewhere

@pytest.fixture
def rights_monitor(cluster, users_monitor):
    """The monitor's user may read the tables of rights, too."""
    tables = ("db", "roles_mapping", "tables_priv", "columns_priv", "procs_priv")
    user = f"'{users_monitor['monitor_username']}'@'%'"
    for table in tables:
        cluster.sql(1, f"GRANT SELECT ON mysql.{table} TO {user}")
    yield users_monitor
    for table in tables:
        cluster.sql(1, f"REVOKE SELECT ON mysql.{table} FROM {user}")


def follow(town, galeway, monitor):
    town.proxy = galeway(users=[account("galeway")], connections=6,
                         variables={**ONE, "users_from_hostgroup": 10, "users_refresh_interval": 200,
                                    **monitor})
    return town


def test_changed_row_of_a_user(town, galeway, users_monitor):
    town.on_node("GRANT SELECT ON *.* TO {user}")
    follow(town, galeway, users_monitor)
    town.settle(town.reads)
    town.on_node("REVOKE SELECT ON *.* FROM {user}")
    wait_until(lambda: town.reads() == DENIED, 10, "the right to be gone")
    for _ in range(4):
        assert town.reads() == DENIED


def test_changed_role(town, galeway, users_monitor):
    """Its row has no password and nobody logs in by it."""
    town.on_node("GRANT SELECT ON *.* TO {role}", "GRANT {role} TO {user}",
                 "SET DEFAULT ROLE {role} FOR {user}")
    follow(town, galeway, users_monitor)
    town.settle(town.reads)
    town.on_node("REVOKE SELECT ON *.* FROM {role}")
    wait_until(lambda: town.reads() == DENIED, 10, "the right to be gone")


def test_changed_rights_on_a_schema(town, galeway, rights_monitor):
    town.on_node("GRANT SELECT, INSERT ON {schema}.* TO {user}")
    follow(town, galeway, rights_monitor)
    insert = "INSERT INTO t VALUES ()"
    town.settle_crowd(insert, db=town.schema)
    town.on_node("REVOKE INSERT ON {schema}.* FROM {user}")
    wait_until(lambda: town.crowd(insert, db=town.schema) == {DENIED}, 10, "the right to be gone")
    town.on_node("GRANT INSERT ON {schema}.* TO {user}")
    wait_until(lambda: town.tries(insert, db=town.schema) is None, 10, "the right to be there")


def test_change_that_stands_in_the_binary_log(logging_cluster, galeway):
    """Where the cache is in use and a node's log is followed."""
    schema = f"rights_{os.getpid()}"
    logging_cluster.sql(1, f"CREATE OR REPLACE DATABASE {schema}")
    town = Town(logging_cluster, schema)
    try:
        town.on_node("GRANT SELECT ON *.* TO {user}")
        town.proxy = galeway(logging_cluster, users=[account("galeway"), account(town.user)],
                             connections=6, variables={**ONE, "query_cache_auto": True})
        console = Console(town.proxy)
        wait_until(lambda: [row["state"] for row in console.rows("SELECT * FROM stats_query_cache_follower")]
                   == ["current"], 20, "the log to be followed")
        console.db.close()
        town.settle(lambda: town.reads(db=town.schema))
        read = "SELECT id FROM {schema}.t"
        town.settle_crowd(read)
        town.on_node("REVOKE SELECT ON *.* FROM {user}")
        wait_until(lambda: town.crowd(read) == {DENIED}, 10, "the right to be gone")
    finally:
        town.close()
        logging_cluster.sql(1, f"DROP DATABASE {schema}")
