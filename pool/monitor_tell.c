/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_tell.c - see monitor_inside.h: what changed, in words, with the evidence.
 */
#include <stdio.h>

#include "base/clock.h"
#include "pool/monitor_inside.h"

static struct monitor_event begin(enum monitor_event_kind kind, int hostgroup,
                                  const struct node *node)
{
    struct monitor_event e = {.kind = (uint8_t)kind, .hostgroup = hostgroup};

    if (node != NULL) {
        (void)snprintf(e.address, sizeof(e.address), "%s", node->address);
        e.port = node->port;
    }
    return e;
}

static double seconds_since(uint64_t ms)
{
    return (double)(clock_now_ms() - ms) / 1000;
}

/* "last answer 2.9 s ago" */
static void say_last_answer(char *out, size_t cap, const struct node_report *r)
{
    if (r->answered_ms == 0) {
        (void)snprintf(out, cap, "it has not answered yet");
    } else {
        (void)snprintf(out, cap, "last answer %.1f s ago", seconds_since(r->answered_ms));
    }
}

static void say_up(struct monitor_event *e, const struct watch *w, enum node_health before,
                   uint64_t before_since_ms)
{
    if (before == HEALTH_UNCHECKED) {
        (void)snprintf(e->cause, sizeof(e->cause), "its first check was answered in %.1f ms",
                       (double)w->report.took_us / 1000);
    } else if (w->report.kind == REPORT_DENIED) {
        (void)snprintf(e->cause, sizeof(e->cause), "it refuses the monitor, but answers (was %s)",
                       judge_health_word(before));
    } else {
        (void)snprintf(e->cause, sizeof(e->cause), "answered in %.1f ms, was %s for %.1f s",
                       (double)w->report.took_us / 1000, judge_health_word(before),
                       seconds_since(before_since_ms));
    }
}

static void say_silent(struct monitor_event *e, const struct watch *w, enum judge_event event)
{
    char last[64];

    say_last_answer(last, sizeof(last), &w->report);
    if (event == JUDGE_LATE) {
        (void)snprintf(e->cause, sizeof(e->cause), "a check is not answered after %d ms (%s)",
                       JUDGE_SUSPECT_MS, last);
    } else if (event == JUDGE_TIMED_OUT) {
        (void)snprintf(e->cause, sizeof(e->cause), "%u check%s in a row not answered: %s (%s)",
                       w->report.n_timeouts, w->report.n_timeouts == 1 ? "" : "s",
                       w->report.error_text, last);
    } else {
        (void)snprintf(e->cause, sizeof(e->cause), "%s (%s)", w->report.error_text, last);
    }
}

void tell_health(struct watch *w, enum judge_event event, enum node_health before,
                 uint64_t before_since_ms)
{
    struct monitor_event e = begin(EVENT_NODE_UP, -1, w->node);

    switch (w->state.health) {
    case HEALTH_UNCHECKED:
    case HEALTH_UP: say_up(&e, w, before, before_since_ms); break;
    case HEALTH_SUSPECT:
        e.kind = EVENT_NODE_SUSPECT;
        say_silent(&e, w, event);
        break;
    case HEALTH_DOWN:
        e.kind = EVENT_NODE_DOWN;
        say_silent(&e, w, event);
        break;
    }
    monitor_log_event(w->monitor->log, &e);
}

void tell_denied(struct watch *w)
{
    struct monitor_event e = begin(EVENT_DENIED, -1, w->node);

    if (w->denied_told) {
        return;
    }
    w->denied_told = true;
    (void)snprintf(e.cause, sizeof(e.cause), "user '%s': error %u, %s",
                   monitor_vars(w->monitor)->mysql_monitor_username, w->report.error,
                   w->report.error_text);
    monitor_log_event(w->monitor->log, &e);
}

/* --- roles ------------------------------------------------------------------------------------ */

/* "127.0.0.1:3306 not-ready, 127.0.0.1:3307 refused" of the nodes in mask. */
static void say_whys(const struct group *g, uint64_t mask, char *out, size_t cap)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < g->n && used < cap; i++) {
        unsigned index = g->nodes[i].index;
        int n;

        if ((mask & MASK(index)) == 0) {
            continue;
        }
        n = snprintf(out + used, cap - used, "%s%s %s", used == 0 ? "" : ", ",
                     g->monitor->watches[index]->node->text,
                     role_why_word((enum role_why)g->decided.why[index]));
        used += (size_t)MAX(n, 0);
    }
}

static void tell_without(struct group *g, enum monitor_event_kind kind)
{
    struct monitor_event e = begin(kind, g->writer_hostgroup, NULL);

    say_whys(g, g->members, e.cause, sizeof(e.cause));
    monitor_log_event(g->monitor->log, &e);
}

static void tell_service(struct group *g, unsigned index, bool served, bool serves, uint8_t was_why)
{
    enum role_why why = (enum role_why)g->decided.why[index];
    const struct watch *w = g->monitor->watches[index];
    struct monitor_event e =
        begin(serves ? EVENT_NODE_ONLINE : EVENT_NODE_OFFLINE, g->writer_hostgroup, w->node);
    bool is_told = why == WHY_REFUSED || why == WHY_SILENT || why == WHY_TLS; /* by tell_health() */

    if ((served && serves) || (!serves && (is_told || (!served && why == was_why)))) {
        return;
    }
    if (serves) {
        (void)snprintf(e.cause, sizeof(e.cause), "%s (was %s)", role_why_text(why),
                       role_why_word((enum role_why)was_why));
    } else {
        (void)snprintf(e.cause, sizeof(e.cause), "%s", role_why_text(why));
    }
    monitor_log_event(g->monitor->log, &e);
}

void tell_roles(struct group *g, const struct roles *before, bool is_first)
{
    uint64_t was = before->writers | before->backups | before->readers;
    uint64_t is = g->decided.writers | g->decided.backups | g->decided.readers;

    for (size_t i = 0; i < g->n; i++) {
        uint64_t bit = MASK(g->nodes[i].index);

        tell_service(g, g->nodes[i].index, is_first || (was & bit) != 0, (is & bit) != 0,
                     before->why[g->nodes[i].index]);
    }
    if (g->decided.writers == 0 && (is_first || before->writers != 0)) {
        tell_without(g, EVENT_NO_WRITER);
    }
    if (g->decided.readers == 0 && !is_first && before->readers != 0) {
        tell_without(g, EVENT_NO_READER);
    }
}

void tell_writer(struct group *g, const struct watch *w, bool is_first)
{
    struct monitor_event e = begin(EVENT_WRITER, g->writer_hostgroup, w->node);
    char others[MONITOR_EVENT_TEXT / 2] = "";

    say_whys(g, g->members & ~MASK(w->node->index), others, sizeof(others));
    if (is_first) {
        (void)snprintf(e.cause, sizeof(e.cause), "as the first look found it; others: %s", others);
    } else if (w->is_catch_denied) {
        (void)snprintf(e.cause, sizeof(e.cause),
                       "it refuses to be asked whether it has applied all; others: %s", others);
    } else {
        (void)snprintf(e.cause, sizeof(e.cause), "it had applied all after %llu ms; others: %s",
                       (unsigned long long)w->caught_ms, others);
    }
    monitor_log_event(g->monitor->log, &e);
}

void tell_switch(struct group *g, const struct watch *w, const char *what)
{
    struct monitor_event e = begin(EVENT_SWITCH, g->writer_hostgroup, w->node);

    (void)snprintf(e.cause, sizeof(e.cause), "SWITCH WRITER TO %s: %s", w->node->text, what);
    monitor_log_event(g->monitor->log, &e);
}

void tell_view(struct group *g, uint64_t conf_id, unsigned size)
{
    struct monitor_event e = begin(EVENT_VIEW, g->writer_hostgroup, NULL);

    (void)snprintf(
        e.cause, sizeof(e.cause), "wsrep_cluster_conf_id %llu with %u nodes (was %llu with %u)",
        (unsigned long long)conf_id, size, (unsigned long long)g->conf_id, g->cluster_size);
    monitor_log_event(g->monitor->log, &e);
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_of_galera(const struct watch *w)
{
    const struct monitor *m = w->monitor;

    if (w->report.answered_ms != 0) {
        return w->report.is_galera;
    }
    for (unsigned i = 0; i < m->n_groups; i++) {
        if (m->groups[i]->galera != NULL && (m->groups[i]->members & MASK(w->node->index)) != 0) {
            return true;
        }
    }
    return false;
}

void tell_check(struct watch *w, const struct sql_result *result)
{
    struct monitor_check c = {.time_us = w->began_unix_us, .port = w->node->port};

    (void)snprintf(c.address, sizeof(c.address), "%s", w->node->address);
    c.report = w->report;
    if (result->connect_us != 0) {
        c.kind = CHECK_CONNECT;
        c.report.took_us = result->connect_us;
        monitor_log_check(w->monitor->log, &c);
        c.report.took_us = w->report.took_us;
    }
    c.kind = is_of_galera(w) ? CHECK_GALERA : CHECK_READ_ONLY;
    monitor_log_check(w->monitor->log, &c);
}
