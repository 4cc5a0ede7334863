# SPDX-License-Identifier: Apache-2.0
"""Two real WordPress sites: installed, visited, written to, over real HTTP."""
import concurrent.futures
import http.cookiejar
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from conftest import worker_name
from console import Console
from util import PATIENCE, ROOT, Galeway, free_port, run, wait_until

WORDPRESS_SH = ROOT / "tests" / "setup" / "wordpress.sh"


class Site:
    """An installed site with PHP's own web server in front."""

    def __init__(self, cluster, target, user, folder):
        self.schema = f"{user}_{worker_name()}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        environment = {**os.environ, "PHP_CLI_SERVER_WORKERS": "3"}
        if hasattr(target, "ca"):
            environment["WORDPRESS_TLS_CA"] = str(target.ca)
        cluster.sql(1, f"CREATE OR REPLACE DATABASE {self.schema}")
        run([WORDPRESS_SH, "install", folder, f"127.0.0.1:{target.port}", self.schema, user, user,
             self.url], env=environment)
        with open(folder / "server.log", "w", encoding="utf8") as log:
            self.server = subprocess.Popen(
                [WORDPRESS_SH, "serve", folder, f"127.0.0.1:{self.port}"], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True, env=environment)
        wait_until(lambda: Browser(self).status("/") == 200, 20, "the web server")

    def stop(self):
        os.killpg(self.server.pid, signal.SIGTERM)
        self.server.wait()

    def php_log(self):
        log = self.folder / "debug.log"
        return log.read_text(errors="replace") if log.exists() else ""


class Browser:
    """A visitor with cookies. Every request is a new PHP request with new connections."""

    def __init__(self, site):
        self.site = site
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def open(self, path, data=None, headers=None, method=None):
        url = path if path.startswith("http") else self.site.url + path
        body = urllib.parse.urlencode(data).encode() if isinstance(data, dict) else data
        request = urllib.request.Request(url, body, headers or {}, method=method)
        with self.opener.open(request, timeout=30 * PATIENCE) as answer:
            return answer.geturl(), answer.read().decode("utf8", "replace")

    def page(self, path, **options):
        return self.open(path, **options)[1]

    def status(self, path):
        try:
            self.open(path)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None
        return 200

    def log_in(self):
        self.page("/wp-login.php")
        url, page = self.open("/wp-login.php", data={
            "log": "admin", "pwd": "admin", "wp-submit": "Log In", "testcookie": "1",
            "redirect_to": self.site.url + "/wp-admin/"})
        assert url == self.site.url + "/wp-admin/", (url, page[:2000])
        assert "Dashboard" in page
        self.nonce = self.page("/wp-admin/admin-ajax.php?action=rest-nonce")

    def rest(self, method, path, **content):
        body = json.dumps(content).encode() if content else None
        headers = {"X-WP-Nonce": self.nonce, "Content-Type": "application/json"}
        return json.loads(self.page("/wp-json/wp/v2" + path, data=body, headers=headers,
                                    method=method))


@pytest.fixture
def sites(cluster, target_or_tls, tmp_path):
    target = target_or_tls
    made = []
    try:
        for user in ("site1", "site2"):
            made.append(Site(cluster, target, user, tmp_path / user))
        yield made
        for site in made:
            assert "database error" not in site.php_log(), site.php_log()[-3000:]
            assert "PHP Fatal" not in site.php_log(), site.php_log()[-3000:]
    finally:
        tell(target, made)
        for site in made:
            site.stop()
            cluster.sql(1, f"DROP DATABASE {site.schema}")


def tell(target, made):
    """For who reads why it failed: wpdb hides errors when it looks whether it is installed."""
    for site in made:
        print(site.schema, "PHP:", site.php_log()[-1000:])
    if isinstance(target, Galeway):
        for row in Console(target).rows("SELECT * FROM stats_mysql_errors"):
            print(row)


def found(page):
    return int(re.search(r'id="found">found (\d+)<', page).group(1))


def test_wordpress(sites):
    visit_as_guest(sites[0])
    write_as_admin(sites[0])
    assert found(Browser(sites[1]).page("/")) == 1, "the other site got a post"
    visit_both_at_once(sites)


def visit_as_guest(site):
    guest = Browser(site)
    front = guest.page("/")
    assert f"Site of {site.schema}" in front
    assert "Hello world!" in front and found(front) == 1
    assert "A WordPress Commenter" in guest.page("/hello-world/")
    assert found(guest.page("/?s=hello")) == 1
    assert found(guest.page("/?s=nothing+like+it")) == 0
    assert found(guest.page("/category/uncategorized/")) == 1
    assert found(guest.page("/author/admin/")) == 1
    assert "Hello world!" in guest.page("/feed/")
    assert guest.status("/no-such-page/") == 404
    url, page = guest.open("/wp-admin/")
    assert "wp-login.php" in url and "Username" in page
    url, page = guest.open("/wp-login.php", data={"log": "admin", "pwd": "wrong"})
    assert "The password you entered" in page


def write_as_admin(site):
    admin, guest = Browser(site), Browser(site)
    admin.log_in()
    for page in ("edit.php", "plugins.php", "options-general.php", "users.php", "profile.php",
                 "edit-comments.php", "post-new.php"):
        assert "</html>" in admin.page(f"/wp-admin/{page}")
    title = "É 😀 it's \\ \"written\""
    post = admin.rest("POST", "/posts", title=title, content="First text.", status="publish")
    assert post["title"]["raw"] == title
    # At once, by another visitor, in another request.
    assert "First text." in guest.page(post["link"])
    assert found(guest.page("/")) == 2
    for i in range(5):
        admin.rest("POST", f"/posts/{post['id']}", content=f"Text number {i}.")
        assert f"Text number {i}." in guest.page(post["link"]), f"edit {i} was not seen at once"
    url, page = admin.open("/wp-comments-post.php", data={
        "comment": "A comment é", "comment_post_ID": post["id"], "comment_parent": "0"})
    assert "A comment é" in page
    assert "A comment é" in guest.page(post["link"])
    admin.rest("POST", "/settings", title="Renamed é", posts_per_page=3)
    assert "Renamed é" in guest.page("/")
    for i in range(4):
        admin.rest("POST", "/posts", title=f"More {i}", content="x", status="publish")
    assert found(guest.page("/")) == 6
    assert "/page/2/" in guest.page("/")
    assert found(guest.page("/page/2/")) == 6
    admin.rest("DELETE", f"/posts/{post['id']}?force=true")
    assert guest.status(post["link"]) == 404
    assert found(guest.page("/")) == 5


def visit_both_at_once(sites):
    titles = ["Renamed é", f"Site of {sites[1].schema}"]

    def visit(i):
        page = Browser(sites[i % 2]).page("/")
        assert titles[i % 2] in page and titles[1 - i % 2] not in page

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(visit, i) for i in range(60)]:
            done.result()
