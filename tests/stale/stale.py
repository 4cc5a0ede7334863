# SPDX-License-Identifier: Apache-2.0
"""stale.sh's program: clients write and read sites at random through Galeway while nodes break;
a read that is older than a write acknowledged before it began is a failure. See README.md."""

import argparse
import collections
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "drill"))
import nodes  # noqa: E402 (the path comes first)
from nodes import TOP, BenchError, Load, user_sql, wait_until  # noqa: E402
import program  # noqa: E402
from proxies import Galeway  # noqa: E402
from faults import ALL, Faults  # noqa: E402
from judge import Judge, Record  # noqa: E402
import test_judge  # noqa: E402

OUT = os.path.join(TOP, "build", "stale")
SHOWN = 5
FOREIGN_LAG_US = 1500000  # mysql-query_cache_follow_max_lag_ms and a second
FOREIGN_NODE = 3
FOREIGN_THINK_US = 100000
LOGGING = ("log_bin = binlog", "log_slave_updates = ON", "wsrep_gtid_mode = ON",
           "wsrep_gtid_domain_id = 7")
POSTS, OPTIONS, FOREIGN, FOREIGN_POST = 8, 8, 2, 101  # as load/stale.h has it
# A plain split of reads and writes: what the checker must not let pass.
PLAIN_SPLIT = {"causal_window_ms": "0"}


def read_arguments():
    parser = argparse.ArgumentParser(prog="stale.sh", description=__doc__)
    parser.add_argument("--length", type=float, default=60, help="seconds (60)")
    parser.add_argument("--clients", type=int, default=48)
    parser.add_argument("--sites", type=int, default=12)
    parser.add_argument("--writes", type=int, default=1, help="percent of operations (1)")
    parser.add_argument("--cross", type=int, default=10, metavar="PERCENT",
                        help="operations on the tables of another site than the connection's (10)")
    parser.add_argument("--think", type=int, default=1000, help="us between operations (1000)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--faults", default=",".join(ALL),
                        help="what is done to nodes, or none: " + ",".join(ALL))
    parser.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE",
                        help="of mysql_variables; may be repeated")
    parser.add_argument("--foreign", action="store_true",
                        help="clients that write on a node itself, past Galeway, too")
    parser.add_argument("--views", action="store_true", help="reads through views, too")
    parser.add_argument("--smoke", action="store_true", help="some seconds; the last line counts")
    parser.add_argument("--base-port", type=int,
                        default=int(os.environ.get("STALE_BASE_PORT", "5111")))
    return parser.parse_args()


class Proxy(Galeway):
    """Galeway with the users of the sites."""

    password = "stale"
    extra_users = ()

    def __init__(self, cluster, sites, variables):
        super().__init__(cluster)
        self.n_users, self.variables = sites, variables

    def statistics(self):
        """stats_mysql_global: {name: number}."""
        rows, refused = self.console("SELECT Variable_Name, Variable_Value FROM"
                                     " stats.stats_mysql_global")
        if refused:
            raise BenchError(f"the console says: {refused}")
        pairs = (line.split("\t") for line in rows.splitlines())
        return {name: int(value) for name, value in pairs if value.isdigit()}


def site_sql(i):
    """A site's tables, with the first number in each register."""
    name, collation = f"stale_{i}", "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
    options = [f"('k_{k}', '0', 'yes')" for k in range(OPTIONS)]
    options += [f"('x_{k}', '0', 'yes')" for k in range(FOREIGN)]
    ids = [*range(1, POSTS + 1), *range(FOREIGN_POST, FOREIGN_POST + FOREIGN)]
    rows = ", ".join(f"({n}, 0)" for n in ids)
    return [
        f"CREATE OR REPLACE DATABASE {name} {collation}",
        *user_sql(name, "stale", "`stale\\_%`"),
        f"USE {name}",
        "CREATE TABLE wp_options (option_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " option_name varchar(191) NOT NULL DEFAULT '', option_value longtext NOT NULL,"
        " autoload varchar(20) NOT NULL DEFAULT 'yes', UNIQUE KEY option_name (option_name))",
        f"INSERT INTO wp_options (option_name, option_value, autoload) VALUES {', '.join(options)}",
        "CREATE TABLE wp_posts (ID bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " n bigint NOT NULL)",
        f"INSERT INTO wp_posts VALUES {rows}",
        "CREATE TABLE wp_postmeta (post_id bigint unsigned NOT NULL PRIMARY KEY,"
        " n bigint NOT NULL)",
        f"INSERT INTO wp_postmeta VALUES {rows}",
        "CREATE TABLE flip (id int PRIMARY KEY, n bigint NOT NULL)",
        "INSERT INTO flip VALUES (1, 0)",
        "CREATE PROCEDURE put(IN wanted varchar(191), IN value text)"
        " UPDATE wp_options SET option_value = value WHERE option_name = wanted",
        "CREATE FUNCTION n_of(wanted bigint) RETURNS bigint READS SQL DATA"
        " RETURN (SELECT n FROM wp_postmeta WHERE post_id = wanted)",
        "CREATE VIEW v_options AS SELECT * FROM wp_options",
        "CREATE VIEW v_posts AS SELECT * FROM wp_posts",
    ]


def set_up(cluster, sites):
    cluster.sql(1, "GRANT REPLICATION SLAVE ON *.* TO 'monitor'@'%'")
    for i in range(1, sites + 1):
        cluster.sql(1, *site_sql(i), timeout=30)
    cluster.catch_up(f"stale_{sites}.v_posts")


class Check:
    """One run of the checker, and its verdict."""

    def __init__(self, cluster, arguments, variables, faults, length):
        self.cluster, self.arguments = cluster, arguments
        self.faults, self.length = faults, length
        self.target = Proxy(cluster, arguments.sites, variables)
        self.seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1000000
        self.began = time.monotonic()
        self.loads = []
        self.end_fault = None
        self.counts = {}

    def say(self, text):
        print(f"  {time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    def _start_loads(self):
        chosen = self.arguments
        common = ["-s", chosen.sites, "-x", chosen.cross]
        self.loads.append(Load(OUT, "through.tsv", "127.0.0.1", self.target.write_port, *common,
                               "-t", chosen.think, "-c", chosen.clients,
                               "-w", chosen.writes, "-r", self.seed,
                               *(["-v"] if chosen.views else [])))
        if chosen.foreign:
            self.loads.append(Load(OUT, "past.tsv", self.cluster.host(FOREIGN_NODE),
                                   self.cluster.port(FOREIGN_NODE), *common,
                                   "-t", FOREIGN_THINK_US, "-c", 4, "-r", self.seed + 1, "-f"))

    def run(self):
        self.cluster.heal()
        set_up(self.cluster, self.arguments.sites)
        self.began = time.monotonic()
        self.target.start()
        try:
            wait_until(self.target.serves, 15, "galeway to serve")
            self.say(f"seed {self.seed}, {self.target.variables}")
            self._start_loads()
            until = time.monotonic() + self.length
            faults = Faults(self.cluster, self.target, self.seed,
                            FOREIGN_NODE if self.arguments.foreign else 0, self.say)
            faults.run(self.faults, until)
            for load in self.loads:
                load.stop()
                load.wait()
            self.counts = self.target.statistics()
        finally:
            for load in self.loads:
                load.kill()
            self.end_fault = self.target.stop()
        record = Record()
        for load in self.loads:
            record.take(load.path)
        return Judge(record, FOREIGN_LAG_US if self.arguments.foreign else 0,
                     int(self.began * 1e6))


def ways(counts, n_reads, variables):
    """Says which way statements went; returns what is wrong with it."""
    hits = counts.get("Query_Cache_count_GET_OK", 0)
    print(f"  galeway: {counts.get('To_reader', 0)} to readers, {counts.get('To_writer', 0)} to the"
          f" writer, {counts.get('Causal_reads', 0)} reads of these because the site wrote,"
          f" {hits} from the cache")
    # What is never cached cannot be stale.
    if variables.get("query_cache_auto") == "true" and hits < n_reads / 20:
        return [f"the cache is on, and answered {hits} of {n_reads} reads"]
    return []


def show(one, judge):
    """Prints the verdict; returns what is wrong, as lines."""
    record = judge.record
    writes = [write for of_one in record.writes.values() for write in of_one]
    outcomes = collections.Counter(write.outcome for write in writes)
    print(f"  {len(record.reads)} reads ({judge.n_values} values), {len(writes)} values written:"
          f" {outcomes['ok']} acknowledged, {outcomes['doubt']} in doubt,"
          f" {outcomes['undone']} undone; {len(record.errors)} errors")
    print("  reads: " + ", ".join(f"{kind} {n}" for kind, n in judge.by_kind.most_common()))
    errors = collections.Counter((error.kind, error.code, error.text[:70])
                                 for error in record.errors)
    for (kind, code, text), n in errors.most_common(6):
        print(f"  error x {n}: {kind}: {code} {text}")
    if any(judge.is_foreign(name) for name in record.writes):
        print(f"  writes past Galeway: seen {judge.lag_seen_us / 1000:.0f} ms late at most")
    wrong = []
    for what, n in collections.Counter((fault.what, fault.kind)
                                       for fault in judge.faults).most_common():
        wrong.append(f"{n} {what[0]} by {what[1]}")
    if not record.reads or not outcomes["ok"]:
        wrong.append("nothing was read, or nothing written")
    wrong += [f"{kind} never succeeded" for kind in judge.never_done]
    if one.end_fault:
        wrong.append(one.end_fault)
    wrong += ways(one.counts, len(record.reads), one.target.variables)
    with open(os.path.join(OUT, "faults.txt"), "w", encoding="utf-8") as file:
        for fault in judge.faults:
            file.write("\n".join(fault.text) + "\n")
    for fault in judge.faults[:SHOWN]:
        print("\n".join("  " + line for line in fault.text))
    print("  verdict: " + ("; ".join(wrong) if wrong else "nothing stale"), flush=True)
    return wrong


def variables_of(arguments):
    pairs = (text.split("=", 1) for text in arguments.variable)
    return {name: value for name, value in pairs}


def check(cluster, arguments, variables, faults, length):
    one = Check(cluster, arguments, variables, faults, length)
    return show(one, one.run())


def smoke(cluster, arguments):
    """(passed, failed)."""
    passed, failed = program.run_tests(test_judge)
    print("as it should be:")
    fine = not check(cluster, arguments, variables_of(arguments), ("switch", "stutter"), 5)
    print("a plain split, which must be caught; the node that applies nothing may be the writer: eight tries")
    caught = any("stale" in what for _ in range(8)
                 for what in check(cluster, arguments, PLAIN_SPLIT, ("stutter", "slow"), 4))
    return passed + fine + caught, failed + (not fine) + (not caught)


def main():
    arguments = read_arguments()
    program.begin("stale", alone=True)
    if arguments.foreign:
        os.environ["NODE_CONFIG"] = "\n".join(LOGGING)  # of cluster.sh
    cluster = nodes.Cluster(arguments.base_port, OUT,
                            "logging-cluster" if arguments.foreign else "cluster")
    failed = 1
    try:
        # Nodes of an earlier run that was killed may live in another network namespace.
        cluster.script("stop")
        if arguments.smoke:
            passed, failed = smoke(cluster, arguments)
        else:
            chosen = [name for name in arguments.faults.split(",") if name in ALL]
            failed = len(check(cluster, arguments, variables_of(arguments), chosen,
                               arguments.length))
    finally:
        cluster.script("stop", check=False)
    if arguments.smoke:
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
