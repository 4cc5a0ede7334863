# SPDX-License-Identifier: Apache-2.0
"""languages - the test suites of Go's, Perl's, Python's and PHP's clients."""
import os
import pathlib
import re

from judge import FAIL, OK, SKIP
from suite import (BUILD, PASSWORD, USER, NotToBeHad, Suite, fetch_source, fresh_copy, package_version, run,
                   tap_cases)

SHARED_GO = pathlib.Path("/usr/share/gocode/src")


class Go(Suite):
    """go-sql-driver/mysql, whose Debian package has its tests."""

    name = "go"
    source = "github.com/go-sql-driver/mysql"
    outcomes = {"PASS": OK, "FAIL": FAIL, "SKIP": SKIP}

    def prepare(self):
        self.version = package_version("golang-github-go-sql-driver-mysql-dev")
        self.program = BUILD / "go.test"
        done = run(["go", "test", "-c", "-o", self.program, self.source], BUILD / "log" / "go-build.log", 600,
                   {"GO111MODULE": "off", "GOPATH": str(SHARED_GO.parent), "GOCACHE": str(BUILD / "go-cache"),
                    "GOFLAGS": "-p=2"}, "/")
        if done.code:
            raise NotToBeHad("it cannot be built: " + done.text[-300:])

    def parts(self):
        """Those that ask a server; the other files' need none."""
        text = (SHARED_GO / self.source / "driver_test.go").read_text()
        return re.findall(r"^func (Test\w+)", text, re.M)

    def run_all(self, parts, target):
        target.fresh_schema("outside_go")
        return super().run_all(parts, target)

    def run(self, part, target):
        done = run([self.program, "-test.v", "-test.run", f"^{part}$"], self.log(part, target.name), 60,
                   {"MYSQL_TEST_USER": USER, "MYSQL_TEST_PASS": PASSWORD, "MYSQL_TEST_PROT": "tcp",
                    "MYSQL_TEST_ADDR": f"{target.host}:{target.port}", "MYSQL_TEST_DBNAME": "outside_go",
                    "MYSQL_TEST_CONCURRENT": "1"}, BUILD)
        cases = {name: self.outcomes[word] for word, name in
                 re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", done.text, re.M)}
        return cases or {part: FAIL}


class Perl(Suite):
    """DBD::mysql and DBD::MariaDB: the drivers are Debian's packages, the tests their sources'."""

    def __init__(self, name, source, driver):
        self.name = name
        self.source = source
        self.driver = driver

    def prepare(self):
        tree, self.version = fetch_source(self.source)
        self.folder = fresh_copy(tree / "t", BUILD / self.name / "t")

    def parts(self):
        # Of the distribution itself, not of the driver.
        aside = {"manifest.t", "pod.t", "version.t", "magic.t"}
        return sorted(file.name for file in self.folder.glob("*.t") if file.name not in aside)

    def run(self, part, target):
        schema = "outside_" + self.name.replace("-", "_")
        target.fresh_schema(schema)
        facts = {"host": target.host, "port": target.port, "user": USER, "password": PASSWORD, "db": schema,
                 "dsn": f"DBI:{self.driver}:database={schema};host={target.host};port={target.port}"}
        text = "".join(f"$::test_{name} = '{value}';\n" for name, value in facts.items()) + "1;\n"
        (self.folder / f"{self.driver}.mtest").write_text(text)
        return tap_cases(part, run(["perl", "-I.", f"t/{part}"], self.log(part, target.name), 120, {},
                                   self.folder.parent))


class Python(Suite):
    """mysqlclient (MySQLdb, on Connector/C)."""

    name = "mysqlclient"

    def prepare(self):
        tree, self.version = fetch_source("python-mysqldb", "tests")
        self.folder = fresh_copy(tree / "tests", BUILD / self.name)

    def parts(self):
        return sorted(file.name for file in self.folder.glob("test_*.py"))

    def run(self, part, target):
        target.fresh_schema("outside_mysqlclient")
        (self.folder / "own.cnf").write_text(
            f"[MySQLdb-tests]\nhost={target.host}\nport={target.port}\nuser={USER}\npassword={PASSWORD}\n"
            "database=outside_mysqlclient\ndefault-character-set=utf8mb4\n")
        done = run(["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-q", part],
                   self.log(part, target.name), 300, {"TESTDB": "own.cnf"}, self.folder)
        words = {"PASSED": OK, "SKIPPED": SKIP}
        cases = {name: words.get(word, FAIL) for word, name in
                 re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", done.text, re.M)}
        return cases or {part: FAIL}


class Php(Suite):
    """The .phpt of mysqli and pdo_mysql, by PHP's own run-tests.php."""

    outcomes = {"PASS": OK, "SKIP": SKIP}

    def __init__(self, name, extension):
        self.name = name
        self.extension = extension

    def prepare(self):
        tree, self.version = fetch_source("php8.2", "run-tests.php", "ext/mysqli/tests", "ext/pdo_mysql/tests",
                                          "ext/pdo/tests")
        self.tree = fresh_copy(tree, BUILD / self.name)

    def parts(self):
        return sorted(file.name for file in (self.tree / "ext" / self.extension / "tests").glob("*.phpt"))

    def run_all(self, parts, target):
        """Many at a time: run-tests.php takes a second to begin."""
        cases = {}
        for i in range(0, len(parts), 40):
            cases.update(self.run_many(parts[i:i + 40], target))
        return cases

    def run(self, part, target):
        return self.run_many([part], target)

    def run_many(self, parts, target):
        target.fresh_schema("outside_php")
        where = self.tree / "ext" / self.extension / "tests"
        dsn = f"mysql:host={target.host};port={target.port};dbname=outside_php"
        env = {"TEST_PHP_EXECUTABLE": "/usr/bin/php", "NO_INTERACTION": "1", "REPORT_EXIT_STATUS": "1",
               "MYSQL_TEST_HOST": target.host, "MYSQL_TEST_PORT": str(target.port), "MYSQL_TEST_USER": USER,
               "MYSQL_TEST_PASSWD": PASSWORD, "MYSQL_TEST_DB": "outside_php",
               "MYSQL_TEST_SOCKET": str(target.unix),
               "PDO_MYSQL_TEST_DSN": dsn, "PDO_MYSQL_TEST_USER": USER, "PDO_MYSQL_TEST_PASS": PASSWORD,
               "PDO_MYSQL_TEST_HOST": target.host, "PDO_MYSQL_TEST_PORT": str(target.port),
               "PDO_MYSQL_TEST_DB": "outside_php", "PDO_MYSQL_TEST_SOCKET": str(target.unix)}
        done = run(["php", "run-tests.php", "-q", "--set-timeout", "60", *[where / part for part in parts]],
                   self.log(parts[0], target.name), 1200, env, self.tree)
        text = re.sub(r"\x1b\[[\d;]*m", "", done.text).replace("\r", "\n")
        cases = {os.path.basename(name): self.outcomes.get(word, FAIL) for word, name in
                 re.findall(r"(?:^|\])(PASS|FAIL|SKIP|BORK|LEAK|XFAIL|WARN) .*?\[(\S+\.phpt)\]", text, re.M)}
        return {part: cases.get(part, FAIL) for part in parts}
