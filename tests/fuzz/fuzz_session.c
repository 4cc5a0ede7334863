/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_session.c - whole sessions: clients on one side of a worker, nodes on the other, a script
 * for both. What must hold is in frame/frame.h.
 *
 * Input: which configuration (1; high bit: and when memory is not to be had, 2), then steps: what
 * (1), and what it needs. A client is named by a number, as is a connection to a node: the next one
 * that is open.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pool/cluster.h"
#include "pool/roles.h"
#include "protocol/caps.h"
#include "protocol/command.h"
#include "tests/fuzz/frame/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 80

/* %s is the client's mark. */
static const char *const texts[] = {
    "SELECT '%s' FROM t1",
    "SELECT b, '%s' FROM t1 WHERE a=1",
    "SELECT '%s' FROM t1 FOR UPDATE",
    "INSERT INTO t1 VALUES('%s')",
    "UPDATE t1 SET a=1 WHERE b='%s'",
    "DELETE FROM t2 /* %s */",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET autocommit=0",
    "SET autocommit=1",
    "SET NAMES utf8mb4",
    "SET NAMES latin1",
    "SET SESSION sql_mode='ANSI_QUOTES'",
    "SET SESSION sql_mode='NO_BACKSLASH_ESCAPES', time_zone='+01:00'",
    "SET @a='%s'",
    "SELECT @a, '%s'",
    "USE s1",
    "USE s2",
    "SELECT GET_LOCK('a',1), '%s'",
    "SELECT RELEASE_ALL_LOCKS(), '%s'",
    "CREATE TEMPORARY TABLE x (a INT) /* %s */",
    "DROP TEMPORARY TABLE x",
    "LOCK TABLES t1 WRITE",
    "UNLOCK TABLES",
    "SELECT SQL_CALC_FOUND_ROWS '%s' FROM t1",
    "SELECT FOUND_ROWS()",
    "SELECT LAST_INSERT_ID()",
    "SELECT ROW_COUNT()",
    "SHOW WARNINGS",
    "SELECT @@session.sql_mode",
    "SELECT @@version_comment LIMIT 1",
    "LOAD DATA LOCAL INFILE '%s' INTO TABLE t1",
    "CALL p('%s')",
    "SELECT 1; SELECT '%s'",
    "PREPARE s FROM 'SELECT 1'",
    "EXECUTE s",
    "DEALLOCATE PREPARE s",
    "SELECT CONNECTION_ID()",
    "SET STATEMENT max_statement_time=1 FOR SELECT '%s'",
    "START TRANSACTION READ ONLY",
    "SAVEPOINT a",
    "DROP DATABASE s1",
    "CREATE TABLE t3 (a INT) /* %s */",
    "GRANT SELECT ON s1.* TO a",
    "XA START 'a'",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SELECT option_name, '%s' FROM wp_options WHERE option_name='x'",
    "UPDATE wp_options SET option_value='%s' WHERE option_name='x'",
    "SELECT '%s' delayed FROM t1",
    "SELECT '%s' forbidden FROM t1",
    "SELECT '%s' answered FROM t1",
    "SELECT '%s' from t3",
    "SELECT '%s' mirrored FROM t1",
    "SELECT '%s' limited FROM t1",
    "SELECT '%s' retried FROM t1",
    "SELECT ?, '%s' FROM t1",
    "INSERT INTO t1 VALUES(?, ?, '%s')",
    "CALL p(?) /* %s */",
    "/* hostgroup=20 */ SELECT '%s' FROM t1",
    "SELECT CONVERT('%s' USING latin1) UNION SELECT a FROM t1",
    "SET @@session.wsrep_sync_wait=7",
    "ROLLBACK TO a",
    "FLUSH PRIVILEGES",
    "COMMIT AND CHAIN",
    "ROLLBACK RELEASE",
};

/* Of what came later: kept inputs go on meaning what they meant. */
#define TEXTS_MORE_AT 0xf0
static const char *const texts_more[] = {
    "SET SESSION session_track_state_change=1",
    "SET SESSION session_track_system_variables='*'",
    "SET SESSION session_track_transaction_info='STATE'",
    "SELECT '%s' FROM t1 FOR UPDATE NOWAIT",
    "EXPLAIN SELECT '%s' FROM t1",
    "SELECT '%s' INTO @a",
    "SHOW STATUS LIKE 'Ssl_cipher'",
    "SET STATEMENT time_zone='+02:00' FOR SELECT '%s'",
};

static const char *text_of(unsigned which)
{
    return which >= TEXTS_MORE_AT ? texts_more[which % (sizeof(texts_more) / sizeof(texts_more[0]))]
                                  : texts[which % (sizeof(texts) / sizeof(texts[0]))];
}

/* The next text of the table with the client's mark, made longer by pad bytes. */
static size_t make_text(const struct frame_client *c, unsigned which, size_t pad, char *out,
                        size_t cap)
{
    const char *text = text_of(which);
    const char *mark = strstr(text, "%s");
    int n;

    n = mark == NULL ? snprintf(out, cap, "%s", text)
                     : snprintf(out, cap, "%.*s%s%s", (int)(mark - text), text, c->mark, mark + 2);
    if (pad > 0 && (size_t)n + pad + 8 < cap) {
        memcpy(out + n, " /* ", 4);
        memset(out + n + 4, 'x', pad);
        memcpy(out + n + 4 + pad, " */", 3);
        n += (int)pad + 7;
    }
    return (size_t)n;
}

static size_t pad_of(uint8_t b)
{
    static const size_t pads[] = {0, 0, 0, 0, 0, 900, 1100, 5000, 17000, 60000};

    return pads[b % 10];
}

static void send_text(struct frame *f, struct script *s, struct frame_client *c, uint8_t command)
{
    static char text[FRAME_BYTES];
    uint8_t which = script_u8(s);
    uint8_t how = script_u8(s);
    size_t cut = (how & 0x80) != 0 ? script_u16(s) : SIZE_MAX;
    size_t n = make_text(c, which, pad_of(how & 0x1f), text, sizeof(text));

    c->keeps_file = (how & 0x40) != 0;
    frame_client_command(f, c, command, text, n, cut);
}

/* A prepared statement by number: the last one, one of the first, or what the script says. */
static uint32_t stmt_of(struct script *s, const struct frame_client *c)
{
    uint8_t how = script_u8(s);

    return how < 128 ? c->last_stmt : how < 250 ? how % 8 : how < 253 ? UINT32_MAX : script_u16(s);
}

static void send_stmt(struct frame *f, struct script *s, struct frame_client *c)
{
    static const uint8_t commands[] = {COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE,
                                       COM_STMT_RESET,   COM_STMT_FETCH,          COM_STMT_EXECUTE};
    uint8_t command = commands[script_u8(s) % 6];
    uint32_t id = stmt_of(s, c);
    uint8_t bytes[128] = {(uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16),
                          (uint8_t)(id >> 24)};
    size_t n = 4;

    if (command == COM_STMT_EXECUTE) {
        bytes[n++] = script_u8(s) & 1;
        bytes[n++] = 1;
        n += 3;
    }
    n += script_bytes(s, bytes + n, script_u8(s) % 80);
    frame_client_command(f, c, command, bytes, n, SIZE_MAX);
}

static void send_short(struct frame *f, struct script *s, struct frame_client *c)
{
    static const uint8_t commands[] = {
        COM_PING,         COM_INIT_DB, COM_FIELD_LIST,        COM_STATISTICS,
        COM_PROCESS_KILL, COM_QUIT,    COM_RESET_CONNECTION,  COM_SET_OPTION,
        COM_CHANGE_USER,  COM_REFRESH, COM_PROCESS_INFO,      COM_CREATE_DB,
        COM_DEBUG,        COM_TIME,    COM_STMT_BULK_EXECUTE, COM_BINLOG_DUMP};
    uint8_t command = commands[script_u8(s) % 16];
    uint8_t bytes[128];
    size_t n = script_bytes(s, bytes, script_u8(s) % sizeof(bytes));

    if (command == COM_INIT_DB && n == 0) {
        memcpy(bytes, "s1", 2);
        n = 2;
    } else if (command == COM_CHANGE_USER && n == 0) {
        memcpy(bytes, "u0\0\0s1\0\x2d\0mysql_native_password", 30);
        n = 30;
    }
    frame_client_command(f, c, command, bytes, n, SIZE_MAX);
}

static void send_raw(struct frame *f, struct script *s, struct frame_client *c)
{
    uint8_t bytes[256];
    size_t n = script_bytes(s, bytes, script_u8(s));

    if (n > 0) {
        frame_client_send(f, c, bytes, n);
    }
}

/* KILL of a client of this worker. */
static void send_kill(struct frame *f, struct script *s, struct frame_client *c)
{
    char text[64];
    uint8_t how = script_u8(s);

    (void)snprintf(text, sizeof(text), "KILL %s%u", (how & 1) != 0 ? "QUERY " : "",
                   (unsigned)(how >> 1) << WORKER_BITS);
    frame_client_query(f, c, text);
}

static void open_client(struct frame *f, struct script *s)
{
    static const char *const users[] = {"u0", "u1", "u2", "u0"};
    static const char *const schemas[] = {"", "s1", "s2", "s1"};
    uint8_t how = script_u8(s);
    uint32_t caps = CAP_TRANSACTIONS | ((how & 0x10) != 0 ? CAP_MULTI_STATEMENTS : 0u) |
                    ((how & 0x20) != 0 ? CAP_FOUND_ROWS : 0u) |
                    ((how & 0x40) != 0 ? CAP_LOCAL_FILES : 0u) |
                    ((how & 0x80) != 0 ? CAP_SESSION_TRACK : 0u) | CAP_MULTI_RESULTS;

    (void)frame_client_open(f, users[how & 3], schemas[how >> 2 & 3], caps);
}

static void client_step(struct frame *f, struct script *s, unsigned what)
{
    struct frame_client *c = frame_client_find(f, script_u8(s));

    if (c == NULL) {
        open_client(f, s);
        return;
    }
    switch (what) {
    case 0:
    case 1: send_text(f, s, c, COM_QUERY); break;
    case 2: send_text(f, s, c, COM_STMT_PREPARE); break;
    case 3: send_stmt(f, s, c); break;
    case 4: send_short(f, s, c); break;
    case 5: send_raw(f, s, c); break;
    case 6: send_kill(f, s, c); break;
    case 7: c->reads = !c->reads; break;
    case 8: (void)shutdown(c->fd, SHUT_WR); break;
    default: frame_client_close(f, c); break;
    }
}

/* What the monitor would say. */
static void change_roles(struct frame *f, struct script *s)
{
    struct cluster *cluster = cluster_get(&f->g->nodes, 10);
    uint8_t how = script_u8(s);
    struct roles roles = {.writers = how & 3, .readers = how >> 2 & 3};

    for (unsigned i = 0; i < FRAME_NODES; i++) {
        struct node *n = f->g->nodes.items[i];

        atomic_store(&n->shared.health, how >> (4 + i) & 1 ? HEALTH_DOWN : HEALTH_UP);
        atomic_store(&n->shared.applied_us, frame_clock_us());
        atomic_store(&n->shared.is_numbered, (how & 0x40) != 0);
    }
    if (cluster != NULL) {
        cluster_publish(cluster, &roles, (how & 0x80) != 0);
    }
    atomic_fetch_add(&f->g->nodes.n_changes, 1);
    worker_post(f->w, mail_new(MAIL_NODES));
}

static void link_step(struct frame *f, struct script *s, unsigned what)
{
    struct frame_link *link = frame_link_find(f, script_u8(s));
    uint8_t bytes[128];
    size_t n;

    if (link == NULL) {
        return;
    }
    if (what == 0) {
        n = script_bytes(s, bytes, script_u8(s) % sizeof(bytes));
        frame_link_send(f, link, bytes, n);
    } else if (what == 1) {
        (void)shutdown(link->fd, SHUT_WR);
    } else {
        frame_link_close(f, link);
    }
}

static void node_step(struct frame *f, struct script *s, unsigned what)
{
    uint8_t how = script_u8(s);
    unsigned node = how % FRAME_NODES;
    struct answer a;

    switch (what) {
    case 0:
    case 1:
    case 2:
        a = frame_answer_read(s);
        frame_plan(f, node, &a);
        break;
    case 3: frame_node_down(f, node); break;
    case 4: frame_node_listen(&f->nodes[node]); break;
    case 5:
        f->nodes[node].is_silent = !f->nodes[node].is_silent;
        f->has_silent = true;
        break;
    case 6: f->nodes[node].greeting = how >> 1 & 7; break;
    default: change_roles(f, s); break;
    }
}

static void pass(struct frame *f, struct script *s)
{
    static const uint64_t times[] = {1,    5,     50,    110,     600,     1500,
                                     4000, 12000, 40000, 4000000, 30000000};

    frame_pass(f, times[script_u8(s) % (sizeof(times) / sizeof(times[0]))]);
}

static void step(struct frame *f, struct script *s)
{
    uint8_t what = script_u8(s);
    bool waits = (what & 0x80) == 0;

    what &= 0x1f;
    if (what < 2) {
        open_client(f, s);
    } else if (what < 15) {
        client_step(f, s, what < 5 ? 0 : what - 5u);
    } else if (what < 18) {
        link_step(f, s, what - 15u);
    } else if (what < 26) {
        node_step(f, s, what - 18u);
    } else if (what < 30) {
        pass(f, s);
    } else if (what == 30) {
        worker_post(f->w, mail_new(MAIL_CONFIG));
    } else {
        (void)frame_client_connect(f, false);
    }
    if (waits) {
        frame_run(f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script s = {data, data + size};
    uint8_t variant = script_u8(&s);
    unsigned fail_at = (variant & 0x80) != 0 ? script_u16(&s) % 1024 : 0;
    struct frame *f = frame_begin((variant & 0x7fu) % FRAME_LOGINS, fail_at);

    for (unsigned i = 0; i < STEPS_MAX && !script_is_over(&s); i++) {
        step(f, &s);
    }
    frame_run(f);
    frame_end(f);
    return 0;
}
