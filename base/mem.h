/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - heap memory by kind, counted.
 *
 * mem_new never fails: out of memory ends the process with a log line. It is for what the process
 * has by its configuration (nodes, accounts, rules, tables of statistics, threads and what they
 * share), for users that nodes are known to have, for what an administrator asks for, and for mail
 * between threads. mem_try may return NULL and must be used for every size, and every number of
 * blocks, that comes from a client; the caller closes that one connection.
 * All functions may be called from any thread.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/base.h"

#define MEM_KINDS(X)                     \
    X(MEM_CLIENT, "clients")             \
    X(MEM_SERVER, "server_connections")  \
    X(MEM_BUFFER, "buffers")             \
    X(MEM_PENDING, "pending_statements") \
    X(MEM_STMT, "prepared_statements")   \
    X(MEM_PROFILE, "profiles")           \
    X(MEM_ANSWER, "learnt_answers")      \
    X(MEM_POOL, "pool")                  \
    X(MEM_CONF, "configuration")         \
    X(MEM_ROUTER, "router")              \
    X(MEM_CACHE, "query_cache")          \
    X(MEM_FIGURES, "statistics")         \
    X(MEM_TLS, "tls")                    \
    X(MEM_ADMIN, "admin")                \
    X(MEM_LOG, "log")                    \
    X(MEM_OTHER, "other")

enum mem_kind {
#define X(name, text) name,
    MEM_KINDS(X)
#undef X
        MEM_KIND_COUNT
};

/*
 * mem_begin - once, before any other thread: blocks from 1 MB up are the system's again when they
 * are freed (glibc otherwise keeps up to 64 MB of them in the arena of each thread that ever had
 * one).
 */
void mem_begin(void);

/* mem_new - size bytes set to zero; never NULL. Free with mem_free and the same kind. */
void *mem_new(enum mem_kind kind, size_t size) __attribute__((malloc, returns_nonnull));

/* mem_try - as mem_new, not set to zero, NULL when there is no memory (or mem_fail_at says so). */
void *mem_try(enum mem_kind kind, size_t size) MUST_CHECK;

/* mem_try_grow - as realloc(); on NULL the old block is untouched. old may be NULL. */
void *mem_try_grow(enum mem_kind kind, void *old, size_t size) MUST_CHECK;

/* mem_free - NULL is fine. */
void mem_free(enum mem_kind kind, void *ptr);

/*
 * mem_copy - a copy of a slice with a zero behind it; never NULL. For sizes of ours
 * (configuration).
 */
char *mem_copy(enum mem_kind kind, struct slice text);

const char *mem_kind_name(enum mem_kind kind);
uint64_t mem_bytes(enum mem_kind kind);  /* bytes in use, allocator's rounding included */
uint64_t mem_blocks(enum mem_kind kind); /* blocks in use */
uint64_t mem_failures(void);             /* how often mem_try returned NULL, and mem_refused */

/* mem_refused - count that something was turned away because a cap was reached. */
void mem_refused(void);

/* mem_fail_at - tests: the n-th mem_try from now on returns NULL (1 = the next); 0 = never. */
void mem_fail_at(unsigned n);

#endif
