# SPDX-License-Identifier: Apache-2.0
"""Writes that pass by Galeway: the log of a node is followed (tests/fake/follower_watch.c)."""
import contextlib
import os
import socket
import subprocess
import threading
import time

import pymysql
import pytest

import util
from util import Background, Galeway, wait_until

WATCH = util.ROOT / "build" / os.environ.get("MODE", "release") / "follower_watch"
OPTIONS = ("CREATE TABLE {}.wp_options (option_id INT PRIMARY KEY AUTO_INCREMENT, "
           "option_name VARCHAR(191) UNIQUE, option_value LONGTEXT, autoload VARCHAR(20))")


class Watch:
    """A running follower_watch; what it printed as lists of words, the time first."""

    def __init__(self, cluster, folder, servers=None, **variables):
        self.proxy = Galeway(cluster, folder, variables=variables, servers=servers)
        self.proxy.write_config()
        self.lines = []
        self.errors = open(folder / "watch.log", "w+")
        self.process = subprocess.Popen([WATCH, self.proxy.config_path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        bufsize=1)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.split(" "))
            self.lines[-1][-1] = self.lines[-1][-1].rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            assert self.process.wait(10 * util.PATIENCE) == 0, self.tail()
        finally:
            self.process.kill()
            self.reader.join(10)
        assert not util.BAD_WORDS.search(self.tail()), self.tail()

    def tail(self):
        self.errors.seek(0)
        return self.errors.read()[-4000:] + "\n".join(" ".join(w) for w in self.lines[-40:])

    def reload(self, **variables):
        self.proxy.data["mysql_variables"].update(variables)
        self.proxy.write_config()
        self.process.stdin.write("reload\n")
        self.process.stdin.flush()

    def said(self, *words, since=0):
        """The lines since then that begin with these words."""
        return [line for line in self.lines[since:] if line[1:1 + len(words)] == list(words)]

    def wait_for(self, *words, since=0, count=1, timeout=20):
        found = wait_until(lambda: self.process.poll() is not None or
                           len(self.said(*words, since=since)) >= count and
                           self.said(*words, since=since), timeout,
                           f"{' '.join(words)}\n{self.tail()}")
        assert self.process.poll() is None, self.tail()
        return found

    def state(self):
        states = self.said("state")
        return states[-1][2:4] if states else [None, None]

    def wait_current(self, node=None, timeout=20):
        """It tells all, by this node (any if None), and workers see it so."""
        def is_so():
            usable = [line for line in self.lines if line[-1] == "current"]
            state, at = self.state()
            return state == "current" and (node is None or at == node) and \
                usable and usable[-1][1] == "current"
        wait_until(is_so, timeout, f"to be current at {node}\n{self.tail()}")

    def is_current(self):
        return [line for line in self.lines if line[-1] == "current"][-1][1] == "current"


@pytest.fixture
def watch(tmp_path):
    """watch(cluster, variable=value): follows; stopped at the end, and must end well."""
    made = []

    def make(cluster, **variables):
        folder = tmp_path / f"watch{len(made)}"
        folder.mkdir()
        made.append(Watch(cluster, folder, **variables))
        return made[-1].__enter__()

    yield make
    for one in made:
        one.__exit__()


def dropped(cluster, schema):
    """A group that has just changed refuses DDL for a moment (1205)."""
    try:
        cluster.sql(1, f"DROP DATABASE IF EXISTS {schema}")
    except pymysql.OperationalError:
        return False
    return True


@pytest.fixture
def site(logging_cluster):
    """A schema with a table of options."""
    logging_cluster.sql(1, "CREATE OR REPLACE DATABASE follow_site")
    logging_cluster.sql(1, OPTIONS.format("follow_site"))
    logging_cluster.catch_up()
    yield "follow_site"
    logging_cluster.heal()
    wait_until(lambda: dropped(logging_cluster, "follow_site"), 60, "the schema to be dropped")


def address(cluster, n):
    return f"127.0.0.1:{cluster.port(n)}"


def check_log(cluster, n):
    """The ids of the threads that send node n's log."""
    return [row[0] for row in cluster.threads(n, "monitor") if row[1] == "Binlog Dump"]


class Inserter(Background):
    """Options of new names on node 1 straight, each named when it is committed."""

    def __init__(self, cluster, schema, pause=0.002):
        super().__init__(1)
        self.cluster = cluster
        self.schema = schema
        self.pause = pause
        self.committed = []

    def work(self, number):
        with self.cluster.connect(1) as db, db.cursor() as cursor:
            while self.goes_on():
                name = f"n{len(self.committed)}"
                cursor.execute(f"INSERT INTO {self.schema}.wp_options VALUES (NULL, %s, '', 'no')",
                               (name,))
                self.committed.append(name)
                time.sleep(self.pause)  # the pace of the stimulus: nobody waits for its end

    def progress(self, count):
        goal = len(self.committed) + count
        wait_until(lambda: self.faults or len(self.committed) >= goal, 30, f"{count} more rows")
        assert not self.faults, self.faults


def told_names(w):
    return {line[5] for line in w.said("write") if line[4] == "option_name"}


def test_writes_are_told(logging_cluster, site, watch):
    w = watch(logging_cluster)
    w.wait_current()
    assert w.state()[1] in (address(logging_cluster, 2), address(logging_cluster, 3)), \
        "a reader is followed when there is one"
    since = len(w.lines)
    logging_cluster.sql(3, f"INSERT INTO {site}.wp_options VALUES (NULL, 'Home', 'x', 'yes')")
    w.wait_for("write", site, "wp_options", "option_name", "home", since=since, count=2)
    assert not w.said("write", site, "wp_options", "-", since=since)
    since = len(w.lines)
    logging_cluster.sql(1, f"UPDATE {site}.wp_options SET option_name = 'away'")
    w.wait_for("write", site, "wp_options", "option_name", "home", since=since)
    w.wait_for("write", site, "wp_options", "option_name", "away", since=since)
    since = len(w.lines)
    logging_cluster.sql(2, f"UPDATE {site}.wp_options SET option_name = 'häme'")
    w.wait_for("write", site, "wp_options", "-", since=since, count=2)
    since = len(w.lines)
    logging_cluster.sql(1, f"TRUNCATE {site}.wp_options")
    w.wait_for("write", site, "-", since=since, count=2)
    since = len(w.lines)
    for n in (1, 2, 3):  # a new file, which begins with what the first began with
        logging_cluster.sql(n, "FLUSH BINARY LOGS")
    logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 'turned', 'x', 'yes')")
    w.wait_for("write", site, "wp_options", "option_name", "turned", since=since, count=2)
    assert not w.said("gap", since=since)
    assert w.is_current()


def test_a_write_is_told_in_time(logging_cluster, site, watch):
    w = watch(logging_cluster, query_cache_follow_max_lag_ms=500)
    w.wait_current()
    late = []
    for i in range(30):
        logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 't{i}', '', 'no')")
        committed = time.monotonic()
        told = w.wait_for("write", site, "wp_options", "option_name", f"t{i}", count=2)
        late += [int(told[1][0]) / 1e6 - committed]
    assert max(late) < 0.5 * util.PATIENCE, late
    assert not w.said("not", since=w.lines.index(w.said("state", "current")[0]) + 1), \
        f"it was current all the time\n{w.tail()}"


def test_told_again_means_that_the_row_is_seen(logging_cluster, site, watch):
    """After the second line any read at the node that is followed finds the row."""
    w = watch(logging_cluster)
    w.wait_current()
    n = 2 if w.state()[1] == address(logging_cluster, 2) else 3
    with logging_cluster.connect(n) as db, db.cursor() as cursor:
        for i in range(30):
            logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 's{i}', '', 'no')")
            w.wait_for("write", site, "wp_options", "option_name", f"s{i}", count=2)
            cursor.execute(f"SELECT 1 FROM {site}.wp_options WHERE option_name = 's{i}'")
            assert cursor.fetchone(), f"s{i}"


def test_current_while_there_are_always_writes(logging_cluster, site, watch):
    """No heartbeat comes then, and most questions to the node are due within a transaction."""
    w = watch(logging_cluster, query_cache_follow_max_lag_ms=int(1000 * util.PATIENCE))
    w.wait_current()
    since = len(w.lines)
    with Inserter(logging_cluster, site, pause=0) as inserter:
        inserter.progress(4000)
    wait_until(lambda: set(inserter.committed) <= told_names(w), 10, f"all to be told\n{w.tail()}")
    assert not w.said("not", "current", since=since), w.tail()
    assert not w.said("gap", since=since), w.tail()


def test_a_lost_stream_goes_on_where_it_was(logging_cluster, site, watch):
    for n in (1, 2, 3):  # without it too: it is the same node
        logging_cluster.sql(n, "SET GLOBAL wsrep_gtid_mode = OFF")
    try:
        w = watch(logging_cluster)
        w.wait_current()
        gaps = len(w.said("gap"))
        n = 2 if w.state()[1] == address(logging_cluster, 2) else 3
        with Inserter(logging_cluster, site) as inserter:
            for _ in range(5):
                inserter.progress(50)
                for thread in check_log(logging_cluster, n):
                    logging_cluster.sql(n, f"KILL {thread}")
                w.wait_for("state", "broken", address(logging_cluster, n))
                w.wait_current(address(logging_cluster, n))
            inserter.progress(50)
        wait_until(lambda: set(inserter.committed) <= told_names(w), 10,
                   f"all to be told\n{w.tail()}")
        assert len(w.said("gap")) == gaps, w.tail()
    finally:
        for n in (1, 2, 3):
            logging_cluster.sql(n, "SET GLOBAL wsrep_gtid_mode = ON")


def follow_another(cluster, site, w, lose):
    """Lose the node that is followed while rows are inserted; the names that were committed."""
    w.wait_current()
    n = 2 if w.state()[1] == address(cluster, 2) else 3
    other = address(cluster, 5 - n)
    with Inserter(cluster, site) as inserter:
        inserter.progress(50)
        lose(n)
        wait_until(lambda: not w.is_current(), 10, f"not to be current\n{w.tail()}")
        w.wait_current(other, 30)
        inserter.progress(50)
    return inserter.committed


def test_another_node_is_followed_without_a_gap_with_wsrep_gtid_mode(logging_cluster, site, watch):
    w = watch(logging_cluster)
    w.wait_current()
    gaps = len(w.said("gap"))
    names = follow_another(logging_cluster, site, w, lambda n: logging_cluster.script("kill", n))
    wait_until(lambda: set(names) <= told_names(w), 10, f"all to be told\n{w.tail()}")
    assert len(w.said("gap")) == gaps, w.tail()


def test_another_node_is_followed_with_a_gap_without_wsrep_gtid_mode(logging_cluster, site, watch):
    for n in (1, 2, 3):
        logging_cluster.sql(n, "SET GLOBAL wsrep_gtid_mode = OFF")
    try:
        w = watch(logging_cluster)
        w.wait_current()
        gaps = len(w.said("gap"))
        names = follow_another(logging_cluster, site, w,
                               lambda n: logging_cluster.script("kill", n))
        assert len(w.said("gap")) == gaps + 2, "the gap is told, and told again"
        gap = int(w.said("gap")[-1][0])
        wait_until(lambda: names[-1] in told_names(w), 10, f"the last to be told\n{w.tail()}")
        assert gap < int(w.said("write", site, "wp_options", "option_name", names[-1])[0][0])
    finally:
        logging_cluster.heal()
        for n in (1, 2, 3):
            logging_cluster.sql(n, "SET GLOBAL wsrep_gtid_mode = ON")


def test_a_frozen_node_is_not_current_and_left(logging_cluster, site, watch):
    w = watch(logging_cluster)
    w.wait_current()
    n = 2 if w.state()[1] == address(logging_cluster, 2) else 3
    frozen = time.monotonic()
    logging_cluster.script("freeze", str(n))
    wait_until(lambda: not w.is_current(), 10, f"not to be current\n{w.tail()}")
    assert int(w.said("not", "current")[-1][0]) / 1e6 - frozen < 1.5 * util.PATIENCE, w.tail()
    w.wait_current(address(logging_cluster, 5 - n), 30)
    assert "does not tell what passes by, the query cache rests" in w.tail()
    logging_cluster.script("thaw", str(n))


def test_a_node_that_does_not_apply_is_behind(logging_cluster, site, watch):
    w = watch(logging_cluster)
    w.wait_current()
    n = 2 if w.state()[1] == address(logging_cluster, 2) else 3
    with logging_cluster.connect(n) as db, db.cursor() as cursor:
        cursor.execute("SET GLOBAL wsrep_desync = ON")
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 'held', '', 'no')")
        w.wait_current(address(logging_cluster, 5 - n))
        w.wait_for("write", site, "wp_options", "option_name", "held")
        cursor.execute("UNLOCK TABLES")
        cursor.execute("SET GLOBAL wsrep_desync = OFF")


def test_a_node_that_applies_for_long_is_behind(logging_cluster, site, watch):
    """What another node has committed and this one is applying still, its queue does not show."""
    w = watch(logging_cluster, query_cache_follow_max_lag_ms=100)
    w.wait_current()
    logging_cluster.sql(1, f"CREATE TABLE {site}.big (a INT PRIMARY KEY, b INT, c CHAR(200))")
    logging_cluster.catch_up()
    w.wait_current()
    since = len(w.lines)
    logging_cluster.sql(1, f"INSERT INTO {site}.big SELECT seq, seq, seq FROM "
                           f"{site}.seq_1_to_200000")
    committed = time.monotonic()
    told = w.wait_for("write", site, "big", since=since)[0]
    late = int(told[0]) / 1e6 - committed
    before = [line for line in w.lines[:w.lines.index(told)] if line[-1] == "current"]
    assert late > 0.2, "too small to take time"
    assert before[-1][1] == "not", f"current, and {late} s late\n{w.tail()}"
    w.wait_current()


def was_current(w, after_us, until_us):
    """The moments of that time at which workers began to see it as current, or still did."""
    changes = [(int(line[0]), line[1]) for line in w.lines if line[-1] == "current"]
    changes = [(at, word) for at, word in changes if at < until_us]
    before = [word for at, word in changes if at <= after_us]
    found = [at - after_us for at, word in changes if at > after_us and word == "current"]
    return ([0] if before and before[-1] == "current" else []) + found


class Gate:
    """A port that leads to a node's; shut, it passes nothing on and closes nothing."""

    def __init__(self, port):
        self.to = ("127.0.0.1", port)
        self.open = threading.Event()
        self.open.set()
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.sockets[0].getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.sockets[0].accept()
                server = socket.create_connection(self.to)
                self.sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.open.set()
        for one in self.sockets:
            one.close()


@pytest.fixture
def gates(logging_cluster):
    """Ways to nodes 1 and 3 that can be shut."""
    made = {n: Gate(logging_cluster.port(n)) for n in (1, 3)}
    yield made
    for gate in made.values():
        gate.close()


def test_a_node_that_fell_silent_may_have_committed_more(logging_cluster, site, watch, gates):
    """What it has committed the followed one may be applying still, and does not tell of."""
    ports = (gates[1].port, logging_cluster.port(2), gates[3].port)
    servers = [{"address": "127.0.0.1", "port": port, "hostgroup": 10, "weight": 100 - i}
               for i, port in enumerate(ports)]
    w = watch(logging_cluster, servers=servers, query_cache_follow_max_lag_ms=200)
    logging_cluster.sql(1, f"CREATE TABLE {site}.big (a INT PRIMARY KEY, b INT)")
    logging_cluster.catch_up()
    w.wait_current(address(logging_cluster, 2))
    for gate in gates.values():
        gate.open.clear()
    shut = time.monotonic()
    logging_cluster.sql(1, f"INSERT INTO {site}.big SELECT seq, seq FROM {site}.seq_1_to_600000")
    committed = time.monotonic()
    told = w.wait_for("write", site, "big", timeout=60)[0]
    assert int(told[0]) / 1e6 - committed > 0.5, "too small to take time"
    assert not was_current(w, (shut + 0.2 + 0.2 * util.PATIENCE) * 1e6, int(told[0])), w.tail()
    for gate in gates.values():
        gate.open.set()
    w.wait_current()


def test_a_node_that_is_lost_counts_until_the_group_has_voted_it_out(logging_cluster, site, watch):
    w = watch(logging_cluster)
    w.wait_current(address(logging_cluster, 2))
    since = len(w.lines)
    logging_cluster.script("kill", "3")
    w.wait_for("not", "current", since=since)
    w.wait_for("current", since=since)
    with logging_cluster.connect(2) as db, db.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'wsrep_cluster_size'")
        assert cursor.fetchone()[1] == "2"


def test_an_event_that_is_too_large_is_a_gap(logging_cluster, site, watch):
    w = watch(logging_cluster)
    w.wait_current()
    gaps = len(w.said("gap"))
    logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 'large', "
                           "REPEAT('x', 70 << 20), 'no')")
    logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 'small', '', 'no')")
    wait_until(lambda: len(w.said("gap")) >= gaps + 2, 60, f"the gap to be told\n{w.tail()}")
    w.wait_current(timeout=60)
    logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 'next', '', 'no')")
    w.wait_for("write", site, "wp_options", "option_name", "next")


def test_without_the_right_to_follow(logging_cluster, site, watch):
    logging_cluster.sql(1, "REVOKE REPLICATION SLAVE ON *.* FROM 'monitor'@'%'")
    logging_cluster.catch_up()
    try:
        w = watch(logging_cluster)
        w.wait_for("state", "denied")
        wait_until(w.is_current, 10, "the cache to be as without a follower")
        assert "needs REPLICATION SLAVE" in w.tail()
    finally:
        logging_cluster.sql(1, "GRANT REPLICATION SLAVE ON *.* TO 'monitor'@'%'")
        logging_cluster.catch_up()
    w.reload()
    w.wait_current()
    since = len(w.lines)
    w.reload(connect_timeout_server=2000)  # no matter of the follower: its stream goes on
    logging_cluster.sql(1, f"INSERT INTO {site}.wp_options VALUES (NULL, 'kept', '', 'no')")
    w.wait_for("write", site, "wp_options", "option_name", "kept", since=since, count=2)
    assert not w.said("state", since=since), w.tail()
    w.reload(query_cache_follow="off")
    w.wait_for("state", "off")
    wait_until(w.is_current, 10, "the cache to be as without a follower")
    gaps = len(w.said("gap"))
    w.reload(query_cache_follow="auto")
    w.wait_current()
    assert len(w.said("gap")) == gaps + 2, "what was written in between is not known"


def test_nodes_without_a_log(cluster, watch):
    w = watch(cluster)
    w.wait_for("state", "no_log")
    wait_until(w.is_current, 10, "the cache to be as without a follower")
    assert "log_bin is OFF" in w.tail()
    assert not w.said("gap")


def test_the_end_does_not_wait_for_a_node(logging_cluster, site, tmp_path):
    with Watch(logging_cluster, tmp_path) as w:
        w.wait_current()
        for n in (1, 2, 3):
            logging_cluster.script("freeze", str(n))
        began = time.monotonic()
    assert time.monotonic() - began < 3 * util.PATIENCE
