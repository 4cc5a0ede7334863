/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_command.c - a command has arrived. Whatever is a question about data becomes a statement
 * for the store; here is only what the protocol itself asks for.
 */
#include <stdio.h>

#include "admin/console_audit.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/stat.h"
#include "protocol/caps.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "proxy/worker.h"

/* One packet that is not OK, ERR or rows. */
static void send_packet(struct console_client *c, struct writer *w)
{
    CHECK(!w->failed);
    (void)!console_write(c, w->base, w->len);
}

static void use_schema(struct console_client *c, struct slice name)
{
    char quoted[CONSOLE_QUOTED_MAX];

    if (name.len == 0 || !console_quote_name(quoted, name)) {
        console_error(c, ERR_NO_SCHEMA);
    } else {
        console_runf(c, WIRE_TEXT, "USE %s", quoted);
    }
}

/* The table's columns; the pattern behind the name is not looked at, as the client filters too. */
static void field_list(struct console_client *c, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    char quoted[CONSOLE_QUOTED_MAX];
    struct slice table = get_zero_or_rest(&r);

    if (table.len == 0 || !console_quote_name(quoted, table)) {
        console_errorf(c, 1103, "42000", "Incorrect table name");
    } else {
        console_runf(c, WIRE_FIELDS, "SELECT * FROM %s LIMIT 0", quoted);
    }
}

/* What `\s` of the command line client and mysqladmin show. */
static void statistics(struct console_client *c)
{
    struct galeway *g = c->core->galeway;
    uint64_t seconds = (clock_now_ms() - g->started_ms) / 1000;
    uint64_t questions = c->core->questions;
    uint8_t bytes[256];
    struct writer w = writer_of(bytes, sizeof(bytes));
    size_t at = packet_begin(&w);
    char text[192];
    int n;

    for (unsigned i = 0; i < g->n_workers; i++) {
        struct stat_set *set = &g->workers[i]->stats;

        questions += stat_sum(&set, 1, STAT_QUESTIONS);
    }
    n = snprintf(text, sizeof(text), "Uptime: %llu  Threads: %d  Questions: %llu  Slow queries: 0",
                 (unsigned long long)seconds, atomic_load(&g->n_clients) + (int)c->core->n_served,
                 (unsigned long long)questions);
    put_bytes(&w, text, (size_t)n);
    packet_end(&w, at, c->sequence++);
    send_packet(c, &w);
}

/* 0 = several statements in one are allowed, 1 = not. Answered by EOF. */
static void set_option(struct console_client *c, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    uint16_t option = get_u16(&r);
    uint8_t bytes[32];
    struct writer w = writer_of(bytes, sizeof(bytes));

    if (r.failed || option > 1) {
        console_error(c, ERR_UNKNOWN_COMMAND);
        return;
    }
    c->multi_statements = option == 0;
    c->sequence = rows_end_encode(&w, c->caps, 0, STATUS_AUTOCOMMIT | STATUS_NO_BACKSLASH_ESCAPES,
                                  c->sequence);
    send_packet(c, &w);
}

static void process_kill(struct console_client *c, struct slice body)
{
    struct reader r = reader_of(body.data, body.len);
    uint32_t id = get_u32(&r);

    if (r.failed) {
        console_refuse(c, ERR_MALFORMED, "a malformed COM_PROCESS_KILL");
    } else {
        console_runf(c, WIRE_TEXT, "KILL CONNECTION %u", id);
    }
}

static void reset_connection(struct console_client *c)
{
    char user[STORE_NAME_MAX + 1];
    bool is_admin = c->session.is_admin;

    memcpy(user, c->session.user, sizeof(user));
    console_stmt_drop_all(c);
    c->core->engine.end(&c->session);
    c->core->engine.begin(&c->session, user, is_admin);
    c->session.id = c->id;
    console_ok(c);
}

static void quit(struct console_client *c)
{
    console_audit(c, CONSOLE_AUDIT_QUIT, NULL, NULL);
    console_close(c, NULL);
}

void console_command(struct console_client *c, const uint8_t *payload, size_t len)
{
    struct slice body = {(const char *)payload + 1, len - 1};

    console_client_to(c, CONSOLE_IDLE);
    c->core->questions++;
    switch (payload[0]) {
    case COM_QUIT: quit(c); break;
    case COM_PING: console_ok(c); break;
    case COM_QUERY: console_run_text(c, body); break;
    case COM_INIT_DB: use_schema(c, body); break;
    case COM_FIELD_LIST: field_list(c, body); break;
    case COM_STATISTICS: statistics(c); break;
    case COM_SET_OPTION: set_option(c, body); break;
    case COM_PROCESS_INFO: console_run(c, SLICE("SHOW PROCESSLIST"), WIRE_TEXT); break;
    case COM_PROCESS_KILL: process_kill(c, body); break;
    case COM_RESET_CONNECTION: reset_connection(c); break;
    case COM_CHANGE_USER: console_change_user(c, payload, len); break;
    case COM_STMT_PREPARE: console_stmt_prepare(c, body); break;
    case COM_STMT_EXECUTE: console_stmt_execute(c, payload, len); break;
    case COM_STMT_SEND_LONG_DATA: console_stmt_long_data(c, payload, len); break;
    case COM_STMT_RESET: console_stmt_reset(c, payload, len); break;
    case COM_STMT_CLOSE: console_stmt_close(c, payload, len); break;
    case COM_STMT_FETCH: console_error(c, ERR_NO_CURSOR); break; /* none is ever opened */
    default: console_error(c, ERR_UNKNOWN_COMMAND); break;
    }
}
