# SPDX-License-Identifier: Apache-2.0
"""Nodes that say what no node says: the client that asked is told, others do not notice, nothing is left.

Each case plays one fault (tests/fake/bad_node.py) at one message of one scene, in one of many lanes:
a lane is a hostgroup with one scripted node and a user of its own, all of one proxy.
"""
import asyncio
import os
import random
import ssl
import struct
import sys
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import wire
from certs import Authority
from console import Console
from swarm import Client, Witness
from util import DEFAULT_ACCOUNTS, GALERA_ROW, NODES, PATIENCE, ROOT, account, wait_until

sys.path.insert(0, str(ROOT / "tests" / "fake"))
import bad_node  # noqa: E402
from bad_node import Break, Cut  # noqa: E402

SEED = int(os.environ.get("BAD_SEED", "1"))
ALL = os.environ.get("BAD_CUTS") == "all"
ONLY = os.environ.get("BAD_ONLY", "")  # a part of the names of cases
PART, PARTS = map(int, os.environ.get("BAD_PART", "1/1").split("/"))  # the second of ten: 2/10
LANES, TLS_LANES = 40, 8
GROWTH_KB = 24000 if os.environ.get("MODE", "release") == "release" else 160000
ENDINGS = ("close", "reset", "half", "drip")


# ---------------------------------------------------------------- scenes

class Scene:
    """What a client does until a message comes, and the messages that may be broken.

    is_after: they come when the client has had his answer: whatever they are, it is whole.
    has_state: the session ends with its connection. may: outcomes that are right here, too ("closed":
    between two of its steps).
    """

    def __init__(self, name, play, messages, login="native", tls=False, is_after=False, has_state=False,
                 may=frozenset(), caps=0):
        self.name, self.play, self.messages, self.login = name, play, messages, login
        self.tls, self.is_after, self.has_state, self.may = tls, is_after, has_state, may
        self.caps = wire.DEFAULT_CAPS | caps

    def __repr__(self):
        return self.name


RETURNING = "INSERT INTO t VALUES (1) RETURNING "


def text(sql, kind="result"):
    async def play(client):
        return await client.query(sql, kind)
    return play


def command(payload, kind):
    async def play(client):
        return await client.ask(payload, kind)
    return play


async def execute(client, sql=b"CALL prepared(?)", cursor=0, fetch=False):
    out = await client.ask(b"\x16" + sql, "prepare")
    if out.kind != "answer":
        return out
    number, = struct.unpack_from("<I", out.data, 5)
    out = await client.ask(wire.execute_packet(number, ["x"], cursor), "cursor" if cursor else "result")
    if out.kind == "answer" and fetch:
        out = await client.ask(b"\x1c" + struct.pack("<II", number, 1), "rows")
    return out


async def with_cursor(client):
    return await execute(client, b"SELECT a FROM t WHERE b=?", 1, True)


async def set_mode(client):
    out = await client.query("SET sql_mode='ANSI'")
    return out if out.kind != "answer" else await client.query("CALL rows()")


async def use_schema(client):
    use_schema.number += 1
    return await client.ask(b"\x02cmp_%d" % use_schema.number, "one")
use_schema.number = 0


async def leave_schema(client):
    """What is left in a schema is asked by COM_CHANGE_USER for a session without one."""
    other = await Client(client.port, client.user, patience=client.patience).open()
    await use_schema(other)
    await other.query("UPDATE t SET a='done'")
    await other.close()
    return await client.query(RETURNING + "rows")


async def two_statements(client):
    return await client.query("SELECT 1; " + RETURNING + "rows")


SCENES = [
    Scene("login", text(RETURNING + "rows"), ("greeting", "login ok", "setup")),
    Scene("login of a read", text("SELECT rows FROM t"), ("greeting", "login ok", "setup")),
    Scene("login with a switch", text(RETURNING + "rows"), ("switch", "login ok"), "switch"),
    Scene("login refused", text(RETURNING + "rows"), ("login error",), "denied"),
    Scene("login by sha2, fast", text(RETURNING + "rows"), ("fast", "login ok"), "sha2-fast"),
    Scene("login by sha2, full", text(RETURNING + "rows"), ("full", "key", "login ok"), "sha2-full"),
    Scene("login by sha2, switch", text(RETURNING + "rows"), ("switch", "full", "key"), "sha2-switch"),
    Scene("login by TLS", text(RETURNING + "rows"), ("greeting", "tls flight 1", "tls flight 2", "login ok"), tls=True),
    Scene("answer by TLS", text("CALL several()"), ("several",), tls=True, has_state=True),
    *(Scene(f"{word} of a write", text(RETURNING + word), (word,)) for word in ("rows", "none", "long")),
    *(Scene(f"{word} of a write", text(f"UPDATE t SET a='{word}'"), (word,)) for word in ("done", "refused")),
    *(Scene(f"{word} of a call", text(f"CALL {word}()"), (word,), has_state=True)
      for word in ("rows", "tracked", "several")),
    *(Scene(f"{word} of a read", text(f"SELECT {word} FROM t"), (word,)) for word in ("rows", "none", "long")),
    Scene("infile", text("LOAD DATA LOCAL INFILE 'infile' INTO TABLE t"), ("infile", "file taken"),
          caps=wire.LOCAL_FILES),
    Scene("prepare", command(b"\x16CALL prepared(?)", "prepare"), ("prepared",), has_state=True),
    Scene("execute", execute, ("executed",), has_state=True, may={"closed"}),
    Scene("fetch", with_cursor, ("executed", "fetched"), has_state=True, may={"closed"}),
    Scene("fields", command(b"\x04t\0", "fields"), ("fields",)),
    Scene("set", set_mode, ("set",), has_state=True, may={"closed"}),
    Scene("schema", use_schema, ("schema",)),
    # A new connection needs none.
    Scene("change of user", leave_schema, ("user switch", "user ok"), may={"answer"}),
    Scene("two statements", two_statements, ("option",), caps=wire.MULTI_STATEMENTS),
    Scene("found rows", text("SELECT SQL_CALC_FOUND_ROWS found FROM t"), ("found rows",), is_after=True),
    Scene("last id", text("INSERT inserted INTO t"), ("last id",), is_after=True),
]


# ---------------------------------------------------------------- the lanes

class Lane:
    def __init__(self, node, user, port):
        self.node, self.user, self.port = node, user, port
        self.who = f"127.0.0.1:{node.port}"

    async def play(self, scene, broken, patience=40):
        """(outcome, what the next statement got)."""
        self.node.login, self.node.broken, self.node.misused = scene.login, broken, []
        self.node.sent = b""
        client = await Client(self.port, self.user, scene.caps, patience * PATIENCE).open()
        out = await scene.play(client)
        self.node.broken = None
        self.node.login = "native"
        after = None
        if out.kind in ("answer", "error", "late"):
            after = await self.ask_after(client)
        if out.kind in ("endless", "hang"):
            client.abort()
        else:
            await client.close()
        if out.kind == "endless" and scene.name == "rows of a write":  # of others it ends when killed
            await asyncio.wait_for(self.node.left(), 30 * PATIENCE)
        await asyncio.wait_for(self.node.drained(), 30 * PATIENCE)
        return out, after


    async def ask_after(self, client):
        """Not while a node that has failed is left alone for a moment."""
        until = time.monotonic() + 10 * PATIENCE
        while True:
            out = await client.query("UPDATE t SET a='done' /* after */")
            if out.kind != "error" or not out.text.startswith("9001") or time.monotonic() > until:
                return out


@pytest.fixture(scope="module")
def rsa_key():
    key = rsa.generate_private_key(65537, 2048)
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


class Farm:
    """One proxy with real nodes and the lanes, and the loop in which all of these live."""

    def __init__(self, make, cluster, folder, rsa_key):
        self.loop = asyncio.new_event_loop()
        bad_node.use_rsa_key(rsa_key)
        cert, key = Authority(folder, "authority").issue("bad", ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        nodes = [self.run(bad_node.Node(context if i >= LANES else None).start())
                 for i in range(LANES + TLS_LANES)]
        names = [f"lane{i}" for i in range(len(nodes))]
        servers = [{"address": "127.0.0.1", "port": cluster.port(n), "hostgroup": 10, "max_connections": 50,
                    "weight": 1100 - 100 * n} for n in NODES]
        servers += [{"address": "127.0.0.1", "port": node.port, "hostgroup": 100 + i, "max_connections": 1,
                     "use_ssl": 1 if node.context else 0} for i, node in enumerate(nodes)]
        self.proxy = make(servers=servers, galera=GALERA_ROW, users=[
            *DEFAULT_ACCOUNTS, *({**account(name), "default_hostgroup": 100 + i} for i, name in enumerate(names))],
            variables={"connect_timeout_server": int(1500 * PATIENCE), "shun_recovery_time_sec": 1,
                       "connect_timeout_server_max": int(2500 * PATIENCE), "default_query_timeout": int(2500 * PATIENCE),
                       "enable_load_data_local_infile": True, "monitor_enabled": False})
        self.lanes = [Lane(node, name, self.proxy.port) for node, name in zip(nodes, names)]
        self.console = Console(self.proxy)

    def run(self, work):
        return self.loop.run_until_complete(work)

    def close(self):
        for lane in self.lanes:
            self.run(lane.node.close())
        self.loop.close()


@pytest.fixture
def farm(galeway, cluster, tmp_path, rsa_key):
    farm = Farm(galeway, cluster, tmp_path / "certs", rsa_key)
    yield farm
    farm.close()


# ---------------------------------------------------------------- cases

class Case:
    """One fault at one message of one scene."""

    def __init__(self, scene, message, fault):
        self.scene, self.message, self.fault = scene, message, fault

    def __repr__(self):
        return f"{self.scene} / {self.message} / {self.fault}"

    def judge(self, lane, good, out, after):
        """What is wrong, or None. good: what a client gets of a good node."""
        may = {"answer"} if self.scene.is_after else self.fault.may | self.scene.may
        kind = out.kind
        if kind == "answer" and out.data != good.data:
            kind = "other"
        elif kind == "error" and out.data == good.data:
            kind = "answer"
        elif kind == "closed":
            kind = "late" if out.data else kind
        if kind not in may:
            return f"{kind} {out.data[:100]!r} ... {len(out.data)}: {out.text}"
        if kind == "error" and lane.who not in out.text and not said_by_node(out, self.fault, lane.node.sent):
            return f"the error does not name {lane.who}: {out.text}"
        if after is not None and (after.kind, after.data) != ("answer", bad_node.ok()) and not (
                (self.scene.has_state or kind == "other") and after.kind == "closed") and not (
                kind == "other" and "held the transaction" in after.text):  # it said that it was in one
            return f"{kind} {out.text}, and the next statement got {after}"
        if lane.node.misused:
            return f"{kind} {out.text}, and the connection was used on: {lane.node.misused}"
        return None


def said_by_node(out, fault, sent):
    """The node's own error, whatever is in it, is passed on; nobody has a cursor if the node says so."""
    message = out.data[4 + 1 + 2 + 1 + 5:]  # behind the head of the packet, its mark, number and SQLSTATE
    return " begins with ff" in repr(fault) or message and message in sent or any(
        word in out.text for word in ("odd", "Access denied for user 'x'", "SQL synt", "was killed",
                                      "has no open cursor"))


async def learn(lane, scene):
    """What a good node's client gets, and the bytes of each message."""
    lane.node.said = {}
    good, after = await lane.play(scene, None)
    expected = "error" if "refused" in scene.name else "answer"
    assert good.kind == expected and after.kind == "answer", (scene, good, after)
    missing = set(scene.messages) - set(lane.node.said)
    assert not missing, (scene, missing, lane.node.said, good)
    return good, dict(lane.node.said)


async def play_case(lane, case, good):
    try:
        out, after = await lane.play(case.scene, Break(case.message, case.fault))
    except Exception as fault:  # told with its case
        return f"{case}: {fault!r}"
    wrong = case.judge(lane, good[case.scene], out, after)
    return wrong and f"{case}: {wrong}"


async def play_all(lanes, cases, good, wrong):
    """Each lane takes the next case that it can play."""
    left = list(reversed(cases))
    told = time.monotonic()

    async def work(lane):
        nonlocal told
        while left:
            case = left.pop()
            began = time.monotonic()
            if ALL and began > told + 30:
                told = began
                print(f"{len(cases) - len(left)} of {len(cases)} cases, {len(wrong)} wrong", flush=True)
            found = await play_case(lane, case, good)
            took = time.monotonic() - began
            if took > 40 * PATIENCE and not found:
                found = f"{case}: it took {took:.1f} s"
            if found:
                wrong.append(found)
            if len(wrong) > 60:
                left.clear()

    await asyncio.gather(*(work(lane) for lane in lanes))


def all_is_gone(farm):
    def left():
        pool = farm.console.rows("SELECT * FROM stats_mysql_connection_pool WHERE hostgroup >= 100")
        return [row for row in pool if row["ConnUsed"] or row["ConnFree"]]
    wait_until(lambda: farm.console.status("Client_Connections_connected") == 0, 20, "all clients to be gone")
    wait_until(lambda: not left(), 20, "no connections to bad nodes")
    farm.proxy.check_alive()


def play(farm, cases_of, lanes=LANES):
    """Play what cases_of(scene, message, bytes, rng) gives, in so many lanes at once."""
    rng = random.Random(SEED)
    plain, tls = farm.lanes[:lanes], farm.lanes[LANES:][:lanes]
    good, cases = {}, {False: [], True: []}
    for scene in SCENES:
        lane = (tls if scene.tls else plain)[0]
        good[scene], said = farm.run(learn(lane, scene))
        for message in scene.messages:
            made = [Case(scene, message, fault) for fault in cases_of(scene, message, said[message], rng)]
            cases[scene.tls] += [case for case in made if ONLY in repr(case)]
    cases = {tls: some[PART - 1::PARTS] for tls, some in cases.items()}
    all_is_gone(farm)
    wrong, witness = [], Witness(farm.proxy)

    async def work():
        is_over = asyncio.Event()
        watching = asyncio.ensure_future(witness.work(is_over))
        await asyncio.gather(play_all(plain, cases[False], good, wrong), play_all(tls, cases[True], good, wrong))
        is_over.set()
        await watching

    began, rss = time.monotonic(), farm.proxy.rss_kb()
    farm.run(work())
    assert witness.longest < 5 * PATIENCE, f"the witness waited {witness.longest:.1f} s"
    assert witness.most_kb < rss + GROWTH_KB, f"resident memory grew from {rss} to {witness.most_kb} KB"
    print(f"seed {SEED}: {len(cases[False])} + {len(cases[True])} cases in {time.monotonic() - began:.1f} s, "
          f"the witness waited {witness.longest:.3f} s at most in {witness.n} statements, "
          f"memory {rss} -> {witness.most_kb} KB")
    assert not wrong, f"{len(wrong)} cases:\n" + "\n".join(sorted(wrong)[:60])
    all_is_gone(farm)
    return witness


def places(data):
    """Every byte; of what lies within long rows and files, some."""
    return [*range(min(300, len(data))), *range(300, len(data) - 50, 4111), *range(max(300, len(data) - 50), len(data))]


def test_cuts(farm):
    def cases(scene, message, data, rng):
        return sample(rng, [Cut(at, then) for at in places(data) for then in ENDINGS], 12)
    play(farm, cases)


def sample(rng, faults, most):
    return faults if ALL else rng.sample(faults, min(len(faults), most))


def test_changes(farm):
    """Wrong numbers, lengths and first bytes, garbage; packets that are missing, empty, twice."""
    play(farm, lambda scene, message, data, rng: sample(rng, bad_node.changes(data, rng), 12))


def test_answers_that_nobody_asked_for(farm):
    """Behind a whole answer: its client has it; the connection is nobody's any more.

    Not where more may come (a file is asked for), or where the next statement is on its way already.
    """
    answers = {*bad_node.ANSWERS, "prepared", "executed", "fetched", "fields"}

    def cases(scene, message, data, rng):
        if scene.tls or message in ("infile", "file taken", "option"):
            return []
        faults = bad_node.unasked(data, message in answers)
        if message == "user ok":  # what sets the session up is sent along: an OK too many may be its answer
            faults = [fault for fault in faults if fault.what not in bad_node.UNASKED_OKS]
        return faults
    play(farm, cases)


def test_silence(farm):
    """Who waits for a node that says nothing more waits only so long."""
    def cases(scene, message, data, rng):
        return sample(rng, [Cut(at, "silent") for at in places(data)], 1)
    play(farm, cases)


def test_without_end(farm):
    """What never ends takes no memory, and ends when its client leaves, or by a timeout."""
    logins = {"greeting", "login ok", "switch", "full", "key", "user switch", "user ok"}
    answers = {"rows", "prepared", "fields", "setup", "schema", "option", "set", "last id", "found rows"}

    def cases(scene, message, data, rng):
        if message in logins:
            return sample(rng, bad_node.endless_logins(), 4)
        most = 0 if message not in answers else 10 if scene.name == "rows of a write" else 4
        return sample(rng, bad_node.endless_answers(), most) if most else []
    play(farm, cases, lanes=10)


# ---------------------------------------------------------------- Galeway's own questions

class Some(bad_node.Fault):
    """A fault of a seed, chosen when the message is seen: a cut, a change, or no end."""

    def __init__(self, seed):
        self.seed = seed

    async def play(self, conn, data):
        rng = random.Random(self.seed)
        kind = rng.randrange(5)
        if kind < 2:
            fault = Cut(rng.randrange(len(data)), rng.choice((*ENDINGS, "silent")))
        elif kind < 4:
            fault = rng.choice(bad_node.changes(data, rng))
        else:
            fault = rng.choice(bad_node.endless_answers() + bad_node.endless_logins())
        self.goes_on = fault.goes_on
        await fault.play(conn, data)


class Asked:
    """A proxy whose readers are behind a Middle each: monitor, follower and users come that way, too."""

    def __init__(self, make, cluster):
        self.loop = asyncio.new_event_loop()
        self.middles = [self.run(bad_node.Middle(cluster.port(n)).start()) for n in NODES]
        self.proxy = make(
            servers=[{"address": "127.0.0.1", "port": m.port, "hostgroup": 10, "max_connections": 20,
                      "weight": 1000 - i} for i, m in enumerate(self.middles)],
            nodes=cluster, variables={
                "monitor_galera_healthcheck_interval": 100, "users_from_hostgroup": 10, "query_cache_auto": True,
                "users_refresh_interval": 1000, "shun_recovery_time_sec": 1, "query_retries_on_failure": 1000})

    def run(self, work):
        return self.loop.run_until_complete(work)

    def state(self):
        """What the proxy knows of its nodes by asking them."""
        console = Console(self.proxy)
        try:
            return [len(console.rows("SELECT DISTINCT port FROM runtime_mysql_servers WHERE status = 'ONLINE' "
                                     "AND hostgroup_id <> 40")),
                    [row["state"] for row in console.rows("SELECT state FROM stats_query_cache_follower")],
                    [row["state"] for row in console.rows("SELECT state FROM stats_users_follow")]]
        finally:
            console.db.close()

    async def well(self, good, seconds=30):
        """Wait until it is as it was; what it is instead, or None."""
        until = time.monotonic() + seconds * PATIENCE
        while True:
            state = await self.loop.run_in_executor(None, self.state)
            if state == good:
                return None
            if time.monotonic() > until:
                return state
            await asyncio.sleep(0.05)

    async def play(self, middle, number, seed):
        """One fault at the packet of this number of a connection; False = none has so many."""
        middle.broken = Break(((b"monitor" if number else b""), number), Some(seed), times=2)
        for conn in list(middle.conns):
            if conn.user == b"monitor":
                conn.writer.transport.abort()
        until = time.monotonic() + 1
        while not middle.broken.played and time.monotonic() < until:
            await asyncio.sleep(0.01)
        if middle.broken.played:
            await asyncio.sleep(0.1)  # so long another connection may meet it, too (times)
        was_played, middle.broken = middle.broken.played, None
        return was_played


@pytest.fixture
def asked(galeway, logging_cluster):
    logging_cluster.sql(1, "GRANT SELECT ON mysql.global_priv TO 'monitor'@'%'")
    asked = Asked(galeway, logging_cluster)
    yield asked
    for middle in asked.middles:
        asked.run(middle.close())
    asked.loop.close()
    logging_cluster.sql(1, "REVOKE SELECT ON mysql.global_priv FROM 'monitor'@'%'")


def test_answers_to_its_own_questions(asked):
    """What monitor, follower and the look-up of users are told: they go on when a node is well again."""
    rng, good = random.Random(SEED), [3, ["current"], ["current"]]
    wrong, witness, played = [], Witness(asked.proxy, may=("answer", "late")), []

    async def lane(middle, numbers):
        for number in numbers:
            seed = rng.randrange(1 << 30)
            if await asked.play(middle, number, seed):
                played.append(number)
            unlike = await asked.well(good)
            if unlike:
                wrong.append(f"packet {number}, seed {seed}: {unlike}")
                return

    async def work():
        assert not await asked.well(good)
        over = asyncio.Event()
        watching = asyncio.ensure_future(witness.work(over))
        await asyncio.gather(*(lane(m, [rng.randrange(i % 60 + 1) for i in range(400 if ALL else 40)])
                               for m in asked.middles[1:]))
        over.set()
        await watching

    began, rss = time.monotonic(), asked.proxy.rss_kb()
    asked.run(work())
    print(f"seed {SEED}: {len(played)} cases in {time.monotonic() - began:.1f} s, the witness waited "
          f"{witness.longest:.3f} s at most in {witness.n} statements, memory {rss} -> {witness.most_kb} KB")
    assert not wrong, "\n".join(wrong)
    assert len(played) > 10
    assert witness.most_kb < rss + 4 * GROWTH_KB, f"resident memory grew from {rss} to {witness.most_kb} KB"
