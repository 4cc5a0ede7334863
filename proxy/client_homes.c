/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_homes.c - see client_homes.h.
 */
#include "proxy/client_homes.h"

#include "base/clock.h"
#include "pool/homes.h"
#include "protocol/packet.h"
#include "proxy/client_run.h"
#include "proxy/client_stmt.h"
#include "proxy/worker.h"
#include "router/named.h"

static unsigned bucket_of_name(struct slice name)
{
    return homes_bucket(name.len == 0 ? 0 : schema_hash(name));
}

static unsigned bucket_of_session(const struct client *c)
{
    const struct schema *schema = c->session.schema;

    return homes_bucket(schema == NULL ? 0 : schema->hash);
}

/* What they show is of the session's schema, or of the node. In mysql there are tables. */
static bool is_of_system(struct slice schema)
{
    return facts_is_system_schema(schema) && !slice_eq_nocase(schema, SLICE("mysql"));
}

static unsigned bucket_of_table(const struct table_name *t, unsigned own)
{
    if (t->schema.len == 0 || is_of_system(t->schema)) {
        return own;
    }
    return homes_bucket(schema_hash(t->schema));
}

/* What a task is about. */
struct about {
    struct homes_also all;
    unsigned own;
};

static void on_name(void *arg, struct slice name)
{
    struct about *about = arg;

    if (!is_of_system(name)) {
        homes_also_add(&about->all, homes_bucket(schema_hash(name)));
    }
}

/* Its tables' buckets; the session's, too, when they are not sure, and all that are named. */
static struct about about_task(const struct client *c)
{
    const struct task *task = c->task;
    const struct facts *f = &task->facts;
    struct about about = {.own = bucket_of_name(client_stmt_schema(&c->session, task))};

    if (f->n_tables == 0 || (f->flags & (FACT_TABLES_UNKNOWN | FACT_MULTI)) != 0) {
        homes_also_add(&about.all, about.own);
    }
    for (unsigned i = 0; i < f->n_tables; i++) {
        homes_also_add(&about.all, bucket_of_table(&f->tables[i], about.own));
    }
    if ((f->flags & (FACT_TABLES_UNKNOWN | FACT_MULTI)) != 0) {
        named_schemas(task_text(task), session_sql_mode(&c->session), task_is_dynamic(task),
                      on_name, &about);
    }
    return about;
}

void client_homes_route(const struct client *c, struct route_input *in)
{
    const struct nodes *nodes = &c->worker->galeway->nodes;
    uint64_t began = c->task->began_us != 0 ? c->task->began_us : clock_now_us();
    uint64_t written = atomic_load_explicit(&nodes->written_us, memory_order_relaxed);
    struct about about;

    if (homes_are_on(nodes)) {
        about = about_task(c);
        in->also = about.all;
        in->bucket = (uint16_t)(about.all.n == 1 ? about.all.buckets[0] : about.own);
        in->asked_us = MIN(began, written + NODES_WROTE_US);
    }
}

static void note(struct server *s, unsigned bucket)
{
    for (unsigned i = 0; i < MIN(s->n_wrote, SERVER_WROTE_MAX); i++) {
        if (s->wrote[i] == bucket) {
            return;
        }
    }
    if (s->n_wrote < SERVER_WROTE_MAX) {
        s->wrote[s->n_wrote] = (uint16_t)bucket;
    }
    s->n_wrote = (uint8_t)MIN(s->n_wrote + 1, SERVER_WROTE_MAX + 1);
}

static void mark(const struct nodes *nodes, const struct server *s)
{
    uint64_t now = clock_now_us();

    for (unsigned b = 0; s->n_wrote > SERVER_WROTE_MAX && b < HOMES_BUCKETS; b++) {
        homes_wrote(nodes, s->node->index, b, now);
    }
    for (unsigned i = 0; i < MIN(s->n_wrote, SERVER_WROTE_MAX); i++) {
        homes_wrote(nodes, s->node->index, s->wrote[i], now);
    }
}

void client_homes_answers(const struct client *c, struct server *s)
{
    struct about about;

    if ((c->task->facts.flags & FACT_READ) != 0 || !homes_are_on(&c->worker->galeway->nodes)) {
        return;
    }
    about = about_task(c);
    for (unsigned i = 0; i < MIN(about.all.n, HOMES_ALSO_MAX); i++) {
        note(s, about.all.buckets[i]);
    }
    if (about.all.n > HOMES_ALSO_MAX) {
        s->n_wrote = SERVER_WROTE_MAX + 1;
    }
    mark(&c->worker->galeway->nodes, s);
}

void client_homes_wrote(const struct client *c, struct server *s)
{
    client_homes_answers(c, s);
    if ((s->status & STATUS_IN_TRANS) == 0) {
        s->n_wrote = 0;
    }
}

bool client_homes_keeps(const struct worker *w, const struct server *s)
{
    const struct nodes *nodes = &w->galeway->nodes;
    const struct client *c = s->events == &client_server_events ? s->owner : NULL;

    if (s->state == SERVER_CLOSING || s->state == SERVER_FREE || s->is_side) {
        return false;
    }
    if (c == NULL) { /* its client has gone: who knows what about */
        return s->state == SERVER_DRAINING;
    }
    if (s->n_wrote > SERVER_WROTE_MAX || homes_is_held(nodes, bucket_of_session(c)) ||
        (c->task != NULL && homes_is_held(nodes, c->task->route.bucket))) {
        return true;
    }
    for (unsigned i = 0; i < s->n_wrote; i++) {
        if (homes_is_held(nodes, s->wrote[i])) {
            return true;
        }
    }
    return false;
}
