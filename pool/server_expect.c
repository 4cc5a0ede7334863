/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_expect.c - the replies that are outstanding, in the order of their commands.
 */
#include "pool/pool.h"
#include "pool/server.h"

void server_follow_next(struct server *s)
{
    const struct expect *e = &s->expects[s->first_expect];

    follow_begin(&s->follow, (enum follow_kind)e->follow, (s->caps & CAP_DEPRECATE_EOF) != 0);
    s->follow.shows_changes = s->shows_changes;
    if (UNLIKELY(e->sends_more)) {
        follow_any_sequence(&s->follow);
    }
    if (UNLIKELY(stream_is_compressed(&s->stream))) {
        follow_renumber(&s->follow, e->first);
    }
}

void server_expect(struct server *s, enum expect_what what, enum follow_kind follow)
{
    unsigned at = (s->first_expect + s->n_expects) % SERVER_MAX_EXPECTS;

    CHECK(s->n_expects < SERVER_MAX_EXPECTS);
    s->expects[at] = (struct expect){.what = (uint8_t)what, .follow = (uint8_t)follow, .first = 1};
    if (what == EXPECT_REPLY) {
        s->statement_sent = true;
        s->is_passing = s->has_replied = s->status_is_late = false;
    }
    s->n_commands++;
    if (s->n_expects++ == 0) {
        server_follow_next(s);
        s->asked_ms = s->pool->now_ms;
    }
}

void server_expect_first(struct server *s, enum expect_what what, enum follow_kind follow)
{
    unsigned n = s->n_expects, at = s->first_expect;

    server_expect(s, what, follow);
    for (unsigned i = n; i > 0; i--) {
        s->expects[(at + i) % SERVER_MAX_EXPECTS] = s->expects[(at + i - 1) % SERVER_MAX_EXPECTS];
    }
    s->expects[at] = (struct expect){.what = (uint8_t)what, .follow = (uint8_t)follow, .first = 1};
    server_follow_next(s);
}

void server_sent_up_to(struct server *s, uint8_t next_sequence)
{
    if (UNLIKELY(stream_is_compressed(&s->stream)) && s->n_expects > 0) {
        server_last_expect(s)->first = next_sequence;
    }
    if (s->n_expects == 1) {
        s->follow.next_sequence = next_sequence;
    }
}
