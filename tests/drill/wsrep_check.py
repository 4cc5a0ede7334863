# SPDX-License-Identifier: Apache-2.0
"""
A health check for HAProxy: wsrep_check.py CHECK_PORT NODE_HOST NODE_PORT ...

200 on CHECK_PORT while the node is Primary, Synced, ready and rejects nothing; 503 otherwise.
"""

import http.server
import sys
import threading

import pymysql

WANTED = {"wsrep_ready": "ON", "wsrep_local_state": "4", "wsrep_cluster_status": "Primary"}


def fault_of(host, port):
    """None for a node that may be used."""
    try:
        connection = pymysql.connect(host=host, port=port, user="monitor",
                                     password="monitor", connect_timeout=1, read_timeout=0.7,
                                     autocommit=None)
        with connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'wsrep%'")
            status = dict(cursor.fetchall())
            cursor.execute("SHOW GLOBAL VARIABLES LIKE 'wsrep_reject_queries'")
            if cursor.fetchone()[1] != "NONE":
                return "rejects queries"
    except (pymysql.Error, OSError) as error:
        return str(error)
    for name, value in WANTED.items():
        if status.get(name) != value:
            return f"{name} is {status.get(name)}"
    return None


def serve(check_port, host, node_port):
    class Handler(http.server.BaseHTTPRequestHandler):
        """One check, one answer."""

        def do_GET(self):  # pylint: disable=invalid-name
            fault = fault_of(host, node_port)
            body = (fault or "synced").encode()
            self.send_response(503 if fault else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", check_port), Handler).serve_forever()


def main():
    for check_port, host, port in zip(*[iter(sys.argv[1:])] * 3):
        threading.Thread(target=serve, args=(int(check_port), host, int(port)),
                         daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
