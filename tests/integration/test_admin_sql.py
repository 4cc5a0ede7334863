# SPDX-License-Identifier: Apache-2.0
"""The console's SQL: a long script as DBAs write it, files that load back, what a new start finds."""
import os
import pathlib
import re
import subprocess

import pymysql
import pytest

import util

LOADS = int(os.environ.get("RULE_LOADS", "300"))  # 2000 was tried by hand
SCRIPT = pathlib.Path(__file__).with_name("admin_script.txt")


class NoNodes:
    """For a proxy that is only talked to on its console."""

    @staticmethod
    def port(_n):
        return 1


@pytest.fixture
def bare(tmp_path):
    """A proxy without servers and users."""
    proxy = util.Galeway(NoNodes, tmp_path)
    for table in ("mysql_servers", "mysql_users", "mysql_galera_hostgroups"):
        proxy.data[table] = []
    proxy.data["mysql_variables"].pop("max_connections")
    yield proxy
    proxy.stop()


def start(proxy):
    """The console is there a moment after the traffic port."""
    before = proxy.log_path.read_text().count("ready on") if proxy.log_path.exists() else 0
    proxy.start()
    util.wait_until(lambda: proxy.log_path.read_text().count("ready on") > before, 20, "ready")


def console(proxy, user="admin", password=None, **more):
    return pymysql.connect(host="127.0.0.1", port=proxy.admin_port, user=user,
                           password=user if password is None else password, autocommit=None, **more)


class Outcome:
    """What one statement (or several in one line) gave."""

    def __init__(self, cursor, statement):
        self.error = self.rows = None
        self.affected = self.warnings = 0
        try:
            for part in statement.split("; ") if statement.startswith("DELETE") else [statement]:
                self.affected = cursor.execute(part)
                self.rows = cursor.fetchall() if cursor.description else None
                self.warnings = cursor._result.warning_count  # pylint: disable=protected-access
        except pymysql.MySQLError as error:
            self.error = error.args

    def __str__(self):
        if self.error:
            return f"error {self.error[0]} {self.error[1]}"
        return f"{len(self.rows)} rows {self.rows[:3]}" if self.rows is not None \
            else f"ok {self.affected}, {self.warnings} warnings"

    def is_expected(self, kind, argument):
        if kind == "error":
            number, _, words = argument.partition(" ")
            return self.error is not None and self.error[0] == int(number) \
                and words in self.error[1]
        if self.error is not None:
            return False
        if kind in ("ok", "warn"):
            return self.rows is None and (not argument or self.affected == int(argument)) \
                and (kind == "ok" or self.warnings > 0)
        if self.rows is None:
            return False
        if kind == "is":
            return len(self.rows) == 1 and str(self.rows[0][0] or "") == argument
        return len(self.rows) > 0 if argument == "+" else len(self.rows) == int(argument)


def script_lines(folder):
    for number, line in enumerate(SCRIPT.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            outcome, _, statement = line.partition("|")
            kind, _, argument = outcome.strip().partition(" ")
            yield number, kind, argument.strip(), \
                statement.strip().replace("$FOLDER", str(folder))


def test_a_script_of_statements_as_dbas_write_them(bare, tmp_path):
    start(bare)
    wrong, count = [], 0
    with console(bare) as db, db.cursor() as cursor:
        for number, kind, argument, statement in script_lines(tmp_path):
            outcome = Outcome(cursor, statement)
            count += 1
            if not outcome.is_expected(kind, argument):
                wrong.append(f"line {number}: {statement}\n    expected {kind} {argument}, "
                             f"got {outcome}")
    assert not wrong, "\n".join(wrong)
    assert count >= 300


def test_a_saved_file_starts_the_same_proxy(bare, tmp_path):
    start(bare)
    with console(bare) as db, db.cursor() as cursor:
        for statement in (
                "INSERT INTO mysql_servers (hostgroup_id, hostname, comment) "
                "VALUES (10, '127.0.0.11', 'a \"quoted\\\" one')",
                "INSERT INTO mysql_users (username, password, default_hostgroup) "
                "VALUES ('app', 'p@ss\nword', 10)",
                "INSERT INTO mysql_query_rules (active, match_digest, destination_hostgroup) "
                "VALUES (1, '^SELECT', 10)",
                "SET mysql-max_connections=777",
                "LOAD CONFIG TO RUNTIME",
                f"SAVE CONFIG TO FILE {bare.config_path}"):
            cursor.execute(statement)
        sums = checksums(cursor)
    bare.stop()
    checked = subprocess.run([util.GALEWAY_BIN, "-c", bare.config_path, "--check"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout
    bare.write_config = lambda: None
    start(bare)
    with console(bare) as db, db.cursor() as cursor:
        assert checksums(cursor) == sums
        cursor.execute("SELECT password FROM runtime_mysql_users")
        assert cursor.fetchall() == (("p@ss\nword",),)


def checksums(cursor):
    found = {}
    for module in ("MYSQL SERVERS", "MYSQL USERS", "MYSQL QUERY RULES", "MYSQL VARIABLES"):
        cursor.execute(f"CHECKSUM RUNTIME {module}")
        found.update(cursor.fetchall())
    return found


def test_what_is_on_disk_runs_after_a_new_start(bare):
    start(bare)
    with console(bare) as db, db.cursor() as cursor:
        cursor.execute("SET mysql-threads=3")
        cursor.execute("SET mysql-log_level='debug'")
        cursor.execute("SAVE MYSQL VARIABLES TO DISK")
        cursor.execute("INSERT INTO mysql_servers (hostgroup_id, hostname) VALUES (5, '127.0.0.5')")
        cursor.execute("SAVE MYSQL SERVERS TO DISK")
    bare.stop()
    start(bare)
    assert re.search(r"ready on .* with 3 workers", bare.tail()), bare.tail()
    with console(bare) as db, db.cursor() as cursor:
        cursor.execute("SELECT hostname FROM runtime_mysql_servers")
        assert cursor.fetchall() == (("127.0.0.5",),)


def test_a_reload_by_signal_shows_in_the_tables(bare):
    start(bare)
    bare.data["mysql_servers"] = [{"address": "127.0.0.9", "port": 3306, "hostgroup": 7}]
    bare.reload()

    def is_there():
        with console(bare) as db, db.cursor() as cursor:
            cursor.execute("SELECT hostname FROM runtime_mysql_servers WHERE hostgroup_id=7")
            return cursor.fetchall() == (("127.0.0.9",),)

    util.wait_until(is_there, 10, "the reloaded server in runtime_mysql_servers")


def test_a_reload_by_signal_names_what_waits_for_a_restart(bare):
    start(bare)
    bare.data["mysql_variables"]["threads"] += 1
    before = bare.log_path.read_text().count("counts after a restart")
    bare.reload()
    util.wait_until(lambda: "mysql-threads counts after a restart" in bare.log_path.read_text(), 10,
                    "the warning")
    assert before == 0
    assert bare.log_path.read_text().count("counts after a restart") == 1


def test_pause_closes_the_ports_and_resume_opens_them(bare):
    start(bare)

    def accepts():
        try:
            return bare.answers()
        except AssertionError:
            return False

    with console(bare) as db, db.cursor() as cursor:
        for _ in range(3):
            cursor.execute("PROXYSQL PAUSE")
            assert not accepts()
            cursor.execute("PROXYSQL RESUME")
            assert accepts()


def test_a_statistics_user_changes_nothing(bare):
    start(bare)
    with console(bare, "stats") as db, db.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM stats_mysql_global")
        assert cursor.fetchone()[0] != "0"
        cursor.execute("SHOW TABLES")
        assert any(row[0] == "stats_mysql_query_digest" for row in cursor.fetchall())
        for statement in ("SELECT * FROM mysql_users", "INSERT INTO mysql_users VALUES (1)",
                          "LOAD MYSQL USERS TO RUNTIME", "SET mysql-threads=1", "PROXYSQL KILL",
                          "TRUNCATE stats_mysql_query_digest", "SELECT CONFIG FILE"):
            with pytest.raises(pymysql.MySQLError) as raised:
                cursor.execute(statement)
            assert raised.value.args[0] == 1227, (statement, raised.value)


def test_shutdown_from_the_console_ends_the_process(bare):
    start(bare)
    with console(bare) as db, db.cursor() as cursor:
        cursor.execute("PROXYSQL SHUTDOWN SLOW")
    assert bare.process.wait(20) == 0
    bare.process = None


class Readers(util.Background):
    """Clients that ask numbers and must get them back, all the time."""

    def __init__(self, port, clients=4):
        super().__init__(clients)
        self.port = port
        self.count = 0

    def work(self, _number):
        while self.goes_on():
            self.page()

    def page(self):
        with pymysql.connect(host="127.0.0.1", port=self.port, user="wp_1",
                             password="password") as db, db.cursor() as cursor:
            for n in range(20):
                cursor.execute(f"SELECT {n}, 'page'")
                if cursor.fetchall() != ((n, "page"),):
                    raise AssertionError(f"SELECT {n} was answered with something else")
                self.count += 1


def test_loads_under_traffic_harm_no_statement(galeway):
    proxy = galeway()
    util.wait_until(lambda: "ready on" in proxy.log_path.read_text(), 20, "ready")
    loads = 0
    with console(proxy) as db, db.cursor() as cursor, Readers(proxy.port) as readers:
        cursor.execute("INSERT INTO mysql_query_rules (rule_id, active, match_digest, "
                       "destination_hostgroup, apply) VALUES (1, 1, '^SELECT', 10, 1)")
        while loads < LOADS and not readers.faults:
            cursor.execute(f"UPDATE mysql_query_rules SET destination_hostgroup="
                           f"{(10, 20)[loads % 2]}, comment='{loads}'")
            cursor.execute("LOAD MYSQL QUERY RULES TO RUNTIME")
            loads += 1
        cursor.execute("SELECT comment FROM runtime_mysql_query_rules")
        assert cursor.fetchall() == ((str(loads - 1),),)
    assert not readers.faults, readers.faults
    assert readers.count > 0
    print(f"{loads} loads, {readers.count} statements")
    proxy.check_alive()
