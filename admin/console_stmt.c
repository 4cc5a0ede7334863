/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_stmt.c - prepared statements of a console client.
 *
 * The store knows none: a statement is kept as text, and each execution runs that text with the
 * parameters' values written into it. A prepare reply says "no columns", as servers do for SHOW:
 * the columns come with the rows. A cursor is never opened: all rows come at once.
 */
#include "admin/console_client.h"
#include "admin/wire_sql.h"
#include "base/err.h"
#include "base/mem.h"
#include "protocol/caps.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "protocol/stmt.h"

#define BOUND_MAX ((size_t)64 << 20) /* bytes of a statement with its values */
#define LONG_HEAD 7                  /* command, statement, parameter */

struct console_stmt {
    struct list_node in_client;
    uint32_t id;
    uint16_t n_params;
    bool has_types;
    struct slice sql;        /* in this block, as the next two */
    uint16_t *types;         /* as they were bound last */
    struct slice *long_data; /* their bytes are owned; data NULL = none */
    size_t long_bytes;
    int long_rc; /* why long data was not taken; told at the next execution */
};

static size_t stmt_size(size_t sql_len, size_t n_params)
{
    return sizeof(struct console_stmt) + n_params * (sizeof(struct slice) + sizeof(uint16_t)) +
           sql_len;
}

static void drop_long_data(struct console_client *c, struct console_stmt *s)
{
    for (size_t i = 0; i < s->n_params; i++) {
        mem_free(MEM_ADMIN, (void *)(uintptr_t)s->long_data[i].data);
        s->long_data[i] = (struct slice){NULL, 0};
    }
    c->stmt_bytes -= s->long_bytes;
    s->long_bytes = 0;
    s->long_rc = 0;
}

static void stmt_free(struct console_client *c, struct console_stmt *s)
{
    drop_long_data(c, s);
    list_remove(&c->stmts, &s->in_client);
    c->stmt_bytes -= stmt_size(s->sql.len, s->n_params);
    mem_free(MEM_ADMIN, s);
}

void console_stmt_drop_all(struct console_client *c)
{
    LIST_FOREACH_SAFE (it, next, &c->stmts) {
        stmt_free(c, CONTAINER_OF(it, struct console_stmt, in_client));
    }
}

/* NULL when there is none of this id. */
static struct console_stmt *find(struct console_client *c, const uint8_t *payload, size_t len)
{
    uint32_t id;

    if (stmt_id_get(&id, payload, len) != 0) {
        return NULL;
    }
    if (id == STMT_ID_LAST) {
        id = c->last_stmt_id;
    }
    LIST_FOREACH (it, &c->stmts) {
        struct console_stmt *s = CONTAINER_OF(it, struct console_stmt, in_client);

        if (s->id == id) {
            return s;
        }
    }
    return NULL;
}

static void unknown(struct console_client *c, const uint8_t *payload, size_t len, const char *to)
{
    uint32_t id;

    if (stmt_id_get(&id, payload, len) != 0) {
        console_refuse(c, ERR_MALFORMED, "a malformed command for a prepared statement");
    } else {
        console_errorf(c, 1243, "HY000", "Unknown prepared statement handler (%u) given to %s", id,
                       to);
    }
}

/* --- prepare ---------------------------------------------------------------------------------- */

/*
 * One block: the statement, an array of long data, the types, the text. NULL when there is no
 * memory.
 */
static struct console_stmt *stmt_new(struct console_client *c, struct slice sql, size_t n_params)
{
    size_t size = stmt_size(sql.len, n_params);
    struct console_stmt *s =
        size > CONSOLE_STMT_BYTES - c->stmt_bytes ? NULL : mem_try(MEM_ADMIN, size);
    char *text;

    if (s == NULL) {
        return NULL;
    }
    memset(s, 0, size - sql.len);
    s->n_params = (uint16_t)n_params;
    s->long_data = (struct slice *)(void *)(s + 1);
    s->types = (uint16_t *)(void *)(s->long_data + n_params);
    text = (char *)(s->types + n_params);
    memcpy(text, sql.data, sql.len);
    s->sql = (struct slice){text, sql.len};
    s->id = ++c->last_stmt_id;
    c->stmt_bytes += size;
    list_push_front(&c->stmts, &s->in_client);
    return s;
}

/* 00, id, columns, parameters, 00, warnings; then a definition for each parameter, and EOF. */
static void send_prepared(struct console_client *c, const struct console_stmt *s)
{
    struct writer w = writer_of(c->core->scratch, sizeof(c->core->scratch));
    struct column column = {.name = SLICE("?"), .charset = 63, .type = TYPE_VAR_STRING};
    size_t at = packet_begin(&w);

    put_u8(&w, 0);
    put_u32(&w, s->id);
    put_u16(&w, 0);
    put_u16(&w, s->n_params);
    put_u8(&w, 0);
    put_u16(&w, 0);
    packet_end(&w, at, c->sequence++);
    for (size_t i = 0; i < s->n_params; i++) {
        if (w.cap - w.len < 128) {
            if (!console_write(c, w.base, w.len)) {
                return;
            }
            w.len = 0;
        }
        c->sequence = column_encode(&w, c->caps, &column, c->sequence);
    }
    if (s->n_params > 0) {
        c->sequence = columns_end_encode(
            &w, c->caps, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES, c->sequence);
    }
    CHECK(!w.failed);
    (void)!console_write(c, w.base, w.len);
}

void console_stmt_prepare(struct console_client *c, struct slice sql)
{
    struct slice rest = sql;
    struct slice first = sql_next(&rest);
    size_t n_params = sql_params(first);
    struct console_stmt *s;

    if (first.len == 0) {
        console_errorf(c, 1065, "42000", "%s", sql_empty_reason(sql));
    } else if (sql_next(&rest).len > 0) {
        console_errorf(c, 1064, "42000", "Several statements cannot be prepared as one");
    } else if (n_params > SQL_PARAMS_MAX) {
        console_errorf(c, 1390, "HY000", "Prepared statement contains too many placeholders");
    } else if (c->stmts.count >= CONSOLE_STMTS_MAX) {
        console_errorf(c, 1461, "42000",
                       "Can't create more than max_prepared_stmt_count statements (current value: "
                       "%d)",
                       CONSOLE_STMTS_MAX);
    } else if ((s = stmt_new(c, first, n_params)) == NULL) {
        console_error(c, ERR_MEMORY);
    } else {
        send_prepared(c, s);
    }
}

/* --- execute ---------------------------------------------------------------------------------- */

static int read_params(struct console_stmt *s, const struct execute *e, struct sql_param *params)
{
    struct reader types = reader_of(e->types.data, e->types.len);
    struct reader values = reader_of(e->values.data, e->values.len);
    int rc = 0;

    for (size_t i = 0; e->has_types && i < s->n_params; i++) {
        s->types[i] = get_u16(&types);
    }
    s->has_types |= e->has_types;
    if (s->n_params > 0 && !s->has_types) {
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < s->n_params && rc == 0; i++) {
        struct sql_param *p = &params[i];

        p->type = s->types[i];
        p->is_long_data = s->long_data[i].data != NULL;
        p->is_null = !p->is_long_data && ((unsigned char)e->nulls.data[i / 8] & 1u << i % 8) != 0;
        p->bytes = s->long_data[i];
        rc = sql_param_read(p, &values);
    }
    return rc;
}

/* The statement with its values; an error is not a broken packet. */
static void run_bound(struct console_client *c, struct console_stmt *s,
                      const struct sql_param *params)
{
    char *text = NULL;
    size_t len = 0;
    int rc = s->long_rc != 0 ? s->long_rc : sql_bind(&text, &len, s->sql, params, BOUND_MAX);

    drop_long_data(c, s);
    if (rc != 0) {
        console_error(c, rc);
    } else {
        console_run(c, (struct slice){text, len}, WIRE_BINARY);
    }
    mem_free(MEM_ADMIN, text);
}

void console_stmt_execute(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct console_stmt *s = find(c, payload, len);
    struct sql_param *params;
    struct execute e;

    if (s == NULL) {
        unknown(c, payload, len, "mysqld_stmt_execute");
        return;
    }
    params = mem_try(MEM_ADMIN, MAX(s->n_params, (size_t)1) * sizeof(*params));
    if (params == NULL) {
        console_error(c, ERR_MEMORY);
    } else if (execute_decode(&e, s->n_params, payload, len) != 0 ||
               read_params(s, &e, params) != 0) {
        console_refuse(c, ERR_MALFORMED, "a malformed COM_STMT_EXECUTE");
    } else {
        run_bound(c, s, params);
    }
    mem_free(MEM_ADMIN, params);
}

/* --- the rest --------------------------------------------------------------------------------- */

static int add_long_data(struct console_client *c, struct console_stmt *s, size_t index,
                         struct slice more)
{
    struct slice *to = &s->long_data[index];
    char *grown;

    if (more.len > CONSOLE_STMT_BYTES - c->stmt_bytes) {
        return ERR_PACKET_TOO_LARGE;
    }
    grown = mem_try_grow(MEM_ADMIN, (void *)(uintptr_t)to->data, MAX(to->len + more.len, 1));
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    memcpy(grown + to->len, more.data, more.len);
    *to = (struct slice){grown, to->len + more.len};
    s->long_bytes += more.len;
    c->stmt_bytes += more.len;
    return 0;
}

/* There is no answer to it. */
void console_stmt_long_data(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct console_stmt *s = find(c, payload, len);
    size_t index = len < LONG_HEAD ? 0 : peek_u16(payload + 5);

    if (len < LONG_HEAD) {
        console_close(c, "a malformed COM_STMT_SEND_LONG_DATA");
    } else if (s != NULL && index < s->n_params && s->long_rc == 0) {
        s->long_rc = add_long_data(
            c, s, index, (struct slice){(const char *)payload + LONG_HEAD, len - LONG_HEAD});
    } else if (s != NULL && index >= s->n_params) {
        s->long_rc = ERR_MALFORMED;
    }
}

void console_stmt_reset(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct console_stmt *s = find(c, payload, len);

    if (s == NULL) {
        unknown(c, payload, len, "mysqld_stmt_reset");
        return;
    }
    drop_long_data(c, s);
    console_ok(c);
}

/* There is no answer to it. */
void console_stmt_close(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct console_stmt *s = find(c, payload, len);

    if (s != NULL) {
        stmt_free(c, s);
    }
}
