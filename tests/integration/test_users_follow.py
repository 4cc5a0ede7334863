# SPDX-License-Identifier: Apache-2.0
"""Users of the nodes log in without a row of mysql_users (mysql-users_from_hostgroup)."""
import itertools
import os
import threading
import time

import pymysql
import pytest

import wire
from util import account, run, wait_until

ADMIN = {"user": "admin", "password": "admin"}
_numbers = itertools.count(1)


@pytest.fixture
def follows(galeway, users_monitor):
    """follows(interval=...) is a Galeway that knows no user but those of the nodes."""
    def make(interval=60000, users=None, **variables):
        return galeway(users=users or [account("galeway")],
                       variables={"users_from_hostgroup": 10, "users_refresh_interval": interval,
                                  **users_monitor, **variables})

    return make


@pytest.fixture
def users(cluster):
    """users.create("'%'", "IDENTIFIED BY 'x'") makes an account and gives its name."""
    made = Users(cluster)
    yield made
    made.drop()


class Users:
    def __init__(self, cluster):
        self.cluster = cluster
        self.accounts = []

    def create(self, how, host="%", name=None):
        name = name or f"uf_{os.getpid()}_{next(_numbers)}"
        self.cluster.sql(1, f"CREATE USER '{name}'@'{host}' {how}")
        self.accounts.append((name, host))
        return name

    def drop(self):
        for name, host in self.accounts:
            self.cluster.sql(1, f"DROP USER IF EXISTS '{name}'@'{host}'")


class Client(wire.Client):
    """A node asks who has no account by the plugin of somebody: answered with nothing."""

    def _read_auth(self):
        packets = []
        while not packets or packets[-1].payload[0] not in (0x00, 0xFF):
            packets.append(self.read_packet())
            plugin, _, salt = packets[-1].payload[1:].partition(b"\0")
            if packets[-1].payload[0] == 0xFE:
                self.send_packet(wire.native_scramble(self.password, salt[:20])
                                 if plugin == b"mysql_native_password" else b"")
        return packets


def login(proxy, user, password, **options):
    return wire.Client(port=proxy.port, user=user, password=password, **options)


def refused(port, user, password, **options):
    """The error of a login, as a text; None = it was let in."""
    try:
        Client(port=port, user=user, password=password, **options).close()
    except wire.ServerError as error:
        return str(error)
    return None


def admin(proxy, sql):
    with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, **ADMIN) as db, \
            db.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def state(proxy):
    rows = admin(proxy, "SELECT * FROM stats_users_follow")
    return {name: int(value) if value.lstrip("-").isdigit() else value
            for name, value in rows[0].items()} if rows else None


def test_new_user_logs_in_at_once(follows, users):
    """Made on a node after Galeway has read its users; by three clients."""
    proxy = follows()
    wait_until(lambda: state(proxy)["state"] == "current", 10, "users read")
    name = users.create("IDENTIFIED BY 'x'")
    with login(proxy, name, "x") as client:
        assert client.value("SELECT CURRENT_USER()") == f"{name}@%"
    with pymysql.connect(host="127.0.0.1", port=proxy.port, user=name, password="x") as db, \
            db.cursor() as cursor:
        cursor.execute("SELECT USER()")
        assert cursor.fetchone()[0].startswith(name + "@")
    done = run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{proxy.port}", f"-u{name}", "-px",
                "-Ne", "SELECT CURRENT_USER()"])
    assert done.stdout.strip() == f"{name}@%"
    assert "1045" in refused(proxy.port, name, "y")
    assert "1045" in refused(proxy.port, name, "")


def test_words_are_the_nodes(cluster, follows, users):
    """Who is refused hears what a node says."""
    proxy = follows()
    cases = [(users.create("IDENTIFIED BY 'x'"), "wrong"),
             (users.create("IDENTIFIED BY 'x' ACCOUNT LOCK"), "x"),
             (users.create("IDENTIFIED BY 'x' ACCOUNT LOCK"), "wrong"),
             (users.create("IDENTIFIED BY 'x' ACCOUNT LOCK PASSWORD EXPIRE"), "x"),
             (users.create("IDENTIFIED BY 'x' REQUIRE SSL"), "x"),
             (users.create("IDENTIFIED VIA mysql_native_password USING 'invalid'"), "invalid"),
             (users.create("IDENTIFIED BY 'x'", host="10.9.%"), "x"),
             (users.create("IDENTIFIED BY 'x'", host="0.0.0.0/0.0.0.0"), "x"),
             (users.create("IDENTIFIED BY 'x' PASSWORD EXPIRE"), "wrong"),
             (users.create("IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS -1"), "x"),
             (users.create("IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS -1 ACCOUNT LOCK"), "x"),
             ("no_such_user", "x"), ("no_such_user", "")]
    for name, password in cases:
        want = refused(cluster.port(1), name, password)
        assert want and refused(proxy.port, name, password) == want


def test_quoted_name(cluster, follows, users):
    """'app' in quotes is app; whose name has quotes cannot log in by it, as on a node."""
    proxy = follows()
    name = users.create("IDENTIFIED BY 'x'")
    users.create("IDENTIFIED BY 'y'", name=f"''{name}''")  # of SQL: the name has one at each end
    for port in (cluster.port(1), proxy.port):
        assert refused(port, f"'{name}'", "x") is None
        assert "1045" in refused(port, f"'{name}'", "y")


def test_change_of_password_on_a_node(cluster, follows, users):
    """The new one is right at once, the old one as soon as a node was asked; who is in stays in."""
    proxy = follows(interval=60000)
    name = users.create("IDENTIFIED BY 'old'")
    with login(proxy, name, "old") as client:
        assert client.value("SELECT 1") == "1"
        cluster.sql(1, f"ALTER USER '{name}'@'%' IDENTIFIED BY 'new'")
        # Within the second for which an answer counts the old one is still taken for right.
        wait_until(lambda: refused(proxy.port, name, "new") is None, 5, "the new password")
        assert "1045" in refused(proxy.port, name, "old")
        assert client.value("SELECT 2") == "2"
    with login(proxy, name, "new") as client:
        assert client.value("SELECT USER()").startswith(name)


def test_change_through_galeway(follows, users):
    """CREATE USER, ALTER USER, SET PASSWORD, DROP USER that pass: seen without the interval."""
    proxy = follows(interval=3600000)
    name = f"uf_{os.getpid()}_{next(_numbers)}"
    users.accounts.append((name, "%"))
    assert "1045" in refused(proxy.port, name, "x")  # and remembered for a second, but for:
    with login(proxy, "galeway", "galeway") as dba:
        assert wire.describe(dba.query(f"CREATE USER {name} IDENTIFIED BY 'x'")[0]).count("OK")
        assert refused(proxy.port, name, "x") is None
        dba.query(f"ALTER USER {name} IDENTIFIED BY 'y'")
        wait_until(lambda: refused(proxy.port, name, "x"), 5, "the old password is wrong")
        assert refused(proxy.port, name, "y") is None
        dba.query(f"SET PASSWORD FOR {name}=PASSWORD('z')")
        wait_until(lambda: refused(proxy.port, name, "y"), 5, "the old password is wrong")
        assert refused(proxy.port, name, "z") is None
        dba.query(f"ALTER USER {name} ACCOUNT LOCK")
        wait_until(lambda: "4151" in (refused(proxy.port, name, "z") or ""), 5, "locked")
        dba.query(f"ALTER USER {name} ACCOUNT UNLOCK")
        wait_until(lambda: refused(proxy.port, name, "z") is None, 5, "unlocked")
        dba.query(f"DROP USER {name}")
        wait_until(lambda: "1045" in (refused(proxy.port, name, "z") or ""), 5, "dropped")


def test_change_on_a_node_is_seen_by_the_interval(cluster, follows, users):
    """Dropped, locked: no new login; who is in goes on."""
    proxy = follows(interval=200)
    name, locked = users.create("IDENTIFIED BY 'x'"), users.create("IDENTIFIED BY 'x'")
    with login(proxy, name, "x") as client, login(proxy, locked, "x") as other:
        assert client.value("SELECT 1") == other.value("SELECT 1") == "1"
        cluster.sql(1, f"DROP USER '{name}'@'%'")
        cluster.sql(1, f"ALTER USER '{locked}'@'%' ACCOUNT LOCK")
        wait_until(lambda: "1045" in (refused(proxy.port, name, "x") or ""), 5, "dropped")
        wait_until(lambda: "4151" in (refused(proxy.port, locked, "x") or ""), 5, "locked")
        assert client.value("SELECT 2") == other.value("SELECT 2") == "2"
    rows = admin(proxy, "SELECT username, comment FROM runtime_mysql_users")
    assert name not in [row["username"] for row in rows]
    assert [row["comment"] for row in rows if row["username"] == locked] == [
        "of the nodes of hostgroup 10: '%' (locked)"]


def test_name_that_another_gets(cluster, follows, users):
    """Connections to the nodes of who had the name before do not serve who has it now."""
    proxy = follows(interval=200)
    name = users.create("IDENTIFIED BY 'first'")
    cluster.sql(1, f"GRANT PROCESS ON *.* TO '{name}'@'%'")
    cluster.catch_up()
    with login(proxy, name, "first") as client:
        grants = [row[0] for row in client.rows("SHOW GRANTS FOR CURRENT_USER() ")]
        assert "PROCESS" in grants[0]
        assert client.value("SELECT COUNT(*) FROM information_schema.INNODB_METRICS") != "0"
    cluster.sql(1, f"DROP USER '{name}'@'%'")
    wait_until(lambda: refused(proxy.port, name, "first"), 5, "gone")
    cluster.sql(1, f"CREATE USER '{name}'@'%' IDENTIFIED BY 'second'")
    wait_until(lambda: refused(proxy.port, name, "second") is None, 5, "the new one")
    with login(proxy, name, "second") as client:
        for sql in ("SELECT COUNT(*) FROM information_schema.INNODB_METRICS",
                    "SELECT COUNT(*) FROM information_schema.INNODB_METRICS FOR UPDATE"):
            assert wire.parse_error(client.query(sql)[-1].payload)[0] == 1227


def test_expired_password(cluster, follows, users):
    """All but SET is refused until the password is set, and then the session goes on."""
    proxy = follows()
    name = users.create("IDENTIFIED BY 'x' PASSWORD EXPIRE")
    statements = ["SELECT 1", "SET NAMES utf8mb4", "USE information_schema", "BEGIN", "SELECT @@sql_mode",
                  "SELECT LAST_INSERT_ID()", "SHOW WARNINGS", "COMMIT"]
    answers = []
    for port in (cluster.port(1), proxy.port):
        with wire.Client(port=port, user=name, password="x") as client:
            answers.append([client.query(sql)[-1].payload for sql in statements])
            client.send(bytes([wire.COM_INIT_DB]) + b"information_schema")
            answers[-1].append(client.read_packet().payload)
            client.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT 1")
            answers[-1].append(client.read_packet().payload)
            for command in (wire.COM_STMT_EXECUTE, wire.COM_STMT_RESET, wire.COM_STMT_FETCH):
                client.send(bytes([command]) + b"\1\0\0\0\0\0\0\0\x0e" * 200000)  # its rest is no command
                answers[-1].append(client.read_packet().payload)
            client.send(bytes([wire.COM_PING]))
            answers[-1].append(client.read_packet().payload)
    assert answers[0] == answers[1]
    with login(proxy, name, "x") as client:
        assert "OK" in wire.describe(client.query("SET PASSWORD=PASSWORD('y')")[0])
        assert client.value("SELECT 1") == "1"
    with login(proxy, name, "y") as client:
        assert client.value("SELECT 2") == "2"
    cut_expired(cluster, follows, users)


def cut_expired(cluster, follows, users):
    """Not let in at all. In one test with the above: the setting is the node's."""
    name = users.create("IDENTIFIED BY 'x' PASSWORD EXPIRE")
    cluster.sql(1, "SET GLOBAL disconnect_on_expired_password=1")
    try:
        proxy = follows()
        wait_until(lambda: state(proxy)["state"] == "current", 10, "users read")
        want = refused(cluster.port(1), name, "x")
        assert "1862" in want
        assert refused(proxy.port, name, "x") == want
    finally:
        cluster.sql(1, "SET GLOBAL disconnect_on_expired_password=0")


def test_same_name_with_another_password(cluster, follows, users):
    """To a node two users: the connections of one do not serve the other, whoever comes first."""
    name = users.create("IDENTIFIED BY 'strong'")
    users.create("IDENTIFIED BY 'weak'", host="127.0.0.2", name=name)
    proxy = follows()
    with login(proxy, name, "weak", source="127.0.0.2") as weak:
        for _ in range(2):  # nobody else is in; then who may open connections to the nodes
            answer = weak.query("SELECT CURRENT_USER()")
            assert wire.parse_error(answer[-1].payload)[0] == 1045, wire.describe(answer[-1])
            with login(proxy, name, "strong") as strong:
                assert strong.value("SELECT CURRENT_USER()") == f"{name}@%"
        assert "1045" in refused(proxy.port, name, "weak")
        assert "1045" in refused(proxy.port, name, "strong", source="127.0.0.2")
        rows = admin(proxy, f"SELECT * FROM stats_mysql_users WHERE username='{name}'")
        assert [row["frontend_connections"] for row in rows] in (["1"], [1])
        admin(proxy, "SELECT * FROM stats_sites")
    assert "is left out" not in proxy.tail(1000)


def test_same_password_from_other_hosts(cluster, follows, users):
    """One user here, too: his connections are shared."""
    name = users.create("IDENTIFIED BY 'x'")
    users.create("IDENTIFIED BY 'x'", host="127.0.0.2", name=name)
    proxy = follows()
    with login(proxy, name, "x") as client:
        assert client.value("SELECT CURRENT_USER()") == f"{name}@%"
    for _ in range(2):
        with login(proxy, name, "x", source="127.0.0.2") as client:
            assert client.value("SELECT CURRENT_USER()") == f"{name}@%"


def test_most_specific_host_first(cluster, follows, users):
    """Each time the account that fits best is asked, and it is dropped; as on a node."""
    hosts = ["127.0.0.1", "127.0.0.0/255.255.255.0", "127.0.0._", "127.0.0.%", "%.1", "127.%", "%",
             "10.9.%", "localhost"]
    name = f"uf_{os.getpid()}_{next(_numbers)}"
    for number, host in enumerate(hosts):
        users.create(f"IDENTIFIED BY 'p{number}'", host=host, name=name)
    left = dict(enumerate(hosts))
    while len(left) > 2:  # the last two do not fit
        proxy = follows()
        on_node = [n for n in left if refused(cluster.port(1), name, f"p{n}") is None]
        # What a node and Galeway say of the account are the same; the statement runs as it.
        assert [n for n in left if refused(proxy.port, name, f"p{n}") is None] == on_node
        assert len(on_node) == 1
        with login(proxy, name, f"p{on_node[0]}") as client:
            assert client.value("SELECT CURRENT_USER()") == f"{name}@{left[on_node[0]]}"
        cluster.sql(1, f"DROP USER '{name}'@'{left.pop(on_node[0])}'")
        proxy.stop()
    assert refused(cluster.port(1), name, "p7") and refused(follows().port, name, "p7")


def test_unix_socket_is_localhost(follows, users):
    """Only there; the node sees Galeway's address, and has an account for it."""
    proxy = follows()
    name = users.create("IDENTIFIED BY 'x'", host="localhost")
    assert "1045" in refused(proxy.port, name, "x")
    with wire.Client(unix=proxy.unix, user=name, password="x") as client:
        assert client.query("SELECT 1")[-1].payload[0] == 0xFF  # no account for 127.0.0.1 on the node
    users.create("IDENTIFIED BY 'x'", host="127.0.0.1", name=name)
    with wire.Client(unix=proxy.unix, user=name, password="x") as client:
        assert client.value("SELECT CURRENT_USER()") == f"{name}@127.0.0.1"


def test_rows_of_mysql_users_come_first(follows, users):
    """With their own password; and an inactive one means nobody."""
    same, off = users.create("IDENTIFIED BY 'node'"), users.create("IDENTIFIED BY 'node'")
    proxy = follows(users=[account("galeway"), account(same, "row"), account(off, "node", active=0)])
    assert "1045" in refused(proxy.port, same, "node")
    assert refused(proxy.port, same, "row") is None
    assert "1045" in refused(proxy.port, off, "node")
    assert "1045" in refused(proxy.port, off, "row")


def test_off_by_default(galeway, users):
    name = users.create("IDENTIFIED BY 'x'")
    proxy = galeway()
    assert "1045" in refused(proxy.port, name, "x")
    assert state(proxy) is None


def test_limit_of_connections_is_the_accounts(follows, users):
    proxy = follows()
    name = users.create("IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 2")
    first, second = login(proxy, name, "x"), login(proxy, name, "x")
    assert "1226" in refused(proxy.port, name, "x")
    first.close()
    wait_until(lambda: refused(proxy.port, name, "x") is None, 5, "a place")
    second.close()


def test_flood_of_made_up_names(cluster, follows, users):
    """Few questions, no memory; and a user of the nodes still gets in, as does a new one."""
    proxy = follows(interval=60000)
    known = users.create("IDENTIFIED BY 'x'")
    assert refused(proxy.port, known, "x") is None
    before = memory(proxy)
    n_before = state(proxy)
    began = time.monotonic()
    stopping = threading.Event()
    refusals = []

    def flood(number):
        for turn in itertools.count():
            if stopping.is_set():
                return
            refusals.append(refused(proxy.port, f"made_up_{number}_{turn}", "x"))

    threads = [threading.Thread(target=flood, args=(n,), daemon=True) for n in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert refused(proxy.port, known, "x") is None
    fresh = users.create("IDENTIFIED BY 'x'")
    wait_until(lambda: refused(proxy.port, fresh, "x") is None, 10, "the new user")
    wait_until(lambda: len(refusals) > 300, 30, "a flood")
    stopping.set()
    for thread in threads:
        thread.join(30)
    took = time.monotonic() - began
    n_after = state(proxy)
    assert all("1045" in refusal for refusal in refusals)
    assert n_after["lookups"] - n_before["lookups"] <= took / 0.05 + 2
    assert n_after["readings"] - n_before["readings"] <= 2
    assert n_after["waiting"] == 0
    wait_until(lambda: memory(proxy) < before + 100000, 5, "memory as before")


def memory(proxy):
    rows = admin(proxy, "SELECT Variable_Name, Variable_Value FROM stats_memory_metrics")
    values = {row["Variable_Name"]: row["Variable_Value"] for row in rows}
    return sum(int(values[name]) for name in values if name in ("pool", "clients", "other"))


def test_one_unknown_name_is_asked_for_once_a_second(follows):
    proxy = follows()
    wait_until(lambda: state(proxy)["state"] == "current", 10, "users read")
    began = time.monotonic()
    for _ in range(100):
        assert "1045" in refused(proxy.port, "nobody_here", "x")
    took = time.monotonic() - began
    assert state(proxy)["lookups"] <= took + 1


def test_monitor_that_may_not_read_them(cluster, follows, users):
    """Said in the log and in stats_users_follow; a row of mysql_users is not concerned."""
    name, monitor = users.create("IDENTIFIED BY 'x'"), users.create("IDENTIFIED BY 'm'")
    cluster.sql(1, f"GRANT BINLOG MONITOR ON *.* TO '{monitor}'@'%'")
    proxy = follows(interval=200, monitor_username=monitor, monitor_password="m")
    wait_until(lambda: state(proxy)["state"] == "denied", 10, "denied")
    assert "global_priv" in state(proxy)["error"]
    assert "needs GRANT SELECT ON mysql.global_priv" in proxy.log_path.read_text()
    assert "9001" in refused(proxy.port, name, "x")
    assert refused(proxy.port, "galeway", "galeway") is None
    cluster.sql(1, f"GRANT SELECT ON mysql.global_priv TO '{monitor}'@'%'")
    wait_until(lambda: refused(proxy.port, name, "x") is None, 10, "the user read")
    wait_until(lambda: state(proxy)["state"] == "current", 10, "all read")


def test_no_password_is_shown(cluster, follows, users):
    """Neither in the console's tables nor in the log."""
    proxy = follows(log_level="debug")
    name = users.create("IDENTIFIED BY 'pass_x'")
    (row,) = cluster.sql(1, "SELECT JSON_VALUE(Priv, '$.authentication_string') FROM "
                            "mysql.global_priv WHERE User=%s", (name,))
    assert refused(proxy.port, name, "pass_x") is None
    assert refused(proxy.port, name, "pass_y")
    shown = [admin(proxy, f"SELECT * FROM {table}") for table in (
        "runtime_mysql_users", "stats_users_follow", "stats_mysql_users")]
    assert name in str(shown[0]) and name in str(shown[2])
    for text in (str(shown), proxy.log_path.read_text()):
        assert row[0] not in text and row[0][1:] not in text and "pass_" not in text
    assert admin(proxy, "EXPLAIN ROUTE FOR '%s' 'SELECT 1'" % name)


def test_saved_users_are_those_of_mysql_users(follows, users):
    """SAVE FROM RUNTIME does not take the nodes' users for rows."""
    proxy = follows()
    name = users.create("IDENTIFIED BY 'x'")
    assert refused(proxy.port, name, "x") is None
    with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, **ADMIN) as db, \
            db.cursor() as cursor:
        cursor.execute("SAVE MYSQL USERS FROM RUNTIME")
        cursor.execute("SELECT username FROM mysql_users")
        assert cursor.fetchall() == (("galeway",),)
        cursor.execute("SELECT username FROM runtime_mysql_users")
        assert (name,) in cursor.fetchall()


def test_switched_on_and_off_while_it_runs(follows, users):
    proxy = follows()
    name = users.create("IDENTIFIED BY 'x'")
    with login(proxy, name, "x") as client:
        for value, is_let_in in ((-1, False), (10, True)):
            with pymysql.connect(host="127.0.0.1", port=proxy.admin_port, **ADMIN) as db, \
                    db.cursor() as cursor:
                cursor.execute(f"SET mysql-users_from_hostgroup={value}")
                cursor.execute("LOAD MYSQL VARIABLES TO RUNTIME")
            wait_until(lambda: (refused(proxy.port, name, "x") is None) == is_let_in, 5, "switched")
            assert client.value("SELECT 1") == "1"
