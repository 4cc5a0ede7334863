/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_hook.h - mysql-galera_event_hook: a program that is run for each event, on the monitor's
 * loop.
 *
 * It gets the event in its environment (GALEWAY_NUMBER, GALEWAY_TIME, GALEWAY_EVENT,
 * GALEWAY_HOSTGROUP, GALEWAY_NODE, GALEWAY_CAUSE), /dev/null as stdin and stdout, and 30 seconds;
 * it runs without a shell. At most HOOKS_MAX at once: events beyond that are dropped and counted.
 */
#ifndef POOL_MONITOR_HOOK_H
#define POOL_MONITOR_HOOK_H

#include <uv.h>

#include "pool/monitor_log.h"

#define HOOKS_MAX     8
#define HOOK_LIMIT_MS 30000

struct hooks;

/* hooks_new - limit_ms: a program that runs longer is killed. The loop is borrowed. */
struct hooks *hooks_new(uv_loop_t *loop, unsigned limit_ms);

/* hooks_close - kills what runs; the memory goes from the loop. */
void hooks_close(struct hooks *hooks);

/* hooks_run - path: of the program; "" = none. */
void hooks_run(struct hooks *hooks, const char *path, const struct monitor_event *event);

/* Counters. */
struct hook_counts {
    uint64_t n_started;
    uint64_t n_failed;  /* could not be started, or did not end with 0 */
    uint64_t n_dropped; /* HOOKS_MAX ran already */
};
struct hook_counts hooks_counts(const struct hooks *hooks);

#endif
