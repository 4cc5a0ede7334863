/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_tables.c - what the monitor saw and did (stats_galera_events,
 * monitor.mysql_server_*_log), and what workers did about statements that lost their node
 * (stats_retries).
 */
#include <stdio.h>

#include "admin/stats_table.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/monitor.h"
#include "proxy/ledger.h"

static void fill_null(struct stats_fill *f)
{
    (void)sqlite3_bind_null(f->insert, ++f->column);
}

static void fill_yes(struct stats_fill *f, bool value)
{
    fill_text(f, value ? "YES" : "NO");
}

/*
 * Copies of a ring, made under the monitor's lock: SQLite takes its time, and the monitor must not
 * wait for it.
 */
struct copies {
    size_t n, max, size;
    uint8_t *items; /* owned; NULL = there is no memory */
    uint64_t since_us;
};

static void copies_init(struct copies *c, size_t max, size_t size)
{
    *c = (struct copies){.max = max, .size = size};
    c->items = mem_try(MEM_ADMIN, max * size);
    if (c->items == NULL) {
        log_warn(NULL, "a table of the monitor is left empty: no memory");
    }
}

static void copies_add(struct copies *c, const void *item)
{
    if (c->items != NULL && c->n < c->max) {
        memcpy(c->items + c->size * c->n++, item, c->size);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void add_event(void *arg, const struct monitor_event *event)
{
    copies_add(arg, event);
}

void stats_fill_events(struct stats_fill *f)
{
    struct copies copies;

    if (f->g->monitor == NULL) {
        return;
    }
    copies_init(&copies, MONITOR_EVENTS_MAX, sizeof(struct monitor_event));
    monitor_log_events(monitor_log_of(f->g->monitor), add_event, &copies);
    for (size_t i = 0; i < copies.n; i++) {
        const struct monitor_event *e = (const struct monitor_event *)(void *)copies.items + i;

        fill_number(f, e->number);
        fill_number(f, e->time_us);
        fill_text(f, monitor_event_word((enum monitor_event_kind)e->kind));
        fill_signed(f, e->hostgroup);
        fill_text(f, e->address);
        fill_number(f, e->port);
        fill_text(f, e->cause);
        fill_row(f);
    }
    mem_free(MEM_ADMIN, copies.items);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void add_check(void *arg, const struct monitor_check *check)
{
    struct copies *copies = arg;

    if (check->time_us >= copies->since_us) {
        copies_add(copies, check);
    }
}

static void fill_error(struct stats_fill *f, const struct node_report *r)
{
    if (r->kind == REPORT_OK) {
        fill_null(f);
    } else {
        fill_text(f, r->error_text[0] != '\0' ? r->error_text : "no answer");
    }
}

static void fill_galera(struct stats_fill *f, const struct node_report *r)
{
    bool good = r->kind == REPORT_OK; /* else the figures are of an earlier check */

    fill_yes(f, good && r->primary);
    fill_yes(f, !good || r->read_only);
    fill_number(f, good ? r->recv_queue : 0);
    fill_number(f, good ? r->local_state : 0);
    fill_yes(f, good && r->desync);
    fill_yes(f, good && r->rejects);
    fill_yes(f, good && r->donor_rejects);
}

static void fill_check(struct stats_fill *f, enum monitor_check_kind kind,
                       const struct monitor_check *check)
{
    const struct node_report *r = &check->report;

    fill_text(f, check->address);
    fill_number(f, check->port);
    fill_number(f, check->time_us);
    fill_number(f, r->kind == REPORT_OK ? r->took_us : 0);
    if (kind == CHECK_GALERA) {
        fill_galera(f, r);
    } else if (kind == CHECK_READ_ONLY && r->kind != REPORT_OK) {
        fill_null(f);
    } else if (kind == CHECK_READ_ONLY) {
        fill_number(f, r->read_only);
    }
    fill_error(f, r);
    fill_row(f);
}

static void fill_checks(struct stats_fill *f, enum monitor_check_kind kind)
{
    uint64_t history_us = (uint64_t)f->snapshot->conf->vars.mysql_monitor_history * 1000;
    struct copies copies;

    if (f->g->monitor == NULL) {
        return;
    }
    copies_init(&copies, MONITOR_CHECKS_MAX, sizeof(struct monitor_check));
    copies.since_us = clock_unix_us() - history_us;
    monitor_log_checks(monitor_log_of(f->g->monitor), kind, add_check, &copies);
    for (size_t i = 0; i < copies.n; i++) {
        fill_check(f, kind, (const struct monitor_check *)(void *)copies.items + i);
    }
    mem_free(MEM_ADMIN, copies.items);
}

void stats_fill_connect_log(struct stats_fill *f)
{
    fill_checks(f, CHECK_CONNECT);
}

void stats_fill_ping_log(struct stats_fill *f)
{
    fill_checks(f, CHECK_PING);
}

void stats_fill_galera_log(struct stats_fill *f)
{
    fill_checks(f, CHECK_GALERA);
}

void stats_fill_read_only_log(struct stats_fill *f)
{
    fill_checks(f, CHECK_READ_ONLY);
}

/* --- retries ---------------------------------------------------------------------------------- */

static void add_retry(struct stats_fill *f, unsigned worker, const struct ledger_entry *e)
{
    fill_number(f, worker);
    fill_number(f, e->number);
    fill_number(f, e->time_us);
    fill_digest(f, e->digest);
    fill_user(f, e->account);
    fill_signed(f, e->hostgroup);
    fill_node(f, e->node);
    fill_number(f, e->client_id);
    fill_number(f, e->bytes_sent);
    fill_number(f, e->error);
    fill_number(f, e->ran_us);
    fill_number(f, e->retries);
    fill_text(f, ledger_word((enum ledger_decision)e->decision));
    fill_text(f, ledger_text((enum ledger_decision)e->decision));
    fill_row(f);
}

void stats_fill_retries(struct stats_fill *f)
{
    for (unsigned i = 0; i < f->report->n_workers; i++) {
        const struct figures_copy *copy = f->report->copies[i];

        for (size_t k = 0; copy != NULL && k < copy->ledger.n; k++) {
            add_retry(f, i, (const struct ledger_entry *)copy->ledger.items + k);
        }
    }
}

/* --- counters --------------------------------------------------------------------------------- */

static void add_retry_counter(struct stats_fill *f, enum ledger_decision decision)
{
    char name[64];
    uint64_t n = 0;

    (void)snprintf(name, sizeof(name), "Retry_%s", ledger_word(decision));
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '-' ? '_' : *at;
    }
    COPIES(f, copy)
    {
        n += copy->totals.retries[decision];
    }
    fill_named(f, name, n);
}

void stats_add_monitor(struct stats_fill *f)
{
    static const char *const names[] = {[CHECK_CONNECT] = "connect",
                                        [CHECK_PING] = "ping",
                                        [CHECK_GALERA] = "galera",
                                        [CHECK_READ_ONLY] = "read_only"};
    struct monitor_counts counts = {0};

    if (f->g->monitor != NULL) {
        monitor_log_counts(monitor_log_of(f->g->monitor), &counts);
    }
    for (unsigned kind = 0; kind < CHECK_KIND_COUNT; kind++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "MySQL_Monitor_%s_check_OK", names[kind]);
        fill_named(f, name, counts.good[kind]);
        (void)snprintf(name, sizeof(name), "MySQL_Monitor_%s_check_ERR", names[kind]);
        fill_named(f, name, counts.failed[kind]);
    }
    fill_named(f, "Monitor_timeouts", counts.timeouts);
    fill_named(f, "Monitor_events", counts.events);
    fill_named(f, "Monitor_log_dropped", counts.dropped);
    for (unsigned i = 0; i < LEDGER_DECISION_COUNT; i++) {
        add_retry_counter(f, (enum ledger_decision)i);
    }
}
