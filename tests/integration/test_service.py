# SPDX-License-Identifier: Apache-2.0
"""A service manager's view: what it is told on NOTIFY_SOCKET, and the unit itself."""
import re
import shutil
import signal
import socket

import pytest

import wire
from util import PATIENCE, ROOT, FileLock, Galeway, run

TENANT = {"user": "tenant", "password": "tenant"}
EXPOSURE_MAX = 2.0  # of 10, as systemd-analyze rates a unit


class Manager:
    """A socket as systemd's, and what came to it."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(20 * PATIENCE)

    def told(self):
        """The next message, but no sign of life, as a dictionary."""
        while True:
            text = self.socket.recv(4096).decode()
            if text != "WATCHDOG=1":
                return dict(line.split("=", 1) for line in text.splitlines())


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


@pytest.fixture
def managed(cluster, tmp_path, manager):
    """A proxy that was started by the manager: managed() or managed(watchdog_us=n)."""
    made = []

    def make(watchdog_us=None, **options):
        proxy = Galeway(cluster, tmp_path, **options)
        proxy.prefix = ["env", f"NOTIFY_SOCKET={manager.path}"]
        proxy.prefix += [f"WATCHDOG_USEC={watchdog_us}"] if watchdog_us else []
        made.append(proxy)
        return proxy.start()

    yield make
    for proxy in made:
        proxy.stop()


def test_ready_reload_and_end_are_told(managed, manager):
    proxy = managed(variables={"shutdown_timeout_ms": 7000})
    ready = manager.told()
    assert ready["READY"] == "1"
    assert ready["STATUS"].endswith(", 2 workers") and str(proxy.port) in ready["STATUS"]
    with wire.Client(port=proxy.port, **TENANT) as client:  # ready means ready
        assert client.value("SELECT 1") == "1"
    proxy.reload()
    reloading = manager.told()
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.told()["READY"] == "1"
    proxy.data["mysql_variables"]["no_such_variable"] = 1
    proxy.reload()
    assert manager.told()["RELOADING"] == "1"
    told = manager.told()
    assert told["READY"] == "1" and "not valid" in told["STATUS"]
    proxy.process.send_signal(signal.SIGTERM)
    stopping = manager.told()
    assert stopping["STOPPING"] == "1" and int(stopping["EXTEND_TIMEOUT_USEC"]) == 17000000
    assert proxy.process.wait(20 * PATIENCE) == 0


def test_nothing_is_told_before_it_is_ready(managed, manager, cluster, tmp_path):
    proxy = managed()
    assert manager.told()["READY"] == "1"
    folder = tmp_path / "second"
    folder.mkdir()
    second = Galeway(cluster, folder, variables={"interfaces": f"127.0.0.1:{proxy.port}"})
    second.write_config()
    done = run(["env", f"NOTIFY_SOCKET={manager.path}", second.program, "-c", second.config_path],
               check=False)
    assert done.returncode == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.told()


def test_signs_of_life_come_in_time(managed, manager):
    proxy = managed(watchdog_us=1000000)
    assert manager.told()["READY"] == "1"
    manager.socket.settimeout(1 * PATIENCE)
    for _ in range(6):
        assert manager.socket.recv(100) == b"WATCHDOG=1"
    proxy.process.send_signal(signal.SIGSTOP)  # what is stopped does not live
    try:
        with pytest.raises(TimeoutError):
            while True:
                manager.socket.recv(100)
    finally:
        proxy.process.send_signal(signal.SIGCONT)
    assert manager.socket.recv(100) == b"WATCHDOG=1"


# ---------------------------------------------------------------- the unit

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The unit and the program below a folder, as systemd-analyze wants them."""
    root = tmp_path_factory.mktemp("root")
    with FileLock(ROOT / "build" / "install.lock").held():
        run(["make", "-C", ROOT, "install", f"DESTDIR={root}", "PREFIX=/usr"], timeout=600)
    return root


def need_systemd():
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze: this system has no systemd")


def test_unit_is_valid(installed):
    need_systemd()
    unit = installed / "usr/lib/systemd/system/galeway.service"
    text = unit.read_text()
    assert "Type=notify" in text and "@" not in re.sub("@(system-service|privileged)", "", text)
    here = unit.with_name("here.service")  # systemd looks for programs on this machine
    here.write_text(text.replace("/usr/sbin/galeway", f"{installed}/usr/sbin/galeway")
                    .replace("Documentation=", "#"))
    done = run(["systemd-analyze", "verify", "--man=no", here], check=False)
    complaints = [line for line in done.stdout.splitlines() if "here.service" in line]
    assert not complaints, done.stdout


def test_unit_is_hardened(installed):
    need_systemd()
    unit = installed / "usr/lib/systemd/system/galeway.service"
    done = run(["systemd-analyze", "security", "--offline=yes", "--no-pager", unit], check=False)
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    if not match:
        pytest.skip("systemd-analyze security --offline does not work here: " + done.stdout[-200:])
    print(f"exposure of the unit: {match.group(1)} of 10")
    assert float(match.group(1)) <= EXPOSURE_MAX, done.stdout
