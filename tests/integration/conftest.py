# SPDX-License-Identifier: Apache-2.0
"""Fixtures: the shared cluster, proxies on it, and a place of its own for every test."""
import contextlib
import itertools
import os
import shutil

import pytest

import util
import wire
from certs import Authority
from console import Console
from util import Cluster, Direct, Galeway

# DIRECT_ONLY=1 tries the tests themselves: everything that needs the proxy is left out, and said.
DIRECT_ONLY = "DIRECT_ONLY" in os.environ


def pytest_sessionstart():
    if not DIRECT_ONLY and not util.GALEWAY_BIN.exists():
        pytest.exit(f"there is no {util.GALEWAY_BIN}: run make, or set GALEWAY_BIN, or try the "
                    "tests themselves with DIRECT_ONLY=1 COMPARE_WITH=direct", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, (Galeway, Direct)) and value.tail():
                report.sections.append((f"log of {name}", value.tail()))


def need(program, package):
    if not shutil.which(program):
        pytest.fail(f"{program} is missing: Debian package {package} (tests/setup/packages.sh)")


@pytest.fixture(scope="session")
def cluster():
    """Three healthy nodes, shared with all other tests."""
    nodes = Cluster().join()
    yield nodes
    nodes.leave()


@pytest.fixture(scope="session")
def _fragile_cluster():
    nodes = Cluster("fragile-cluster", util.BASE_PORT + 50)
    with nodes.use.held():  # not while a test of another process has broken it
        nodes.join()
    yield nodes
    nodes.leave()


def alone(nodes):
    """A test's use of nodes that it may break: nobody else's meanwhile, and mended after it."""
    with nodes.use.held():
        yield nodes
        nodes.heal()


@pytest.fixture
def fragile_cluster(_fragile_cluster):
    """Three nodes that this test has for itself and may break."""
    yield from alone(_fragile_cluster)


@pytest.fixture(scope="session")
def node_modules():
    """mysql2 and mariadb from npm, as locked, under build/npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = util.ROOT / "build" / "npm"
    lock = util.FileLock(util.ROOT / "build" / "npm.lock")
    with lock.held():
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(util.CLIENTS / "node" / name, folder / name)
        if not (folder / "complete").exists():
            done = util.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], check=False,
                       timeout=180, cwd=folder)
            if done.returncode != 0:
                pytest.skip("npm's registry cannot be reached: " + done.stdout[-300:])
            (folder / "complete").touch()
    return folder / "node_modules"


@pytest.fixture(scope="session")
def _logging_cluster():
    nodes = Cluster("logging-cluster", util.BASE_PORT + 100,
                    ["log_bin = binlog", "log_slave_updates = ON", "wsrep_gtid_mode = ON",
                     "wsrep_gtid_domain_id = 7"])
    with nodes.use.held():
        nodes.join()
        nodes.sql(1, "GRANT REPLICATION SLAVE ON *.* TO 'monitor'@'%'")
    yield nodes
    nodes.leave()


@pytest.fixture
def logging_cluster(_logging_cluster):
    """Three nodes with binary logs that this test has for itself and may break."""
    yield from alone(_logging_cluster)


@pytest.fixture(scope="session")
def _tls_cluster():
    nodes = Cluster("tls-cluster", util.BASE_PORT + 150)
    nodes.certs = nodes.folder / "certs"
    with nodes.use.held():
        is_new = not (nodes.certs / "authority-key.pem").exists()
        nodes.authority = Authority(nodes.certs, "authority")
        if is_new:
            nodes.authority.issue("node", ["127.0.0.1"])
        for file in nodes.certs.iterdir():
            file.chmod(0o644)  # nodes may run as another user
        nodes.config = "\n".join(
            [f"ssl_{what} = {nodes.certs}/{name}.pem" for what, name in
             (("ca", "authority"), ("cert", "node-cert"), ("key", "node-key"))]
            + ["log_bin = binlog", "log_slave_updates = ON", "wsrep_gtid_mode = ON",
               "wsrep_gtid_domain_id = 7", "[sst]", "ssl-mode = DISABLED"])
        nodes.join()
        nodes.sql(1, "GRANT REPLICATION SLAVE ON *.* TO 'monitor'@'%'")
        if is_new:
            nodes.sql(1, "FLUSH SSL")  # nodes may be older than their certificates; it is replicated
    yield nodes
    nodes.leave()


@pytest.fixture
def tls_cluster(_tls_cluster):
    """Three nodes with TLS and binary logs that this test has for itself and may break."""
    yield from alone(_tls_cluster)


@pytest.fixture(scope="session")
def users_monitor(cluster):
    """Variables of a Galeway whose monitor may read the nodes' users: an account of this process."""
    name = f"um_{worker_name()}"
    cluster.sql(1, f"CREATE USER '{name}'@'%' IDENTIFIED BY '{name}'")
    cluster.sql(1, f"GRANT BINLOG MONITOR ON *.* TO '{name}'@'%'")
    cluster.sql(1, f"GRANT SELECT ON mysql.global_priv TO '{name}'@'%'")
    yield {"monitor_username": name, "monitor_password": name}
    cluster.sql(1, f"DROP USER '{name}'@'%'")


@pytest.fixture
def node(cluster):
    """node(2) is a PyMySQL connection to node 2."""
    opened = []

    def connect(n, **options):
        opened.append(cluster.connect(n, **options))
        return opened[-1]

    yield connect
    for connection in opened:
        if connection.open:
            connection.close()


_counter = itertools.count(1)


def worker_name():
    """Unique on this machine: several runs may share the nodes (see Cluster.sweep)."""
    return str(os.getpid())


@pytest.fixture
def schema(cluster):
    """A schema of this test's own, on every node."""
    name = f"cmp_{worker_name()}_{next(_counter)}"
    cluster.sql(1, f"CREATE OR REPLACE DATABASE {name}")
    cluster.catch_up()
    yield name
    cluster.sql(1, f"DROP DATABASE IF EXISTS {name}")


def need_proxy():
    if DIRECT_ONLY:
        pytest.skip("DIRECT_ONLY is set")


@pytest.fixture
def galeway(cluster, tmp_path):
    """Makes proxies: galeway(variables={...}, users=[...]). Each must end cleanly."""
    need_proxy()
    made = []

    def make(nodes=cluster, **options):
        folder = tmp_path / f"galeway{len(made)}"
        folder.mkdir()
        made.append(Galeway(nodes, folder, **options))
        return made[-1].start()

    yield make
    _stop_all(made)


def _stop_all(proxies):
    faults = []
    for proxy in proxies:
        try:
            proxy.stop()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def _shared_proxy(cluster, tmp_path_factory):
    """One proxy for all tests of this process that need nothing special."""
    need_proxy()
    proxy = Galeway(cluster, tmp_path_factory.mktemp("proxy"), connections=12).start()
    yield proxy
    _stop_all([proxy])


@pytest.fixture
def proxy(_shared_proxy):
    yield _shared_proxy
    _shared_proxy.check_alive()


@pytest.fixture
def site(galeway, schema):
    """A proxy of this test's own, its console, and a way to become its client."""

    class Site:
        def __init__(self, **options):
            self.proxy = galeway(**options)
            self.console = Console(self.proxy)
            self.schema = schema
            self.opened = []

        def client(self, user="tenant", **options):
            client = wire.Client(port=self.proxy.port, user=user, password=user, db=schema,
                                 timeout=30, **options)
            self.opened.append(client)
            return client

    made = []

    def make(**options):
        made.append(Site(**options))
        return made[-1]

    yield make
    for one in made:
        one.console.db.close()
        for client in one.opened:
            client.close()


@pytest.fixture(params=["direct", "galeway"])
def target(request, cluster):
    """The same test on a node and through the proxy."""
    if request.param == "direct":
        return Direct(cluster)
    return request.getfixturevalue("proxy")


@pytest.fixture(scope="session")
def tls_proxy(cluster, tmp_path_factory):
    """A proxy whose users must all come with TLS; its ca checks its certificate."""
    need_proxy()
    users = [{**user, "use_ssl": 1} for user in util.DEFAULT_ACCOUNTS]
    one = Galeway(cluster, tmp_path_factory.mktemp("tls"), users=users, connections=12).start()
    one.ca = one.folder / "galeway-ca.pem"
    yield one
    _stop_all([one])


def handshakes(proxy, what="handshakes"):
    console = Console(proxy)
    with contextlib.closing(console.db):
        return console.status("Tls_client_" + what)


@pytest.fixture(params=["direct", "galeway", "tls"])
def target_or_tls(request, cluster):
    """The same test on a node, through the proxy, and through a proxy that demands TLS."""
    if request.param == "direct":
        yield Direct(cluster)
        return
    if request.param == "galeway":
        yield request.getfixturevalue("proxy")
        return
    one = request.getfixturevalue("tls_proxy")
    before = handshakes(one)
    yield one
    one.check_alive()
    assert handshakes(one) > before, "no client of the test came with TLS"
