# SPDX-License-Identifier: Apache-2.0
"""suite - what every suite from outside is: parts that are run, each with cases that pass or not."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

from judge import FAIL, OK, SKIP

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "outside"
USER = PASSWORD = "outside"


class NotToBeHad(Exception):
    """The suite cannot be fetched or built here; said, and not a failure."""


class Done:
    """How a program ended: code is None when it was late."""

    def __init__(self, code, text):
        self.code = code
        self.text = text


def run(command, log, timeout=60, env=None, cwd=None):
    """Run a program with its output in a file; with all its children it ends in time."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}, cwd=cwd,
                                   start_new_session=True)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
            out.write(f"\n*** not ended after {timeout} s\n".encode())
        finally:
            end_group(process)
    return Done(code, log.read_text(errors="replace"))


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def ended(done):
    """It went through all its cases, whatever these said: no signal, no death of Perl."""
    return done.code is not None and 0 <= done.code < 255 and "Bail out!" not in done.text


def tap_cases(part, done):
    """{case: outcome} of what a program says in TAP, by number: what is said of one may hold ids or codes.

    That it came to its end is a case, too.
    """
    cases = {}
    for found in re.finditer(r"^(not )?ok\b *(\d+)(.*)", done.text, re.M):
        aside = re.search(r"# *(skip|todo)", found[3], re.I)
        cases[f"{part}:{found[2]}"] = SKIP if aside else FAIL if found[1] else OK
    skipped = re.search(r"^1\.\.0", done.text, re.M)
    cases[part] = SKIP if skipped else OK if ended(done) else FAIL
    return cases


def fetch_source(name, *parts):
    """The folder of a Debian source's content, and its version."""
    folder = BUILD / "src" / name
    done = subprocess.run([ROOT / "tests" / "setup" / "source.sh", name, folder, *parts], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800)
    if done.returncode:
        raise NotToBeHad(done.stdout.strip().splitlines()[-1])
    return folder / "tree", (folder / "version").read_text().strip().split("_")[1]


def package_version(name):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], check=True, stdout=subprocess.PIPE,
                          text=True)
    return re.sub(r"^\d+:", "", done.stdout)


def fresh_copy(source, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    return folder


class Suite:
    """A suite: prepare() gets it, parts() says what can be run, run() runs one part on a target.

    A target has host, port, unix, and fresh_schema(name), which makes an empty one.
    """

    name = ""
    version = ""

    def prepare(self):
        raise NotImplementedError

    def parts(self):
        raise NotImplementedError

    def run(self, part, target):
        """{case: OK, FAIL or SKIP}"""
        raise NotImplementedError

    def run_all(self, parts, target):
        cases = {}
        for part in parts:
            cases.update(self.run(part, target))
        return cases

    def part_of(self, case):
        """The part that has a case."""
        return case.partition(":")[0].partition("/")[0].partition("::")[0]

    def log(self, part, target_name):
        return BUILD / "log" / self.name / target_name / (re.sub(r"[^\w.-]", "_", part) + ".log")
