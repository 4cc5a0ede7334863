/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_workers.c - see figures_workers.h.
 */
#include "tests/unit/figures_workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/unit/facts_rows.h"

static void load(struct one_worker *o)
{
    struct faults faults = {0};
    struct conf *conf = NULL;
    char text[1024];

    (void)snprintf(o->socket, sizeof(o->socket), "/tmp/galeway-unit-%d.sock", (int)getpid());
    (void)snprintf(text, sizeof(text),
                   "mysql_variables={interfaces=\"%s\"; threads=1}\n"
                   "mysql_servers=({address=\"127.0.0.1\"; port=9; hostgroup=10},\n"
                   "               {address=\"127.0.0.2\"; port=9; hostgroup=10; weight=2000})\n"
                   "mysql_galera_hostgroups=({writer_hostgroup=10; backup_writer_hostgroup=30;\n"
                   "  reader_hostgroup=20; offline_hostgroup=40; max_writers=1;\n"
                   "  writer_is_also_reader=2})\n"
                   "mysql_users=({username=\"wp\"; password=\"x\"; default_hostgroup=10;\n"
                   "  max_connections=77})\n",
                   o->socket);
    assert_int_equal(conf_load_text(&conf, "test", slice_of(text), &faults), 0);
    assert_int_equal(galeway_apply(&o->galeway, conf, &faults), 0);
    faults_fini(&faults);
}

void one_worker_make(struct one_worker *o)
{
    struct galeway *g = &o->galeway;
    size_t size = (sizeof(struct worker) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

    *o = (struct one_worker){.galeway = {.started_ms = clock_now_ms()}};
    nodes_init(&g->nodes);
    accounts_init(&g->accounts);
    queue_init(&g->queue, 100, 1000000);
    assert_int_equal(pthread_mutex_init(&g->snapshot_lock, NULL), 0);
    assert_int_equal(pthread_mutex_init(&g->node_facts.lock, NULL), 0);
    assert_int_equal(pthread_mutex_init(&g->clients.lock, NULL), 0);
    map_init(&g->clients.accounts, MEM_CLIENT, 100);
    load(o);
    o->worker = g->workers[0] = aligned_alloc(CACHE_LINE, size);
    assert_non_null(o->worker);
    assert_int_equal(worker_init(o->worker, g, 0), 0);
    g->pools[0] = &o->worker->pool;
    g->n_workers = 1;
    o->account = account_find(&g->accounts, SLICE("wp"));
    o->schema = schema_get(&o->worker->pool.schemas, o->account, SLICE("wp_1"));
}

void one_worker_run(struct one_worker *o)
{
    assert_int_equal(worker_start(o->worker), 0);
}

void one_worker_end(struct one_worker *o, bool is_running)
{
    struct galeway *g = &o->galeway;

    if (is_running) {
        worker_post(o->worker, mail_new(MAIL_STOP));
        worker_join(o->worker);
    }
    worker_fini(o->worker);
    free(o->worker);
    (void)unlink(o->socket);
    snapshot_unref(g->snapshot);
    queue_fini(&g->queue);
    accounts_fini(&g->accounts);
    nodes_fini(&g->nodes);
    map_fini(&g->clients.accounts);
    assert_int_equal(mem_blocks(MEM_FIGURES), 0);
}

void one_worker_count(struct one_worker *o, const char *sql, uint64_t us)
{
    struct facts facts = facts_of(sql);
    struct figures_statement s = {.account = o->account,
                                  .schema = o->schema,
                                  .sql = slice_of(sql),
                                  .digest = facts.digest,
                                  .command = figures_command_of(&facts),
                                  .hostgroup = 10,
                                  .began_us = clock_now_us(),
                                  .rows_sent = 2};

    s.ended_us = s.began_us + us;
    figures_count(&o->worker->figures, &s, worker_vars(o->worker));
}
