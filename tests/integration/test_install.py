# SPDX-License-Identifier: Apache-2.0
"""What is installed: by `make install` below DESTDIR, and as a Debian package."""
import hashlib
import os
import re
import shutil
import stat
import subprocess

import pytest

import util
from util import ROOT, FileLock, Galeway, libconfig, run

MANUALS = ("conf/galeway.8", "conf/galeway.cnf.5")
VERSION = re.search(r'GALEWAY_VERSION "(.*)"', (ROOT / "base/version.h").read_text()).group(1)
TREE_LOCK = FileLock(ROOT / "build" / "install.lock")  # one make at a time in this tree


class Installed(Galeway):
    """Runs an installed program with the installed configuration, filled in as a DBA would."""

    def __init__(self, cluster, folder, program, example):
        super().__init__(cluster, folder)
        self.program = program
        self.example = example

    def write_config(self):
        text = self.example.read_text()
        for group in ("mysql_variables", "admin_variables"):
            ours = "".join(f"    {k}={libconfig(v)}\n" for k, v in self.data[group].items())
            text = text.replace(f"\n{group}=\n{{\n", f"\n{group}=\n{{\n{ours}", 1)
        text += "".join(f"{k}={libconfig(v)}\n" for k, v in self.data.items()
                        if not k.endswith("_variables"))
        self.config_path.write_text(text)


def serves(cluster, folder, program, example):
    """Starts it and asks by a real client."""
    folder.mkdir()
    proxy = Installed(cluster, folder, program, example)
    proxy.start()
    try:
        done = run(["mariadb", "-h127.0.0.1", f"-P{proxy.port}", "-utenant", "-ptenant", "-N", "-e",
                    "SELECT 40 + 2"])
        assert done.stdout.strip() == "42"
        done = run(["mariadb", "-h127.0.0.1", f"-P{proxy.admin_port}", "-uadmin", "-padmin", "-N", "-e",
                    "SELECT COUNT(*) FROM runtime_mysql_users"])
        assert int(done.stdout) > 0
    finally:
        proxy.stop()


# ---------------------------------------------------------------- manual pages

@pytest.mark.parametrize("page", MANUALS)
def test_manual_pages_are_clean(page):
    """As mandoc judges them, and as man-db's groff does."""
    judged = 0
    if shutil.which("mandoc"):
        judged += 1
        done = run(["mandoc", "-Tlint", "-Wstyle", ROOT / page], check=False)
        # Other pages are elsewhere, or on another machine.
        complaints = [line for line in done.stdout.splitlines()
                      if "referenced manual not found" not in line and "mandoc.db" not in line]
        assert not complaints, "\n".join(complaints)
    if shutil.which("man"):
        judged += 1
        done = run(["man", "--warnings", "-l", ROOT / page], check=False,
                   env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": ""})
        complaints = re.findall(r"^(?:\S*troff|man|tbl)\S*:.*", done.stdout, re.M)
        assert done.returncode == 0 and not complaints, "\n".join(complaints)
    if judged == 0:
        pytest.skip("there is neither mandoc nor man")


def test_manual_has_every_option_signal_and_exit_code():
    page = (ROOT / "conf/galeway.8").read_text().replace("\\-", "-")
    text = run([util.GALEWAY_BIN, "--help"]).stdout
    options = set(re.findall(r"(?<!\S)--?[A-Za-z][a-z]*", text))
    assert {"--config", "--check", "--version", "--help", "-c", "-V", "-h"} <= options
    for option in options:
        assert re.search(rf"Fl {re.escape(option[1:])}\b", page), f"{option} is not in galeway(8)"
    for signal in set(re.findall(r"SIG[A-Z0-9]+", text)):
        assert signal in page, f"{signal} is not in galeway(8)"
    for code in (0, 1, 2):
        assert f".It {code}\n" in page


# ---------------------------------------------------------------- make install

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    with TREE_LOCK.held():
        run(["make", "-C", ROOT, "install", f"DESTDIR={root}", "PREFIX=/usr"], timeout=600)
    return root


def test_make_install_puts_everything_in_its_place(installed):
    modes = {str(file.relative_to(installed)): stat.S_IMODE(file.stat().st_mode)
             for file in installed.rglob("*") if file.is_file()}
    assert modes == {"usr/sbin/galeway": 0o755,
                     "usr/lib/systemd/system/galeway.service": 0o644,
                     "usr/share/doc/galeway/LICENSE": 0o644,
                     "usr/share/galeway/galeway.cnf": 0o644,
                     "usr/share/man/man5/galeway.cnf.5": 0o644,
                     "usr/share/man/man8/galeway.8": 0o644}
    assert "/usr/sbin/galeway -c /etc/galeway.cnf" in \
        (installed / "usr/lib/systemd/system/galeway.service").read_text()


def test_the_installed_program_serves_with_the_installed_configuration(installed, cluster, tmp_path):
    serves(cluster, tmp_path / "run", installed / "usr/sbin/galeway",
           installed / "usr/share/galeway/galeway.cnf")


# ---------------------------------------------------------------- the package

def need_debian():
    if not shutil.which("dpkg-buildpackage"):
        pytest.skip("there is no dpkg-buildpackage: this is not Debian")
    if not shutil.which("dh"):
        pytest.skip("debhelper is not installed (tests/setup/packages.sh deb)")


@pytest.fixture(scope="module")
def package():
    need_debian()
    with TREE_LOCK.held():
        done = run(["make", "-C", ROOT, "deb"], timeout=900)
    return ROOT / re.search(r"^build/\S+\.deb$", done.stdout, re.M).group()


def field(package, name):
    return run(["dpkg-deb", "-f", package, name]).stdout.strip()


def test_package_says_what_it_is(package):
    assert field(package, "Version") == VERSION
    assert field(package, "Package") == "galeway"
    depends = field(package, "Depends")
    for library in ("libc6 (>=", "libuv1 (>=", "libssl3 (>=", "libmariadb3 (>=", "libsqlite3-0 (>=",
                    "libsodium23 (>=", "libpcre2-8-0 (>=", "libxxhash0", "libconfig9", "libjansson4",
                    "adduser"):
        assert library in depends, f"{library} is not in: {depends}"
    assert "-dev" not in depends and "cmocka" not in depends


def test_package_is_built_with_what_the_build_needs():
    """debian/control and tests/setup/packages.sh name the same libraries."""
    control = (ROOT / "debian/control").read_text()
    wanted = re.search(r'^build="(.*?)"', (ROOT / "tests/setup/packages.sh").read_text(),
                       re.M | re.S).group(1).split()
    needed = set(re.findall(r"^ (\S+?),?$", control.split("Package:")[0], re.M))
    essential = {"gcc", "libc6-dev", "make"}
    assert set(wanted) - essential == needed - {"po-debconf"}


def test_package_has_what_it_should(package):
    listed = {}
    for line in run(["dpkg-deb", "-c", package]).stdout.splitlines():
        mode, owner, _, _, _, name = line.split(None, 5)
        listed[name] = (mode, owner)
    assert {owner for _, owner in listed.values()} == {"root/root"}
    assert listed["./etc/galeway.cnf"][0] == "-rw-r-----"
    assert listed["./usr/sbin/galeway"][0] == "-rwxr-xr-x"
    for name in ("./lib/systemd/system/galeway.service", "./etc/logrotate.d/galeway",
                 "./usr/share/man/man8/galeway.8.gz", "./usr/share/man/man5/galeway.cnf.5.gz",
                 "./usr/share/galeway/galeway.cnf", "./usr/share/doc/galeway/copyright"):
        assert listed[name][0] == "-rw-r--r--", name
    for name in ("./var/lib/galeway/", "./var/log/galeway/"):
        assert listed[name][0].startswith("d"), name
    assert sorted(run(["dpkg-deb", "-I", package, "conffiles"]).stdout.split()) == \
        ["/etc/galeway.cnf", "/etc/logrotate.d/galeway"]


def test_package_satisfies_lintian(package):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed (tests/setup/packages.sh deb)")
    done = run(["lintian", "--fail-on", "error,warning", package], check=False, timeout=300)
    assert done.returncode == 0, done.stdout


def test_package_is_reproducible(package, tmp_path):
    """No path of the build and no moment of it are in the program; REPRODUCE=1 builds it twice."""
    run(["dpkg-deb", "-x", package, tmp_path / "x"])
    program = (tmp_path / "x/usr/sbin/galeway").read_bytes()
    assert str(ROOT).encode() not in program
    if "REPRODUCE" not in os.environ:
        return
    other = tmp_path / "elsewhere"
    other.mkdir()
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files", "-coz", "--exclude-standard"],
                             stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["rsync", "-a", "--from0", "--files-from=-", f"{ROOT}/", f"{other}/"],
                   input=tracked, check=True)
    day = run(["git", "-C", ROOT, "log", "-1", "--format=%ct"]).stdout.strip()
    run(["make", "-C", other, "deb"], timeout=900, env={**os.environ, "SOURCE_DATE_EPOCH": day})
    again = other / "build" / package.name
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(package.read_bytes()).digest()


def test_the_packaged_program_serves(package, cluster, tmp_path):
    root = tmp_path / "x"
    run(["dpkg-deb", "-x", package, root])
    serves(cluster, tmp_path / "run", root / "usr/sbin/galeway", root / "etc/galeway.cnf")


# ---------------------------------------------------------------- a whole life of the package

# Runs in a mount namespace of its own: what it changes is in memory, and gone at its end.
LIFE = r"""
set -eu
package=$1 place=$2
mount -t tmpfs none "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay none -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
mount -t proc none "$place/root/proc"
mount --rbind /dev "$place/root/dev"
mkdir -p "$place/root/tmp"
cp "$package" "$place/root/galeway.deb"
chroot "$place/root" /bin/bash -eu <<'END'
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "== $1"; }
stat_of() { stat -c '%A %U:%G %n' "$@"; }
as_galeway() { setpriv --reuid=galeway --regid=galeway --clear-groups "$@"; }
rm -rf /etc/systemd/system/multi-user.target.wants/galeway.service
say installed
dpkg -i /galeway.deb
stat_of /etc/galeway.cnf /var/lib/galeway /var/log/galeway
getent passwd galeway
ls /etc/systemd/system/multi-user.target.wants/galeway.service 2>/dev/null || echo "not enabled"
as_galeway galeway -c /etc/galeway.cnf --check
as_galeway touch /var/lib/galeway/galeway.db /var/log/galeway/galeway.log
setpriv --reuid=nobody --regid=nogroup --clear-groups cat /etc/galeway.cnf >/dev/null 2>&1 && echo "nobody reads it"
logrotate --debug /etc/logrotate.d/galeway 2>&1 | grep -i error || true
say upgraded
echo '# mine' >>/etc/galeway.cnf
chmod 600 /etc/galeway.cnf && chown galeway /etc/galeway.cnf
dpkg -i /galeway.deb
tail -n 1 /etc/galeway.cnf
stat_of /etc/galeway.cnf
say removed
dpkg -r galeway
ls /etc/galeway.cnf /var/lib/galeway/galeway.db
ls /usr/sbin/galeway 2>/dev/null || true
say purged
dpkg -P galeway
ls /etc/galeway.cnf 2>/dev/null || true
ls /var/lib/galeway/galeway.db
say "purged with all"
dpkg -i /galeway.deb >/dev/null
echo "galeway galeway/postrm_remove_state boolean true" | debconf-set-selections
dpkg -P galeway
ls -d /var/lib/galeway /var/log/galeway 2>/dev/null || echo "nothing is left"
END
"""


def test_package_is_installed_upgraded_removed_and_purged(package, tmp_path):
    """In a copy of this system that is written to in memory only."""
    if os.geteuid() != 0:
        pytest.skip("only root can install a package")
    place = tmp_path / "place"
    place.mkdir()
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("unshare -m is not allowed here")
    done = run(["unshare", "-m", "bash", "-c", LIFE, "life", package, place], check=False, timeout=300)
    if "mount:" in done.stdout:
        pytest.skip("an overlay cannot be mounted here: " + done.stdout[-200:])
    assert done.returncode == 0, done.stdout
    steps = dict(part.split("\n", 1) for part in done.stdout.split("== ")[1:])
    first = steps["installed"]
    assert "-rw-r----- root:galeway /etc/galeway.cnf" in first
    assert "drwxr-x--- galeway:galeway /var/lib/galeway" in first
    assert "drwxr-x--- galeway:galeway /var/log/galeway" in first
    assert re.search(r"^galeway:x:\d{1,3}:\d+:.*:/var/lib/galeway:/usr/sbin/nologin$", first, re.M)
    assert "not enabled" in first and "/etc/galeway.cnf: ok" in first
    assert "nobody reads it" not in first and "error" not in first.lower()
    assert "# mine" in steps["upgraded"], "an edited configuration stays"
    assert "-rw------- galeway:galeway /etc/galeway.cnf" in steps["upgraded"], "and its mode"
    assert "/etc/galeway.cnf\n" in steps["removed"] and "/var/lib/galeway/galeway.db" in steps["removed"]
    assert "/usr/sbin/galeway\n" not in steps["removed"]
    assert "/etc/galeway.cnf\n" not in steps["purged"]
    assert "/var/lib/galeway/galeway.db" in steps["purged"], "who did not ask for it keeps his data"
    assert "nothing is left" in steps["purged with all"]
