/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.c - compiled rules: made, freed, counted; the lines of a trace.
 */
#include "router/rules.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "router/digest.h"
#include "router/rules_inside.h"

static atomic_ullong last_serial;

int rules_new(struct rules **out, const struct conf *conf, struct faults *faults)
{
    struct rules *rules = mem_new(MEM_ROUTER, sizeof(*rules));
    int rc;

    rules->serial = atomic_fetch_add(&last_serial, 1) + 1;
    rules->mode = digest_mode(&conf->vars);
    rules->query_longest = (size_t)conf->vars.mysql_query_digests_max_query_length;
    rules->iterations = conf->vars.mysql_query_processor_iterations;
    rc = rules_compile(rules, conf, faults);
    if (rules_after_new(rules, conf, faults) != 0 && rc == 0) {
        rc = ERR_CONFIG;
    }
    if (rc != 0) {
        rules_free(rules);
        return rc;
    }
    *out = rules;
    return 0;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL) {
        return;
    }
    for (size_t i = 0; i < rules->n; i++) {
        regex_free(rules->items[i].match_digest);
        regex_free(rules->items[i].match_pattern);
        mem_free(MEM_ROUTER, rules->items[i].weights);
    }
    mem_free(MEM_ROUTER, rules->items);
    rules_after_free(rules);
    mem_free(MEM_ROUTER, rules);
}

bool rules_is_empty(const struct rules *rules)
{
    return rules->n == 0 && rules->fast.map.count == 0 && !rules->has_firewall;
}

size_t rules_count(const struct rules *rules)
{
    return rules->n;
}

int rules_id(const struct rules *rules, size_t index)
{
    CHECK(index < rules->n);
    return rules->items[index].row->rule_id;
}

void rules_hit(const struct rules *rules, size_t index)
{
    CHECK(index < rules->n);
    atomic_fetch_add_explicit(&rules->items[index].hits, 1, memory_order_relaxed);
}

uint64_t rules_hits(const struct rules *rules, size_t index)
{
    CHECK(index < rules->n);
    return atomic_load_explicit(&rules->items[index].hits, memory_order_relaxed);
}

/* --- traces ---------------------------------------------------------------------------------- */

#define TRACE_FIRST 64

/* A trace that finds no memory, or has enough, misses lines; the decision is the same. */
static bool has_room(struct rules_trace *trace)
{
    size_t room = MIN(trace->room == 0 ? TRACE_FIRST : trace->room * 2, (size_t)RULES_TRACE_MAX);
    struct rules_trace_line *lines;

    if (trace->n < trace->room) {
        return true;
    }
    if (trace->room == RULES_TRACE_MAX) {
        return false;
    }
    lines = mem_try_grow(MEM_ROUTER, trace->lines, room * sizeof(*lines));
    if (lines == NULL) {
        return false;
    }
    trace->lines = lines;
    trace->room = room;
    return true;
}

void rules_say(struct rules_trace *trace, int rule_id, bool matched, const char *format, ...)
{
    struct rules_trace_line *line;
    va_list args;

    if (trace == NULL || !has_room(trace)) {
        return;
    }
    line = &trace->lines[trace->n++];
    line->rule_id = rule_id;
    line->matched = matched;
    va_start(args, format);
    (void)vsnprintf(line->why, sizeof(line->why), format, args);
    va_end(args);
}

void rules_trace_fini(struct rules_trace *trace)
{
    mem_free(MEM_ROUTER, trace->lines);
    *trace = (struct rules_trace){0};
}
