/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat.h - counters: one set for each worker, padded to cache lines, summed when read.
 *
 * Only the owning thread writes a set (relaxed stores, no lock prefix); anybody may read.
 */
#ifndef BASE_STAT_H
#define BASE_STAT_H

#include <stdatomic.h>

#include "base/base.h"

/*     id, name as ProxySQL's SHOW STATUS has it or ours, help */
#define STAT_TABLE(X)                                                                             \
    X(STAT_CLIENTS_ACCEPTED, "Client_Connections_created", "clients accepted")                    \
    X(STAT_CLIENTS_CONNECTED, "Client_Connections_connected", "clients connected now")            \
    X(STAT_CLIENTS_ABORTED, "Client_Connections_aborted", "clients refused or cut off")           \
    X(STAT_LOGIN_FAILED, "Access_Denied_Wrong_Password", "logins refused")                        \
    X(STAT_REFUSED_MAX_CONNECTIONS, "Access_Denied_Max_Connections", "refused with 1040")         \
    X(STAT_REFUSED_USER_LIMIT, "Access_Denied_Max_User_Connections", "refused with 1226")         \
    X(STAT_REFUSED_DESCRIPTORS, "Access_Denied_Descriptors", "refused: too few descriptors")      \
    X(STAT_ACCEPT_FAILED, "Accept_failures", "times ports were closed for want of descriptors")   \
    X(STAT_REFUSED_HOST_CLIENTS, "Access_Denied_Max_Address_Connections",                         \
      "refused: too many clients of one address")                                                 \
    X(STAT_REFUSED_RATE, "Access_Denied_Max_Connects_Per_Sec", "refused: too many in a second")   \
    X(STAT_REFUSED_BLOCKED, "Access_Denied_Blocked_Host", "refused: failed logins of an address") \
    X(STAT_LOGIN_TIMEOUTS, "Login_timeouts", "logins that took too long")                         \
    X(STAT_IDLE_TIMEOUTS, "Idle_timeouts", "clients closed after mysql-wait_timeout")             \
    X(STAT_WRITE_TIMEOUTS, "Write_timeouts", "clients closed after mysql-net_write_timeout")      \
    X(STAT_READ_TIMEOUTS, "Read_timeouts", "clients closed after mysql-net_read_timeout")         \
    X(STAT_PACKETS_REFUSED, "Packets_refused", "packets above mysql-max_allowed_packet")          \
    X(STAT_STMTS_REFUSED, "Com_stmt_prepare_refused", "prepared statements above the limit")      \
    X(STAT_QUEUE_REFUSED, "Queue_refused", "statements that found the queue full")                \
    X(STAT_PROXY_HEADERS, "Proxy_headers", "PROXY headers of load balancers taken")               \
    X(STAT_PROXY_REFUSED, "Proxy_headers_refused", "malformed, missing, or not believed")         \
    X(STAT_SERVERS_CREATED, "Server_Connections_created", "server connections opened")            \
    X(STAT_SERVERS_CONNECTED, "Server_Connections_connected", "server connections now")           \
    X(STAT_SERVERS_ABORTED, "Server_Connections_aborted", "server connections lost or failed")    \
    X(STAT_CONNECTS_THROTTLED, "Server_Connections_throttled", "not opened in this second")       \
    X(STAT_SERVERS_MOVED, "Server_Connections_moved", "server connections moved between workers") \
    X(STAT_QUESTIONS, "Questions", "commands of clients")                                         \
    X(STAT_ANSWERED_HERE, "Answered_here", "commands answered without a node")                    \
    X(STAT_TO_WRITER, "To_writer", "statements sent to a writer hostgroup")                       \
    X(STAT_TO_READER, "To_reader", "statements sent to a reader hostgroup")                       \
    X(STAT_CAUSAL_READS, "Causal_reads", "reads sent to the writer because the site wrote")       \
    X(STAT_BYTES_FROM_CLIENTS, "Queries_frontends_bytes_recv", "bytes read from clients")         \
    X(STAT_BYTES_TO_CLIENTS, "Queries_frontends_bytes_sent", "bytes written to clients")          \
    X(STAT_BYTES_FROM_NODES, "Queries_backends_bytes_recv", "bytes read from nodes")              \
    X(STAT_BYTES_TO_NODES, "Queries_backends_bytes_sent", "bytes written to nodes")               \
    X(STAT_POOL_FIT_EXACT, "Pool_fit_exact", "connection lent with nothing to change")            \
    X(STAT_POOL_FIT_SET, "Pool_fit_set", "connection lent after a pipelined SET or USE")          \
    X(STAT_POOL_FIT_CHANGE_USER, "Pool_fit_change_user", "connection lent after COM_CHANGE_USER") \
    X(STAT_POOL_FIT_NEW, "Pool_fit_new", "connection opened for a statement")                     \
    X(STAT_POOL_RESETS, "Pool_resets", "COM_RESET_CONNECTION after a pin")                        \
    X(STAT_POOL_WAITS, "Pool_waits", "statements that waited for a connection")                   \
    X(STAT_POOL_WAIT_US, "Pool_wait_us", "microseconds waited in all")                            \
    X(STAT_POOL_WAIT_TIMEOUTS, "Pool_wait_timeouts", "statements that waited too long")           \
    X(STAT_PINS, "Pins", "times a session was pinned")                                            \
    X(STAT_ERRORS_MADE, "generated_error_packets", "errors that Galeway itself told clients")     \
    X(STAT_SLOW, "Slow_queries", "statements that took longer than mysql-long_query_time")        \
    X(STAT_RETRIES, "Retries", "statements sent again to another connection")                     \
    X(STAT_KILLS, "Kills", "statements killed on a node because their client left")               \
    X(STAT_STMT_PREPARED, "Com_stmt_prepare", "COM_STMT_PREPARE of clients")                      \
    X(STAT_STMT_REPREPARED, "Com_stmt_reprepare",                                                 \
      "statements prepared again on another connection")                                          \
    X(STAT_STMT_EXECUTED, "Com_stmt_execute", "COM_STMT_EXECUTE of clients")                      \
    X(STAT_RULE_REFUSED, "Rules_refused", "statements refused by a rule or the firewall")         \
    X(STAT_FIREWALL_DETECTED, "Firewall_detected", "statements not listed, that passed")          \
    X(STAT_RULE_ANSWERED, "Rules_answered", "statements answered by a rule's OK_msg")             \
    X(STAT_RULE_REWRITTEN, "Rules_rewritten", "statements rewritten by a rule")                   \
    X(STAT_RULE_DELAYED, "Rules_delayed", "statements that waited for a rule's delay")            \
    X(STAT_RULES_CACHE_HITS, "Rules_cache_hits", "statements whose rules were remembered")        \
    X(STAT_RULES_CACHE_MISSES, "Rules_cache_misses", "statements whose rules were not")           \
    X(STAT_RULES_CACHE_EVICTIONS, "Rules_cache_evictions", "of those remembered, made room")      \
    X(STAT_RULES_CACHE_FLUSHES, "Rules_cache_flushes", "all forgotten: a load, no room")          \
    X(STAT_RULE_REGEX_LIMITS, "Rules_regex_limits", "regexes given up: no match")                 \
    X(STAT_RULE_CHAIN_LIMITS, "Rules_chain_limits", "chains of flags given up: no match")         \
    X(STAT_RULE_REWRITE_LIMITS, "Rules_rewrite_limits", "new texts too long or empty: not used")  \
    X(STAT_QUERY_TIMEOUTS, "Query_timeouts", "statements killed because they ran too long")       \
    X(STAT_MIRRORED, "Mirror_sent", "copies of statements that were sent to another hostgroup")   \
    X(STAT_MIRROR_DROPPED, "Mirror_dropped", "copies that were not sent: too many, or no node")   \
    X(STAT_EVENTS_LOST, "Eventslog_lost", "lines of the statement log that were not written")     \
    X(STAT_TLS_HANDSHAKES, "Tls_client_handshakes", "TLS handshakes of clients that succeeded")   \
    X(STAT_TLS_RESUMED, "Tls_client_resumed", "of these, sessions resumed by a ticket")           \
    X(STAT_TLS_FAILED, "Tls_client_failed", "TLS handshakes of clients that failed")              \
    X(STAT_TLS_REFUSED, "Tls_client_refused", "logins refused because they came without TLS")     \
    X(STAT_TLS_NODE_HANDSHAKES, "Tls_server_handshakes", "TLS handshakes with nodes")             \
    X(STAT_TLS_NODE_FAILED, "Tls_server_failed", "TLS handshakes with nodes that failed")         \
    X(STAT_PACKED_CLIENTS, "Compressed_clients", "clients connected now that compress")           \
    X(STAT_PACKED_SERVERS, "Compressed_servers", "server connections now that compress")          \
    X(STAT_PACKED_FROM_CLIENTS, "Compressed_client_bytes_recv", "compressed bytes of clients")    \
    X(STAT_UNPACKED_FROM_CLIENTS, "Compressed_client_bytes_recv_plain", "of these, uncompressed") \
    X(STAT_PACKED_TO_CLIENTS, "Compressed_client_bytes_sent", "compressed bytes to clients")      \
    X(STAT_UNPACKED_TO_CLIENTS, "Compressed_client_bytes_sent_plain", "before compression")       \
    X(STAT_PACKED_FROM_NODES, "Compressed_server_bytes_recv", "compressed bytes of nodes")        \
    X(STAT_UNPACKED_FROM_NODES, "Compressed_server_bytes_recv_plain", "of these, uncompressed")   \
    X(STAT_PACKED_TO_NODES, "Compressed_server_bytes_sent", "compressed bytes to nodes")          \
    X(STAT_UNPACKED_TO_NODES, "Compressed_server_bytes_sent_plain", "before compression")         \
    X(STAT_PACKED_MALFORMED, "Compressed_malformed", "connections ended by a compressed packet")  \
    X(STAT_AUDIT_LOST, "Auditlog_lost", "lines of the audit log that were not written")           \
    X(STAT_PROTOCOL_ERRORS, "Protocol_errors", "malformed packets of clients")

enum stat_id {
#define X(id, name, help) id,
    STAT_TABLE(X)
#undef X
        STAT_COUNT
};

struct stat_set {
    _Alignas(CACHE_LINE) _Atomic uint64_t values[STAT_COUNT];
};

static inline void stat_add(struct stat_set *set, enum stat_id id, uint64_t n)
{
    atomic_store_explicit(&set->values[id],
                          atomic_load_explicit(&set->values[id], memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* stat_set_to - for a number that is counted elsewhere: one worker has it, the others 0. */
static inline void stat_set_to(struct stat_set *set, enum stat_id id, uint64_t n)
{
    atomic_store_explicit(&set->values[id], n, memory_order_relaxed);
}

static inline void stat_sub(struct stat_set *set, enum stat_id id, uint64_t n)
{
    stat_add(set, id, (uint64_t)0 - n);
}

/* stat_name, stat_help - static strings. */
const char *stat_name(enum stat_id id);
const char *stat_help(enum stat_id id);

/* stat_sum - the sum of one counter over n sets. */
uint64_t stat_sum(struct stat_set *const *sets, size_t n, enum stat_id id);

#endif
