#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# node.sh - the database server that the benchmark loads: a Galera cluster of one node.
#
#   node.sh start DIR PORT     returns when it answers; user galeway, password galeway
#   node.sh stop DIR
#
# One node, because the load, the proxy and the server share the same cores: two more nodes would
# only add noise. DIR keeps the data for the next run. Galera's own ports are PORT + 10 and + 11.

set -euo pipefail

say() { printf 'node: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The server never runs as root: its files belong to user mysql.
as_mysql() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=mysql --regid=mysql --init-groups "$@"
    fi
    exec "$@"
}

library() {
    local file
    for file in /usr/lib/galera/libgalera_smm.so /usr/lib/*/galera/libgalera_smm.so; do
        [ ! -e "$file" ] || { echo "$file"; return; }
    done
    die "galera-4 is not installed"
}

write_config() {
    local options
    options="base_port=$((port + 10));gmcast.listen_addr=tcp://127.0.0.1:$((port + 10))"
    options+=";ist.recv_addr=127.0.0.1:$((port + 11));gcache.size=64M"
    cat >"$dir/my.cnf" <<CNF
[mysqld]
datadir = $dir/data
socket = $dir/sock
pid_file = $dir/mariadbd.pid
log_error = $dir/error.log
bind_address = 127.0.0.1
port = $port
skip_name_resolve = ON
character_set_server = utf8mb4
collation_server = utf8mb4_general_ci
max_connections = 6000
back_log = 4096
open_files_limit = 20000
table_open_cache = 4000
thread_cache_size = 256
performance_schema = OFF
innodb_buffer_pool_size = 512M
innodb_log_file_size = 128M
innodb_flush_log_at_trx_commit = 0
innodb_autoinc_lock_mode = 2
binlog_format = ROW
wsrep_on = ON
wsrep_provider = $(library)
wsrep_cluster_name = bench
wsrep_cluster_address = gcomm://
wsrep_node_name = bench
wsrep_node_address = 127.0.0.1:$((port + 10))
wsrep_provider_options = "$options"
CNF
}

make_data() {
    [ ! -e "$dir/complete" ] || return 0
    rm -rf "$dir/data"
    cat >"$dir/accounts.sql" <<'SQL'
FLUSH PRIVILEGES;
CREATE USER 'galeway'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('galeway');
GRANT ALL PRIVILEGES ON *.* TO 'galeway'@'%' WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';
SQL
    [ "$(id -u)" != 0 ] || chown mysql:mysql "$dir" "$dir/accounts.sql"
    (as_mysql mariadb-install-db --no-defaults --datadir="$dir/data" --skip-test-db \
        --auth-root-authentication-method=normal --skip-name-resolve \
        --extra-file="$dir/accounts.sql" >"$dir/install.log" 2>&1) ||
        { cat "$dir/install.log" >&2; die "mariadb-install-db failed"; }
    touch "$dir/complete"
}

answers() {
    mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --port="$port" --user=galeway \
        --password=galeway --connect-timeout=2 -BNe "SHOW STATUS LIKE 'wsrep_ready'" 2>/dev/null |
        grep -q ON
}

# The process, checked by its command line: a recycled pid is not ours.
running() {
    local pid
    pid=$(cat "$dir/pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/my.cnf" || return 1
    echo "$pid"
}

start() {
    local deadline=$((SECONDS + 60)) pid
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    pid=$(running) && die "already running (pid $pid)"
    ! answers || die "port $port is in use"
    write_config
    make_data
    [ "$(id -u)" != 0 ] || chown mysql:mysql "$dir"
    (as_mysql setsid mariadbd --defaults-file="$dir/my.cnf" --wsrep-new-cluster) \
        </dev/null >/dev/null 2>"$dir/stderr.log" &
    echo $! >"$dir/pid"
    disown
    until answers; do
        kill -0 "$(cat "$dir/pid")" 2>/dev/null && [ $SECONDS -lt $deadline ] ||
            { tail -20 "$dir/error.log" >&2; stop; die "the server did not come up"; }
        sleep 0.1
    done
}

stop() {
    local pid deadline=$((SECONDS + 30))
    pid=$(running) || return 0
    kill -TERM "$pid"
    while running >/dev/null; do
        [ $SECONDS -lt $deadline ] || { say "killed, it did not end"; kill -KILL "$pid"; }
        sleep 0.1
    done
    rm -f "$dir/pid"
}

command=${1:-}
dir=${2:-}
port=${3:-0}
case $command in
start) [ "$port" -gt 0 ] || die "usage: node.sh start DIR PORT"; start ;;
stop) dir=$(cd "$dir" && pwd); stop ;;
*) die "usage: node.sh start DIR PORT | stop DIR" ;;
esac
