/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame_answer.c - what a scripted node says, as bytes.
 */
#include <stdio.h>
#include <strings.h>

#include "protocol/caps.h"
#include "protocol/command.h"
#include "protocol/greet.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "protocol/track.h"
#include "tests/fuzz/frame/frame.h"

static const uint16_t errors[] = {1047, 1213, 1205, 1053, 1317, 1040, 1203, 1226,
                                  1046, 1049, 1064, 1146, 2006, 2013, 1243, 0};

struct answer frame_answer_read(struct script *s)
{
    struct answer a = {.kind = script_u8(s) % ANSWER_KIND_COUNT};

    a.flags = script_u8(s);
    a.a = script_u8(s);
    a.b = script_u8(s);
    a.status = script_u16(s);
    a.cut = (a.flags & 0x80) != 0 ? script_u16(s) : 0;
    if (a.kind == ANSWER_RAW || a.kind == ANSWER_TRACK || a.kind == ANSWER_AUTH_MORE ||
        (a.flags & (ANSWER_THEN_MORE | ANSWER_IN_PIECES)) != 0) {
        a.n_raw = (uint8_t)script_bytes(s, a.raw, script_u8(s) % (sizeof(a.raw) + 1));
    }
    return a;
}

static uint16_t status_of(const struct frame_link *link, const struct answer *a)
{
    return a->kind == ANSWER_USUAL ? link->status : a->status;
}

/*
 * --- OK ----------------------------------------------------------------------------------------
 */

static void put_change(struct writer *w, uint8_t type, const char *name, struct slice value)
{
    size_t n = (name == NULL ? 0 : 1 + strlen(name)) + 1 + value.len;

    put_u8(w, type);
    put_lenenc(w, n);
    if (name != NULL) {
        put_lenenc_slice(w, slice_of(name));
    }
    put_lenenc_slice(w, value);
}

/* What the script says has changed. */
static void put_changes(struct writer *w, const struct answer *a)
{
    static const char *const names[] = {
        "sql_mode",           "autocommit",      "character_set_client", "time_zone",
        "max_statement_time", "wsrep_sync_wait", "no_such_variable",     "lc_messages"};
    struct slice raw = {(const char *)a->raw, a->n_raw};

    switch (a->a % 6) {
    case 0: put_change(w, TRACK_SYSTEM_VARIABLE, names[a->b % 8], raw); break;
    case 1: put_change(w, TRACK_SCHEMA, NULL, raw.len == 0 ? SLICE("s1") : raw); break;
    case 2: put_change(w, TRACK_STATE_CHANGE, NULL, SLICE("1")); break;
    case 3: put_change(w, 5, NULL, SLICE("T_______")); break;
    case 4: put_change(w, a->b, NULL, raw); break;
    default: put_slice(w, raw); break;
    }
}

static uint8_t put_ok(struct writer *w, const struct frame_link *link, const struct answer *a,
                      const char *mark, uint8_t sequence)
{
    uint16_t status = status_of(link, a);
    size_t at = packet_begin(w);

    if (a->kind == ANSWER_TRACK) {
        status |= STATUS_SESSION_STATE_CHANGED;
    } else if (a->kind == ANSWER_MORE) {
        status |= STATUS_MORE_RESULTS;
    } else {
        status &= (uint16_t)~STATUS_SESSION_STATE_CHANGED;
    }
    put_u8(w, 0);
    put_lenenc(w, a->a);
    put_lenenc(w, a->b);
    put_u16(w, status);
    put_u16(w, a->kind == ANSWER_OK ? a->a % 2 : 0);
    if (a->kind == ANSWER_TRACK) {
        uint8_t block[256];
        struct writer b = writer_of(block, sizeof(block));

        put_changes(&b, a);
        put_lenenc_slice(w, slice_of(mark));
        put_lenenc_slice(w, (struct slice){(const char *)block, b.len});
    } else if (mark[0] != '\0') {
        put_lenenc_slice(w, slice_of(mark));
    }
    packet_end(w, at, sequence);
    return (uint8_t)(sequence + 1);
}

/* --- rows ------------------------------------------------------------------------------------- */

static uint8_t put_columns(struct writer *w, size_t n, uint8_t sequence)
{
    struct column column = {
        .name = SLICE("c"), .charset = 45, .length = 80, .type = TYPE_VAR_STRING};

    for (size_t i = 0; i < n; i++) {
        sequence = column_encode(w, 0, &column, sequence);
    }
    return sequence;
}

/* a: how many columns (low bits) and how long a row is (high bits); b: how many rows. */
static uint8_t put_rows(struct writer *w, const struct frame_link *link, const struct answer *a,
                        const struct link_command *c, uint8_t sequence)
{
    size_t n_columns = a->kind == ANSWER_ROWS ? (size_t)(a->a & 7) : 1;
    size_t n_rows = a->kind == ANSWER_ROWS ? a->b : 1;
    size_t pad = a->kind == ANSWER_ROWS ? (size_t)(a->a >> 4) * 200 : 0;
    uint16_t status = status_of(link, a);
    bool is_binary = c->command == COM_STMT_EXECUTE;

    if (c->command != COM_STMT_FETCH) {
        sequence = result_begin(w, n_columns == 0 ? 1 : n_columns, sequence);
        sequence = put_columns(w, n_columns == 0 ? 1 : n_columns, sequence);
        sequence = rows_end_encode(w, 0, 0, status, sequence);
        if ((status & STATUS_CURSOR_EXISTS) != 0 && is_binary) {
            return sequence;
        }
    }
    for (size_t i = 0; i < n_rows; i++) {
        size_t at = packet_begin(w);

        if (is_binary || c->command == COM_STMT_FETCH) {
            put_u16(w, 0);
        }
        for (size_t k = 0; k < MAX(n_columns, (size_t)1); k++) {
            put_lenenc(w, (c->mark[0] == '\0' ? 1 : FRAME_MARK_LEN) + pad);
            put_slice(w, c->mark[0] == '\0' ? SLICE("7") : slice_of(c->mark));
            put_fill(w, 'p', pad);
        }
        packet_end(w, at, sequence++);
    }
    if (a->kind == ANSWER_ROWS && (a->a & 8) != 0) {
        return err_encode(w, errors[a->b % 16], "HY000", slice_of(c->mark), sequence);
    }
    return rows_end_encode(w, 0, a->b % 3, status, sequence);
}

static uint8_t put_prepared(struct writer *w, const struct answer *a, const struct link_command *c,
                            uint8_t sequence)
{
    size_t n_params = a->kind == ANSWER_PREPARED ? a->a % 5 : c->n_params;
    size_t n_columns = a->kind == ANSWER_PREPARED ? a->b % 5 : 1;
    size_t at = packet_begin(w);

    put_u8(w, 0);
    put_u32(w, c->stmt);
    put_u16(w, (uint16_t)n_columns);
    put_u16(w, (uint16_t)n_params);
    put_u8(w, 0);
    put_u16(w, 0);
    packet_end(w, at, sequence++);
    if (n_params > 0) {
        sequence = put_columns(w, n_params, sequence);
        sequence = rows_end_encode(w, 0, 0, STATUS_AUTOCOMMIT, sequence);
    }
    if (n_columns > 0) {
        sequence = put_columns(w, n_columns, sequence);
        sequence = rows_end_encode(w, 0, 0, STATUS_AUTOCOMMIT, sequence);
    }
    return sequence;
}

/* --- what a node says by itself --------------------------------------------------------------- */

static bool begins(const char *text, const char *word)
{
    while (*text == ' ') {
        text++;
    }
    return strncasecmp(text, word, strlen(word)) == 0;
}

static void follow_transaction(struct frame_link *link, const char *text)
{
    if (begins(text, "BEGIN") || begins(text, "START")) {
        link->status |= STATUS_IN_TRANS;
    } else if (begins(text, "COMMIT") || begins(text, "ROLLBACK")) {
        link->status &= (uint16_t)~STATUS_IN_TRANS;
    } else if (begins(text, "SET autocommit=0")) {
        link->status &= (uint16_t)~STATUS_AUTOCOMMIT;
    } else if (begins(text, "SET autocommit=1")) {
        link->status = STATUS_AUTOCOMMIT;
    }
}

static void put_usual(struct writer *w, struct frame_link *link, const struct answer *a,
                      const struct link_command *c)
{
    switch (c->command) {
    case COM_QUERY:
        follow_transaction(link, c->text);
        if (begins(c->text, "SELECT") || begins(c->text, "SHOW") || begins(c->text, "WITH")) {
            (void)put_rows(w, link, a, c, c->sequence);
            return;
        }
        break;
    case COM_STMT_PREPARE: (void)put_prepared(w, a, c, c->sequence); return;
    case COM_STMT_EXECUTE: (void)put_rows(w, link, a, c, c->sequence); return;
    case COM_STMT_FETCH:
        (void)rows_end_encode(w, 0, 0, STATUS_AUTOCOMMIT | STATUS_LAST_ROW_SENT, c->sequence);
        return;
    case COM_FIELD_LIST:
    case COM_SET_OPTION: (void)rows_end_encode(w, 0, 0, link->status, c->sequence); return;
    case COM_CHANGE_USER:
        link->phase = LINK_SWITCHED; /* its answer is no command */
        auth_switch_encode(w, SLICE(PLUGIN_NATIVE), (const uint8_t *)"abcdefghijklmnopqrst",
                           c->sequence);
        link->status = STATUS_AUTOCOMMIT;
        return;
    case COM_RESET_CONNECTION: link->status = STATUS_AUTOCOMMIT; break;
    default: break;
    }
    (void)put_ok(w, link, a, c->mark, c->sequence);
}

static void put_file_request(struct writer *w, struct frame_link *link, uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, 0xfb);
    put_slice(w, SLICE("file"));
    packet_end(w, at, sequence);
    link->takes_file = true;
}

static void put_raw_packet(struct writer *w, uint8_t first, const struct answer *a,
                           uint8_t sequence)
{
    size_t at = packet_begin(w);

    put_u8(w, first);
    put_bytes(w, a->raw, a->n_raw);
    packet_end(w, at, sequence);
}

static const struct slice switch_plugins[] = {
    {PLUGIN_NATIVE, sizeof(PLUGIN_NATIVE) - 1},
    {PLUGIN_SHA2, sizeof(PLUGIN_SHA2) - 1},
    {PLUGIN_ED25519, sizeof(PLUGIN_ED25519) - 1},
    {PLUGIN_CLEAR, sizeof(PLUGIN_CLEAR) - 1},
};

static void put_switch(struct writer *w, struct frame_link *link, const struct answer *a,
                       uint8_t sequence)
{
    link->phase = LINK_SWITCHED;
    auth_switch_encode_data(
        w, switch_plugins[a->a % 4],
        (struct slice){"abcdefghijklmnopqrstuvwxyz0123456789", a->b % 4 == 0 ? 20u : a->b % 37u},
        sequence);
}

size_t frame_answer_make(struct frame_link *link, const struct answer *a,
                         const struct link_command *c, uint8_t *out, size_t cap)
{
    struct writer w = writer_of(out, cap);
    uint8_t sequence = (uint8_t)(c->sequence + ((a->flags & ANSWER_WRONG_SEQUENCE) != 0 ? 3 : 0));

    switch ((enum answer_kind)a->kind) {
    case ANSWER_USUAL: put_usual(&w, link, a, c); break;
    case ANSWER_OK:
    case ANSWER_MORE:
    case ANSWER_TRACK: (void)put_ok(&w, link, a, c->mark, sequence); break;
    case ANSWER_ERR:
        (void)err_encode(&w, errors[a->a % 16] != 0 ? errors[a->a % 16] : a->status, "HY000",
                         slice_of(c->mark), sequence);
        break;
    case ANSWER_ROWS: (void)put_rows(&w, link, a, c, sequence); break;
    case ANSWER_FILE: put_file_request(&w, link, sequence); break;
    case ANSWER_PREPARED: (void)put_prepared(&w, a, c, sequence); break;
    case ANSWER_SWITCH: put_switch(&w, link, a, sequence); break;
    case ANSWER_AUTH_MORE:
        link->phase = LINK_SWITCHED;
        put_raw_packet(&w, 1, a, sequence);
        break;
    case ANSWER_EOF: (void)rows_end_encode(&w, 0, a->b, a->status, sequence); break;
    case ANSWER_HUGE:
        put_u24(&w, 0xffffff - (unsigned)(a->a % 2));
        put_u8(&w, sequence);
        put_u8(&w, a->b);
        break;
    case ANSWER_RAW: put_bytes(&w, a->raw, a->n_raw); break;
    case ANSWER_NONE:
    case ANSWER_KIND_COUNT: break;
    }
    return a->cut != 0 ? MIN((size_t)a->cut, w.len) : w.len;
}
