/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_ran.c - see session_ran.h.
 */
#include "tests/unit/session_ran.h"

#include "base/mem.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/track.h"

void ran_make(struct ran *r)
{
    *r = (struct ran){.account = {.id = 1},
                      .pool = mem_new(MEM_POOL, sizeof(struct pool)),
                      .status = STATUS_AUTOCOMMIT};
    pool_init(r->pool, 0);
    r->pool->now_ms = 1000;
    r->server = (struct server){.id = 77, .pool = r->pool};
    r->tracked = writer_of(r->track, sizeof(r->track));
    r->session = (struct session){.account = &r->account};
    session_reset(&r->session, &r->pool->profiles, profile_ref(r->pool->profiles.empty),
                  STATUS_AUTOCOMMIT);
    r->session.schema = schema_get(&r->pool->schemas, &r->account, SLICE("s"));
}

void ran_done(struct ran *r)
{
    session_reset(&r->session, &r->pool->profiles, NULL, 0);
    tasks_fini(&r->tasks);
    pool_fini(r->pool); /* aborts when a profile is left */
    mem_free(MEM_POOL, r->pool);
    assert_int_equal(mem_blocks(MEM_PENDING) + mem_blocks(MEM_CLIENT), 0);
}

void ran_track_variable(struct ran *r, const char *name, const char *value)
{
    size_t n = 1 + strlen(name) + 1 + strlen(value);

    assert_true(n < 250 && strlen(value) < 250);
    put_u8(&r->tracked, TRACK_SYSTEM_VARIABLE);
    put_lenenc(&r->tracked, n);
    put_lenenc_slice(&r->tracked, slice_of(name));
    put_lenenc_slice(&r->tracked, slice_of(value));
}

void ran_track_schema(struct ran *r, const char *name)
{
    put_u8(&r->tracked, TRACK_SCHEMA);
    put_lenenc(&r->tracked, 1 + strlen(name));
    put_lenenc_slice(&r->tracked, slice_of(name));
}

void ran_track_state(struct ran *r)
{
    put_u8(&r->tracked, TRACK_STATE_CHANGE);
    put_lenenc_slice(&r->tracked, SLICE("1"));
}

/* The reply as the node sends it (but for the block of session changes): its length. */
static size_t make_reply(const struct ran *r, uint8_t *bytes, size_t cap)
{
    struct column column = {.name = SLICE("GET_LOCK('a',1)"), .type = TYPE_LONGLONG};
    struct slice field = slice_of(r->value);
    struct writer w = writer_of(bytes, cap);
    uint8_t sequence = 1;

    if (r->is_error) {
        (void)err_encode(&w, 1064, "42000", SLICE("refused"), sequence);
    } else if (r->rows == 0) {
        (void)ok_encode(
            &w, &(struct ok){.affected = r->affected, .status = r->status, .warnings = r->warnings},
            sequence);
    } else {
        sequence = result_begin(&w, 1, sequence);
        sequence = column_encode(&w, 0, &column, sequence);
        sequence = columns_end_encode(&w, 0, r->status, sequence);
        for (unsigned i = 0; i < r->rows; i++) {
            sequence = row_encode(&w, &field, 1, sequence);
        }
        (void)rows_end_encode(&w, 0, r->warnings, r->status, sequence);
        if (r->state_changed) { /* the encoder never sends it */
            bytes[w.len - 1] |= STATUS_SESSION_STATE_CHANGED >> 8;
        }
    }
    assert_false(w.failed);
    return w.len;
}

static struct follow outcome_of(struct task *task, uint8_t *bytes, size_t len)
{
    struct follow f;
    size_t used;
    size_t packet_len;

    task->peek_len = MIN(len, sizeof(task->peek));
    memcpy(task->peek, bytes, task->peek_len);
    follow_begin(&f, FOLLOW_RESULT, false);
    assert_int_equal(follow_feed(&f, bytes, len, &used, &packet_len), FOLLOW_DONE);
    assert_int_equal(used, len);
    return f;
}

void ran(struct ran *r, const char *sql)
{
    struct slice statement = slice_of(sql);
    size_t len = statement.len;
    struct task *task = task_new(&r->tasks, PACKET_HEADER + 1 + len);
    char *text = (char *)task->bytes + PACKET_HEADER + 1;
    const struct ok ok = {.track = {(const char *)r->track, r->tracked.len},
                          .ends_rows = r->told_early,
                          .status = r->told_early ? STATUS_MORE_RESULTS : 0};
    uint8_t reply[1024];
    struct follow outcome;

    assert_false(r->tracked.failed);
    memcpy(text, statement.data, len);
    task->command = r->command == 0 ? COM_QUERY : r->command;
    task->is_unseen = r->is_unseen;
    facts_scan(&task->facts, (struct slice){text, len}, session_sql_mode(&r->session));
    outcome = outcome_of(task, reply, make_reply(r, reply, sizeof(reply)));
    if (!r->is_error) {
        session_track(&r->session, r->pool, task, &ok);
    }
    session_after(&r->session, &r->server, task, &outcome);
    memset(text, 'x', len); /* the bytes of a task go; what is remembered may not point there */
    task_free(&r->tasks, task);
    r->tracked = writer_of(r->track, sizeof(r->track));
    r->command = 0;
    r->is_unseen = r->is_error = r->state_changed = r->told_early = false;
    r->warnings = 0;
    r->affected = 0;
    r->rows = 0;
    r->value = NULL;
}

void ran_value(struct ran *r, const char *sql, const char *value)
{
    r->rows = 1;
    r->value = value;
    ran(r, sql);
}

void ran_error(struct ran *r, const char *sql)
{
    r->is_error = true;
    ran(r, sql);
}

void ran_warned(struct ran *r, const char *sql)
{
    r->warnings = 1;
    ran(r, sql);
}
