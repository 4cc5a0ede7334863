# SPDX-License-Identifier: Apache-2.0
"""Real clients, each against a node directly, through the proxy, and through the proxy over TLS."""
import os
import shutil
import subprocess

import pymysql
import pytest
from pymysql.constants import CLIENT

from certs import Authority
from conftest import handshakes, need
from util import CLIENTS, Galeway, run, wait_until


@pytest.fixture
def target(target_or_tls):
    return target_or_tls


def ca_of(target):
    """The authority of its certificate, when the target is to be used over TLS."""
    return getattr(target, "ca", None)


def environment(target, schema):
    """What the programs under tests/clients read."""
    tls = {"DB_TLS_CA": str(ca_of(target))} if ca_of(target) else {}
    return {
        **os.environ, **tls,
        "DB_HOST": "127.0.0.1", "DB_PORT": str(target.port), "DB_SOCKET": str(target.unix),
        "DB_USER": "tenant", "DB_PASSWORD": "tenant", "DB_NAME": schema,
        "DB_LOCAL_INFILE": "refused" if isinstance(target, Galeway) else "allowed",
    }


# ---------------------------------------------------------------- PHP, Perl, Java, Node.js

@pytest.mark.parametrize("program", ["mysqli.php", "pdo.php"])
def test_php(target, schema, program):
    need("php", "php-cli")
    run(["php", "-d", "mysqli.allow_local_infile=1", "-d", "display_errors=stderr",
         CLIENTS / "php" / program], env=environment(target, schema))


def test_perl_dbd_mysql(target, schema):
    run(["perl", CLIENTS / "perl" / "dbd.pl"], env=environment(target, schema))


def test_connector_j(target, schema):
    need("java", "default-jre-headless")
    if not shutil.which("javac"):
        pytest.skip("there is no Java compiler (a JRE alone cannot run Clients.java)")
    run(["java", "-Xmx256m", "-cp", "/usr/share/java/mariadb-java-client.jar",
         CLIENTS / "java" / "Clients.java"], env=environment(target, schema))


@pytest.mark.parametrize("program", ["mysql2.js", "mariadb.js"])
def test_node_js(target, schema, node_modules, program):
    environ = {**environment(target, schema), "NODE_PATH": str(node_modules)}
    run(["node", CLIENTS / "node" / program], env=environ)


# ---------------------------------------------------------------- PyMySQL

def tls_options(target):
    return {"ssl": {"ca": str(ca_of(target))}} if ca_of(target) else {}


@pytest.fixture
def pymysql_connect(target, schema):
    opened = []

    def connect(**options):
        options.update(tls_options(target))
        opened.append(pymysql.connect(host="127.0.0.1", port=target.port, user="tenant",
                                      password="tenant", database=schema, **options))
        return opened[-1]

    yield connect
    for connection in opened:
        if connection.open:
            connection.close()


def test_pymysql(pymysql_connect):
    db = pymysql_connect(charset="utf8mb4")
    with db.cursor() as cursor:
        cursor.execute("CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(99), b BLOB)")
        cursor.executemany("INSERT INTO p (s, b) VALUES (%s, %s)",
                           [(f"é {i}", bytes([i, 0, 39, 92])) for i in range(50)])
        assert cursor.rowcount == 50
        db.rollback()
        cursor.execute("SELECT COUNT(*) FROM p")
        assert cursor.fetchone() == (0,)
        cursor.execute("INSERT INTO p (s, b) VALUES (%s, %s)", ("it's \\ é", b"\0'\\"))
        assert cursor.lastrowid > 0
        db.commit()
        cursor.execute("SELECT s, b FROM p WHERE id = %s", (cursor.lastrowid,))
        assert cursor.fetchone() == ("it's \\ é", b"\0'\\")
        with pytest.raises(pymysql.err.ProgrammingError) as error:
            cursor.execute("SELECT * FROM nowhere")
        assert error.value.args[0] == 1146
        cursor.execute("SELECT REPEAT('x', 20000000)")
        assert len(cursor.fetchone()[0]) == 20000000
    assert db.ping() is None
    db.select_db("information_schema")
    with db.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        assert cursor.fetchone() == ("information_schema",)


def test_pymysql_escapes_like_the_server(pymysql_connect):
    db = pymysql_connect(sql_mode="NO_BACKSLASH_ESCAPES")
    with db.cursor() as cursor:
        cursor.execute("SELECT %s", ("a\\'b",))
        assert cursor.fetchone() == ("a\\'b",)


def test_pymysql_unbuffered(pymysql_connect):
    db = pymysql_connect()
    with db.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute("SELECT seq FROM seq_1_to_50000")
        assert sum(row[0] for row in cursor) == 50000 * 50001 // 2


# ---------------------------------------------------------------- command line programs

def cli(program, target, *arguments, user="tenant"):
    return [program, "--no-defaults", "--host=127.0.0.1", f"--port={target.port}",
            f"--user={user}", f"--password={user}", *tls_arguments(target), *arguments]


def tls_arguments(target):
    return [f"--ssl-ca={ca_of(target)}", "--ssl-verify-server-cert"] if ca_of(target) else []


def test_cli_batch(target, schema):
    sql = "SELECT DATABASE(); SET @a=5; SELECT @a; SHOW TABLES; SELECT COUNT(*) FROM seq_1_to_1000"
    done = run(cli("mariadb", target, "--batch", "--skip-column-names", "-e", sql, schema))
    assert done.stdout.split() == [schema, "5", "1000"]


def test_cli_status(target, schema):
    done = run(cli("mariadb", target, "-e", "\\s", schema))
    for text in ("10.11", "Current user:\t\ttenant@", f"Current database:\t{schema}", "Uptime:",
                 "utf8mb4"):
        assert text in done.stdout, done.stdout


def test_cli_with_completion(target, schema, cluster):
    """Without -A the client asks COM_FIELD_LIST for every table when it starts."""
    cluster.sql(1, f"CREATE TABLE {schema}.first (a INT, b INT)")
    cluster.catch_up()
    done = run(cli("mariadb", target, "--auto-rehash", "-t", "-e", "DESCRIBE first", schema))
    assert "| a " in done.stdout


def test_cli_error(target, schema):
    done = run(cli("mariadb", target, "-e", "SELECT nothing", schema), check=False)
    assert done.returncode == 1
    assert "ERROR 1054 (42S22) at line 1" in done.stdout


def test_cli_unix_socket(target, schema):
    tls = [f"--ssl-ca={ca_of(target)}"] if ca_of(target) else []
    done = run(["mariadb", "--no-defaults", f"--socket={target.unix}", "--user=tenant",
                "--password=tenant", *tls, "-BNe", "SELECT DATABASE()", schema])
    assert done.stdout.strip() == schema


def test_dump_and_reload(target, schema, cluster, tmp_path):
    with cluster.connect(1, database=schema) as db, db.cursor() as cursor:
        cursor.execute("CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, s TEXT, b LONGBLOB, "
                       "d DATETIME(3), KEY (d))")
        cursor.execute("INSERT INTO a SELECT seq, CONCAT('é ''\\\\', seq), RANDOM_BYTES(500), "
                       "'2024-01-01' + INTERVAL seq SECOND FROM seq_1_to_3000")
        cursor.execute("CREATE VIEW v AS SELECT id FROM a")
        cursor.execute("CREATE PROCEDURE p() SELECT 1")
        cursor.execute("CREATE TRIGGER r BEFORE INSERT ON a FOR EACH ROW SET NEW.s = NEW.s")
        cursor.execute("CHECKSUM TABLE a")
        before = cursor.fetchone()[1]
    cluster.catch_up()
    dump = tmp_path / "dump.sql"
    run(cli("mariadb-dump", target, "--routines", "--triggers", "--single-transaction",
            "--hex-blob", f"--result-file={dump}", schema, user="galeway"))
    assert dump.read_text().rstrip().splitlines()[-1].startswith("-- Dump completed")
    second = schema + "_again"
    try:
        run(cli("mariadb", target, "-e", f"CREATE DATABASE {second}", user="galeway"))
        with open(dump, encoding="utf8") as text:
            run(cli("mariadb", target, second, user="galeway"), stdin=text)
        assert cluster.sql(1, f"CHECKSUM TABLE {second}.a")[0][1] == before
        assert cluster.sql(1, f"SELECT COUNT(*) FROM {second}.v") == ((3000,),)
    finally:
        cluster.sql(1, f"DROP DATABASE IF EXISTS {second}")


@pytest.mark.parametrize("load", ["oltp_read_write", "oltp_point_select"])
@pytest.mark.parametrize("prepared", ["auto", "disable"])
def test_sysbench(target, schema, tmp_path, load, prepared):
    need("sysbench", "sysbench")
    tls = []
    if ca_of(target):  # it has names of its own for three files
        cert, key = Authority(tmp_path / "certs", "authority").issue("client")
        for source, name in ((ca_of(target), "cacert"), (cert, "client-cert"), (key, "client-key")):
            shutil.copy(source, tmp_path / f"{name}.pem")
        tls = ["--mysql-ssl=on"]

    def sysbench(*arguments):
        return run(["sysbench", load, "--db-driver=mysql", "--mysql-host=127.0.0.1",
                    f"--mysql-port={target.port}", "--mysql-user=tenant", "--mysql-password=tenant",
                    f"--mysql-db={schema}", "--tables=2", "--table-size=500", "--threads=4",
                    f"--db-ps-mode={prepared}", "--mysql-ignore-errors=1213,1020,1205",
                    *tls, *arguments], cwd=tmp_path)

    sysbench("prepare")
    done = sysbench("--events=400", "--time=0", "run")
    assert "FATAL" not in done.stdout and "total number of events:" in done.stdout, done.stdout
    sysbench("cleanup")


# ---------------------------------------------------------------- sessions of TLS

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_that_keeps_its_ticket_resumes(tls_proxy, tmp_path, version):
    """By a TLS client that shares nothing with Galeway's tests; any worker takes the ticket."""
    need("openssl", "openssl")
    before, resumed = handshakes(tls_proxy), handshakes(tls_proxy, "resumed")
    for n, option in enumerate(["-sess_out", "-sess_in", "-sess_in", "-sess_in"]):
        session = tmp_path / "session.pem"
        with open(tmp_path / "said", "wb") as said:
            client = subprocess.Popen(
                ["openssl", "s_client", "-starttls", "mysql", "-connect", f"127.0.0.1:{tls_proxy.port}",
                 "-CAfile", tls_proxy.ca, "-verify_return_error", version, option, session],
                stdin=subprocess.PIPE, stdout=said, stderr=said)
        # The ticket of TLS 1.3 comes behind the handshake.
        wait_until(lambda: handshakes(tls_proxy) == before + n + 1 and session.exists(), 10, "the handshake")
        client.stdin.close()
        client.wait(20)
        assert ("Reused, TLS" if n else "New, TLS") in (tmp_path / "said").read_text(errors="replace")
    assert handshakes(tls_proxy, "resumed") == resumed + 3


def test_mysqlnd_keeps_no_ticket(tls_proxy):
    """Neither does any other driver that was tried (README.md): a handshake of PHP is always a whole one."""
    before, resumed = handshakes(tls_proxy), handshakes(tls_proxy, "resumed")
    program = """for ($i = 0; $i < 3; $i++) {
            $db = mysqli_init();
            $db->ssl_set(null, null, $argv[2], null, null);
            $db->real_connect('127.0.0.1', 'tenant', 'tenant', '', (int) $argv[1], null, MYSQLI_CLIENT_SSL);
            $db->query('DO 1');
            $db->close();
        }"""
    run(["php", "-r", program, tls_proxy.port, tls_proxy.ca])
    assert handshakes(tls_proxy) == before + 3
    assert handshakes(tls_proxy, "resumed") == resumed


def test_local_infile_refused(proxy, schema, tmp_path):
    """By default the proxy never asks a client for a file, and never reads one itself."""
    table = tmp_path / "rows.csv"
    table.write_text("1\n2\n")
    for client_allows in (True, False):
        with pymysql.connect(host="127.0.0.1", port=proxy.port, user="tenant", password="tenant",
                             database=schema, local_infile=client_allows) as db:
            with db.cursor() as cursor:
                cursor.execute("CREATE OR REPLACE TABLE l (a INT)")
                with pytest.raises(pymysql.err.MySQLError) as error:
                    cursor.execute(f"LOAD DATA LOCAL INFILE '{table}' INTO TABLE l")
                assert error.value.args[0] == 4166
                cursor.execute("SELECT COUNT(*) FROM l")
                assert cursor.fetchone() == (0,)


def test_files_in_one_command(galeway, cluster, schema, tmp_path):
    """Nothing may be sent behind what asks for a file: the node would read it as the file."""
    table = tmp_path / "rows.csv"
    table.write_text("1\n2\n")
    one = galeway(variables={"enable_load_data_local_infile": True})
    load = f"LOAD DATA LOCAL INFILE '{table}' INTO TABLE l"
    for port in (cluster.port(1), one.port):
        with pymysql.connect(host="127.0.0.1", port=port, user="tenant", password="tenant", database=schema,
                             local_infile=True, client_flag=CLIENT.MULTI_STATEMENTS) as db, db.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE TABLE l (a INT)")
            cursor.execute(f"{load}; DO 1; {load}")
            while cursor.nextset():
                pass
            cursor.execute("SELECT COUNT(*), SUM(a) FROM l")
            assert cursor.fetchone() == (4, 6)


def test_many_short_connections(target, schema):
    """What PHP does all day: connect, a few statements, gone; nothing may pile up."""
    for i in range(200):
        with pymysql.connect(host="127.0.0.1", port=target.port, user="tenant", password="tenant",
                             database=schema, autocommit=True,
                             **tls_options(target)) as db, db.cursor() as cursor:
            cursor.execute("SELECT %s, DATABASE()", (i,))
            assert cursor.fetchone() == (i, schema)
    if hasattr(target, "descriptors"):
        before = target.descriptors()
        wait_until(lambda: target.descriptors() <= before, 10, "descriptors to be closed")
