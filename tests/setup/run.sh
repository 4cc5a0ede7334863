#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh - what `make run` does.
#
#   run.sh          start a loopback cluster and a WordPress database under var/, write
#                   var/galeway.cnf, run Galeway on it in the foreground; Ctrl-C stops it all
#   run.sh CONF     run Galeway with that file, start nothing else
#
# Environment: GALEWAY_BIN (default build/galeway), BASE_PORT (of the nodes, default 3311),
# PORT (of Galeway, default 6033), ADMIN_PORT (of its console, default 6032).

set -euo pipefail
cd "$(dirname "$0")/../.."

BIN=${GALEWAY_BIN:-build/galeway}
PORT=${PORT:-6033}
ADMIN_PORT=${ADMIN_PORT:-6032}
GALEWAY_PID=
CLUSTER_IS_OURS=no

say() { printf 'run: %s\n' "$*" >&2; }

server_row() { # PORT WEIGHT
    echo "    { address=\"127.0.0.1\", port=$1, hostgroup=10, max_connections=50, weight=$2 }"
}

write_config() {
    cat >var/galeway.cnf <<CNF
# Written by tests/setup/run.sh for the cluster under var/cluster; changes are overwritten.
datadir="$PWD/var"

mysql_variables=
{
    threads=2
    interfaces="127.0.0.1:$PORT;$PWD/var/galeway.sock"
    max_connections=6000
    query_cache_auto=true
    monitor_username="$MONITOR_USER"
    monitor_password="$MONITOR_PASSWORD"
}

admin_variables=
{
    mysql_ifaces="127.0.0.1:$ADMIN_PORT"
}

mysql_servers=
(
$(server_row "$NODE1_PORT" 1000),
$(server_row "$NODE2_PORT" 900),
$(server_row "$NODE3_PORT" 800)
)

mysql_galera_hostgroups=
(
    {
        writer_hostgroup=10, backup_writer_hostgroup=30, reader_hostgroup=20,
        offline_hostgroup=40, active=1, max_writers=1, writer_is_also_reader=2,
        max_transactions_behind=100
    }
)

mysql_users=
(
    { username="$SITE_USER", password="$SITE_PASSWORD", default_hostgroup=10, active=1 },
    { username="$ADMIN_USER", password="$ADMIN_PASSWORD", default_hostgroup=10, active=1 }
)
CNF
}

create_site() {
    mariadb --no-defaults --user=root --socket="$NODE1_SOCKET" <<SQL
CREATE DATABASE IF NOT EXISTS $SITE_SCHEMA;
CREATE USER IF NOT EXISTS '$SITE_USER'@'%' IDENTIFIED BY '$SITE_PASSWORD';
GRANT ALL PRIVILEGES ON $SITE_SCHEMA.* TO '$SITE_USER'@'%';
SQL
}

box() {
    local line rule
    rule=$(printf '%78s' '' | tr ' ' '-')
    echo "+$rule+"
    while IFS= read -r line; do printf '| %-76s |\n' "$line"; done
    echo "+$rule+"
}

show_what_next() {
    local end="Ctrl-C stops all."
    [ "$CLUSTER_IS_OURS" = yes ] || end="The nodes ran before and go on."
    box <<TEXT
Galeway: 127.0.0.1:$PORT. Nodes: $NODE1_PORT $NODE2_PORT $NODE3_PORT. $end

Type in another terminal, in this folder:
  mariadb -h127.0.0.1 -P$PORT -u$SITE_USER -p$SITE_PASSWORD $SITE_SCHEMA

The console (SHOW COMMANDS lists what it can do):
  mariadb -h127.0.0.1 -P$ADMIN_PORT -uadmin -padmin
What SAVE ... TO DISK wrote there, to var/galeway.db, counts more at a start
than var/galeway.cnf: remove var/galeway.db to begin with the file again.

A WordPress site through Galeway, then open http://127.0.0.1:8080/ :
  tests/setup/wordpress.sh install var/site 127.0.0.1:$PORT \\
      $SITE_SCHEMA $SITE_USER $SITE_PASSWORD http://127.0.0.1:8080
  tests/setup/wordpress.sh serve var/site 127.0.0.1:8080

Break something:
  tests/setup/cluster.sh status | kill 2 | restart 2
  tests/setup/cluster.sh freeze 2 | thaw 2
TEXT
}

stop_galeway() {
    [ -z "$GALEWAY_PID" ] || kill -"$1" "$GALEWAY_PID" 2>/dev/null || true
}

# The first Ctrl-C lets Galeway drain, the second one ends it at once.
on_signal() {
    if [ -z "$GALEWAY_PID" ]; then exit 130; fi
    trap 'stop_galeway KILL' INT TERM
    stop_galeway TERM
}

on_exit() {
    trap '' INT TERM
    stop_galeway KILL
    [ "$CLUSTER_IS_OURS" = no ] || tests/setup/cluster.sh stop var/cluster
}

run_galeway() {
    local code=0
    # A session of its own: else the terminal's Ctrl-C would reach it too, as a second signal.
    setsid "$BIN" -c "$1" &
    GALEWAY_PID=$!
    # A trapped signal ends a wait early; the process may still be draining.
    while :; do
        code=0
        wait "$GALEWAY_PID" || code=$?
        kill -0 "$GALEWAY_PID" 2>/dev/null || break
    done
    GALEWAY_PID=
    return "$code"
}

start_cluster() {
    mkdir -p var
    if ! tests/setup/cluster.sh status var/cluster >/dev/null; then
        CLUSTER_IS_OURS=yes
        tests/setup/cluster.sh start var/cluster
    fi
    # shellcheck source=/dev/null
    . var/cluster/cluster.env
}

main() {
    [ -x "$BIN" ] || { say "there is no $BIN; run make first"; exit 1; }
    trap on_signal INT TERM
    trap on_exit EXIT
    if [ $# -gt 0 ]; then
        run_galeway "$1"
        return
    fi
    tests/setup/packages.sh test
    start_cluster
    create_site
    write_config
    show_what_next
    run_galeway var/galeway.cnf
}

main "$@"
