/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_made.h - rules made of a piece of configuration, and statements put to them.
 *
 * Each statement is decided without a cache, then by a cache that does not know it, then by one
 * that does: all three must say the same.
 */
#ifndef TESTS_UNIT_RULES_MADE_H
#define TESTS_UNIT_RULES_MADE_H

#include "router/rules.h"
#include "tests/unit/test.h"

/* Hostgroups 1, 2, 3, 10 and 20 have servers. */
#define RULES_SERVERS                                                                \
    "mysql_servers=({address=\"a\"; hostgroup=1}, {address=\"b\"; hostgroup=2},"     \
    " {address=\"c\"; hostgroup=3}, {address=\"d\"; hostgroup=10}, {address=\"e\"; " \
    "hostgroup=20})\n"
#define RULES(list) RULES_SERVERS "mysql_query_rules=(\n" list ")\n"

struct rules_made {
    struct conf *conf;
    struct rules *rules;
    struct rules_cache *cache;
    struct stat_set stats; /* what the cache counted */
    struct rules_input
        in; /* what statements come with: user u, schema s, 10.0.0.7, 127.0.0.1:6033 */
    struct rules_result out;
    char text[4096]; /* of the statement as it was rewritten */
};

/*
 * rules_make - from a whole file; fails the test when it has a fault. rules_unmake checks for
 * leaks.
 */
void rules_make(struct rules_made *made, const char *file);
void rules_unmake(struct rules_made *made);

/* rules_ask - put a statement; the answer is in made->out. */
const struct rules_result *rules_ask(struct rules_made *made, const char *sql);

/* rules_refused - a file whose rules have exactly this fault, on this line. */
void rules_refused(const char *file, int line, const char *says);
void rules_warned(const char *file, int line, const char *says);

#endif
