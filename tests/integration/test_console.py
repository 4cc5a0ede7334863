# SPDX-License-Identifier: Apache-2.0
"""The console as clients see it: logins, statements of real clients, what is malformed, what is too much.

No node is needed: the proxy's only server is a port on which nobody listens. What the statements mean is tested in
test_admin_sql.py.
"""
import contextlib
import hashlib
import os
import re
import socket
import struct
import subprocess

import pymysql
import pytest

import wire
from conftest import need
from util import CLIENTS, GALEWAY_BIN, NODES, Galeway, free_port, run, wait_until

HASH = hashlib.sha1(hashlib.sha1(b"secretpass").digest()).hexdigest().upper()
CREDENTIALS = f"admin:admin;dba:it's:fine;hashed:*{HASH}"


class NoCluster:
    """Ports of nodes that are not there."""

    def __init__(self):
        self.closed = {n: free_port() for n in NODES}

    def port(self, n):
        return self.closed[n]


@pytest.fixture
def make(tmp_path):
    """Makes proxies with a console: make(admin={...}, variables={...})."""
    made = []

    def start(admin=None, variables=None):
        folder = tmp_path / f"galeway{len(made)}"
        folder.mkdir()
        made.append(new_proxy(folder, admin, variables))
        return made[-1].start()

    yield start
    for one in made:
        one.stop()


def new_proxy(folder, admin=None, variables=None):
    one = Galeway(NoCluster(), folder, variables={"threads": 1, **(variables or {})})
    one.admin_unix = f"/tmp/galeway-test-admin-{one.admin_port}.sock"
    one.data["admin_variables"].update({
        "mysql_ifaces": f"127.0.0.1:{one.admin_port};{one.admin_unix}",
        "admin_credentials": CREDENTIALS, "stats_credentials": "stats:stats", **(admin or {})})
    return one


@pytest.fixture(scope="module")
def _console(tmp_path_factory):
    one = new_proxy(tmp_path_factory.mktemp("console")).start()
    yield one
    one.stop()


@pytest.fixture
def console(_console):
    yield _console
    _console.check_alive()


def connect(console, user="admin", password="admin", **options):
    options.setdefault("host", "127.0.0.1")
    return pymysql.connect(port=console.admin_port, user=user, password=password, **options)


def raw(console, **options):
    options.setdefault("user", "admin")
    options.setdefault("password", "admin")
    return wire.Client(port=console.admin_port, **options)


def rows(db, sql, args=None):
    with db.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall()


def error(db, sql):
    with pytest.raises(pymysql.err.MySQLError) as caught:
        rows(db, sql)
    return caught.value.args


# ---------------------------------------------------------------- logins

@pytest.mark.parametrize("user,password", [("admin", "admin"), ("dba", "it's:fine"), ("hashed", "secretpass"),
                                           ("stats", "stats")])
@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password"])
def test_login(make, user, password, plugin):
    console = make(variables={"default_authentication_plugin": plugin})
    with connect(console, user, password) as db:
        assert rows(db, "SELECT 1") == (("1",),)
        db.ping(reconnect=False)
    with pymysql.connect(unix_socket=console.admin_unix, user=user, password=password) as db:
        assert rows(db, "SELECT 1") == (("1",),)
    for wrong in ("", "x", password + "x"):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            connect(console, user, wrong)
        assert caught.value.args[0] == 1045
        answer = "YES" if wrong else "NO"
        assert f"Access denied for user '{user}'@'127.0.0.1' (using password: {answer})" in caught.value.args[1]


def test_login_of_nobody(console):
    for user in ("nobody", "", "a" * 300, "wp_1"):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            connect(console, user, "admin")
        assert caught.value.args[0] == 1045


def test_login_with_a_schema(console):
    for schema in ("main", "stats"):
        with connect(console, database=schema) as db:
            assert rows(db, "SELECT DATABASE()") == ((schema,),)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        connect(console, database="no`where")
    assert caught.value.args[0] == 1049


def test_default_admin_only_from_this_machine(make):
    addresses = subprocess.run(["hostname", "-I"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    addresses = [a for a in addresses if ":" not in a]
    if not addresses:
        pytest.skip("this machine has no address but loopback")
    port = free_port()
    console = make(admin={"mysql_ifaces": f"0.0.0.0:{port}"})
    console.admin_port = port
    connect(console).close()
    with pytest.raises(pymysql.err.OperationalError) as caught:
        connect(console, host=addresses[0])
    assert caught.value.args[0] == 1040 and "this machine only" in caught.value.args[1]
    connect(console, "dba", "it's:fine", host=addresses[0]).close()
    connect(console, "stats", "stats", host=addresses[0]).close()


# ---------------------------------------------------------------- PyMySQL

def test_pymysql(console):
    with connect(console, autocommit=True) as db:
        rows(db, "DELETE FROM mysql_servers WHERE hostgroup_id = 77")
        with db.cursor() as cursor:
            cursor.executemany("INSERT INTO mysql_servers (hostgroup_id, hostname, port, comment) VALUES (%s, %s, %s, %s)",
                               [(77, "10.0.0.1", i, text) for i, text in enumerate(TEXTS)])
            assert cursor.rowcount == len(TEXTS)
        found = rows(db, "SELECT comment FROM mysql_servers WHERE hostgroup_id = 77 ORDER BY port")
        assert [text for (text,) in found] == TEXTS
        for text in TEXTS:
            assert rows(db, "SELECT COUNT(*) FROM mysql_servers WHERE comment = %s", (text,)) == (("1",),)
        assert error(db, "SELECT * FROM nowhere")[0] == 1146
        assert error(db, "SELECT no_such_column FROM mysql_servers")[0] == 1054
        assert error(db, "SELEC 1")[0] == 1064
        assert error(db, "INSERT INTO mysql_servers (hostgroup_id, hostname, port) VALUES (77, '10.0.0.1', 0)")[0] == 1062
        assert rows(db, "SELECT NULL, '', 1.5, 'é😀'") == ((None, "", "1.5", "é😀"),)
        assert rows(db, "DELETE FROM mysql_servers WHERE hostgroup_id = 77") == ()
        assert error(db, " ; ")[0] == 1065


TEXTS = ["plain", "it's", 'say "x"', "back\\slash", "\\'", "semi;colon", "-- no comment", "é😀", "?", "%s"]


def test_pymysql_multi_statements(console):
    with connect(console, client_flag=wire.MULTI_STATEMENTS) as db, db.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT ';' ; -- nothing\n SELECT 3;")
        got = [cursor.fetchall()]
        while cursor.nextset():
            got.append(cursor.fetchall())
        assert got == [(("1",),), ((";",),), (("3",),)]
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute("SELECT 1; SELECT * FROM nowhere; SELECT 2")
            while cursor.nextset():
                pass
    with connect(console) as db:
        assert error(db, "SELECT 1; SELECT 2")[0] == 1064
        assert rows(db, "SELECT 1;") == (("1",),)


def test_pymysql_select_db(console):
    with connect(console) as db:
        for schema in ("stats", "disk", "monitor", "stats_history", "main"):
            db.select_db(schema)
            assert rows(db, "SELECT DATABASE()") == ((schema,),)
        with pytest.raises(pymysql.err.MySQLError) as caught:
            db.select_db("nowhere")
        assert caught.value.args[0] == 1049


def test_pymysql_large_results(console):
    """Buffered, row by row, and one that is not read to its end; another client is served meanwhile."""
    sql = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT n, 'x' FROM s"
    with connect(console) as db, connect(console, cursorclass=pymysql.cursors.SSCursor) as slow:
        assert len(rows(db, sql.format(20000))) == 20000
        with slow.cursor() as cursor:
            cursor.execute(sql.format(60000))
            assert cursor.fetchone() == ("1", "x")
            assert rows(db, "SELECT 1") == (("1",),)
            assert sum(int(n) for n, _ in cursor) + 1 == 60000 * 60001 // 2
        assert len(rows(db, "SELECT printf('%.*c', 20000000, 'x')")[0][0]) == 20000000


# ---------------------------------------------------------------- the command line clients

def cli(program, console, *arguments, user="admin", password="admin", check=True, **options):
    return run([program, "--no-defaults", "--host=127.0.0.1", f"--port={console.admin_port}",
                f"--user={user}", f"--password={password}", *arguments], check=check, **options)


def test_cli(console):
    done = cli("mariadb", console, "-BNe", "SELECT 1; SELECT 'a;b'; SELECT COUNT(*) FROM mysql_servers")
    assert done.stdout.split("\n")[:2] == ["1", "a;b"]
    done = cli("mariadb", console, "-e", "SELECT * FROM nowhere", check=False)
    assert done.returncode == 1 and "ERROR 1146 (42S02) at line 1" in done.stdout
    done = run(["mariadb", "--no-defaults", f"--socket={console.admin_unix}", "-uadmin", "-padmin", "-BNe",
                "SELECT 2"])
    assert done.stdout.strip() == "2"


def test_cli_status(console):
    done = cli("mariadb", console, "-e", "\\s", "main")
    for text in ("Current user:\t\tadmin@", "Current database:\tmain", "Uptime:", "10.11"):
        assert text in done.stdout, done.stdout


def test_cli_with_completion(console):
    """Without -A the client asks COM_FIELD_LIST for every table when it starts."""
    done = cli("mariadb", console, "--auto-rehash", "-BNe", "SELECT 1", "main")
    assert done.stdout.strip() == "1"


def test_cli_script(console, tmp_path):
    script = tmp_path / "script.sql"
    script.write_text("# a comment\n-- another\n"
                      "DELETE FROM mysql_servers WHERE hostgroup_id = 78;\n"
                      "INSERT INTO mysql_servers (hostgroup_id, hostname) VALUES (78, 'a;b'), (78, 'c');\n"
                      "SELECT hostname FROM mysql_servers\n  WHERE hostgroup_id = 78 ORDER BY 1\\g\n"
                      "SELECT COUNT(*) AS n FROM mysql_servers WHERE hostgroup_id = 78\\G\n"
                      "DELETE FROM mysql_servers WHERE hostgroup_id = 78;\n")
    with open(script, encoding="utf8") as text:
        done = cli("mariadb", console, "-BN", stdin=text)
    assert done.stdout.split("\n")[:2] == ["a;b", "c"]
    assert "2" in done.stdout.split("\n")[3]


def test_mariadb_dump(console):
    """The tool asks information_schema first; what it writes are the console's own statements."""
    with connect(console) as db:
        rows(db, "INSERT INTO mysql_servers (hostgroup_id, hostname) VALUES (79, 'it''s;')")
        done = cli("mariadb-dump", console, "main", "mysql_servers")
        rows(db, "DELETE FROM mysql_servers WHERE hostgroup_id = 79")
        assert "PRIMARY KEY (hostgroup_id, hostname, port)" in done.stdout
        insert = re.search(r"INSERT INTO `mysql_servers` VALUES.*?;\n", done.stdout, re.S).group()
        assert "('79','it''s;'," in insert


def test_mariadb_admin(console):
    done = cli("mariadb-admin", console, "ping", "status")
    assert "is alive" in done.stdout and re.search(r"Uptime: \d+ .*Questions: \d+", done.stdout)


# ---------------------------------------------------------------- Node.js, Java, PHP

def environment(console):
    return {**os.environ, "DB_HOST": "127.0.0.1", "DB_PORT": str(console.admin_port), "DB_USER": "admin",
            "DB_PASSWORD": "admin", "DB_NAME": "main"}


@pytest.mark.parametrize("driver", ["mysql2", "mariadb"])
def test_node_js(console, node_modules, driver):
    run(["node", CLIENTS / "node" / "console.js", driver],
        env={**environment(console), "NODE_PATH": str(node_modules)})


def test_connector_j(console):
    need("java", "default-jre-headless")
    need("javac", "default-jdk-headless")
    run(["java", "-Xmx256m", "-cp", "/usr/share/java/mariadb-java-client.jar", CLIENTS / "java" / "Console.java"],
        env=environment(console))


def test_php(console):
    need("php", "php-cli")
    run(["php", "-d", "display_errors=stderr", CLIENTS / "php" / "console.php"], env=environment(console))


# ---------------------------------------------------------------- packets

def frame(payload, seq=0):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


LOGINS = {
    "empty": frame(b"", 1), "one-byte": frame(b"\0", 1), "wrong-sequence": frame(b"\0" * 40, 7),
    "caps-only": frame(struct.pack("<I", wire.DEFAULT_CAPS), 1), "http": b"GET / HTTP/1.1\r\n\r\n",
    "old-protocol": frame(struct.pack("<H", 5) + b"\0\0\1admin\0", 1), "long": b"\xff\xff\xff\1" + b"x" * 100000,
    "tls-request": frame(struct.pack("<IIB23x", wire.DEFAULT_CAPS | wire.SSL, 1 << 30, 45), 1),
}


@pytest.mark.parametrize("what", LOGINS)
def test_malformed_login(console, what):
    with raw(console) as other, raw(console, login=False) as client:
        with contextlib.suppress(ConnectionError):
            client.sock.sendall(LOGINS[what])
            with contextlib.suppress(wire.Closed):
                assert client.read_packet().payload[0] == 0xFF
        assert client.at_end()
        assert other.value("SELECT 1") == "1"


# What is sent, and the error's number; None = the connection goes on behind the error.
COMMANDS = {
    "wrong-sequence": (frame(b"\x03SELECT 1", 5), 1156, True),
    "zero-length": (frame(b""), 1835, True),
    "too-long": (b"\xff\xff\xff\0\x03", 1153, True),
    "garbage": (frame(b"\x99\x98\x97"), 1047, False),
    "execute-cut": (frame(b"\x17\1\0"), 1835, True),
    "execute-unknown": (frame(b"\x17" + struct.pack("<IBI", 12345, 0, 1)), 1243, False),
    "change-user-empty": (frame(b"\x11"), 1835, True),
    "change-user-cut": (frame(b"\x11admin"), 1835, True),
    "kill-cut": (frame(b"\x0c\0"), 1835, True),
    "set-option-cut": (frame(b"\x1b\0"), 1047, False),
    "fetch": (frame(b"\x1c" + b"\0" * 8), 1421, False),
    "reset-cut": (frame(b"\x1a\0\0"), 1835, True),
    "prepare-empty": (frame(b"\x16"), 1065, False),
    "query-empty": (frame(b"\x03"), 1065, False),
    "init-db-empty": (frame(b"\x02"), 1102, False),
    "binlog": (frame(b"\x12" + b"\0" * 10), 1047, False),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_malformed_command(console, what):
    data, number, is_end = COMMANDS[what]
    with raw(console) as other, raw(console) as client:
        client.sock.sendall(data)
        assert wire.parse_error(client.read_packet().payload)[0] == number
        if is_end:
            assert client.at_end()
        else:
            assert client.value("SELECT 1") == "1"
        assert other.value("SELECT 1") == "1"


def test_malformed_packet_is_one_line_of_the_log(make):
    console = make()
    with raw(console) as client:
        client.sock.sendall(frame(b"\x17\1\0"))
        client.read_packet()
        assert client.at_end()
    lines = re.findall(r"console: closing: .*", console.log_path.read_text())
    assert lines == ["console: closing: a malformed command for a prepared statement"]


def test_commands_in_one_write(console):
    with raw(console) as client:
        client.sock.sendall(b"".join(frame(b"\x03SELECT %d" % i) for i in range(200)) + frame(b"\x0e"))
        for i in range(200):
            assert wire.text_row(client.read_query()[3].payload, 1) == [str(i)]
        assert client.read_packet().payload[0] == 0


def test_statement_in_pieces(console):
    """A statement of nearly 16 MiB, byte by byte at its start."""
    with raw(console, timeout=120) as client:
        text = b"x" * 16000000
        data = frame(b"\x03SELECT length('" + text + b"')")
        for i in range(30):
            client.sock.sendall(data[i:i + 1])
        client.sock.sendall(data[30:])
        assert wire.text_row(client.read_query()[3].payload, 1) == ["16000000"]


def test_prepared_statements(console):
    with raw(console) as client:
        client.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT ?, ?, '?', ?, ? -- ?")
        prepared = client.read_prepare()
        number, columns, params = struct.unpack_from("<IHH", prepared[0].payload, 1)
        assert (columns, params, len(prepared)) == (0, 4, 6)
        values = [5, "it's; \\ ?", None, wire.LONG_DATA]
        client.send(bytes([wire.COM_STMT_SEND_LONG_DATA]) + struct.pack("<IH", number, 3) + b"long ")
        client.send(bytes([wire.COM_STMT_SEND_LONG_DATA]) + struct.pack("<IH", number, 3) + b"data")
        client.send(wire.execute_packet(number, values))
        row = client.read_query()[7].payload
        assert row == b"\0" + bytes([1 << 5]) + b"\x015\x09it's; \\ ?\x01?\x09long data"
        client.send(wire.execute_packet(number, [1, 2, 3, 4], bind=False)[:-8 * 3 - 1])
        assert wire.parse_error(client.read_packet().payload)[0] == 1835 and client.at_end()
    with raw(console) as client:
        for i in range(100):
            number = client.prepare("SELECT 1")
        client.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT 1")
        assert wire.parse_error(client.read_prepare()[0].payload)[0] == 1461
        client.send(bytes([wire.COM_STMT_CLOSE]) + struct.pack("<I", number))
        client.send(bytes([wire.COM_STMT_PREPARE]) + b"SELECT 1")
        assert client.read_prepare()[0].payload[0] == 0


def test_change_of_user(console):
    with raw(console) as client:
        assert client.change_user("stats", "stats")[-1].payload[0] == 0
        assert client.value("SELECT 1") == "1"
        assert client.change_user("stats", "wrong")[-1].payload[0] == 0xFF
        assert client.at_end()
    with raw(console) as client:
        client.send(bytes([wire.COM_RESET_CONNECTION]))
        assert client.read_packet().payload[0] == 0
        assert client.value("SELECT 1") == "1"


# ---------------------------------------------------------------- limits, interfaces, the end

def test_hundred_clients(console):
    clients = []
    try:
        wait_until(lambda: console.descriptors() < 60, 10, "the other tests' clients to leave")
        for _ in range(100):
            clients.append(raw(console))
        for _ in range(3):
            with pytest.raises(wire.ServerError) as caught:
                raw(console)
            assert caught.value.errno == 1040
        for i, client in enumerate(clients):
            client.send(b"\x03SELECT %d" % i)
        for i, client in enumerate(clients):
            assert wire.text_row(client.read_query()[3].payload, 1) == [str(i)]
        assert len({client.thread_id for client in clients}) == 100
        clients.pop().close()
        wait_until(lambda: can_connect(console), 10, "room for another client")
    finally:
        for client in clients:
            client.close()


def test_runaway_statement_gives_way(console):
    """SQLite runs a statement to its end: one that others wait for ends after 2 s, not 10."""
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT COUNT(*) FROM n"
    with raw(console) as first, connect(console) as second:
        first.send(b"\x03" + endless.encode())
        while not first.readable():  # it may not have begun at the first
            assert rows(second, "SELECT 5") == (("5",),)
        number, _, text = wire.parse_error(first.read_query()[-1].payload)
        assert number == 3024 and "2 seconds while another client" in text
        assert first.value("SELECT 6") == "6"


def can_connect(console):
    try:
        raw(console).close()
        return True
    except (OSError, wire.ServerError, wire.Closed):
        return False


def test_idle_client_is_closed(make):
    console = make(variables={"wait_timeout": 1000})
    with raw(console) as client:
        assert client.value("SELECT 1") == "1"
        assert client.at_end()
        assert "idle for mysql-wait_timeout" in console.log_path.read_text()


def test_interfaces_follow_the_configuration(make):
    console = make()
    old, new = console.admin_port, free_port()
    with raw(console) as client:
        console.data["admin_variables"]["mysql_ifaces"] = f"127.0.0.1:{new}"
        console.reload()
        console.admin_port = new
        wait_until(lambda: can_connect(console), 10, "the new port")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", old))
        assert not os.path.exists(console.admin_unix)
        assert client.value("SELECT 1") == "1"  # who is there stays
    # An address that this machine does not have: the administrator is not locked out.
    console.data["admin_variables"]["mysql_ifaces"] = "192.0.2.250:6032"
    console.reload()
    wait_until(lambda: "the console stays on" in console.log_path.read_text(), 10, "the refusal")
    assert can_connect(console)
    console.data["admin_variables"].update(mysql_ifaces=f"127.0.0.1:{new}", admin_credentials="admin:new")
    console.reload()
    wait_until(lambda: not can_connect(console), 10, "the new password")
    raw(console, password="new").close()


def test_interfaces_and_credentials_by_statements(make):
    console = make()
    old, new = console.admin_port, free_port()
    with connect(console) as db:
        rows(db, f"SET admin-mysql_ifaces = '127.0.0.1:{new}'")
        rows(db, "UPDATE global_variables SET variable_value = 'boss:secret' "
                 "WHERE variable_name = 'admin-admin_credentials'")
        assert can_connect(console)  # MEMORY is not RUNTIME
        rows(db, "LOAD ADMIN VARIABLES TO RUNTIME")
        console.admin_port = new
        wait_until(lambda: is_refused(old), 10, "the old port to be closed")
        wait_until(lambda: not is_refused(new), 10, "the new port")
        assert not can_connect(console)
        connect(console, "boss", "secret").close()
        assert rows(db, "SELECT 1") == (("1",),)


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return False
    except ConnectionRefusedError:
        return True


def test_taken_port_is_an_error(console, tmp_path):
    second = new_proxy(tmp_path, admin={"mysql_ifaces": f"127.0.0.1:{console.admin_port}"})
    second.write_config()
    done = run([GALEWAY_BIN, "-c", second.config_path, "--check"])
    assert "ok" in done.stdout  # a check starts nothing
    done = run([GALEWAY_BIN, "-c", second.config_path], check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{console.admin_port} (admin-mysql_ifaces)" in done.stdout
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", second.port))


def test_no_console_at_all(make):
    console = make(admin={"mysql_ifaces": ""})
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", console.admin_port))
    console.data["admin_variables"]["mysql_ifaces"] = f"127.0.0.1:{console.admin_port}"
    console.reload()
    wait_until(lambda: can_connect(console), 10, "the console")


@pytest.mark.parametrize("what", ["mysql_ifaces=\"127.0.0.1\"", "admin_credentials=\"admin\"",
                                  "stats_credentials=\"stats:*12\""])
def test_bad_variables_are_faults(tmp_path, what):
    config = tmp_path / "g.cnf"
    config.write_text(f"admin_variables={{ {what} }}")
    done = run([GALEWAY_BIN, "-c", config, "--check"], check=False)
    assert done.returncode == 1
    assert f"admin-{what.split('=')[0]}: " in done.stdout and "no. 1" in done.stdout


def test_end_with_clients(make):
    """A console client does not hold up the end, not even one in the middle of an answer."""
    console = make()
    with raw(console) as idle, raw(console, receive_buffer=4096) as busy:
        busy.send(b"\x03WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 30000) "
                  b"SELECT n, printf('%.*c', 1000, 'x') FROM s")
        busy.read_packet()
        console.stop(timeout=10)
        assert idle.at_end()
