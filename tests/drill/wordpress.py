# SPDX-License-Identifier: Apache-2.0
"""The drill with real pages: Debian's WordPress in PHP's own web server, while the writer dies."""

import collections
import http.cookiejar
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from drills import GROUP_S, drill
from nodes import OUT, now_us, user_sql, wait_until
from targets import TOP, BenchError, die_with_parent
from verdict import Limits, Op

SCRIPT = os.path.join(TOP, "tests", "setup", "wordpress.sh")
SITE = "wp_drill"  # user, schema and folder
READERS, WRITERS = 6, 2
PATHS = ("/", "/hello-world/", "/?s=hello", "/category/uncategorized/")
NO_DATABASE = "Error establishing a database connection"
THINK_S = 0.1


class Site:
    """WordPress, installed through the proxy and served by PHP."""

    def __init__(self, run):
        cluster = run.cluster
        self.port = cluster.base_port + 8
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = os.path.join(OUT, SITE)
        shutil.rmtree(self.folder, ignore_errors=True)
        cluster.sql(1, f"CREATE OR REPLACE DATABASE {SITE}",
                    *user_sql(SITE, "drill", SITE))
        target = f"127.0.0.1:{run.target.write_port}"
        with open(os.path.join(OUT, "wordpress.log"), "wb") as log:
            subprocess.run([SCRIPT, "install", self.folder, target, SITE, SITE, "drill", self.url],
                           stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=True)
            # A worker for each visitor: none waits for another one's page.
            self.server = subprocess.Popen(
                [SCRIPT, "serve", self.folder, f"127.0.0.1:{self.port}"], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, preexec_fn=die_with_parent,
                env={**os.environ, "PHP_CLI_SERVER_WORKERS": str(READERS + WRITERS)})

    def stop(self):
        os.killpg(self.server.pid, signal.SIGTERM)
        self.server.wait()


class Visitor(threading.Thread):
    """A browser: asks, records, thinks, until it is told to stop."""

    def __init__(self, site, number, writes):
        super().__init__(daemon=True)
        self.site, self.number, self.writes = site, number, writes
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.headers = {}
        self.ops = []
        self.stopping = False

    def ask(self, path, data=None, headers=None):
        """(status, body); status 0 if nothing came."""
        request = urllib.request.Request(self.site.url + path, data, headers or {})
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")
        except OSError as error:
            return 0, str(error)

    def log_in(self):
        self.ask("/wp-login.php")
        form = urllib.parse.urlencode({"log": "admin", "pwd": "admin", "wp-submit": "Log In",
                                       "testcookie": "1"}).encode()
        self.ask("/wp-login.php", form)
        status, nonce = self.ask("/wp-admin/admin-ajax.php?action=rest-nonce")
        if status != 200:
            raise BenchError(f"cannot log in to WordPress: {nonce[:200]}")
        self.headers = {"X-WP-Nonce": nonce, "Content-Type": "application/json"}

    def title(self, number):
        return f"drill {self.number} {number}"

    def run(self):
        number = 0
        while not self.stopping:
            number += 1
            begun = now_us()
            if self.writes:
                body = json.dumps({"title": self.title(number), "content": "x",
                                   "status": "publish"}).encode()
                status, page = self.ask("/wp-json/wp/v2/posts", body, self.headers)
                good = status == 201
            else:
                status, page = self.ask(PATHS[number % len(PATHS)])
                good = status == 200 and f"Site of {SITE}" in page
            text = "" if good else NO_DATABASE if NO_DATABASE in page else page.strip()[-120:]
            self.ops.append(Op(begun, now_us(), self.number, "post" if self.writes else "page",
                               number, 0, "ok" if good else "error", 0 if good else status,
                               text.replace("\n", " ")))
            time.sleep(THINK_S)


def start_visitors(site):
    visitors = [Visitor(site, i, i >= READERS) for i in range(READERS + WRITERS)]
    wait_until(lambda: visitors[0].ask("/")[0] == 200, 20, "the first page")
    for visitor in visitors:
        if visitor.writes:
            visitor.log_in()
        visitor.start()
    return visitors


def check_posts(run, visitors):
    """What WordPress said is published is there once."""
    rows = run.cluster.sql(run.survivor, "SET SESSION wsrep_sync_wait = 7",
                           f"SELECT post_title FROM {SITE}.wp_posts WHERE post_type = 'post'",
                           timeout=30)
    titles = collections.Counter(row[0] for row in rows)
    for visitor in visitors:
        for op in visitor.ops:
            n = titles[visitor.title(op.id)] if visitor.writes else 0
            if visitor.writes and op.outcome == "ok" and n == 0:
                run.reasons.append(f"post \"{visitor.title(op.id)}\" is missing")
            if n > 1:
                run.reasons.append(f"post \"{visitor.title(op.id)}\" is there {n} times")


@drill("wordpress", Limits(errors="doubt"))
def wordpress(run):
    run.start_proxy()
    site = Site(run)
    visitors = []
    try:
        visitors = start_visitors(site)
        run.say("WordPress is installed and visited")
        run.find_roles()
        run.start_direct()
        run.quiet_us = now_us()
        run.hold(3)
        run.fault(f"kill -9 of node {run.writer}, the writer", run.cluster.kill(run.writer))
        run.hold(GROUP_S)
        for visitor in visitors:
            visitor.stopping = True
        for visitor in visitors:
            visitor.join(60)
    finally:
        for visitor in visitors:
            visitor.stopping = True
        site.stop()
    run.ops += [op for visitor in visitors for op in visitor.ops]
    shown = sum(op.text == NO_DATABASE for op in run.ops)
    run.notes.append(f"{sum(op.kind == 'page' for op in run.ops)} pages, "
                     f"{sum(op.kind == 'post' for op in run.ops)} posts; "
                     f"{shown} showed \"{NO_DATABASE}\"")
    if shown:
        run.reasons.append(f"{shown} pages showed \"{NO_DATABASE}\"")
    check_posts(run, visitors)
