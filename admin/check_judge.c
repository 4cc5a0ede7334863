/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_judge.c - see cluster_check.h: rows of CHECK CLUSTER from what the nodes said.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/cluster_check.h"

#define DETAIL_MAX      2000
#define ADMINS          10 /* connections that a node has to have beside ours */
#define SKEW_WARNING_MS 1000
#define SKEW_ERROR_MS   10000
#define NAMED_MAX       10 /* users that are named, of those at fault */

static const struct {
    const char *name, *wanted;
    bool is_galera;
    enum check_result result;
    const char *why;
} values[] = {
#define X(code, name, wanted, galera, result, why) {name, wanted, galera, result, why},
    CHECK_VALUES(X)
#undef X
};

static void say(const struct check_input *in, struct reply *out, const char *check,
                enum check_result result, const char *format, ...) PRINTF_LIKE(5, 6);

static void say(const struct check_input *in, struct reply *out, const char *check,
                enum check_result result, const char *format, ...)
{
    static const char *const words[] = {
        [CHECK_GOOD] = "ok", [CHECK_WARNING] = "warning", [CHECK_ERROR] = "error"};
    char text[DETAIL_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    reply_number(out, in->hostgroup);
    reply_text(out, check);
    reply_text(out, words[result]);
    reply_text(out, text);
}

static bool answered(const struct check_facts *f)
{
    return f->fault[0] == '\0';
}

/* A text that grows up to DETAIL_MAX. */
struct detail {
    char text[DETAIL_MAX];
    size_t len;
};

static void add(struct detail *d, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct detail *d, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(d->text + d->len, sizeof(d->text) - d->len, format, args);
    va_end(args);
    d->len = MIN(d->len + (size_t)MAX(n, 0), sizeof(d->text) - 1);
}

static const char *comma(const struct detail *d)
{
    return d->len == 0 ? "" : ", ";
}

/* --- nodes and values ------------------------------------------------------------------------- */

/* How many answered; those that did not are errors. */
static size_t judge_answers(const struct check_input *in, struct reply *out)
{
    struct detail detail = {0};
    size_t n = 0;

    for (size_t i = 0; i < in->n; i++) {
        n += answered(&in->facts[i]) ? 1 : 0;
        if (!answered(&in->facts[i])) {
            add(&detail, "%s%s: %s", comma(&detail), in->facts[i].node, in->facts[i].fault);
        }
    }
    if (n == in->n) {
        say(in, out, "nodes", CHECK_GOOD, "%zu nodes answer the monitor's account", n);
    } else {
        say(in, out, "nodes", CHECK_ERROR, "%s", detail.text);
    }
    return n;
}

static void judge_value(const struct check_input *in, struct reply *out, enum check_value v)
{
    const char *first = NULL;
    bool is_same = true, is_wanted = true;
    struct detail detail = {0};

    for (size_t i = 0; i < in->n; i++) {
        const char *value = in->facts[i].values[v];

        if (!answered(&in->facts[i])) {
            continue;
        }
        first = first == NULL ? value : first;
        is_same = is_same && strcmp(value, first) == 0;
        is_wanted =
            is_wanted && (values[v].wanted == NULL || strcasecmp(value, values[v].wanted) == 0);
        add(&detail, "%s%s: '%s'", comma(&detail), in->facts[i].node, value);
    }
    if (is_same && is_wanted) {
        say(in, out, values[v].name, CHECK_GOOD, "%s", first);
    } else if (values[v].wanted != NULL) {
        say(in, out, values[v].name, values[v].result, "%s; it must be %s: %s", detail.text,
            values[v].wanted, values[v].why);
    } else {
        say(in, out, values[v].name, values[v].result, "%s; it must be the same: %s", detail.text,
            values[v].why);
    }
}

/* --- limits and clocks ------------------------------------------------------------------------ */

static void judge_limits(const struct check_input *in, struct reply *out)
{
    enum check_result result = CHECK_GOOD;
    struct detail detail = {0};

    for (size_t i = 0; i < in->n; i++) {
        const struct check_facts *f = &in->facts[i];

        if (!answered(f)) {
            continue;
        }
        result = f->pool_limit > f->max_connections            ? CHECK_ERROR
                 : f->pool_limit + ADMINS > f->max_connections ? MAX(result, CHECK_WARNING)
                                                               : result;
        add(&detail, "%s%s: %llu of %llu", comma(&detail), f->node,
            (unsigned long long)f->pool_limit, (unsigned long long)f->max_connections);
    }
    say(in, out, "max_connections", result, "%s%s", detail.text,
        result == CHECK_GOOD ? ""
                             : "; mysql_servers.max_connections and 10 for administrators must fit "
                               "into max_connections of the node");
}

static void judge_clocks(const struct check_input *in, struct reply *out)
{
    int64_t least = INT64_MAX, most = INT64_MIN;

    for (size_t i = 0; i < in->n; i++) {
        if (answered(&in->facts[i])) {
            least = MIN(least, in->facts[i].skew_ms);
            most = MAX(most, in->facts[i].skew_ms);
        }
    }
    say(in, out, "clocks",
        most - least > SKEW_ERROR_MS     ? CHECK_ERROR
        : most - least > SKEW_WARNING_MS ? CHECK_WARNING
                                         : CHECK_GOOD,
        "at most %lld ms between two nodes; against Galeway's: %lld to %lld ms",
        (long long)(most - least), (long long)least, (long long)most);
}

/* --- users ------------------------------------------------------------------------------------ */

static int compare_users(const void *a, const void *b)
{
    return strcmp(((const struct check_user *)a)->name, ((const struct check_user *)b)->name);
}

static const char *what_of(const struct check_facts *f, const char *name)
{
    const struct check_user key = {.name = (char *)(uintptr_t)name};
    const struct check_user *found =
        f->n_users == 0 ? NULL : bsearch(&key, f->users, f->n_users, sizeof(key), compare_users);

    return found == NULL ? NULL : found->what;
}

/* "" = it is the same everywhere. */
static void judge_user(const struct check_input *in, const char *name, struct detail *detail)
{
    const char *first = NULL;
    const char *missing = NULL;
    bool is_same = true;

    for (size_t i = 0; i < in->n; i++) {
        const char *what = answered(&in->facts[i]) ? what_of(&in->facts[i], name) : first;

        if (answered(&in->facts[i]) && what == NULL) {
            missing = in->facts[i].node;
        }
        first = first == NULL ? what : first;
        is_same = is_same && (what == NULL || strcmp(what, first) == 0);
    }
    if (missing != NULL) {
        add(detail, "%s'%s' is not on %s", comma(detail), name, missing);
    } else if (!is_same) {
        add(detail, "%s'%s' differs (password, plugin or rights)", comma(detail), name);
    }
}

static void judge_users(const struct check_input *in, struct reply *out)
{
    struct detail detail = {0};
    size_t n = 0, n_bad = 0;

    for (size_t i = 0; i < in->n; i++) {
        const struct check_facts *f = &in->facts[i];

        if (answered(f) && f->users_fault[0] != '\0') {
            say(in, out, "users", CHECK_WARNING,
                "%s does not say: %s; GRANT SELECT ON mysql.global_priv TO %s", f->node,
                f->users_fault, f->account);
            return;
        }
    }
    for (size_t i = 0; i < in->conf->n_users; i++) {
        struct detail one = {0};

        if (!in->conf->users[i].active || !in->conf->users[i].backend) {
            continue;
        }
        judge_user(in, in->conf->users[i].username, &one);
        n++;
        n_bad += one.len > 0 ? 1 : 0;
        if (one.len > 0 && n_bad <= NAMED_MAX) {
            add(&detail, "%s%s", comma(&detail), one.text);
        }
    }
    if (n_bad == 0) {
        say(in, out, "users", CHECK_GOOD, "%zu users of mysql_users are the same on all nodes", n);
    } else {
        say(in, out, "users", CHECK_ERROR, "%zu of %zu users: %s", n_bad, n, detail.text);
    }
}

/* --- the probe -------------------------------------------------------------------------------- */

static void judge_probe(const struct check_input *in, struct reply *out)
{
    struct detail detail = {0};
    bool has_writer = false;

    for (size_t i = 0; i < in->n; i++) {
        const struct check_facts *f = &in->facts[i];

        if (f->probe_is_right) {
            say(in, out, "write and read", CHECK_WARNING,
                "%s: %s; GRANT SELECT, INSERT, DELETE, CREATE ON galeway_probe.* TO %s", f->node,
                f->probe_fault, f->account);
            return;
        }
        if (f->probe_fault[0] != '\0') {
            say(in, out, "write and read", CHECK_ERROR, "%s: %s", f->node, f->probe_fault);
            return;
        }
        has_writer |= f->is_writer && f->has_probe;
        if (f->has_probe) {
            add(&detail, "%s%s %s after %llu ms", comma(&detail), f->node,
                f->is_writer ? "wrote" : "had it", (unsigned long long)f->probe_ms);
        }
    }
    say(in, out, "write and read", has_writer ? CHECK_GOOD : CHECK_ERROR, "%s",
        has_writer ? detail.text : "there is no writer to write to");
}

/* --- all -------------------------------------------------------------------------------------- */

void check_judge(const struct check_input *in, struct reply *out)
{
    if (judge_answers(in, out) == 0) {
        return;
    }
    for (unsigned v = 0; v < CHECK_VALUE_COUNT; v++) {
        if (in->is_galera || !values[v].is_galera) {
            judge_value(in, out, (enum check_value)v);
        }
    }
    judge_limits(in, out);
    judge_clocks(in, out);
    judge_users(in, out);
    if (in->is_galera) {
        judge_probe(in, out);
    }
}
