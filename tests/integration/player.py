# SPDX-License-Identifier: Apache-2.0
"""player - plays a sequence on one target and records every packet of every answer."""
import dataclasses
import re
import struct

import sequences
import wire
from util import Direct, wait_until
from wire import Packet

CLOSED = Packet(-1, b"<closed by the server>")
STATEMENT_ID = b"<statement id>"


@dataclasses.dataclass
class Record:
    """A step and the packets of its answer."""
    step: str
    packets: list


class Connection:
    def __init__(self, client):
        self.client = client
        self.statements = {}
        self.pending = None
        self.open = True


class Player:
    def __init__(self, cluster, target, schema, sequence):
        self.cluster = cluster
        self.target = target
        self.schema = schema
        self.sequence = sequence
        self.connections = {}
        self.records = []

    def play(self):
        try:
            self._connect("main", {})
            refused = not self.connections
            assert refused == self.sequence.login_fails, f"login: {self.records[-1].packets}"
            if refused:
                return self.records
            for step in self.sequence.steps:
                self._step("main", step, str(step)[:300], [])
        finally:
            for connection in self.connections.values():
                connection.client.close()
        return self.records

    # -- connections

    def _connect(self, name, options):
        sequence = self.sequence
        options = {"user": sequence.user, "db": sequence.db, "charset": sequence.charset,
                   "caps": wire.DEFAULT_CAPS | sequence.caps, **options}
        options.setdefault("password", options["user"])
        if options["db"] is not None:
            options["db"] = self._text(options["db"])
        try:
            client = wire.Client(port=self.target.port, **options)
        except wire.ServerError as error:
            self.records.append(Record(f"login of {name}", [Packet(0, error.payload)]))
            return
        self.connections[name] = Connection(client)
        # The greeting has a random salt and the thread id; test_greeting.py compares the rest.
        self.records.append(Record(f"login of {name}",
                                   [wire.in_order(p) for p in client.login_packets[1:]]))

    def _connection(self, name):
        if name not in self.connections:
            self._connect(name, {})
        return self.connections[name]

    def _text(self, value):
        if isinstance(value, bytes):
            return value.replace(b"$db", self.schema.encode())
        value = value.replace("$db", self.schema)
        value = re.sub(r"\$id\((\w+)\)",
                       lambda m: str(self._connection(m.group(1)).client.thread_id), value)
        if "$id" in value:
            value = value.replace("$id", str(self._connection("main").client.thread_id))
        return value

    def _bytes(self, value):
        value = self._text(value)
        return value if isinstance(value, bytes) else value.encode()

    # -- steps

    def _step(self, name, step, label, masks):
        if isinstance(step, (str, bytes)):
            step = ("query", step)
        if step[0] == "on":
            return self._step(step[1], step[2], label, masks)
        if step[0] == "masked":
            return self._step(name, step[3], label, masks + [step[1]])
        if step[0] == "connect":
            return self._connect(step[1], step[2])
        if step[0] == "until_running":
            return self._until_running(self._text(step[1]))
        connection = self._connection(name)
        if not connection.open:
            self.records.append(Record(label, [CLOSED]))
            return None
        return self._exchange(connection, step, label, masks)

    def _exchange(self, connection, step, label, masks):
        try:
            if step[0] == "quit":
                connection.client.send(bytes([wire.COM_QUIT]))
                packets = [CLOSED] if connection.client.at_end() else []
                connection.open = False
            elif step[0] == "receive":
                packets = connection.pending()
            elif step[0] == "send":
                inner = step[1] if isinstance(step[1], tuple) else ("query", step[1])
                connection.pending = self._send(connection, *inner)
                packets = []
            else:
                packets = self._send(connection, *step)()
        except (wire.Closed, ConnectionResetError, BrokenPipeError):
            connection.open = False
            packets = [CLOSED]
        self.records.append(Record(label, [_masked(p, masks) for p in packets]))

    def _until_running(self, text):
        def runs():
            # Compared on the node: what others run there may be bytes of any charset.
            return any(self.cluster.sql(n, "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                                           "WHERE COMMAND IN ('Query', 'Execute') "
                                           "AND ID <> CONNECTION_ID() AND LOCATE(%s, INFO)",
                                        (text,))[0][0] for n in (1, 2, 3))
        wait_until(runs, 20, f"a node runs {text!r}", every=0.05)

    def _send(self, connection, kind, *args):
        """Send the command; give back the function that reads its answer."""
        return getattr(self, "_send_" + kind)(connection, *args)

    def _send_query(self, connection, sql):
        connection.client.send(bytes([wire.COM_QUERY]) + self._bytes(sql))
        return connection.client.read_query

    def _send_infile(self, connection, sql, content):
        connection.client.send(bytes([wire.COM_QUERY]) + self._bytes(sql))
        return lambda: connection.client.read_query(content)

    def _send_raw(self, connection, data):
        connection.client.send(self._bytes(data))
        return connection.client.read_one

    def _send_init_db(self, connection, schema):
        connection.client.send(bytes([wire.COM_INIT_DB]) + self._bytes(schema))
        return connection.client.read_one

    def _send_ping(self, connection):
        connection.client.send(bytes([wire.COM_PING]))
        return connection.client.read_one

    def _send_statistics(self, connection):
        connection.client.send(bytes([wire.COM_STATISTICS]))
        return connection.client.read_one

    def _send_set_option(self, connection, option):
        connection.client.send(bytes([wire.COM_SET_OPTION]) + struct.pack("<H", option))
        return connection.client.read_one

    def _send_reset_connection(self, connection):
        connection.client.send(bytes([wire.COM_RESET_CONNECTION]))
        return connection.client.read_one

    def _send_process_kill(self, connection, thread):
        number = int(self._text(thread))
        connection.client.send(bytes([wire.COM_PROCESS_KILL]) + struct.pack("<I", number))
        return connection.client.read_one

    def _send_field_list(self, connection, table, wildcard=""):
        connection.client.send(bytes([wire.COM_FIELD_LIST]) + self._bytes(table) + b"\0"
                               + wildcard.encode())
        return connection.client.read_fields

    def _send_change_user(self, connection, user, password, schema=""):
        packets = connection.client.change_user(user, password, self._text(schema))
        # An auth switch carries a random salt; how many packets there are is compared.
        return lambda: [Packet(p.seq, p.payload[:23]) if p.payload[0] == 0xFE else p
                        for p in packets]

    def _send_prepare(self, connection, statement, sql):
        connection.client.send(bytes([wire.COM_STMT_PREPARE]) + self._bytes(sql))

        def read():
            packets = connection.client.read_prepare()
            first = packets[0].payload
            if first[0] == 0:
                connection.statements[statement] = struct.unpack_from("<I", first, 1)[0]
                packets[0] = Packet(packets[0].seq, first[:1] + STATEMENT_ID + first[5:])
            return packets
        return read

    def _send_execute(self, connection, statement, values=(), options=None):
        options = options or {}
        packet = wire.execute_packet(self._statement(connection, statement),
                                     [self._value(v) for v in values], **options)
        connection.client.send(packet)
        cursor = bool(options.get("cursor"))
        return self._without_id(connection, statement,
                                lambda: connection.client.read_query(cursor=cursor))

    def _value(self, value):
        return self._text(value) if isinstance(value, str) else value

    def _without_id(self, connection, statement, read):
        """Errors name the number that the server gave to the statement; it is an id."""
        text = b"(%d)" % self._statement(connection, statement)
        return lambda: [Packet(p.seq, p.payload.replace(text, STATEMENT_ID))
                        if p.payload[:1] == b"\xff" else p for p in read()]

    @staticmethod
    def _statement(connection, statement):
        """A number stands for itself: a statement id that was never given out."""
        return statement if isinstance(statement, int) else connection.statements[statement]

    def _statement_command(self, connection, command, statement, more=b""):
        number = struct.pack("<I", self._statement(connection, statement))
        connection.client.send(bytes([command]) + number + more)

    def _send_fetch(self, connection, statement, rows):
        self._statement_command(connection, wire.COM_STMT_FETCH, statement,
                                struct.pack("<I", rows))
        return self._without_id(connection, statement, connection.client.read_fetch)

    def _send_long_data(self, connection, statement, parameter, data):
        self._statement_command(connection, wire.COM_STMT_SEND_LONG_DATA, statement,
                                struct.pack("<H", parameter) + data)
        return connection.client.read_none

    def _send_stmt_reset(self, connection, statement):
        self._statement_command(connection, wire.COM_STMT_RESET, statement)
        return self._without_id(connection, statement, connection.client.read_one)

    def _send_stmt_close(self, connection, statement):
        self._statement_command(connection, wire.COM_STMT_CLOSE, statement)
        return connection.client.read_none


def _masked(packet, masks):
    payload = wire.in_order(packet).payload
    for pattern in masks:
        payload = re.sub(pattern, b"<masked>", payload, flags=re.DOTALL)
    return Packet(packet.seq, payload)


# ---------------------------------------------------------------- comparing

def difference(expected, actual):
    """None, or a text for a person: the first step that differs and both answers."""
    for want, got in zip(expected, actual):
        if want.packets != got.packets:
            return _report(want, got)
    if len(expected) != len(actual):
        return f"{len(expected)} answers expected, {len(actual)} came"
    return None


def _report(want, got):
    index = next((i for i, (a, b) in enumerate(zip(want.packets, got.packets)) if a != b),
                 min(len(want.packets), len(got.packets)))
    lines = [f"step {want.step}", f"packet {index} differs "
             f"({len(want.packets)} expected, {len(got.packets)} came)"]
    for title, packets in (("node", want.packets), ("galeway", got.packets)):
        lines.append(f"  {title}:")
        for i in range(max(0, index - 1), min(index + 2, len(packets))):
            mark = ">" if i == index else " "
            lines.append(f"   {mark}{wire.describe(packets[i])}")
    return "\n".join(lines)


def prepare_schema(cluster, name, sequence):
    with cluster.connect(1) as db, db.cursor() as cursor:
        cursor.execute(f"CREATE OR REPLACE DATABASE {name}")
        cursor.execute(f"USE {name}")
        for statement in (sequences.TABLES if sequence.tables else ()) + sequence.setup:
            cursor.execute(statement.replace("$db", name))
    cluster.catch_up()


def compare(cluster, target, name, sequence, player=Player):
    """Play it on a node and on the target, each time in a fresh schema: None, or what differs first."""
    records = []
    try:
        for played_on in (Direct(cluster), target):
            prepare_schema(cluster, name, sequence)
            records.append(player(cluster, played_on, name, sequence).play())
            target.check_alive()
    finally:
        cluster.sql(1, f"DROP DATABASE IF EXISTS {name}")
    return difference(*records)
