/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figures_workers.h - a process of one worker, without clients and without nodes, for tests that
 * read figures.
 */
#ifndef TESTS_UNIT_FIGURES_WORKERS_H
#define TESTS_UNIT_FIGURES_WORKERS_H

#include "proxy/worker.h"

struct one_worker {
    struct galeway galeway;
    struct worker *worker;
    struct account *account; /* "wp" */
    struct schema *schema;   /* "wp_1" */
    char socket[64];
};

/*
 * one_worker_make - the worker does not run yet: count into worker->figures. one_worker_run - now
 * it answers.
 */
void one_worker_make(struct one_worker *o);
void one_worker_run(struct one_worker *o);
void one_worker_end(struct one_worker *o, bool is_running);

/* one_worker_count - a statement of wp in wp_1 that took so long in hostgroup 10. */
void one_worker_count(struct one_worker *o, const char *sql, uint64_t us);

#endif
