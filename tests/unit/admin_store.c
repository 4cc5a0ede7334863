/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_store.c - see admin_store.h.
 */
#include "tests/unit/admin_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "tests/unit/test.h"

static void write_file(struct desk *d, const char *config)
{
    FILE *f = fopen(d->file, "w");

    assert_non_null(f);
    assert_true(fprintf(f, "datadir=\"%s\"\n%s", d->folder, config) > 0);
    assert_int_equal(fclose(f), 0);
}

static void start(struct desk *d)
{
    struct faults faults = {0};

    d->galeway = (struct galeway){0};
    nodes_init(&d->galeway.nodes);
    accounts_init(&d->galeway.accounts);
    certificates_init(&d->galeway.certificates);
    d->galeway.cache = cache_new(&(struct cache_limits){0});
    assert_int_equal(pthread_mutex_init(&d->galeway.snapshot_lock, NULL), 0);
    assert_int_equal(pthread_mutex_init(&d->galeway.node_facts.lock, NULL), 0);
    if (galeway_load(&d->galeway, d->file, &faults) != 0) {
        fail_msg("%s", faults.count > 0 ? faults.items[0].text : "?");
    }
    faults_fini(&faults);
    d->galeway.started = conf_ref(d->galeway.snapshot->conf);
    assert_int_equal(store_open(&d->store, &d->galeway, d->file), 0);
    store_session_init(&d->admin, "admin", true);
    store_session_init(&d->guest, "stats", false);
    d->admin.id = 7;
}

static void stop(struct desk *d)
{
    reply_fini(&d->reply);
    store_session_fini(&d->admin);
    store_session_fini(&d->guest);
    store_close(d->store);
    cache_free(d->galeway.cache);
    certificates_fini(&d->galeway.certificates);
    snapshot_unref(d->galeway.snapshot);
    conf_unref(d->galeway.started);
    accounts_fini(&d->galeway.accounts);
    nodes_fini(&d->galeway.nodes);
}

void desk_open(struct desk *d, const char *config)
{
    *d = (struct desk){.folder = "/tmp/galeway-unit-XXXXXX"};
    assert_non_null(mkdtemp(d->folder));
    (void)snprintf(d->file, sizeof(d->file), "%s/g.cnf", d->folder);
    write_file(d, config);
    start(d);
}

void desk_again(struct desk *d)
{
    stop(d);
    start(d);
}

void desk_close(struct desk *d)
{
    char command[128];

    stop(d);
    (void)snprintf(command, sizeof(command), "rm -rf %s", d->folder);
    assert_int_equal(system(command), 0); /* NOLINT(concurrency-mt-unsafe,cert-env33-c) */
}

void desk_run(struct desk *d, struct store_session *who, const char *sql)
{
    reply_fini(&d->reply);
    store_run(d->store, who, slice_of(sql), &d->reply);
}

void desk_ok(struct desk *d, const char *sql)
{
    desk_run(d, &d->admin, sql);
    if (d->reply.kind != REPLY_OK) {
        fail_msg("%s: %s", sql, d->reply.kind == REPLY_ERROR ? d->reply.message : "rows");
    }
}

size_t desk_rows(struct desk *d, const char *sql)
{
    desk_run(d, &d->admin, sql);
    if (d->reply.kind != REPLY_ROWS) {
        fail_msg("%s: %s", sql, d->reply.kind == REPLY_ERROR ? d->reply.message : "no rows");
    }
    return reply_rows(&d->reply);
}

void desk_error(struct desk *d, const char *sql, uint16_t number, const char *says)
{
    desk_run(d, &d->admin, sql);
    if (d->reply.kind != REPLY_ERROR) {
        fail_msg("%s: no error", sql);
    }
    if (d->reply.number != number || strstr(d->reply.message, says) == NULL) {
        fail_msg("%s: %u %s", sql, d->reply.number, d->reply.message);
    }
}

const char *desk_cell(const struct desk *d, size_t row, size_t column)
{
    const char *data;

    assert_true(row < reply_rows(&d->reply) && column < d->reply.n_columns);
    data = d->reply.values[row * d->reply.n_columns + column].data;
    return data == NULL ? "" : data;
}

void desk_is(struct desk *d, const char *sql, const char *value)
{
    assert_int_equal(desk_rows(d, sql), 1);
    assert_string_equal(desk_cell(d, 0, 0), value);
}
