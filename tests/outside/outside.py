# SPDX-License-Identifier: Apache-2.0
"""outside - run the test suites of others on a node and through Galeway, and compare case by case."""
import argparse
import contextlib
import os
import pathlib
import re
import sys
import time

import pymysql

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

# pylint: disable=wrong-import-position
import judge  # noqa: E402
import suite  # noqa: E402
from connectors import ClientTest, ConnectorC  # noqa: E402
from javascript import Mysql, Mysql2  # noqa: E402
from languages import Go, Perl, Php, Python  # noqa: E402
from certs import Authority  # noqa: E402
from util import BASE_PORT, Cluster, Galeway, account  # noqa: E402

SUITES = [
    ClientTest(),
    ConnectorC(),
    Go(),
    Perl("dbd-mysql", "libdbd-mysql-perl", "mysql"),
    Perl("dbd-mariadb", "libdbd-mariadb-perl", "MariaDB"),
    Python(),
    Mysql(),
    Mysql2(),
    Php("php-mysqli", "mysqli"),
    Php("php-pdo", "pdo_mysql"),
]


class Target:
    """Where a suite's program connects to, and what may be done there as root."""

    host = "127.0.0.1"

    def __init__(self, name, cluster, port, unix):
        self.name = name
        self.cluster = cluster
        self.port = port
        self.unix = unix
        self.globals = self.read_globals()

    def read_globals(self):
        return dict(self.cluster.sql(1, "SHOW GLOBAL VARIABLES"))

    def restore_globals(self):
        """What the part before has set with SET GLOBAL on node 1, and perhaps left so when it failed."""
        for name, value in self.read_globals().items():
            before = self.globals.get(name, value)
            if value != before:
                text = before if re.fullmatch(r"-?[\d.]+", before) else f"'{before}'"
                with contextlib.suppress(pymysql.Error):  # what only shows a state cannot be set
                    self.cluster.sql(1, f"SET GLOBAL {name} = {text}")

    def fresh_schema(self, name):
        """An empty schema, made through the target itself: who is behind must not see an older one."""
        self.restore_globals()
        with pymysql.connect(host=self.host, port=self.port, user=suite.USER, password=suite.PASSWORD,
                             autocommit=True, read_timeout=60) as db, db.cursor() as cursor:
            cursor.execute(f"CREATE OR REPLACE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")


def make_cluster():
    """Three nodes that offer TLS, as Galeway does."""
    nodes = Cluster("outside-cluster", BASE_PORT + 200)
    folder = nodes.folder / "certs"
    if not (folder / "node-cert.pem").exists():
        Authority(folder, "authority").issue("node", ["127.0.0.1"])
    for file in folder.iterdir():
        file.chmod(0o644)  # nodes may run as another user
    nodes.config = "\n".join([f"ssl_{what} = {folder}/{name}.pem" for what, name in
                              (("ca", "authority"), ("cert", "node-cert"), ("key", "node-key"))]
                             + ["[sst]", "ssl-mode = DISABLED"])
    return nodes.join()


def make_accounts(cluster):
    """The suites' account may do all, as the authors of the suites expect; the monitor reads users."""
    for statement in (f"CREATE OR REPLACE USER '{suite.USER}'@'%' IDENTIFIED BY '{suite.PASSWORD}'",
                      f"GRANT ALL PRIVILEGES ON *.* TO '{suite.USER}'@'%' WITH GRANT OPTION",
                      "GRANT SELECT ON mysql.global_priv TO 'monitor'@'%'"):
        cluster.sql(1, statement)
    cluster.catch_up()


def make_proxy(cluster, variables):
    folder = suite.BUILD / "galeway" / str(os.getpid())
    folder.mkdir(parents=True)
    own = {"enable_load_data_local_infile": True, "users_from_hostgroup": 10, "have_compress": True,
           "stmts_per_client": 16382,  # as a node's max_prepared_stmt_count
           **variables}
    return Galeway(cluster, folder, own, [account(suite.USER)])


def compare(one, direct, through, known):
    """Run a suite on both targets; what differs is run again, so that only what always differs counts."""
    parts = one.chosen
    print(f"{one.name} {one.version}: {len(parts)} parts, directly ...", flush=True)
    outcomes = one.run_all(parts, direct)
    print(f"{one.name} {one.version}: {len(parts)} parts, through Galeway ...", flush=True)
    ours = one.run_all(parts, through)
    verdict = judge.judge(one.name, outcomes, ours, known)
    for part in dict.fromkeys(one.part_of(case) for case in verdict.differ + verdict.stale):
        if part in parts:
            outcomes.update(one.run(part, direct))
            ours.update(one.run(part, through))
    return judge.judge(one.name, outcomes, ours, known)


def tell(one, verdict, known):
    """What is wrong with a suite's outcome."""
    if len(verdict.differ) > 40:
        print(f"FAIL {one.name}: {len(verdict.differ)} cases differ; the first 40:")
    for case in verdict.differ[:40]:
        log = one.log(one.part_of(case), "galeway").relative_to(suite.ROOT)
        print(f"FAIL {one.name}: {case}: passes on a node, not through Galeway: {log}")
    for case in verdict.stale:
        print(f"FAIL {one.name}: {case}: is in known.txt, but passes, or fails on a node: "
              f"{known[one.name, case]}")
    if not verdict.direct:
        print(f"FAIL {one.name}: no case passes on a node")
    sys.stdout.flush()


def report(rows):
    print(f"\n{'suite':<13}{'version':<20}{'cases':>6}{'direct':>8}{'Galeway':>9}{'listed':>8}{'differ':>8}")
    for one, verdict in rows:
        print(f"{one.name:<13}{one.version[:19]:<20}{verdict.cases:>6}{verdict.direct:>8}{verdict.through:>9}"
              f"{len(verdict.listed):>8}{len(verdict.differ):>8}")


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", action="append", choices=[one.name for one in SUITES], help="only these")
    parser.add_argument("--part", default="",
                        help="only parts that match this; no line of the list is without need then")
    parser.add_argument("--variable", action="append", default=[], help="more variables of Galeway: name=value")
    return parser.parse_args()


def prepare(wanted, part):
    ready = []
    for one in wanted:
        try:
            one.prepare()
        except suite.NotToBeHad as why:
            print(f"SKIPPED: {one.name}: {why}")
            continue
        one.chosen = [name for name in one.parts() if re.search(part, name)]
        ready.append(one)
    return ready


def main():
    chosen = options()
    known = judge.read_known((pathlib.Path(__file__).parent / "known.txt").read_text())
    ready = prepare([one for one in SUITES if not chosen.suite or one.name in chosen.suite], chosen.part)
    cluster = make_cluster()
    rows = []
    began = time.monotonic()
    try:
        make_accounts(cluster)
        proxy = make_proxy(cluster, dict(pair.split("=", 1) for pair in chosen.variable)).start()
        try:
            direct = Target("direct", cluster, cluster.port(1), cluster.unix(1))
            through = Target("galeway", cluster, proxy.port, proxy.unix)
            for one in ready:
                rows.append((one, compare(one, direct, through, known)))
                if chosen.part:
                    rows[-1][1].stale.clear()
                tell(*rows[-1], known)
                proxy.check_alive()
        finally:
            proxy.stop()
    finally:
        cluster.leave()
    report(rows)
    good = sum(verdict.is_good for _, verdict in rows)
    print(f"\n{good} passed, {len(rows) - good} failed, {len(SUITES) - len(rows)} skipped "
          f"in {time.monotonic() - began:.0f} s")
    return good != len(rows) or not rows


if __name__ == "__main__":
    sys.exit(main())
