/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_hides.c - see schema_hides.h.
 */
#include "proxy/schema_hides.h"

#include "proxy/schema_look.h"
#include "proxy/worker.h"

/* What is not known for a statement may be one, too. */
static bool may_fire(const struct facts *f)
{
    return (f->runs >= VERB_INSERT && f->runs <= VERB_LOAD) || f->runs == VERB_UNKNOWN ||
           f->runs == VERB_OTHER || (f->flags & (FACT_MULTI | FACT_READ)) == FACT_MULTI;
}

static bool hides_is_known(const struct client *c, const struct schema *schema)
{
    return schema != NULL && schema->triggers != HIDES_NOT_LOOKED &&
           schema->hides_version == causal_made_version(&c->worker->galeway->causal, schema->name);
}

/*
 * Of one schema. What was seen a while ago holds until it is seen again; when that may have changed since, what leaves
 * state still does.
 */
static enum schema_hides hides_of(const struct client *c, const struct schema *schema, bool fires)
{
    enum schema_hides seen = schema == NULL
                                 ? HIDES_NOT_LOOKED
                                 : (fires ? MAX(schema->triggers, schema->views) : schema->views);

    return fires && !hides_is_known(c, schema) ? MAX(seen, HIDES_UNSEEN) : seen;
}

/* Not when only its tables were written otherwise than they are named: that concerns reads. */
static bool is_due(const struct client *c, const struct schema *schema)
{
    return !hides_is_known(c, schema) || c->worker->now_ms >= schema->looked_ms + SCHEMA_LOOK_MS;
}

enum schema_hides schemas_hide(struct client *c)
{
    const struct facts *f = &c->task->facts;
    bool fires = may_fire(f);
    enum schema_hides most =
        fires && (f->flags & FACT_TABLES_UNKNOWN) != 0 ? HIDES_UNSEEN : HIDES_NOTHING;

    for (unsigned i = 0; i < f->n_tables; i++) {
        struct schema *schema = schema_of_name(c, f->tables[i].schema);
        enum schema_hides one = hides_of(c, schema, fires);

        if (fires && is_due(c, schema)) {
            schema_look_at(c, schema);
        }
        most = MAX(most, one);
    }
    return most;
}

bool schemas_reach(const struct client *c)
{
    const struct facts *f = &c->task->facts;
    bool reaches = false;

    for (unsigned i = 0; may_fire(f) && i < f->n_tables && !reaches; i++) {
        const struct schema *schema = schema_of_name(c, f->tables[i].schema);

        reaches = schema != NULL && schema_can_be_looked_at(schema) &&
                  (!hides_is_known(c, schema) || schema->reaches);
    }
    return reaches;
}
