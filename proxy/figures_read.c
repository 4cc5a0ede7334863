/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_read.c - see figures_read.h.
 *
 * A request is shared by who asks and by the mail to each worker. Who asks may give up waiting: a
 * worker that comes late finds the request abandoned and copies nothing, so figures that are to be
 * reset are not lost.
 */
#include "proxy/figures_read.h"

#include <time.h>

#include "base/mem.h"
#include "proxy/worker.h"

struct figures_request {
    atomic_uint refs;
    uint32_t parts, reset;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t answered;
        bool is_abandoned;
        unsigned n_open;
        struct figures_copy *copies[WORKERS_MAX]; /* owned until who asked takes them */
    } shared;
};

/* --- copies ---------------------------------------------------------------------------------- */

void *figures_list_add(struct figures_list *list, size_t size)
{
    uint8_t *row;

    if (list->n == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        void *grown = list->n >= FIGURES_ROWS_MAX
                          ? NULL
                          : mem_try_grow(MEM_FIGURES, list->items, room * size);

        if (grown == NULL) {
            return NULL;
        }
        list->items = grown;
        list->room = room;
    }
    row = (uint8_t *)list->items + list->n++ * size;
    return memset(row, 0, size);
}

static void list_fini(struct figures_list *list)
{
    mem_free(MEM_FIGURES, list->items);
}

static void copy_free(struct figures_copy *copy)
{
    struct figures_digest *digests;
    struct figures_client *clients;
    struct figures_stmt *stmts;

    if (copy == NULL) {
        return;
    }
    digests = copy->digests.items;
    clients = copy->clients.items;
    stmts = copy->stmts.items;
    for (size_t i = 0; i < copy->digests.n; i++) {
        figures_text_unref(digests[i].text);
        figures_text_unref(digests[i].address);
    }
    for (size_t i = 0; i < copy->clients.n; i++) {
        figures_text_unref(clients[i].info);
    }
    for (size_t i = 0; i < copy->stmts.n; i++) {
        figures_text_unref(stmts[i].text);
    }
    list_fini(&copy->digests);
    list_fini(&copy->errors);
    list_fini(&copy->pins);
    list_fini(&copy->sites);
    list_fini(&copy->sites_now);
    list_fini(&copy->waits);
    list_fini(&copy->waits_now);
    list_fini(&copy->traffic);
    list_fini(&copy->clients);
    list_fini(&copy->servers);
    list_fini(&copy->stmts);
    list_fini(&copy->ledger);
    mem_free(MEM_FIGURES, copy->steps);
    mem_free(MEM_FIGURES, copy);
}

/* The records of a table as they are, or nothing when there is no memory. */
static bool copy_table(struct figures_list *list, const struct figures_table *t)
{
    size_t bytes = t->count * t->kind->size;

    list->items = mem_try(MEM_FIGURES, bytes);
    if (list->items == NULL) {
        return false;
    }
    memcpy(list->items, t->records, bytes);
    list->n = list->room = t->count;
    return true;
}

static void copy_digests(struct figures *f, bool reset, struct figures_copy *copy)
{
    struct figures_digest *digests;

    if (reset) { /* the records themselves, and the references they have */
        copy->digests.items = figures_table_take(&f->digests, &copy->digests.n);
        return;
    }
    if (!copy_table(&copy->digests, &f->digests)) {
        return;
    }
    digests = copy->digests.items;
    for (size_t i = 0; i < copy->digests.n; i++) {
        (void)figures_text_ref(digests[i].text);
        (void)figures_text_ref(digests[i].address);
    }
}

static void copy_sites(const struct figures *f, struct figures_copy *copy)
{
    struct figures_site *sites;
    size_t bytes = FIGURES_STEPS * sizeof(uint32_t);

    if (!copy_table(&copy->sites, &f->sites)) {
        return;
    }
    sites = copy->sites.items;
    copy->steps = mem_try(MEM_FIGURES, copy->sites.n * bytes);
    for (size_t i = 0; i < copy->sites.n; i++) {
        uint32_t *to = copy->steps == NULL ? NULL : copy->steps + i * FIGURES_STEPS;

        if (to != NULL && sites[i].steps != NULL) {
            memcpy(to, sites[i].steps, bytes);
            sites[i].steps = to;
        } else {
            sites[i].steps = NULL;
        }
    }
}

static void copy_traffic(struct pool *pool, bool reset, struct figures_copy *copy)
{
    for (size_t i = 0; i < pool->n_traffic; i++) {
        struct traffic *t = &pool->traffic[i];
        struct figures_traffic *row = figures_list_add(&copy->traffic, sizeof(*row));

        if (row == NULL) {
            return;
        }
        row->traffic = *t;
        LIST_FOREACH (it, &pool->all) {
            const struct server *s = CONTAINER_OF(it, struct server, in_all);

            row->n_free += s->state == SERVER_FREE && s->traffic == t ? 1 : 0;
            row->n_busy += s->statement_sent && s->traffic == t ? 1 : 0;
        }
        if (reset) {
            *t = (struct traffic){.node = t->node,
                                  .hostgroup = t->hostgroup,
                                  .used = t->used,
                                  .max_used = t->used,
                                  .login_us = t->login_us};
        }
    }
}

static void copy_waits(const struct figures *f, struct figures_copy *copy)
{
    for (size_t i = 0; i < f->n_waits; i++) {
        struct figures_wait *row = figures_list_add(&copy->waits, sizeof(*row));

        if (row != NULL) {
            *row = f->waits[i];
        }
    }
}

static void copy_ledger(const struct ledger *ledger, struct figures_copy *copy)
{
    for (uint64_t i = ledger->n - MIN(ledger->n, (uint64_t)LEDGER_MAX); i < ledger->n; i++) {
        struct ledger_entry *row = figures_list_add(&copy->ledger, sizeof(*row));

        if (row != NULL) {
            *row = ledger->entries[i % LEDGER_MAX];
        }
    }
}

static void copy_counted(struct worker *w, uint32_t parts, uint32_t reset,
                         struct figures_copy *copy)
{
    struct figures *f = &w->figures;

    if ((parts & READ_DIGESTS) != 0) {
        copy_digests(f, (reset & READ_DIGESTS) != 0, copy);
    }
    if ((parts & READ_COMMANDS) != 0) {
        memcpy(copy->commands, f->commands, sizeof(copy->commands));
    }
    if ((parts & READ_ERRORS) != 0 && copy_table(&copy->errors, &f->errors) &&
        (reset & READ_ERRORS) != 0) {
        figures_table_clear(&f->errors);
    }
    if ((parts & READ_PINS) != 0) {
        (void)copy_table(&copy->pins, &f->pins);
    }
    if ((parts & READ_SITES) != 0) {
        copy_sites(f, copy);
    }
    if ((parts & READ_QUEUE) != 0) {
        copy_waits(f, copy);
    }
    if ((parts & READ_TRAFFIC) != 0) {
        copy_traffic(&w->pool, (reset & READ_TRAFFIC) != 0, copy);
    }
    if ((parts & READ_LEDGER) != 0) {
        copy_ledger(&w->ledger, copy);
    }
}

/* --- the worker's side ----------------------------------------------------------------------- */

static void lock(struct figures_request *r)
{
    CHECK(pthread_mutex_lock(&r->shared.lock) == 0);
}

static void unlock(struct figures_request *r)
{
    CHECK(pthread_mutex_unlock(&r->shared.lock) == 0);
}

void figures_request_unref(struct figures_request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) == 1) {
        for (unsigned i = 0; i < WORKERS_MAX; i++) {
            copy_free(r->shared.copies[i]);
        }
        (void)pthread_cond_destroy(&r->shared.answered);
        (void)pthread_mutex_destroy(&r->shared.lock);
        mem_free(MEM_FIGURES, r);
    }
}

void figures_answer(struct worker *w, struct figures_request *r)
{
    struct figures_copy *copy;
    bool is_abandoned;

    lock(r);
    is_abandoned = r->shared.is_abandoned;
    unlock(r);
    if (!is_abandoned) {
        copy = mem_new(MEM_FIGURES, sizeof(*copy));
        copy->now_ms = w->now_ms;
        copy_counted(w, r->parts, r->reset, copy);
        figures_copy_live(w, r->parts, copy);
        lock(r);
        r->shared.copies[w->index] = copy;
        r->shared.n_open--;
        CHECK(pthread_cond_signal(&r->shared.answered) == 0);
        unlock(r);
    }
    figures_request_unref(r);
}

/* --- who asks -------------------------------------------------------------------------------- */

static struct figures_request *request_new(const struct galeway *g, uint32_t parts, uint32_t reset)
{
    struct figures_request *r = mem_new(MEM_FIGURES, sizeof(*r));
    pthread_condattr_t attributes;

    atomic_init(&r->refs, g->n_workers + 1);
    r->parts = parts;
    r->reset = reset;
    r->shared.n_open = g->n_workers;
    CHECK(pthread_mutex_init(&r->shared.lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&r->shared.answered, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
    return r;
}

/* Until all have answered, or for FIGURES_READ_MS; then what is there is taken. */
static void wait_for(struct figures_request *r, struct figures_report *report)
{
    struct timespec until;
    int rc = 0;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += FIGURES_READ_MS / 1000;
    until.tv_nsec += (long)(FIGURES_READ_MS % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    lock(r);
    while (r->shared.n_open > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&r->shared.answered, &r->shared.lock, &until);
    }
    r->shared.is_abandoned = true;
    report->n_missing = r->shared.n_open;
    memcpy(report->copies, r->shared.copies, sizeof(report->copies));
    memset(r->shared.copies, 0, sizeof(r->shared.copies));
    unlock(r);
}

void figures_read(struct galeway *g, uint32_t parts, uint32_t reset, struct figures_report *report)
{
    struct figures_request *r = request_new(g, parts, reset);

    *report = (struct figures_report){.n_workers = g->n_workers};
    for (unsigned i = 0; i < g->n_workers; i++) {
        struct mail *mail = mail_new(MAIL_READ);

        mail->request = r;
        worker_post(g->workers[i], mail);
    }
    wait_for(r, report);
    figures_request_unref(r);
}

void figures_report_fini(struct figures_report *report)
{
    for (unsigned i = 0; i < report->n_workers; i++) {
        copy_free(report->copies[i]);
    }
    *report = (struct figures_report){0};
}
