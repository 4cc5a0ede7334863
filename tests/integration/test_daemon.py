# SPDX-License-Identifier: Apache-2.0
"""The program itself: options, --check, drain, reload."""
import os
import pty
import signal
import subprocess
import threading
import time

import pytest

import wire
from conftest import need_proxy
from util import BAD_WORDS, GALEWAY_BIN, PATIENCE, ROOT, Galeway, account, free_port, run, wait_until

TENANT = {"user": "tenant", "password": "tenant"}


@pytest.fixture
def config(cluster, tmp_path):
    """A configuration that is written but not started."""
    need_proxy()
    return Galeway(cluster, tmp_path)


def check(config, code):
    done = run([GALEWAY_BIN, "--check", "-c", config.config_path], check=False, timeout=20)
    assert done.returncode == code, done.stdout
    return done.stdout


def test_version_and_help():
    need_proxy()
    assert "galeway" in run([GALEWAY_BIN, "-V"]).stdout.lower()
    assert "-c" in run([GALEWAY_BIN, "-h"]).stdout
    assert run([GALEWAY_BIN, "--no-such-option"], check=False).returncode != 0
    assert run([GALEWAY_BIN, "-c", "/nowhere/galeway.cnf"], check=False).returncode != 0


def test_check_accepts(config):
    config.write_config()
    check(config, 0)


def test_check_names_every_fault(config):
    config.data["mysql_variables"].update(no_such_variable=1, threads="many", max_connections=-5)
    config.data["mysql_servers"][0]["port"] = 99999
    config.data["mysql_users"].append({"password": "x"})
    config.write_config()
    text = check(config, 1)
    lines = config.config_path.read_text().splitlines()
    for word in ("no_such_variable", "threads", "max_connections", "port"):
        number = next(i for i, line in enumerate(lines, 1) if line.strip().startswith(word + "="))
        assert f"{config.config_path}:{number}" in text, f"{word} is not named with its line\n{text}"
    assert "username" in text


def test_check_syntax_error(config):
    config.config_path.write_text('mysql_variables=\n{\n    threads=\n}\n')
    assert f"{config.config_path}:" in check(config, 1)


def test_variable_not_acted_on_is_a_warning(config):
    config.data["mysql_variables"]["monitor_ping_interval"] = 600000
    config.write_config()
    assert "monitor_ping_interval: accepted, but not acted on yet" in check(config, 0)


def test_variable_at_its_default_is_not_worth_a_line(config):
    config.data["mysql_variables"]["monitor_ping_interval"] = 8000
    config.write_config()
    text = check(config, 0)
    assert "monitor_ping_interval" not in text
    assert "settings that are not acted on yet, and have their defaults or are empty: 1" in text


def test_port_in_use(cluster, galeway, tmp_path):
    proxy = galeway()
    for interfaces in (f"127.0.0.1:{proxy.port}", f"0.0.0.0:{proxy.port}", proxy.unix,
                       f"127.0.0.1:{free_port()};{proxy.unix}"):
        second = Galeway(cluster, tmp_path, variables={"interfaces": interfaces})
        second.write_config()
        done = run([GALEWAY_BIN, "-c", second.config_path], check=False, timeout=20)
        assert done.returncode == 1, done.stdout
        assert f"{interfaces.split(';')[-1]} (mysql-interfaces): Address already in use" in done.stdout
        assert not BAD_WORDS.search(done.stdout), done.stdout
    for _ in range(20):
        for where in ({"port": proxy.port}, {"unix": proxy.unix}):
            with wire.Client(**where, **TENANT) as client:
                assert client.value("SELECT 1") == "1"


def test_unix_socket_left_behind(galeway, tmp_path):
    """The socket of a process that was killed is replaced, a file of that name is not."""
    proxy = galeway()
    proxy.kill()
    assert os.path.exists(proxy.unix)
    proxy.start()
    with wire.Client(unix=proxy.unix, **TENANT) as client:
        assert client.value("SELECT 1") == "1"
    proxy.stop()
    assert not os.path.exists(proxy.unix)
    with open(proxy.unix, "w", encoding="utf8") as file:
        file.write("precious")
    done = run([GALEWAY_BIN, "-c", proxy.config_path], check=False, timeout=20)
    assert done.returncode == 1 and f"{proxy.unix} (mysql-interfaces): File exists" in done.stdout
    with open(proxy.unix, encoding="utf8") as file:
        assert file.read() == "precious"
    os.unlink(proxy.unix)


def test_drain(galeway, schema):
    """SIGTERM: what runs may end, what is new is refused, idle clients are let go."""
    proxy = galeway()
    busy = wire.Client(port=proxy.port, db=schema, **TENANT)
    idle = wire.Client(port=proxy.port, db=schema, **TENANT)
    trx = wire.Client(port=proxy.port, db=schema, **TENANT)
    trx.rows("CREATE TABLE d (a INT)")
    trx.rows("BEGIN")
    trx.rows("INSERT INTO d VALUES (1)")
    busy.send(b"\x03SELECT SLEEP(1.5), 'done'")
    proxy.process.send_signal(signal.SIGTERM)
    wait_until(lambda: _refuses(proxy), 5, "new clients to be refused")
    assert wire.text_row(busy.read_query()[4].payload, 2) == ["0", "done"]
    assert trx.query("COMMIT")[0].payload[0] == 0
    assert idle.at_end()
    busy.sock.close()
    trx.sock.close()
    proxy.stop()


def test_drain_lets_idle_clients_go(galeway, schema, cluster):
    """Whatever a session has on its connection: only an open transaction is waited for."""
    cluster.sql(1, f"CREATE TABLE {schema}.locked (a INT)")
    proxy = galeway()
    clients = []
    for statement in ("SET @a=1", "CREATE TEMPORARY TABLE pinned (a INT)", "SET autocommit=0",
                      "SELECT GET_LOCK('drain', 0)", "LOCK TABLES locked READ",
                      "PREPARE p FROM 'SELECT 1'", "SELECT 1/0"):
        clients.append(wire.Client(port=proxy.port, db=schema, **TENANT))
        clients[-1].rows(statement)
    clients.append(wire.Client(port=proxy.port, login=False))
    began = time.monotonic()
    proxy.stop()
    assert time.monotonic() - began < 3 * PATIENCE
    for client in clients:
        client.sock.close()


def _refuses(proxy):
    try:
        wire.Client(port=proxy.port, timeout=2, **TENANT).close()
    except (OSError, wire.Closed, wire.ServerError):
        return True
    return False


def test_drain_has_a_deadline(galeway):
    """A transaction that never ends does not keep the process alive for ever."""
    proxy = galeway(variables={"shutdown_timeout_ms": 1500})
    client = wire.Client(port=proxy.port, **TENANT)
    client.rows("BEGIN")
    client.rows("SELECT 1 FROM information_schema.ENGINES")
    began = time.monotonic()
    proxy.stop()
    assert time.monotonic() - began > 1.4
    client.sock.close()


def test_one_ctrl_c_drains(config, schema):
    """`make run CONF=file` in a terminal: Ctrl-C goes to all that runs in it, and counts once."""
    config.write_config()
    script, terminal = pty.fork()
    if script == 0:
        os.execve(ROOT / "tests" / "setup" / "run.sh", ["run.sh", config.config_path],
                  {**os.environ, "GALEWAY_BIN": str(GALEWAY_BIN)})
    try:
        wait_until(lambda: not _refuses(config), 20, "galeway to take clients")
        client = wire.Client(port=config.port, db=schema, **TENANT)
        client.rows("CREATE TABLE d (a INT)")
        client.rows("BEGIN")
        client.rows("INSERT INTO d VALUES (1)")
        os.write(terminal, b"\x03")
        wait_until(lambda: _refuses(config), 5, "new clients to be refused")
        assert client.query("COMMIT")[0].payload[0] == 0
        client.close()
        said = bytearray()
        wait_until(lambda: said.extend(os.read(terminal, 65536)) or b"ended" in said, 10,
                   "galeway to end")
        _, status = os.waitpid(script, 0)
    except BaseException:
        os.kill(script, signal.SIGTERM)
        raise
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


def test_second_signal_ends_at_once(galeway):
    proxy = galeway()
    client = wire.Client(port=proxy.port, **TENANT)
    client.send(b"\x03SELECT SLEEP(60)")
    proxy.process.send_signal(signal.SIGINT)
    wait_until(lambda: _refuses(proxy), 5, "new clients to be refused")
    proxy.process.send_signal(signal.SIGINT)
    try:
        code = proxy.process.wait(15)
    except subprocess.TimeoutExpired:
        proxy.kill()
        pytest.fail("still there after a second SIGINT\n" + proxy.tail())
    proxy.process = None
    assert code == 0
    proxy.check_log()
    client.sock.close()


def test_reload_adds_and_removes_users(cluster, galeway):
    """On one node: a connection to another would have to log in by the password that was changed."""
    proxy = galeway(users=[account("tenant")], servers=[
        {"address": "127.0.0.1", "port": cluster.port(1), "hostgroup": 10}])
    old = wire.Client(port=proxy.port, **TENANT)
    assert old.value("SELECT 1 FROM information_schema.ENGINES") == "1"
    proxy.data["mysql_users"] = [account("tenant2")]
    proxy.reload()
    wait_until(lambda: _can_log_in(proxy, "tenant2"), 10, "the new user to be known")
    assert not _can_log_in(proxy, "tenant")
    assert old.value("SELECT 2 FROM information_schema.ENGINES") == "2", "a client that was there may stay"
    old.rows("BEGIN")
    assert old.value("SELECT 3") == "3"
    old.rows("COMMIT")
    assert old.change_user("tenant", "tenant")[-1].payload[0] == 0xFF, "but not log in again"
    proxy.data["mysql_users"].append(account("tenant", "other-word"))
    proxy.reload()
    wait_until(lambda: _can_log_in(proxy, "tenant", "other-word"), 10, "the user with a new password")
    assert not _can_log_in(proxy, "tenant")
    assert old.value("SELECT 4 FROM information_schema.ENGINES") == "4"
    old.close()


def test_log_file_is_opened_again(galeway, tmp_path):
    """SIGUSR1 after a rotation: the lines go to the new file."""
    path, rotated = tmp_path / "log", tmp_path / "log.1"
    proxy = galeway(variables={"log_file": str(path)})
    path.rename(rotated)
    proxy.process.send_signal(signal.SIGUSR1)
    wait_until(path.exists, 5, "a new log file")
    _can_log_in(proxy, "tenant", "wrong")
    assert "Access denied" in path.read_text() and "ready on" in rotated.read_text()


def test_reload_of_a_bad_file_changes_nothing(galeway):
    proxy = galeway(users=[account("tenant")])
    proxy.data["mysql_variables"]["no_such_variable"] = 1
    proxy.data["mysql_users"] = [account("tenant2")]
    proxy.reload()
    wait_until(lambda: "no_such_variable" in proxy.log_path.read_text(), 10, "the reason in the log")
    assert _can_log_in(proxy, "tenant") and not _can_log_in(proxy, "tenant2")


def _can_log_in(proxy, user, password=None):
    try:
        wire.Client(port=proxy.port, user=user, password=password or user).close()
        return True
    except wire.ServerError:
        return False


def test_reload_under_load(galeway, schema):
    """Fifty reloads while clients work: nobody notices."""
    proxy = galeway()
    stop, errors = threading.Event(), []

    def work():
        try:
            with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
                while not stop.is_set():
                    assert client.value("SELECT COUNT(*) FROM seq_1_to_5") == "5"
                    client.rows("BEGIN")
                    assert client.value("SELECT 3") == "3"
                    client.rows("COMMIT")
        except Exception as error:  # whatever it is, the test shows it
            errors.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    with wire.Client(port=proxy.port, db=schema, **TENANT) as client:
        for i in range(50):
            proxy.data["mysql_variables"]["max_connections"] = 6000 + i
            proxy.reload()
            assert client.value("SELECT 4") == "4"
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_secrets_are_not_logged(galeway):
    proxy = galeway(users=[account("tenant"), account("site1", "very-secret-word")],
                    variables={"monitor_password": "other-secret-word"})
    with pytest.raises(wire.ServerError):
        wire.Client(port=proxy.port, user="site1", password="third-secret-word")
    with wire.Client(port=proxy.port, **TENANT) as client:
        client.rows("SELECT 'fourth-secret-word'")
        client.query("SELECT 'fourth-secret-word' FROM nowhere.nothing")
    assert "secret-word" not in proxy.log_path.read_text()


def test_files_of_the_proxy_stay_closed(galeway, schema, tmp_path):
    """LOCAL INFILE relayed: the client is asked for the file, the proxy opens none."""
    proxy = galeway(variables={"enable_load_data_local_infile": True})
    secret = tmp_path / "secret"
    secret.write_text("of the proxy's host\n")
    os.chmod(secret, 0o644)
    caps = wire.DEFAULT_CAPS | wire.LOCAL_FILES
    with wire.Client(port=proxy.port, db=schema, caps=caps, **TENANT) as client:
        client.rows("CREATE TABLE l (s TEXT)")
        packets = client.query(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE l", b"of the client\n")
        assert packets[0].payload == b"\xfb" + str(secret).encode()
        assert client.rows("SELECT * FROM l") == [["of the client"]]
