#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# cluster.sh - a three-node MariaDB Galera cluster on loopback, without any system service.
#
#   cluster.sh start|stop|status [DIR]             all nodes; start is a no-op when they run
#   cluster.sh kill|freeze|thaw|restart N [DIR]    one node (1, 2 or 3)
#   cluster.sh shut|wipe N [DIR]                   a clean end; the same, and it forgets its state:
#                                                  its next start takes a snapshot (SST)
#
# DIR (default var/cluster) holds everything: one folder a node (my.cnf, data, error.log, pid),
# the template of a fresh data directory, and cluster.env with the facts a client needs.
# Environment: BASE_PORT (default 3311) is the port of node 1; 2 and 3 follow. Galera's own
# ports are derived from it, so clusters need BASE_PORTs that are at least 50 apart. NODE_OPTIONS
# are more options for a node that `restart` starts while others run (--wsrep-sst-donor=node1).
# NODE_CONFIG are more lines for the my.cnf of every node ("log_bin = binlog"); DIR remembers them.
#
# All nodes begin with copies of one data directory that has been a cluster of one node, so the
# first start needs no snapshot transfer, only the incremental one (of a few view changes).

set -euo pipefail

NODES=(1 2 3)
START_TIMEOUT=${START_TIMEOUT:-120}
STOP_TIMEOUT=${STOP_TIMEOUT:-20}

say() { printf 'cluster: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---------------------------------------------------------------- names and numbers

node_dir()    { echo "$DIR/node$1"; }
node_data()   { echo "$DIR/node$1/data"; }
node_log()    { echo "$DIR/node$1/error.log"; }
node_port()   { echo $((BASE_PORT + $1 - 1)); }
# NODE_NET ("10.9.0.") gives each node its own address for clients; the group stays on loopback.
node_host()   { if [ -n "${NODE_NET:-}" ]; then echo "$NODE_NET$1"; else echo 127.0.0.1; fi; }
node_socket() { echo "$SOCKET_DIR/n$1.sock"; }
galera_port() { echo $((BASE_PORT + 10 * $1)); }

# The process of a node, checked by its command line: a recycled pid is not our node.
node_pid() {
    local pid
    pid=$(cat "$(node_dir "$1")/pid" 2>/dev/null) || return 1
    [ -n "$pid" ] || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$(node_dir "$1")/my.cnf" || return 1
    echo "$pid"
}

node_sql() {
    mariadb --no-defaults --user=root --connect-timeout=2 --socket="$(node_socket "$1")" \
        --batch --skip-column-names --execute="$2" 2>/dev/null
}

# A frozen node would let the client hang; it has no state that it could tell.
node_frozen() { [ "$(ps -o state= -p "$1" 2>/dev/null | tr -d ' ')" = T ]; }

node_synced() {
    [ "$(node_sql "$1" "SHOW STATUS LIKE 'wsrep_local_state'" | cut -f2)" = 4 ]
}

# Nodes never run as root: rsync's daemon drops root in a state transfer.
AS_MYSQL=()
[ "$(id -u)" != 0 ] || AS_MYSQL=(setpriv --reuid=mysql --regid=mysql --init-groups)

as_mysql() { "${AS_MYSQL[@]}" "$@"; }

# wait_for SECONDS WHAT COMMAND... - poll a condition, with a line of progress now and then.
wait_for() {
    local limit=$1 what=$2 began=$SECONDS told=$SECONDS
    shift 2
    until "$@"; do
        [ $((SECONDS - began)) -lt "$limit" ] || { say "gave up after $limit s: $what"; return 1; }
        if [ $((SECONDS - told)) -ge 5 ]; then
            told=$SECONDS
            say "waiting for $what ($((SECONDS - began)) s)"
        fi
        sleep 0.1
    done
}

# ---------------------------------------------------------------- data directories

choose_socket_dir() {
    # sun_path holds 107 characters; a long DIR gets a short folder under /tmp, on record.
    if [ -s "$DIR/socket_dir" ]; then
        SOCKET_DIR=$(cat "$DIR/socket_dir")
        mkdir -p "$SOCKET_DIR"
    elif [ ${#DIR} -gt 90 ]; then
        SOCKET_DIR=$(mktemp -d /tmp/galeway-XXXXXX)
        echo "$SOCKET_DIR" >"$DIR/socket_dir"
    else
        SOCKET_DIR=$DIR
    fi
    give_to_mysql "$SOCKET_DIR"
    chmod 755 "$SOCKET_DIR"
}

give_to_mysql() { [ "$(id -u)" != 0 ] || chown mysql:mysql "$@"; }

accounts_sql() {
    cat <<'SQL'
FLUSH PRIVILEGES;
CREATE DATABASE wp_1;
CREATE USER 'wp_1'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('password');
GRANT ALL PRIVILEGES ON wp_1.* TO 'wp_1'@'%';
CREATE USER 'monitor'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('monitor');
GRANT BINLOG MONITOR ON *.* TO 'monitor'@'%';
CREATE USER 'galeway'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('galeway');
GRANT ALL PRIVILEGES ON *.* TO 'galeway'@'%' WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host <> 'localhost';
DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';
SQL
}

# InnoDB must know the position too, and only a node that has been a member writes it there.
give_position_to_template() {
    make_node 1
    launch_node 1 --wsrep-new-cluster
    await_node 1
    terminate_nodes 1
    rm -rf "$DIR/template/data" "$(node_data 1)/galera.cache"
    mv "$(node_data 1)" "$DIR/template/data"
    rm -f "$(node_dir 1)/complete"
}

make_template() {
    [ ! -e "$DIR/template/complete" ] || return 0
    say "making a data directory"
    rm -rf "$DIR/template"
    mkdir "$DIR/template"
    accounts_sql >"$DIR/template/accounts.sql"
    give_to_mysql "$DIR/template"
    as_mysql mariadb-install-db --no-defaults --datadir="$DIR/template/data" \
        --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve \
        --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
        --innodb-log-file-size=32M --extra-file="$DIR/template/accounts.sql" \
        >"$DIR/template/install.log" 2>&1 ||
        { cat "$DIR/template/install.log" >&2; die "mariadb-install-db failed"; }
    give_position_to_template
    touch "$DIR/template/complete"
}

write_node_config() {
    local n=$1 p
    p=$(galera_port "$n")
    cat >"$(node_dir "$n")/my.cnf" <<CNF
[mysqld]
datadir = $(node_data "$n")
tmpdir = $(node_dir "$n")/tmp
socket = $(node_socket "$n")
pid_file = $(node_dir "$n")/mariadbd.pid
log_error = $(node_log "$n")
bind_address = $(node_host "$n")
port = $(node_port "$n")
skip_name_resolve = ON
character_set_server = utf8mb4
collation_server = utf8mb4_general_ci
max_connections = 1000
max_connect_errors = 1000000000
max_allowed_packet = 128M
open_files_limit = 8192
table_open_cache = 1000
performance_schema = OFF
innodb_buffer_pool_size = 64M
innodb_log_file_size = 32M
innodb_flush_log_at_trx_commit = 0
innodb_autoinc_lock_mode = 2
binlog_format = ROW

wsrep_on = ON
wsrep_provider = $(galera_library)
wsrep_cluster_name = galeway
wsrep_cluster_address = gcomm://$(cluster_address)
wsrep_node_name = node$n
wsrep_node_address = 127.0.0.1:$p
wsrep_sst_receive_address = 127.0.0.1:$((p + 2))
wsrep_sst_method = rsync
wsrep_slave_threads = 2
wsrep_provider_options = "base_port=$p;gmcast.listen_addr=tcp://127.0.0.1:$p;ist.recv_addr=127.0.0.1:$((p + 1));gcache.size=64M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S"
CNF
    [ ! -e "$DIR/extra.cnf" ] || cat "$DIR/extra.cnf" >>"$(node_dir "$n")/my.cnf"
}

galera_library() {
    local f
    for f in /usr/lib/galera/libgalera_smm.so /usr/lib/*/galera/libgalera_smm.so; do
        [ ! -e "$f" ] || { echo "$f"; return; }
    done
    die "galera-4 is not installed"
}

cluster_address() {
    local n list=
    for n in "${NODES[@]}"; do list+=,127.0.0.1:$(galera_port "$n"); done
    echo "${list#,}"
}

make_node() {
    local n=$1 d
    d=$(node_dir "$n")
    mkdir -p "$d"
    rm -rf "$d/tmp"
    mkdir "$d/tmp"
    if [ ! -e "$d/complete" ]; then
        rm -rf "$d/data"
        cp -a "$DIR/template/data" "$d/data"
        touch "$d/complete"
    fi
    give_to_mysql "$d" "$d/tmp"
    write_node_config "$n"
}

write_env() {
    local n
    {
        echo "CLUSTER_DIR=$DIR"
        echo "BASE_PORT=$BASE_PORT"
        for n in "${NODES[@]}"; do
            echo "NODE${n}_PORT=$(node_port "$n")"
            echo "NODE${n}_SOCKET=$(node_socket "$n")"
            echo "NODE${n}_LOG=$(node_log "$n")"
        done
        echo "ADMIN_USER=galeway"
        echo "ADMIN_PASSWORD=galeway"
        echo "MONITOR_USER=monitor"
        echo "MONITOR_PASSWORD=monitor"
        echo "SITE_SCHEMA=wp_1"
        echo "SITE_USER=wp_1"
        echo "SITE_PASSWORD=password"
    } >"$DIR/cluster.env"
}

# ---------------------------------------------------------------- which node goes first

grastate_field() { sed -n "s/^$2: *//p" "$(node_data "$1")/grastate.dat" 2>/dev/null; }

# uuid:seqno of a stopped node. After a crash grastate.dat has no seqno; InnoDB knows it.
node_position() {
    local seqno d
    d=$(node_dir "$1")
    seqno=$(grastate_field "$1" seqno)
    if [ -n "$seqno" ] && [ "$seqno" != -1 ]; then
        echo "$(grastate_field "$1" uuid):$seqno"
        return
    fi
    as_mysql mariadbd --defaults-file="$d/my.cnf" --wsrep-recover \
        --log-error="$d/recover.log" >/dev/null 2>&1 || true
    sed -n 's/.*Recovered position: *\([0-9a-f-]*:[0-9-]*\).*/\1/p' "$d/recover.log" | tail -1
}

most_advanced_node() {
    local n position best=1 best_seqno=-2
    for n in "${NODES[@]}"; do
        if [ "$(grastate_field "$n" safe_to_bootstrap)" = 1 ]; then
            echo "$n"
            return
        fi
    done
    for n in "${NODES[@]}"; do
        position=$(node_position "$n")
        position=${position##*:}
        [ "${position:--1}" -le "$best_seqno" ] || { best=$n; best_seqno=${position:--1}; }
    done
    echo "$best"
}

some_node_runs() {
    local n
    for n in "${NODES[@]}"; do ! node_pid "$n" >/dev/null || return 0; done
    return 1
}

# ---------------------------------------------------------------- processes

launch_node() {
    local n=$1 position
    shift
    position=$(node_position "$n")
    check_port_free "$n"
    # Its own session: Ctrl-C in a terminal reaches this script, which decides what to stop.
    # No function call here: $! must be the process that becomes mariadbd.
    "${AS_MYSQL[@]}" setsid mariadbd --defaults-file="$(node_dir "$n")/my.cnf" \
        ${position:+--wsrep-start-position="$position"} "$@" \
        </dev/null >/dev/null 2>"$(node_dir "$n")/stderr.log" 9>&- &
    echo $! >"$(node_dir "$n")/pid"
    disown
    # Until its exec it looks like this script: it would be taken for dead.
    until node_pid "$n" >/dev/null || ! kill -0 "$(cat "$(node_dir "$n")/pid")" 2>/dev/null; do
        sleep 0.01
    done
    STARTED+=("$n")
}

check_port_free() {
    local p
    for p in "$(node_port "$1")" "$(galera_port "$1")"; do
        if ss -Hltn "sport = :$p" | grep -q .; then
            die "node $1 needs port $p, which is in use (BASE_PORT=$BASE_PORT)"
        fi
    done
}

node_synced_or_dead() { node_synced "$1" || ! node_pid "$1" >/dev/null; }

await_node() {
    if wait_for "$START_TIMEOUT" "node $1 to be synced" node_synced_or_dead "$1" &&
        node_pid "$1" >/dev/null; then
        return 0
    fi
    say "node $1 did not come up; the end of $(node_log "$1"):"
    tail -25 "$(node_log "$1")" >&2 || true
    cat "$(node_dir "$1")/stderr.log" >&2 || true
    return 1
}

bootstrap_node() {
    sed -i 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' "$(node_data "$1")/grastate.dat"
    launch_node "$1" --wsrep-new-cluster
}

node_gone() { ! node_pid "$1" >/dev/null; }

# The whole session, so that no state transfer script or rsync survives its node.
kill_node() {
    local pid
    pid=$(node_pid "$1") && kill -KILL -- "-$pid"
}

# terminate_nodes N... - ask all of them at once, then wait; a node that hangs is killed.
terminate_nodes() {
    local n pid
    for n in "$@"; do
        pid=$(node_pid "$n") || continue
        kill -TERM "$pid" 2>/dev/null || true
        kill -CONT "$pid" 2>/dev/null || true
    done
    for n in "$@"; do
        if ! wait_for "$STOP_TIMEOUT" "node $n to end" node_gone "$n"; then
            say "node $n is killed"
            kill_node "$n" || true
            wait_for 10 "node $n to vanish" node_gone "$n"
        fi
        rm -f "$(node_dir "$n")/pid"
    done
}

# ---------------------------------------------------------------- commands

give_up_start() {
    trap '' INT TERM
    trap - EXIT
    STOP_TIMEOUT=3 # a node that is still joining does not listen to SIGTERM
    say "start interrupted or failed: stopping what was started"
    [ ${#STARTED[@]} -eq 0 ] || terminate_nodes "${STARTED[@]}"
    exit 1
}

all_synced() {
    local n pid
    for n in "${NODES[@]}"; do
        pid=$(node_pid "$n") && ! node_frozen "$pid" && node_synced "$n" || return 1
    done
}

prepare() {
    command -v mariadbd >/dev/null || die "mariadbd is not installed (see tests/setup/packages.sh)"
    [ -z "${NODE_CONFIG:-}" ] || printf '%s\n' "$NODE_CONFIG" >"$DIR/extra.cnf"
    make_template
    # A node that runs keeps its files: temporary tables are among them.
    for n in "${NODES[@]}"; do node_pid "$n" >/dev/null || make_node "$n"; done
    as_mysql test -r "$(node_data 1)/grastate.dat" ||
        die "user mysql cannot reach $DIR: a folder above it is closed to others"
}

cmd_start() {
    local n first
    if [ -e "$DIR/cluster.env" ] && all_synced; then
        say "already running, ports $(node_port 1)-$(node_port 3)"
        return
    fi
    trap give_up_start INT TERM EXIT
    prepare
    if ! some_node_runs; then
        first=$(most_advanced_node)
        bootstrap_node "$first"
        await_node "$first"
    fi
    for n in "${NODES[@]}"; do
        node_pid "$n" >/dev/null || launch_node "$n"
    done
    for n in "${NODES[@]}"; do await_node "$n"; done
    write_env
    trap - INT TERM EXIT
    say "three nodes synced after $SECONDS s, ports $(node_port 1)-$(node_port 3)"
}

cmd_stop() {
    some_node_runs || { say "not running"; clean_sockets; return; }
    # Node 1 leaves last, so that it may bootstrap; the others can go together.
    terminate_nodes 2 3
    terminate_nodes 1
    clean_sockets
    say "stopped"
}

clean_sockets() {
    rm -f "$DIR/cluster.env"
    if [ -s "$DIR/socket_dir" ]; then
        rm -rf "$(cat "$DIR/socket_dir")"
        rm -f "$DIR/socket_dir"
    fi
}

cmd_status() {
    local n pid state all=0
    for n in "${NODES[@]}"; do
        if ! pid=$(node_pid "$n"); then
            state=down all=1
        elif node_frozen "$pid"; then
            state=frozen all=1
        else
            state=$(node_sql "$n" "SHOW STATUS LIKE 'wsrep_local_state_comment'" | cut -f2)
            [ "$state" = Synced ] || all=1
        fi
        echo "node$n port $(node_port "$n") pid ${pid:--} ${state:-starting}"
    done
    return $all
}

need_pid() { node_pid "$1" || die "node $1 does not run"; }

cmd_kill() {
    kill_node "$1" || die "node $1 does not run"
    wait_for 10 "node $1 to vanish" node_gone "$1"
    rm -f "$(node_dir "$1")/pid"
}

cmd_freeze() {
    local pid
    pid=$(need_pid "$1")
    kill -STOP "$pid"
    wait_for 10 "node $1 to freeze" node_frozen "$pid"
}

cmd_thaw() {
    local pid
    pid=$(need_pid "$1")
    kill -CONT "$pid"
}

cmd_restart() {
    trap give_up_start INT TERM EXIT
    terminate_nodes "$1"
    prepare
    if some_node_runs; then
        # shellcheck disable=SC2086 # several words
        launch_node "$1" ${NODE_OPTIONS:-}
    else
        bootstrap_node "$1"
    fi
    await_node "$1"
    write_env
    trap - INT TERM EXIT
    say "node $1 synced"
}

cmd_shut() {
    need_pid "$1" >/dev/null
    terminate_nodes "$1"
}

cmd_wipe() {
    terminate_nodes "$1"
    rm -rf "$(node_data "$1")" "$(node_dir "$1")/recover.log" # the log names the old position
    mkdir "$(node_data "$1")"
    give_to_mysql "$(node_data "$1")"
}

usage() {
    die "usage: cluster.sh start|stop|status [DIR] | kill|freeze|thaw|restart|shut|wipe N [DIR]"
}

main() {
    local command=${1:-} node=
    shift || usage
    case $command in
    start | stop | status) ;;
    kill | freeze | thaw | restart | shut | wipe)
        node=${1:-}
        case $node in 1 | 2 | 3) shift ;; *) usage ;; esac
        ;;
    *) usage ;;
    esac
    DIR=${1:-var/cluster}
    STARTED=()
    mkdir -p "$DIR"
    DIR=$(cd "$DIR" && pwd)
    recall_base_port
    exec 9>"$DIR/lock"
    flock -w 300 9 || die "another command holds $DIR/lock"
    choose_socket_dir
    "cmd_$command" ${node:+"$node"}
}

# A running cluster keeps the port it was started with.
recall_base_port() {
    local kept
    kept=$(sed -n 's/^BASE_PORT=//p' "$DIR/cluster.env" 2>/dev/null || true)
    BASE_PORT=${BASE_PORT:-${kept:-3311}}
}

main "$@"
