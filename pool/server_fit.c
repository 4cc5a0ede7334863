/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_fit.c - make a server connection fit for a session: user, schema, variables,
 * multi-statements; reset it.
 *
 * A change of user or schema is waited for: a statement behind a refused one would run as the wrong
 * user or in the wrong schema (seen with 10.11: a refused COM_CHANGE_USER leaves the connection
 * open and the old user in). SET of values that a node has accepted before cannot fail and goes out
 * in the same write as the statement.
 */
#include "base/err.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "pool/server.h"
#include "pool/server_stmt.h"
#include "protocol/command.h"
#include "protocol/packet.h"

#define SETUP_TEXT                                                                                \
    "SET session_track_system_variables='*',session_track_state_change=1,session_track_schema=1," \
    "character_set_database=DEFAULT"

/*
 * Session tracking is lost with each reset: asked for again. And a reset leaves the server's
 * character_set_database, not the schema's (10.11).
 */
int server_setup_text(struct writer *w)
{
    size_t at = packet_begin(w);

    put_u8(w, COM_QUERY);
    put_slice(w, SLICE(SETUP_TEXT));
    packet_end(w, at, 0);
    return w->failed ? ERR_LIMIT : 0;
}

static int send_now(struct server *s, struct writer *w)
{
    uv_buf_t buf = uv_buf_init((char *)w->base, (unsigned)w->len);
    int rc;

    CHECK(!w->failed);
    rc = server_write(s, &buf, 1);
    return rc < 0 ? rc : 0;
}

/* It gets what the schema has now: its character set is the connection's from here on. */
static void enter_schema(struct server *s, struct schema *schema)
{
    s->schema = schema;
    s->schema_changes = atomic_load(s->pool->schema_changes);
}

static void became_fresh(struct server *s)
{
    profile_unref(&s->pool->profiles, s->profile);
    s->profile = profile_ref(s->pool->base_profile);
    s->was_reset = true;
    s->must_reset = false;
    s->owes_changes = false;
    server_stmts_drop(s);
}

static int fit_user(struct server *s, const struct want *want)
{
    int rc;

    rc = server_change_user(s, want);
    if (rc != 0) {
        return rc;
    }
    if (s->account != want->account) {
        atomic_fetch_sub(&s->account->n_servers, 1);
        atomic_fetch_add(&want->account->n_servers, 1);
        s->account = want->account;
    }
    became_fresh(s);
    enter_schema(s, want->schema);
    return 1;
}

static int fit_schema(struct server *s, struct schema *schema)
{
    uint8_t bytes[PACKET_HEADER + 1 + SCHEMA_NAME_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    size_t at = packet_begin(&w);
    int rc;

    CHECK(schema != NULL); /* server_fit: a connection cannot be taken its schema away */
    put_u8(&w, COM_INIT_DB);
    put_slice(&w, schema->name);
    packet_end(&w, at, 0);
    server_expect(s, EXPECT_INIT_DB, FOLLOW_RESULT);
    rc = send_now(s, &w);
    s->schema_before = s->schema;
    enter_schema(s, schema);
    return rc < 0 ? rc : 1;
}

static void fit_profile(struct server *s, struct profile *profile, struct writer *prefix)
{
    size_t before = prefix->len;
    size_t at = packet_begin(prefix);

    put_u8(prefix, COM_QUERY);
    profile_write_set(prefix, s->profile, profile);
    if (prefix->len == at + PACKET_HEADER + 1) {
        prefix->len = before; /* nothing that SET could change */
    } else {
        packet_end(prefix, at, 0);
        server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    }
    profile_unref(&s->pool->profiles, s->profile);
    s->profile = profile_ref(profile);
}

static void fit_multi_statements(struct server *s, bool on, struct writer *prefix)
{
    size_t at = packet_begin(prefix);

    put_u8(prefix, COM_SET_OPTION);
    put_u16(prefix, on ? 0 : 1);
    packet_end(prefix, at, 0);
    server_expect(s, EXPECT_SET_OPTION, FOLLOW_ONE);
    s->multi_statements = on;
}

int server_fit(struct server *s, const struct want *want, struct writer *prefix)
{
    int rc = 0;

    CHECK(s->state == SERVER_LENT && s->n_expects == 0);
    if (s->account != want->account || s->must_reset ||
        (want->schema == NULL && s->schema != NULL)) {
        rc = fit_user(s, want); /* nothing else takes a schema away */
    } else if (want->schema != s->schema || want->ask_schema) {
        rc = fit_schema(s, want->schema);
    } else {
        if (want->profile != s->profile) {
            fit_profile(s, want->profile, prefix);
        }
        if (want->multi_statements != s->multi_statements) {
            fit_multi_statements(s, want->multi_statements, prefix);
        }
        if (prefix->failed) { /* a profile of many long values: too rare to be fast */
            rc = ERR_LIMIT;
        }
    }
    if (rc < 0) {
        server_close(s, "making it fit failed", rc);
    }
    return rc;
}

/*
 * A role, and the statements that SHOW PROFILES shows, outlive a reset (10.11). The list is cut to
 * its size behind each statement that is profiled. The role that its user has by default comes back
 * with a change of user.
 */
static void wipe_unseen(struct server *s, struct writer *w)
{
    static const char *const statements[] = {
        "SET ROLE NONE",
        "SET profiling=1,profiling_history_size=0",
        "DO 0",
        "SET profiling=DEFAULT,profiling_history_size=DEFAULT",
    };

    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        size_t at = packet_begin(w);

        put_u8(w, COM_QUERY);
        put_slice(w, slice_of(statements[i]));
        packet_end(w, at, 0);
        server_expect(s, EXPECT_SET, FOLLOW_RESULT);
    }
    s->ran_unseen = false;
    s->must_reset = true;
}

int server_wipe(struct server *s)
{
    uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof(bytes));
    size_t at = packet_begin(&w);

    put_u8(&w, COM_RESET_CONNECTION);
    packet_end(&w, at, 0);
    server_expect(s, EXPECT_RESET, FOLLOW_RESULT);
    became_fresh(s);
    if (s->ran_unseen) {
        wipe_unseen(s, &w);
    }
    if (server_setup_text(&w) != 0) {
        UNREACHABLE();
    }
    server_expect(s, EXPECT_SETUP, FOLLOW_RESULT);
    stat_add(s->pool->stats, STAT_POOL_RESETS, 1);
    return send_now(s, &w);
}

void server_reset(struct server *s)
{
    if (s->must_close) {
        server_close(s, "has state that no reset takes away", 0);
        return;
    }
    server_to(s, SERVER_RESETTING);
    s->owner = NULL;
    s->events = NULL;
    s->n_wrote = 0;
    if (stream_read_start(&s->stream) != 0 || server_wipe(s) != 0) {
        server_lost(s, ERR_NODE_LOST, NULL);
    }
}
