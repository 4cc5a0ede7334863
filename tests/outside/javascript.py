# SPDX-License-Identifier: Apache-2.0
"""javascript - the test suites of Node.js drivers, one program for each case."""
import pathlib
import shutil

from judge import FAIL, OK, SKIP
from suite import BUILD, PASSWORD, USER, NotToBeHad, Suite, fetch_source, fresh_copy, run

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = BUILD / "node"


def fetch_modules():
    """What node/package.json names, as locked."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not shutil.which("npm"):
        raise NotToBeHad("npm is not installed")
    lock = (HERE / "node" / "package-lock.json").read_text()
    if (FOLDER / "complete").exists() and (FOLDER / "package-lock.json").read_text() == lock:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, FOLDER / name)
    done = run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], BUILD / "log" / "npm.log", 300,
               cwd=FOLDER)
    if done.code != 0:
        raise NotToBeHad("npm cannot fetch the drivers: " + done.text[-300:])
    (FOLDER / "complete").touch()


class Node(Suite):
    """A driver's folder beside its tests; their programs end with 0 when they pass."""

    own_server = set()  # programs that ask a server of their own only

    def parts(self):
        return sorted(str(file.relative_to(self.tests)) for file in self.tests.rglob("test-*.js")
                      if file.name not in self.own_server)

    def part_of(self, case):
        return case

    def run(self, part, target):
        schema = "outside_" + self.name.replace("-", "_")
        target.fresh_schema(schema)
        done = run(["node", self.tests / part], self.log(part, target.name), 60,
                   {"MYSQL_HOST": target.host, "MYSQL_PORT": str(target.port), "MYSQL_USER": USER,
                    "MYSQL_PASSWORD": PASSWORD, "MYSQL_DATABASE": schema, "CI": "1"}, self.tests)
        skipped = done.code == 0 and "skipping - " in done.text
        return {part: SKIP if skipped else OK if done.code == 0 else FAIL}


class Mysql(Node):
    """mysql, with the tests of its source."""

    name = "node-mysql"

    def prepare(self):
        fetch_modules()
        tree, self.version = fetch_source("node-mysql", "lib", "index.js", "package.json", "test")
        self.tests = fresh_copy(tree, FOLDER / "work" / "mysql") / "test" / "integration"


class Mysql2(Node):
    """The mysql2 of tests/clients with the tests of 0.15.8, the last version that was published with its tests."""

    name = "node-mysql2"
    version = "3.11.5/0.15.8"
    own_server = {"test-disconnects.js", "test-protocol-errors.js", "test-server-listen.js", "test-quit.js",
                  "test-connect-sha1.js"}

    def prepare(self):
        fetch_modules()
        modules = FOLDER / "node_modules"
        driver = fresh_copy(modules / "mysql2", FOLDER / "work" / "mysql2")
        fresh_copy(modules / "mysql2-with-tests" / "test", driver / "test")
        # Has become a package of its own since.
        (driver / "lib" / "sql_string.js").write_text("module.exports = require('sqlstring');\n")
        self.tests = driver / "test" / "integration"
