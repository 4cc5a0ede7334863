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

static bool is_known(const struct client *c, const struct schema *schema)
{
    return schema != NULL && schema->hidden.triggers != HIDES_NOT_LOOKED &&
           schema->hidden.made == causal_made_version(&c->worker->galeway->causal, schema->name);
}

/* Not when only its tables were written otherwise than they are named: that concerns reads. */
static void look_when_due(const struct client *c, struct schema *schema, bool is_known)
{
    if (!is_known || c->worker->now_ms >= schema->looked_ms + SCHEMA_LOOK_MS) {
        schema_look_at(c, schema);
    }
}

/*
 * A statement that fires triggers of a schema. What was seen a while ago holds until it is seen
 * again; when that may have changed since, what leaves state still does.
 */
static enum schema_hides fire(const struct client *c, struct schema *schema, bool *reaches)
{
    bool known = is_known(c, schema);
    enum schema_hides seen = HIDES_NOT_LOOKED;

    look_when_due(c, schema, known);
    if (schema != NULL) {
        seen = MAX(schema->hidden.triggers, schema->hidden.views);
        *reaches |= schema_can_be_looked_at(schema) && (!known || schema->hidden.reaches);
    }
    return known ? seen : MAX(seen, HIDES_UNSEEN);
}

enum schema_hides schemas_hide(const struct client *c, bool *reaches)
{
    const struct facts *f = &c->task->facts;
    bool fires = may_fire(f);
    enum schema_hides most =
        fires && (f->flags & FACT_TABLES_UNKNOWN) != 0 ? HIDES_UNSEEN : HIDES_NOTHING;

    *reaches = false;
    for (unsigned i = 0; i < f->n_tables; i++) {
        struct schema *schema = schema_of_name(c, f->tables[i].schema);
        enum schema_hides one = fires            ? fire(c, schema, reaches)
                                : schema != NULL ? schema->hidden.views
                                                 : HIDES_NOT_LOOKED;

        most = MAX(most, one);
    }
    return most;
}
