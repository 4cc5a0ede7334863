/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_inside.h - compiled rules as router/rules*.c see them.
 *
 * Flow: rules_compile.c makes rules of rows; rules_match.c walks them; rules_after.c has what comes
 * behind the walk (fast routing, hints, the firewall); rules_cache.c remembers which rules a
 * statement can meet at all.
 */
#ifndef ROUTER_RULES_INSIDE_H
#define ROUTER_RULES_INSIDE_H

#include <stdatomic.h>

#include "base/map.h"
#include "router/regex.h"
#include "router/rules.h"

struct weighted_flag {
    int flag;
    uint32_t upto; /* sum of the weights up to this one */
};

struct rule {
    /* what it looks at; empty slices and RULES_UNSET = anything */
    int flag_in;
    int proxy_port;
    uint64_t digest; /* 0 = any */
    struct slice username, schemaname, client_addr, proxy_addr;
    struct regex *match_digest, *match_pattern; /* owned, or NULL */
    bool client_is_prefix;
    bool negate;
    bool global;
    bool apply;
    int64_t causal_window_ms; /* of its attributes, or RULES_UNSET */
    /* what it does; the rest is in the row */
    int flag_out;
    uint32_t n_weights;
    uint32_t total_weight;
    struct weighted_flag *weights; /* owned */
    const struct conf_rule *row;
    _Atomic uint64_t hits;
};

/* A hash of names and numbers to a row; keys are made of bytes that it owns. */
struct rules_index {
    struct map map;
    char *keys; /* owned */
};

struct rules {
    uint64_t serial; /* never the same twice in a process */
    struct rule *items;
    size_t n;
    uint32_t mode;                        /* settings of digests: digest_mode() */
    size_t query_longest;                 /* bytes of a statement that make its digest's text */
    int iterations;                       /* jumps that go back to the first rule */
    bool any_client_addr, any_proxy_addr; /* some rule, or the firewall, looks at it */
    struct rules_index fast;
    struct rules_index firewall_users;
    struct rules_index firewall_rules;
    bool has_firewall;
    const char *firewall_text;
};

/* rules_compile.c */
int rules_compile(struct rules *rules, const struct conf *conf, struct faults *faults) MUST_CHECK;

/* rules_after.c */
int rules_after_new(struct rules *rules, const struct conf *conf, struct faults *faults) MUST_CHECK;
void rules_after_free(struct rules *rules);

/* rules_fast_route - the hostgroup of (user, schema, flag), or RULES_UNSET. */
int rules_fast_route(const struct rules *rules, const struct rules_input *in, int flag);

/* rules_hint - what the first comment says. */
void rules_hint(const struct rules_input *in, struct rules_result *out, struct rules_trace *trace);

enum rules_verdict { VERDICT_PASS, VERDICT_DETECT, VERDICT_REFUSE };
enum rules_verdict rules_firewall(const struct rules *rules, const struct rules_input *in,
                                  int flag);

/* rules.c */
void rules_say(struct rules_trace *trace, int rule_id, bool matched, const char *format, ...)
    PRINTF_LIKE(4, 5);

/*
 * rules_meets - the conditions of a rule that do not depend on literals, but for match_digest and
 * its flag.
 */
bool rules_meets(const struct rule *rule, const struct rules_input *in);

/* What one walk over the rules needs. */
struct rules_walk {
    const struct rules *rules;
    const struct rules_input *in;
    struct rules_result *out;
    struct rules_trace *trace;
    struct stat_set *stats; /* NULL: nothing is counted */
    struct regex_scratch *scratch;
    char *out_text;
    size_t cap;
    struct slice text;        /* the statement, or what a rule made of it */
    struct slice digest_text; /* data NULL = not made yet */
    char **room;              /* where the digest's text is made; grown */
    size_t *room_size;
    bool no_room; /* for the digest's text: rules that look at it do not match */
    struct regex_sieve *sieve;
    bool sieve_is_full;
    int flag;
    int iterations;
    unsigned jumps;
};

/* rules_digest_matches - match_digest of a rule, negation and limits included. */
bool rules_digest_matches(struct rules_walk *walk, const struct rule *rule);

/* rules_cache.c */

/* One statement's place in a cache. */
struct rules_entry {
    uint64_t key[2];
    uint32_t list; /* where its rules begin */
    uint32_t n;    /* how many */
    uint32_t stamp;
    int flag; /* for which the next two hold */
    int fast_hostgroup;
    uint8_t verdict; /* enum rules_verdict */
    bool knows_flag;
    bool is_used;
};

/*
 * rules_cache_find - the entry of a statement, made when there is none; NULL when it cannot be
 * cached. *list: the rules that the statement can meet, in order.
 */
struct rules_entry *rules_cache_find(struct rules_cache *cache, struct rules_walk *walk,
                                     const uint32_t **list);
struct stat_set *rules_cache_stats(struct rules_cache *cache);
struct regex_scratch *rules_cache_scratch(struct rules_cache *cache);
struct regex_sieve *rules_cache_sieve(struct rules_cache *cache);
char **rules_cache_room(struct rules_cache *cache, size_t **size);

#endif
