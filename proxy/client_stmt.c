/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_stmt.c - prepared statements of the binary protocol.
 *
 * A client's id stands for (text, schema and variables it was prepared under). Its facts count when
 * it is executed; it is prepared again on whichever connection executes it. What lives on one
 * connection (an open cursor, long data) pins the session.
 */
#include "proxy/client_stmt.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/stmt.h"
#include "proxy/client_cache.h"
#include "proxy/client_lost.h"
#include "proxy/client_run.h"
#include "proxy/local.h"
#include "proxy/rules_apply.h"
#include "proxy/stmt_limits.h"
#include "proxy/stmt_types.h"

#define STMTS_MAX       1000000
#define EXECUTE_MIN     10 /* bytes: command, id, cursor, iterations */
#define BULK_MIN        7  /* bytes: command, id, flags */
#define ER_UNKNOWN_STMT 1243

static struct slice key_of(const uint32_t *id)
{
    return (struct slice){(const char *)id, sizeof(*id)};
}

static struct client_stmt *find(const struct client *c, uint32_t id)
{
    if (id == STMT_ID_LAST) { /* MariaDB: EXECUTE is sent with PREPARE, before the id is known */
        id = c->session.last_stmt_id;
    }
    return c->session.stmts == NULL ? NULL : map_get(c->session.stmts, key_of(&id));
}

static void stmt_free(struct client *c, struct client_stmt *stmt)
{
    struct pool *pool = &c->worker->pool;

    stmt_limits_gave(stmt->account, stmt->text->len);
    stmt_text_unref(pool, stmt->text);
    profile_unref(&pool->profiles, stmt->profile);
    mem_free(MEM_STMT, stmt->types);
    mem_free(MEM_STMT, stmt->said);
    mem_free(MEM_STMT, stmt);
}

void client_stmts_drop(struct client *c)
{
    struct client_stmt *stmt;
    size_t pos = 0;

    if (c->session.stmts == NULL) {
        return;
    }
    while ((stmt = map_next(c->session.stmts, &pos)) != NULL) {
        stmt_free(c, stmt);
    }
    map_fini(c->session.stmts);
    mem_free(MEM_STMT, c->session.stmts);
    c->session.stmts = NULL;
    c->n_cursors = c->n_long_data = 0; /* their pins go with the session */
}

static struct client_stmt *stmt_add(struct client *c, struct slice text)
{
    struct session *s = &c->session;
    struct client_stmt *stmt = mem_try(MEM_STMT, sizeof(*stmt));

    if (stmt == NULL) {
        return NULL;
    }
    if (s->stmts == NULL) {
        s->stmts = mem_try(MEM_STMT, sizeof(*s->stmts));
        if (s->stmts == NULL) {
            mem_free(MEM_STMT, stmt);
            return NULL;
        }
        map_init(s->stmts, MEM_STMT, STMTS_MAX);
    }
    *stmt = (struct client_stmt){
        .id = ++s->next_stmt_id, .schema = s->schema, .sql_mode = session_sql_mode(s)};
    stmt->text = stmt_text_get(&c->worker->pool, text);
    if (stmt->text == NULL || map_put(s->stmts, key_of(&stmt->id), stmt) != 0) {
        if (stmt->text != NULL) {
            stmt_text_unref(&c->worker->pool, stmt->text);
        }
        mem_free(MEM_STMT, stmt);
        return NULL;
    }
    stmt->profile = profile_ref(s->profile);
    stmt->account = s->account;
    stmt_limits_took(stmt->account, stmt->text->len);
    return stmt;
}

/* --- what is open on the connection ----------------------------------------------------------- */

static bool has_open(const struct client_stmt *stmt)
{
    return stmt->has_cursor || stmt->has_long_data;
}

/*
 * What the connection has prepared for a statement. Two of the same text share it, but for one that
 * has something open in it: this one is its own.
 */
static struct server_stmt *on_server(struct server *s, const struct client_stmt *stmt)
{
    struct server_stmt *own =
        server_stmt_find(s, stmt->text, stmt->schema, stmt->profile, has_open(stmt) ? stmt->id : 0);

    return own != NULL || !has_open(stmt)
               ? own
               : server_stmt_find(s, stmt->text, stmt->schema, stmt->profile, 0);
}

static void set_open(struct client *c, struct client_stmt *stmt, bool *what, bool on)
{
    struct server_stmt *there;
    unsigned *n = what == &stmt->has_cursor ? &c->n_cursors : &c->n_long_data;
    enum pin pin = what == &stmt->has_cursor ? PIN_CURSOR : PIN_LONG_DATA;

    if (*what == on) {
        return;
    }
    *what = on;
    there = has_open(stmt) || c->server == NULL
                ? NULL
                : server_stmt_find(c->server, stmt->text, stmt->schema, stmt->profile, stmt->id);
    if (there != NULL) {
        there->owner = 0;
    }
    *n += on ? 1u : (unsigned)-1;
    if (*n > 0) {
        session_pin(&c->session, pin, 0, c->worker->now_ms);
    } else {
        session_unpin(&c->session, pin);
    }
}

/*
 * The connection's statement has something of this client's in it. False: the connection is broken.
 */
static bool close_on_server(struct client *c, struct client_stmt *stmt)
{
    struct server_stmt *there = c->server == NULL ? NULL : on_server(c->server, stmt);
    uint8_t bytes[16];
    struct writer w = writer_of(bytes, sizeof(bytes));
    uv_buf_t buf;
    size_t at = packet_begin(&w);

    if (there == NULL) {
        return true;
    }
    put_u8(&w, COM_STMT_CLOSE);
    put_u32(&w, there->id);
    packet_end(&w, at, 0);
    server_stmt_remove(c->server, there);
    buf = uv_buf_init((char *)bytes, (unsigned)w.len);
    return server_write(c->server, &buf, 1) >= 0;
}

/* --- commands --------------------------------------------------------------------------------- */

static void malformed(struct client *c)
{
    struct log_who who = client_who(c, "reading a command");

    stat_add(&c->worker->stats, STAT_PROTOCOL_ERRORS, 1);
    log_info(&who, "a malformed COM_STMT_EXECUTE or COM_STMT_BULK_EXECUTE");
    client_task_failed(c, ERR_MALFORMED);
}

/* A node takes missing bytes for zero, other than in COM_STMT_EXECUTE. */
static uint32_t id_of(const uint8_t *payload, size_t len)
{
    uint8_t id[4] = {0};

    memcpy(id, payload + 1, MIN(len - 1, sizeof(id)));
    return peek_u32(id);
}

static void unknown(struct client *c, uint32_t id, const char *command)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "Unknown prepared statement handler (%u) given to %s", id,
                     command);

    client_end_with_error(c, ER_UNKNOWN_STMT, "HY000", (struct slice){text, (size_t)n});
}

static void prepare(struct client *c, struct task *task)
{
    struct slice text = {(const char *)task->bytes + PACKET_HEADER + 1,
                         task->len - PACKET_HEADER - 1};

    c->session.last_stmt_id = 0; /* if it fails */
    stat_add(&c->worker->stats, STAT_STMT_PREPARED, 1);
    if (task->is_streaming) {
        if (client_errorf(
                c, ERR_PACKET_TOO_LARGE,
                "A statement to prepare may have at most %lld bytes (mysql-threshold_query_length)",
                (long long)worker_vars(c->worker)->mysql_threshold_query_length)) {
            client_close_after_write(c, CLOSE_PROTOCOL);
        }
        return;
    }
    if (!stmt_limits_allow(c, text)) {
        return;
    }
    client_scan(c, task, text);
    task->facts.local = LOCAL_NONE;
    task->follow = FOLLOW_PREPARE;
    if (task->facts.has_kill) { /* its id would be one of the node's */
        client_task_failed(c, ERR_NOT_PREPARABLE);
    } else if (!rules_concern(c, text) || !rules_apply(c, text)) {
        client_run(c);
    }
}

void client_stmt_prepared(struct client *c, uint8_t *payload, size_t len)
{
    struct task *task = c->task;
    struct slice text = {(const char *)task->bytes + PACKET_HEADER + 1,
                         task->len - PACKET_HEADER - 1};
    struct prepare_ok p;
    struct client_stmt *stmt;
    uint8_t bytes[64];
    struct writer close = writer_of(bytes, sizeof(bytes));

    if (prepare_ok_decode(&p, payload, len) != 0) {
        client_close(c, CLOSE_NODE, ERR_NODE_PROTOCOL);
        return;
    }
    stmt = stmt_add(c, text);
    if (stmt == NULL || server_stmt_add(c->server, stmt->text, stmt->schema, stmt->profile,
                                        p.stmt_id, 0, &close) == NULL) {
        client_close(c, CLOSE_MEMORY, ERR_MEMORY);
        return;
    }
    stmt->n_params = p.n_params;
    stmt->n_columns = p.n_columns;
    stmt->said = task->said;
    stmt->said_by = task->said_by;
    task->said = NULL;
    c->session.last_stmt_id = stmt->id;
    stmt_id_put(payload, stmt->id);
    if (close.len > 0) { /* one that had to leave, or the same prepared before */
        uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)close.len);

        (void)!server_write(c->server, &buf, 1); /* if it broke, its end is read soon */
    }
}

static void scan_stmt(const struct client *c, struct task *task, struct client_stmt *stmt)
{
    task->stmt = stmt;
    client_scan_as(task, (struct slice){stmt->text->text, stmt->text->len}, stmt->profile,
                   stmt->sql_mode | c->worker->snapshot->digest_mode);
    /*
     * Only parameters may be; but its FOUND_ROWS() cannot be asked for behind what still streams.
     */
    task->is_unseen |= task->is_streaming && client_counts_rows(&task->facts);
}

/*
 * All others send their rows at once (10.11.19), whatever was asked for; but ANALYZE SELECT, whose
 * reply has no end behind its columns then, and DELETE ... RETURNING, of which the node dies.
 */
static bool may_open_cursor(const struct facts *f)
{
    uint8_t verb = f->verb == VERB_SET && f->sets_back ? f->runs : f->verb;

    return verb == VERB_SELECT || verb == VERB_WITH || verb == VERB_VALUES ||
           verb == VERB_TABLE_EXPR || verb == VERB_SHOW || verb == VERB_DESCRIBE;
}

/* Does the task ask for one? Else its node is not asked either: what it sends is certain then. */
static bool wants_cursor(struct task *task)
{
    uint8_t *cursor = task->bytes + PACKET_HEADER + EXECUTE_CURSOR_AT;

    if (task->command != COM_STMT_EXECUTE || *cursor == 0) {
        return false;
    }
    if (!may_open_cursor(&task->facts)) {
        *cursor = 0;
        return false;
    }
    return true;
}

static void execute(struct client *c, struct task *task, struct client_stmt *stmt)
{
    struct slice text = {stmt->text->text, stmt->text->len};
    struct execute e;
    size_t n = task->len - PACKET_HEADER;

    stat_add(&c->worker->stats, STAT_STMT_EXECUTED, 1);
    if (execute_decode(&e, stmt->n_params, task->bytes + PACKET_HEADER, n) != 0) {
        malformed(c);
        return;
    }
    scan_stmt(c, task, stmt);
    task->wants_cursor = wants_cursor(task);
    if ((stmt->said != NULL || rules_concern(c, text)) && rules_apply_execute(c, stmt)) {
        return;
    }
    if (!client_refuses_file(c) && !rules_delay(c)) {
        client_stmt_go_on(c);
    }
}

void client_stmt_go_on(struct client *c)
{
    struct task *task = c->task;
    struct client_stmt *stmt = task->stmt;

    if (stmt->has_cursor) { /* executing again closes the cursor */
        set_open(c, stmt, &stmt->has_cursor, false);
    }
    if (task->wants_cursor) {
        task->follow = FOLLOW_CURSOR;
        task->facts.flags &= ~FACT_READ; /* what the session does next goes where its cursor is */
        task->opens = c->server == NULL;
        set_open(c, stmt, &stmt->has_cursor, true); /* until the reply says that there is none */
    }
    if (task->command == COM_STMT_BULK_EXECUTE ||
        ((task->wants_cursor || !local_answer_binary(c)) && !client_cache_answer(c))) {
        client_run(c);
    }
}

static void reset(struct client *c, struct task *task, struct client_stmt *stmt)
{
    if (c->server == NULL || on_server(c->server, stmt) == NULL || !has_open(stmt)) {
        if (client_ok(c)) {
            client_task_end(c);
        }
        return;
    }
    scan_stmt(c, task, stmt);
    task->facts.flags = 0;
    client_run(c);
}

/* Without a reply: when its connection is lost by that, it is lost to an idle session. */
static void close_stmt(struct client *c, struct client_stmt *stmt)
{
    bool is_broken = has_open(stmt) && !close_on_server(c, stmt);

    set_open(c, stmt, &stmt->has_cursor, false);
    set_open(c, stmt, &stmt->has_long_data, false);
    CHECK(map_remove(c->session.stmts, key_of(&stmt->id)) == stmt);
    stmt_free(c, stmt);
    if (is_broken) {
        client_lost_between(c);
    }
}

static void long_data(struct client *c, struct task *task, struct client_stmt *stmt)
{
    scan_stmt(c, task, stmt);
    task->facts.flags &= ~FACT_READ;
    task->opens = c->server == NULL;
    set_open(c, stmt, &stmt->has_long_data, true);
    rules_apply_long_data(c, stmt);
    client_run(c);
}

static void fetch(struct client *c, struct task *task, struct client_stmt *stmt)
{
    if (!stmt->has_cursor || c->server == NULL) {
        if (client_errorf(c, ERR_NO_CURSOR, "The statement (%u) has no open cursor", stmt->id)) {
            client_task_end(c);
        }
        return;
    }
    scan_stmt(c, task, stmt);
    task->facts.flags = 0;
    task->follow = FOLLOW_ROWS;
    client_run(c);
}

static const char *function_name(uint8_t command)
{
    return command == COM_STMT_FETCH   ? "mysqld_stmt_fetch"
           : command == COM_STMT_RESET ? "mysqld_stmt_reset"
                                       : "mysqld_stmt_execute";
}

/* What a node says before it looks for the statement. False = c->task has ended. */
static bool may_execute(struct client *c, const struct task *task)
{
    const uint8_t *payload = task->bytes + PACKET_HEADER;
    bool is_bulk = task->command == COM_STMT_BULK_EXECUTE;

    if (task->len - PACKET_HEADER < (is_bulk ? BULK_MIN : EXECUTE_MIN)) {
        malformed(c);
        return false;
    }
    if (is_bulk && ((c->session.caps & CAP_STMT_BULK) == 0 ||
                    (peek_u16(payload + BULK_FLAGS_AT) & ~BULK_TYPES) != 0)) {
        client_task_failed(c, ERR_NOT_PREPARABLE);
        return false;
    }
    return true;
}

void client_stmt_command(struct client *c, struct task *task)
{
    const uint8_t *payload = task->bytes + PACKET_HEADER;
    struct client_stmt *stmt;

    task->facts.local = LOCAL_NONE;
    if (task->command == COM_STMT_PREPARE) {
        prepare(c, task);
        return;
    }
    if (task_executes(task) && !may_execute(c, task)) {
        return;
    }
    stmt = find(c, id_of(payload, task->len - PACKET_HEADER));
    if (task->command == COM_STMT_CLOSE ||
        (task->command == COM_STMT_SEND_LONG_DATA && stmt == NULL)) {
        if (stmt != NULL) { /* neither has a reply */
            close_stmt(c, stmt);
        }
        client_task_end(c);
    } else if (stmt == NULL) {
        unknown(c, id_of(payload, task->len - PACKET_HEADER), function_name(task->command));
    } else if (task_executes(task)) {
        execute(c, task, stmt);
    } else if (task->command == COM_STMT_SEND_LONG_DATA) {
        long_data(c, task, stmt);
    } else if (task->command == COM_STMT_FETCH) {
        fetch(c, task, stmt);
    } else {
        reset(c, task, stmt);
    }
}

struct slice client_stmt_schema(const struct session *s, const struct task *task)
{
    const struct client_stmt *stmt = task->stmt;

    return stmt == NULL           ? session_schema_name(s)
           : stmt->schema == NULL ? (struct slice){"", 0}
                                  : stmt->schema->name;
}

/* --- on the way to a node --------------------------------------------------------------------- */

bool client_stmt_is_ready(const struct client *c, struct server *s)
{
    return c->task->stmt == NULL || on_server(s, c->task->stmt) != NULL;
}

int client_stmt_prepare_again(struct client *c, struct server *s, struct writer *prefix)
{
    struct client_stmt *stmt = c->task->stmt;
    uint8_t head[PACKET_HEADER + 1];
    uv_buf_t bufs[3];
    int rc;

    packet_write_header(head, (uint32_t)stmt->text->len + 1, 0);
    head[PACKET_HEADER] = COM_STMT_PREPARE;
    s->preparing = server_stmt_add(s, stmt->text, stmt->schema, stmt->profile, STMT_ID_LAST,
                                   has_open(stmt) ? stmt->id : 0, prefix);
    if (s->preparing == NULL || prefix->failed) {
        return ERR_MEMORY;
    }
    bufs[0] = uv_buf_init((char *)prefix->base, (unsigned)prefix->len);
    bufs[1] = uv_buf_init((char *)head, sizeof(head));
    bufs[2] = uv_buf_init(stmt->text->text, (unsigned)stmt->text->len);
    server_expect(s, EXPECT_PREPARE, FOLLOW_PREPARE);
    stat_add(&c->worker->stats, STAT_STMT_REPREPARED, 1);
    rc = server_write(s, bufs, 3);
    return rc < 0 ? rc : 0;
}

bool client_stmt_key(struct client *c, struct writer *w)
{
    const struct task *task = c->task;
    struct client_stmt *stmt = task->stmt;
    struct execute e = {.has_types = false};

    if (execute_decode(&e, stmt->n_params, task->bytes + PACKET_HEADER,
                       task->len - PACKET_HEADER) != 0 ||
        (stmt->n_params > 0 && !e.has_types && stmt->types == NULL) ||
        (e.has_types && stmt_types_keep(stmt, &e) != 0)) {
        return false;
    }
    put_u32(w, (uint32_t)stmt->text->len);
    put_bytes(w, stmt->text->text, stmt->text->len);
    if (stmt->n_params > 0) {
        put_slice(w, e.nulls);
        put_bytes(w, stmt->types, stmt->types_len);
        put_slice(w, e.values);
    }
    return true;
}

int client_stmt_bytes(struct client *c, struct server *s, struct writer *prefix, uv_buf_t *body)
{
    struct task *task = c->task;
    struct client_stmt *stmt = task->stmt;
    struct server_stmt *there = on_server(s, stmt);
    struct execute e;
    int rc = 0;

    CHECK(there != NULL && there->id != STMT_ID_LAST);
    there->owner = has_open(stmt) ? stmt->id : 0;
    if (task_executes(task) && stmt->n_params > 0) {
        rc = execute_decode(&e, stmt->n_params, task->bytes + PACKET_HEADER,
                            task->len - PACKET_HEADER);
        if (rc == 0 && e.has_types) {
            rc = stmt_types_keep(stmt, &e);
        } else if (rc == 0 && stmt->types != NULL) {
            rc = task->payload + stmt->types_len < PACKET_MAX
                     ? stmt_types_put(task, &e, there->id)
                     : stmt_types_ahead(s, stmt, there->id, prefix);
        }
    }
    stmt_id_put(task->bytes + PACKET_HEADER, there->id);
    *body = uv_buf_init((char *)task->bytes, (unsigned)task->len);
    return rc;
}

void client_stmt_unsent(struct client *c)
{
    struct task *task = c->task;

    if (task->follow == FOLLOW_CURSOR && !task->sent) {
        set_open(c, task->stmt, &task->stmt->has_cursor, false);
    }
}

void client_stmt_after(struct client *c, const struct follow *f)
{
    struct task *task = c->task;
    struct client_stmt *stmt = task->stmt;

    if (task_executes(task)) {
        set_open(c, stmt, &stmt->has_long_data, false);
        if (stmt->has_cursor && (f->is_error || (f->status & STATUS_CURSOR_EXISTS) == 0)) {
            set_open(c, stmt, &stmt->has_cursor, false);
        }
    } else if (task->command == COM_STMT_FETCH) {
        if (f->is_error || (f->status & STATUS_LAST_ROW_SENT) != 0) {
            set_open(c, stmt, &stmt->has_cursor, false);
        }
    } else if (task->command == COM_STMT_RESET) {
        set_open(c, stmt, &stmt->has_cursor, false);
        set_open(c, stmt, &stmt->has_long_data, false);
    }
}
