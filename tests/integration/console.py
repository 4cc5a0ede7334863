# SPDX-License-Identifier: Apache-2.0
"""A client of Galeway's console, as most tests want it."""
import pymysql

from util import wait_until


class Console:
    """Rows of the console as dictionaries."""

    def __init__(self, proxy, user="admin"):
        self.port = proxy.admin_port
        self.user = user
        self.db = wait_until(self.connect, what="the console to answer")

    def connect(self):
        try:
            return pymysql.connect(host="127.0.0.1", port=self.port, user=self.user,
                                   password=self.user, autocommit=True, charset="utf8mb4",
                                   cursorclass=pymysql.cursors.DictCursor)
        except pymysql.OperationalError:  # it starts when the workers run
            return None

    def rows(self, sql):
        with self.db.cursor() as cursor:
            cursor.execute(sql)
            return [{k: int(v) if v is not None and v.lstrip("-").isdigit() else v
                     for k, v in row.items()} for row in cursor.fetchall()]

    def row(self, sql):
        rows = self.rows(sql)
        assert len(rows) == 1, (sql, rows)
        return rows[0]

    def value(self, sql):
        (value,) = self.row(sql).values()
        return value

    def status(self, name):
        return self.value("SELECT Variable_Value FROM stats_mysql_global "
                          f"WHERE Variable_Name = '{name}'")

    def digest(self, text, what="*", table="stats_mysql_query_digest"):
        return self.rows(f"SELECT {what} FROM {table} WHERE digest_text = '{text}'")

    def run(self, sql):
        with self.db.cursor() as cursor:
            cursor.execute(sql)
