/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.h - mysql_query_rules, fast routing and the firewall, compiled: what is to be done with one
 * statement.
 *
 * Pure but for the cache: plain values in, a decision out. Compiled rules are immutable and belong
 * to a snapshot; many threads match at once. What does not depend on literals is remembered by
 * (digest, user, schema, address class) in a cache that each worker has for itself.
 */
#ifndef ROUTER_RULES_H
#define ROUTER_RULES_H

#include "base/stat.h"
#include "conf/conf.h"

#define RULES_CHAIN_MAX \
    64 /* jumps by flagOUT of one statement; one more ends it, as if no rule had matched */
#define RULES_HITS_MAX 64 /* rules that matched one statement */
#define RULES_REWRITE_MAX \
    ((size_t)1 << 20) /* bytes of a rewritten statement; longer: not rewritten */
#define RULES_UNSET     (-1)
#define RULES_TRACE_MAX 10000 /* lines; more are left out */

struct rules;
struct rules_cache;
struct rules_trace;

/*
 * rules_new - compile the active rules of a configuration. conf must live longer.
 *
 * Returns 0, or ERR_CONFIG with each fault said: a regex that does not compile, a hostgroup without
 * servers, a flagOUT nobody reads, ... (file and line are those of the row).
 */
int rules_new(struct rules **out, const struct conf *conf, struct faults *faults) MUST_CHECK;
void rules_free(struct rules *rules);

/*
 * rules_cache_new, rules_cache_free - one for each worker, whose counters it uses; it forgets rules
 * by itself.
 */
struct rules_cache *rules_cache_new(struct stat_set *stats);
void rules_cache_free(struct rules_cache *cache);

/* What a rule may look at. */
struct rules_input {
    struct slice username, schemaname; /* schemaname empty: none */
    struct slice client_addr;          /* without the port; empty for a unix socket */
    struct slice proxy_addr;           /* where the client came in */
    uint16_t proxy_port;
    bool is_copy;      /* for a mirror: hints were for the original */
    int flag_in;       /* 0, or next_query_flagIN of the statement before */
    uint64_t digest;   /* facts.digest */
    uint32_t mode;     /* as in facts.h: how text is to be lexed */
    struct slice text; /* the statement, comments and all */
    uint32_t chance;   /* random: for weighted flagOUTs */
};

/* What is to be done. Numbers: RULES_UNSET = no rule says so. Texts belong to the rules. */
struct rules_result {
    int hostgroup; /* destination_hostgroup, fast routing, or a hint */
    bool applied;  /* a rule with apply=1 matched */
    int64_t cache_ttl_ms;
    int cache_empty_result;
    int64_t timeout_ms;
    int retries;
    int64_t delay_ms;
    int64_t causal_window_ms; /* attributes; 0 = off for this statement */
    int next_flag_in;
    int mirror_hostgroup;
    int mirror_flag_out;
    int multiplex; /* 0 off, 1 on, 2 not for this statement's @ */
    int sticky_conn;
    int log;
    int flag_in;               /* for which this was decided */
    bool is_by_lot;            /* a weighted flagOUT was drawn: next time it may be another one */
    bool new_connection;       /* hint create_new_connection=1 */
    const char *error_msg;     /* refuse with 1148 and this text */
    const char *ok_msg;        /* answer OK with this text */
    const char *firewall_text; /* the firewall refuses: why */
    bool firewall_detected;    /* the firewall knows the statement not, and only watches */
    bool is_rewritten;         /* rewritten holds the statement to send */
    struct slice rewritten;    /* into out_text */
    size_t n_hits;
    uint32_t hits[RULES_HITS_MAX]; /* indexes of rules, in the order they matched: rules_id() */
};

/*
 * rules_match - decide. cache: of this worker, or NULL (EXPLAIN ROUTE). trace: NULL, or gets a line
 * for each rule looked at. out_text, cap: where a rewritten statement goes. Never fails: a regex
 * that runs into its limits does not match; limits are counted where the cache counts.
 */
void rules_match(const struct rules *rules, struct rules_cache *cache, const struct rules_input *in,
                 struct rules_result *out, char *out_text, size_t cap, struct rules_trace *trace);

/*
 * rules_is_empty - no rule, no fast routing, no firewall: rules_match would only look for a hint.
 */
bool rules_is_empty(const struct rules *rules);

/* rules_has_hint - does a statement begin with a comment, or have one behind its first word? */
bool rules_has_hint(struct slice text);

/* rules_count, rules_id - active rules in order of evaluation. */
size_t rules_count(const struct rules *rules);
int rules_id(const struct rules *rules, size_t index);

/* rules_hit - counts a match of the rule (relaxed atomics, any thread); rules_hits - how often. */
void rules_hit(const struct rules *rules, size_t index);
uint64_t rules_hits(const struct rules *rules, size_t index);

/*
 * A line for each rule looked at, in order, for EXPLAIN ROUTE. Owner: the caller; rules_trace_fini.
 */
struct rules_trace_line {
    int rule_id; /* 0 = fast routing, -1 = hint, -2 = firewall */
    bool matched;
    char why[160]; /* "username: 'a' is not 'b'", "sets destination_hostgroup=20, apply" */
};

struct rules_trace {
    size_t n, room;
    struct rules_trace_line *lines;
};

void rules_trace_fini(struct rules_trace *trace);

#endif
