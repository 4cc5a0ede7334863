/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_causal.c - see client_causal.h.
 */
#include "proxy/client_causal.h"

#include "base/clock.h"
#include "pool/homes.h"
#include "proxy/client_homes.h"
#include "proxy/client_stmt.h"
#include "proxy/schema_look.h"
#include "proxy/worker.h"

/* Of when it came: a window that ends while it waits does not make an old row a new one. */
static uint64_t began_us(const struct client *c)
{
    return c->task->began_us != 0 ? c->task->began_us : clock_now_us();
}

/* Nobody is behind. */
static bool is_everywhere(const struct client *c, uint64_t us, uint8_t flags)
{
    const struct nodes *nodes = &c->worker->galeway->nodes;

    return us == 0 || ((flags & CAUSAL_OVER) != 0 &&
                       us <= atomic_load_explicit(&nodes->applied_by_all_us, memory_order_acquire));
}

/* Most reads come long after any write of their schema: then what it shows need not be known. */
static uint64_t find_follow_us(const struct client *c, uint8_t *flags)
{
    const struct conf_vars *vars = worker_vars(c->worker);
    const struct causal *causal = &c->worker->galeway->causal;
    struct causal_read read = {
        .facts = &c->task->facts,
        .schema = client_stmt_schema(&c->session, c->task),
        .is_broad = true,
        .is_opaque = true,
        .account = c->session.account->id,
        .bloom = session_written(&c->session, c->worker->now_ms,
                                 (uint64_t)vars->mysql_causal_session_ms),
        .now_us = began_us(c),
        .window_us = session_window_us(c->session.account, c->task->verdict.causal_window_ms,
                                       vars->mysql_causal_window_ms),
    };
    uint64_t us = causal_follow_us(causal, &read, flags);

    if (!is_everywhere(c, us, *flags)) {
        read.is_broad = !schemas_are_plain(c);
        read.is_opaque = read.is_broad && !schemas_are_seen(c);
    }
    if (!read.is_broad || !read.is_opaque) {
        us = causal_follow_us(causal, &read, flags);
    }
    if (is_everywhere(c, us, *flags)) {
        *flags = 0;
        return 0;
    }
    return us;
}

uint64_t client_follow_us(const struct client *c)
{
    struct task *task = c->task;

    if (!task->follow_is_known) {
        task->follow_is_known = true;
        task->follow_flags = 0;
        task->follow_us =
            (task->facts.flags & FACT_READ) == 0 ? 0 : find_follow_us(c, &task->follow_flags);
    }
    return task->follow_us;
}

void client_causal_route(const struct client *c, struct route_input *in)
{
    in->follow_us = client_follow_us(c);
    in->follow_flags = c->task->follow_flags;
}

/*
 * However long ago it was written, and by whom: at a node that does not write there is no other
 * sign of it than that the node has applied it.
 */
static void follow_bound(const struct client *c, struct route_input *in)
{
    const struct causal_read read = {
        .facts = in->facts,
        .schema = client_stmt_schema(&c->session, c->task),
        .is_broad = !schemas_are_plain(c),
        .is_opaque = !schemas_are_seen(c),
        .account = c->session.account->id,
        .now_us = began_us(c),
        .window_us = CAUSAL_EVER,
    };

    in->follow_us =
        MIN(causal_follow_us(&c->worker->galeway->causal, &read, &in->follow_flags), read.now_us);
}

bool client_causal_stays(const struct client *c, struct route_input *in)
{
    const struct galeway *g = c->worker->galeway;
    const struct facts *f = in->facts;
    const struct node *node = c->server->node;

    if (f->n_tables == 0 && (f->flags & FACT_TABLES_UNKNOWN) == 0) {
        return true;
    }
    if (homes_are_on(&g->nodes)) {
        client_homes_route(c, in);
        client_causal_route(c, in);
        return route_may_stay(in, node);
    }
    if (route_writes(in->roles, node) && !causal_has_strays(&g->causal, began_us(c))) {
        return true;
    }
    follow_bound(c, in);
    return route_may_stay(in, node);
}

bool client_is_stray(const struct client *c, const struct server *s)
{
    struct route_input in = {.side = ROUTE_SPLIT};

    return (c->task->facts.flags & FACT_READ) == 0 &&
           atomic_load_explicit(&s->node->shared.is_numbered, memory_order_relaxed) &&
           !homes_are_on(&c->worker->galeway->nodes) &&
           route_find_roles(&in, c->worker->snapshot->topology, 0, s->traffic->hostgroup) &&
           !route_writes(in.roles, s->node);
}
