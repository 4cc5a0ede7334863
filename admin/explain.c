/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.c - see explain.h.
 */
#include "admin/explain.h"

#include <stdarg.h>
#include <stdio.h>

#include "admin/explain_pins.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pool/homes.h"
#include "pool/monitor.h"
#include "pool/schema.h"
#include "pool/users.h"
#include "proxy/rules_apply.h"
#include "router/digest.h"

#define VALUE_MAX  1024
#define DIGEST_MAX 4096

/* What is looked at, and where it goes. */
struct explain {
    struct galeway *g;
    struct snapshot *snapshot; /* a reference */
    const struct conf_user *user;
    struct account *account;
    struct slice schema;
    struct slice sql; /* as it would be sent: perhaps rewritten */
    struct facts facts;
    struct rules_result result;
    char *rewritten; /* owned: RULES_REWRITE_MAX bytes */
    struct reply *out;
};

PRINTF_LIKE(4, 5)
static void row(struct explain *x, const char *step, const char *what, const char *format, ...)
{
    char text[VALUE_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    reply_text(x->out, step);
    reply_text(x->out, what);
    reply_text(x->out, text);
}

static void row_slice(struct explain *x, const char *step, const char *what, struct slice value)
{
    reply_text(x->out, step);
    reply_text(x->out, what);
    reply_value(x->out, value);
}

/* --- the statement ---------------------------------------------------------------------------- */

static const char *const fact_names[32] = {
    "read",
    "several statements",
    "user variable",
    "system variable",
    "GET_LOCK",
    "RELEASE_LOCK",
    "RELEASE_ALL_LOCKS",
    "SQL_CALC_FOUND_ROWS",
    "FOUND_ROWS()",
    "LAST_INSERT_ID()",
    "sets LAST_INSERT_ID()",
    "ROW_COUNT()",
    "diagnostics",
    "creates a temporary table",
    "drops tables",
    "locking read",
    "INTO",
    "executable comment",
    "LOCAL INFILE",
    "CONNECTION_ID()",
    "wsrep_sync_wait",
    "changes the schema or rights",
    "may return rows",
    "volatile",
    "tables are not sure",
    "drops or creates a schema",
    "SET TRANSACTION for the next one",
    "not terminated",
    "holds a lock",
    "calls what is not known",
    "SET @@name without a scope",
    "session_track variable",
};

static void explain_statement(struct explain *x, const char *step)
{
    const struct facts *f = &x->facts;
    char digest[DIGEST_MAX];
    size_t len = digest_text(x->sql, x->snapshot->digest_mode, digest, sizeof(digest), NULL);

    row(x, step, "digest", "0x%016llX", (unsigned long long)f->digest);
    row_slice(x, step, "digest_text", (struct slice){digest, len});
    row(x, step, "verb", "%s", verb_name((enum verb)f->verb));
    for (unsigned bit = 0; bit < ARRAY_SIZE(fact_names); bit++) {
        if ((f->flags & BIT(bit)) != 0) {
            row(x, step, "fact", "%s", fact_names[bit]);
        }
    }
    for (unsigned i = 0; i < f->n_tables; i++) {
        const struct table_name *t = &f->tables[i];

        row(x, step, "table", "%.*s%s%.*s", SLICE_ARGS(t->schema), t->schema.len > 0 ? "." : "",
            SLICE_ARGS(t->name));
    }
}

/* --- the rules -------------------------------------------------------------------------------- */

static void explain_trace(struct explain *x, const struct rules_trace *trace)
{
    for (size_t i = 0; i < trace->n; i++) {
        const struct rules_trace_line *line = &trace->lines[i];
        char what[32];

        if (line->rule_id > 0) {
            (void)snprintf(what, sizeof(what), "rule %d", line->rule_id);
        } else {
            (void)snprintf(what, sizeof(what), "%s",
                           line->rule_id == 0    ? "fast routing"
                           : line->rule_id == -1 ? "hint"
                                                 : "firewall");
        }
        row(x, "rules", what, "%s: %s", line->matched ? "matches" : "does not match", line->why);
    }
}

static void explain_number(struct explain *x, const char *what, int64_t value)
{
    if (value != RULES_UNSET) {
        row(x, "result", what, "%lld", (long long)value);
    }
}

static void explain_text(struct explain *x, const char *what, const char *value)
{
    if (value != NULL) {
        row_slice(x, "result", what, slice_of(value));
    }
}

static void explain_result(struct explain *x)
{
    const struct rules_result *r = &x->result;

    explain_text(x, "firewall", r->firewall_text);
    explain_text(x, "error_msg", r->error_msg);
    explain_text(x, "OK_msg", r->ok_msg);
    explain_number(x, "destination_hostgroup", r->hostgroup);
    explain_number(x, "cache_ttl", r->cache_ttl_ms);
    explain_number(x, "cache_empty_result", r->cache_empty_result);
    explain_number(x, "timeout", r->timeout_ms);
    explain_number(x, "retries", r->retries);
    explain_number(x, "delay", r->delay_ms);
    explain_number(x, "causal_window_ms", r->causal_window_ms);
    explain_number(x, "next_query_flagIN", r->next_flag_in);
    explain_number(x, "mirror_hostgroup", r->mirror_hostgroup);
    explain_number(x, "mirror_flagOUT", r->mirror_flag_out);
    explain_number(x, "multiplex", r->multiplex);
    explain_number(x, "sticky_conn", r->sticky_conn);
    explain_number(x, "log", r->log);
    if (r->firewall_detected) {
        row(x, "result", "firewall", "the statement is not listed: it passes, and is counted");
    }
    if (r->new_connection) {
        row(x, "result", "create_new_connection", "1");
    }
    if (r->is_rewritten) {
        row_slice(x, "result", "rewritten", r->rewritten);
    }
}

static void explain_rules(struct explain *x)
{
    struct rules_trace trace = {0};
    const struct rules_input in = {
        .username = slice_of(x->user->username),
        .schemaname = x->schema,
        .digest = x->facts.digest,
        .mode = x->snapshot->digest_mode,
        .text = x->sql,
        .chance = (uint32_t)clock_now_us(),
    };

    rules_match(x->snapshot->rules, NULL, &in, &x->result, x->rewritten, RULES_REWRITE_MAX, &trace);
    explain_trace(x, &trace);
    rules_trace_fini(&trace);
    explain_result(x);
    if (x->result.is_rewritten) {
        x->sql = x->result.rewritten;
        facts_scan(&x->facts, x->sql, x->snapshot->digest_mode);
        explain_statement(x, "rewritten");
    }
}

/* --- the route -------------------------------------------------------------------------------- */

/* Connections that work, of all workers: what they share with each other. */
static unsigned load_of(const void *owner, const struct node *node)
{
    const struct galeway *g = owner;
    unsigned all = atomic_load(&node->shared.n_connections);
    unsigned idle = 0;

    for (unsigned i = 0; i < g->n_workers; i++) {
        idle += atomic_load(&g->pools[i]->per_node[node->index].n_free_shared);
    }
    return all > idle ? all - idle : 0;
}

static const char *health_text(const struct node *node)
{
    static const char *const texts[] = {[HEALTH_UNCHECKED] = "not checked",
                                        [HEALTH_UP] = "up",
                                        [HEALTH_SUSPECT] = "suspect",
                                        [HEALTH_DOWN] = "down"};

    return texts[MIN(atomic_load(&node->shared.health), (unsigned)HEALTH_DOWN)];
}

/* Why it has its role: as the monitor decided last. */
static const char *why_of(const struct explain *x, const struct role_set *roles,
                          const struct node *node)
{
    struct monitor_roles decided;
    bool is_known = x->g->monitor != NULL && roles->cluster != NULL &&
                    monitor_roles(x->g->monitor, roles->cluster->writer_hostgroup, &decided) &&
                    (decided.members & UINT64_C(1) << node->index) != 0;

    return is_known ? role_why_text((enum role_why)decided.roles.why[node->index]) : "not known";
}

static void explain_candidate(struct explain *x, const struct route_input *in,
                              const struct node *node, size_t place)
{
    row(x, "node", node->text,
        "candidate %zu: role: %s, health: %s, %u statements under way, latency %u us, load factor "
        "%u, %u of %u connections; why: %s",
        place, route_role(in->roles, node), health_text(node), load_of(x->g, node),
        atomic_load(&node->shared.latency_us), atomic_load(&node->shared.load_factor),
        atomic_load(&node->shared.n_connections), atomic_load(&node->shared.max_connections),
        why_of(x, in->roles, node));
}

/* The others of the role set, each once. */
static uint64_t explain_others(struct explain *x, const struct route_input *in,
                               const struct route *route, const struct hostgroup *group,
                               uint64_t said)
{
    for (size_t i = 0; group != NULL && i < group->n; i++) {
        const struct node *node = group->members[i].node;
        uint64_t bit = UINT64_C(1) << node->index;
        const char *why_not = route_why_not(in, route, node);

        if ((said & bit) == 0 && why_not != NULL) {
            row(x, "node", node->text,
                "not used: %s; role: %s, health: %s, failed %u times in a row; why: %s", why_not,
                route_role(in->roles, node), health_text(node),
                atomic_load(&node->shared.n_failures), why_of(x, in->roles, node));
        }
        said |= bit;
    }
    return said;
}

static void explain_nodes(struct explain *x, const struct route_input *in,
                          const struct route *route)
{
    const struct role_set *roles = in->roles;
    uint64_t said = 0;

    for (size_t i = 0; i < route->n; i++) {
        explain_candidate(x, in, route->nodes[i], i + 1);
    }
    said = explain_others(x, in, route, roles->writers, said);
    said = explain_others(x, in, route, roles->readers, said);
    (void)explain_others(x, in, route, roles->to_write, said);
    if (route->n == 0) {
        row(x, "route", "waits", "no node may serve it now: for mysql-connect_timeout_server_max");
    }
}

static void explain_choice(struct explain *x)
{
    const struct conf_vars *vars = &x->snapshot->conf->vars;
    uint64_t now = clock_now_ms();
    struct route_input in = {
        .facts = &x->facts,
        .bucket = (uint16_t)homes_bucket(schema_hash(x->schema)),
        .site = route_site(x->account->id, x->schema.len == 0 ? 0 : schema_hash(x->schema)),
        .now_ms = now,
        .load = load_of,
        .owner = x->g,
    };
    struct route route;

    if ((x->facts.flags & FACT_READ) != 0) {
        in.follow_us =
            causal_follow_us(&x->g->causal,
                             &(struct causal_read){.facts = &x->facts,
                                                   .schema = x->schema,
                                                   .now_us = clock_now_us(),
                                                   .window_us = session_window_us(
                                                       x->account, x->result.causal_window_ms,
                                                       vars->mysql_causal_window_ms),
                                                   .account = x->account->id},
                             &in.follow_flags);
    }
    if (!route_find_roles(&in, x->snapshot->topology, x->user->default_hostgroup,
                          x->result.hostgroup)) {
        row(x, "route", "error", "hostgroup %d has no servers",
            x->result.hostgroup >= 0 ? x->result.hostgroup : x->user->default_hostgroup);
        return;
    }
    route_choose(&route, &in);
    row(x, "route", "hostgroup", "%d", route.hostgroup);
    row(x, "route", "reason", "%s", route_reason_text((enum route_reason)route.reason));
    explain_nodes(x, &in, &route);
}

/* --- answers made here ------------------------------------------------------------------------ */

static const char *answered_here(const struct explain *x)
{
    const struct facts *f = &x->facts;
    bool learns = x->snapshot->conf->vars.mysql_learn_answers;

    if (x->result.firewall_text != NULL || x->result.error_msg != NULL) {
        return "yes: refused with error 1148";
    }
    if (x->result.ok_msg != NULL) {
        return "yes: OK_msg";
    }
    if (f->verb == VERB_KILL && f->number != 0 && (f->flags & FACT_MULTI) == 0) {
        return "yes: KILL of a client";
    }
    if (f->local == LOCAL_VARIABLES || f->verb == VERB_SET || f->verb == VERB_USE) {
        return learns ? "yes, if a node has answered the same within the last seconds and nothing "
                        "pins the session"
                      : "no: mysql-learn_answers is off";
    }
    if (f->local == LOCAL_NONE) {
        return "no";
    }
    return "yes, from what the session knows";
}

static bool is_over(const struct rules_result *r)
{
    return r->firewall_text != NULL || r->error_msg != NULL || r->ok_msg != NULL;
}

static void explain_all(struct explain *x)
{
    static const char *const columns[] = {"step", "what", "value"};

    reply_columns(x->out, ARRAY_SIZE(columns), columns);
    facts_scan(&x->facts, x->sql, x->snapshot->digest_mode);
    explain_statement(x, "statement");
    explain_rules(x);
    row(x, "answer", "made here", "%s", answered_here(x));
    if (!is_over(&x->result)) {
        struct verdict verdict = rules_verdict(x->snapshot->rules, &x->result);
        uint32_t pins = explain_pins(x->account, x->schema, x->sql, &verdict,
                                     x->snapshot->conf->vars.mysql_multiplexing);

        explain_choice(x);
        for (unsigned pin = 0; pin < PIN_COUNT; pin++) {
            if ((pins & BIT(pin)) != 0) {
                row(x, "pin", pin_name((enum pin)pin), "the session would keep its connection");
            }
        }
    }
}

void explain_route(struct galeway *g, struct slice user, struct slice schema, struct slice sql,
                   struct reply *out)
{
    struct explain x = {.g = g,
                        .snapshot = galeway_snapshot(g),
                        .account = account_find(&g->accounts, user),
                        .schema = schema,
                        .sql = sql,
                        .out = out};
    struct conf_user followed = {0}; /* one of the nodes who has logged in */

    x.user = conf_user_find(x.snapshot->conf, user);
    if (x.user == NULL && x.account != NULL && !conf_user_is_named(x.snapshot->conf, user) &&
        users_has(g->users, user)) {
        followed.username = x.account->name;
        followed.default_hostgroup = x.snapshot->conf->vars.mysql_users_from_hostgroup;
        x.user = &followed;
    }
    if (x.user == NULL || x.account == NULL) {
        reply_error(out, 1133, "28000", "EXPLAIN ROUTE: mysql_users has no active user '%.*s'",
                    SLICE_ARGS(user));
    } else {
        x.rewritten = mem_new(MEM_ADMIN, RULES_REWRITE_MAX);
        explain_all(&x);
        mem_free(MEM_ADMIN, x.rewritten);
    }
    snapshot_unref(x.snapshot);
}
