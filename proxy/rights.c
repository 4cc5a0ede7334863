/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rights.c - see rights.h.
 */
#include "proxy/rights.h"

#include "base/clock.h"
#include "protocol/command.h"
#include "protocol/packet.h"
#include "protocol/reply.h"
#include "proxy/galeway.h"
#include "proxy/worker.h"

#define DOUBT_US 5000000 /* so long a statement without an answer may still change some */

static void raise_to(struct galeway *g, uint64_t until_us)
{
    unsigned long long before = atomic_load(&g->rights_us);

    while (before < until_us && !atomic_compare_exchange_weak(&g->rights_us, &before, until_us)) {
    }
    atomic_fetch_add(&g->schema_epoch, 1);
    nodes_wrote(&g->nodes, clock_now_us()); /* the monitor finds out who has applied it */
}

void rights_changed(struct galeway *g)
{
    raise_to(g, clock_now_us() + 1); /* a login of this microsecond may be older */
}

void rights_seen(struct galeway *g)
{
    raise_to(g, clock_now_us() + RIGHTS_SOON_US);
}

/* Refused for want of rights, or not understood: nothing was done. */
static bool is_refusal(uint16_t error)
{
    enum {
        ER_DB_DENIED = 1044,
        ER_DENIED = 1045,
        ER_PARSE = 1064,
        ER_PASSWORD_NOT_ALLOWED = 1132,
        ER_TABLE_DENIED = 1142,
        ER_SPECIFIC_DENIED = 1227,
        ER_NO_ADMIN = 1698, /* of the role */
        ER_MUST_CHANGE = 1820
    };

    return error == ER_DB_DENIED || error == ER_DENIED || error == ER_PARSE ||
           error == ER_PASSWORD_NOT_ALLOWED || error == ER_TABLE_DENIED ||
           error == ER_SPECIFIC_DENIED || error == ER_NO_ADMIN || error == ER_MUST_CHANGE;
}

/* One with several accounts may have dropped some of them when it fails. */
static bool was_refused(const struct task *task, const uv_buf_t *first)
{
    struct err err;

    return (task->facts.flags & FACT_MULTI) == 0 && first->len > PACKET_HEADER &&
           err_decode(&err, (const uint8_t *)first->base + PACKET_HEADER,
                      first->len - PACKET_HEADER) == 0 &&
           is_refusal(err.number);
}

/*
 * EXECUTE IMMEDIATE, BEGIN NOT ATOMIC: by its words. What a procedure does is not seen: were each
 * call of one taken for it, one site could keep all others from the cache.
 */
static bool may_have_changed(const struct task *task, const uv_buf_t *first)
{
    const struct facts *f = &task->facts;
    const struct slice words[] = {SLICE("GRANT"), SLICE("REVOKE"), SLICE("USER"), SLICE("ROLE")};

    if ((!task_is_dynamic(task) && f->verb != VERB_OTHER) || first->len <= PACKET_HEADER ||
        (uint8_t)first->base[PACKET_HEADER] != 0 /* OK */) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (slice_behind_nocase(f->body, words[i]).data != NULL) {
            return true;
        }
    }
    return false;
}

void rights_answers(const struct client *c, const uv_buf_t *first)
{
    const struct task *task = c->task;

    if (LIKELY(!task->facts.changes_rights && (task->facts.flags & FACT_RUNS_UNSEEN) == 0) ||
        !task_is_statement(task)) {
        return;
    }
    if (task->facts.changes_rights ? task->reply_begun || !was_refused(task, first)
                                   : !task->reply_begun && may_have_changed(task, first)) {
        rights_changed(c->worker->galeway);
    }
}

void rights_in_doubt(const struct client *c)
{
    const struct task *task = c->task;

    if (task != NULL && task->sent && task->facts.changes_rights && task_is_statement(task)) {
        raise_to(c->worker->galeway, clock_now_us() + DOUBT_US);
    }
}
