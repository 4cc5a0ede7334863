# SPDX-License-Identifier: Apache-2.0
"""connectors - the test programs of MariaDB's client library: the server's and Connector/C's own."""
import re
import subprocess

from judge import FAIL, OK, SKIP
from suite import BUILD, PASSWORD, USER, NotToBeHad, Suite, ended, fetch_source, package_version, run


class ClientTest(Suite):
    """mariadb-client-test of Debian's mariadb-test: one run for each of its tests."""

    name = "client-test"

    def prepare(self):
        self.version = package_version("mariadb-test")

    def parts(self):
        done = subprocess.run(["mariadb-client-test", "--show-tests"], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        # test_wl4284_1: a node of 10.11.19 in a cluster ends by signal 11.
        return sorted(set(re.findall(r"^(test_\w+|bug\w+)$", done.stdout, re.M)) - {"test_wl4284_1"})

    def run(self, part, target):
        target.fresh_schema("outside_client_test")
        done = run(["mariadb-client-test", "--no-defaults", f"--host={target.host}", f"--port={target.port}",
                    f"--user={USER}", f"--password={PASSWORD}", "--database=outside_client_test",
                    f"--vardir={BUILD}", part],
                   self.log(part, target.name), 60)
        skipped = done.code == 0 and re.search(r"[Ss]kipp", done.text)
        return {part: SKIP if skipped else OK if done.code == 0 else FAIL}


# Of what the library's build finds out, what the tests' sources ask for.
CONFIG_H = """
#define HAVE_STDINT_H 1
#define HAVE_UNISTD_H 1
#define HAVE_STRING_H 1
#define HAVE_STDLIB_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_SOCKET_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_FCNTL_H 1
#define HAVE_LIMITS_H 1
#define HAVE_FLOAT_H 1
#define HAVE_LONG_LONG 1
#define HAVE_UINT 1
#define HAVE_ULONG 1
#define HAVE_THREADS 1
#define HAVE_TLS 1
#define HAVE_SSL 1
#define HAVE_OPENSSL 1
#define SIZEOF_CHARP 8
#define SIZEOF_INT 4
#define SIZEOF_LONG 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SIZE_T 8
#define SOCKET_SIZE_TYPE socklen_t
#define MARIADB_DEFAULT_CHARSET "utf8mb4"
"""


class ConnectorC(Suite):
    """The programs of libmariadb/unittest, compiled against Debian's library."""

    name = "connector-c"
    # rpl_api follows a binary log, thread and performance measure, dyncol and t_conc173 ask no server.
    programs = ["async", "basic-t", "bulk1", "charset", "conc336", "connection", "cursor", "errors",
                "features-10_2", "fetch", "logs", "misc", "ps", "ps_bugs", "ps_new", "result", "sp", "thread", "view"]

    def prepare(self):
        tree, self.version = fetch_source("mariadb", "libmariadb/unittest", "libmariadb/include",
                                          "libmariadb/libmariadb")
        self.tree = tree / "libmariadb"
        self.folder = BUILD / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "ma_config.h").write_text(CONFIG_H)
        for program in self.programs:
            self.build(program)

    def build(self, program):
        test = self.tree / "unittest"
        if (self.folder / program).exists():
            return
        done = run(["gcc", "-w", "-O1", "-D_GNU_SOURCE", "-DLIBMARIADB", "-DTHREAD", f"-I{self.folder}",
                    f"-I{test}/mytap", f"-I{test}/libmariadb", f"-I{self.tree}/include", "-I/usr/include/mariadb",
                    test / "libmariadb" / (program + ".c"), test / "mytap" / "tap.c",
                    test / "libmariadb" / "ma_getopt.c", "-o", self.folder / program,
                    "-l:libmariadb.a", "-lssl", "-lcrypto", "-lz", "-lm", "-ldl", "-lpthread"],
                   BUILD / "log" / f"{program}-build.log", 300)
        if done.code:
            raise NotToBeHad(f"{program} cannot be built: {done.text[-500:]}")

    def parts(self):
        return self.programs

    def run(self, part, target):
        target.fresh_schema("outside_c")
        done = run([self.folder / part], self.log(part, target.name), 300,
                   {"MYSQL_TEST_HOST": target.host, "MYSQL_TEST_PORT": str(target.port), "MYSQL_TEST_USER": USER,
                    "MYSQL_TEST_PASSWD": PASSWORD, "MYSQL_TEST_DB": "outside_c",
                    "MARIADB_CC_TEST": "1"}, self.tree / "unittest" / "libmariadb")
        cases = {}
        for bad, name, note in re.findall(r"^(not )?ok \d+ - (\S+)(.*)", done.text, re.M):
            cases[f"{part}:{name}"] = SKIP if re.search("# *skip", note, re.I) else FAIL if bad else OK
        cases[part] = OK if ended(done) else FAIL
        return cases
