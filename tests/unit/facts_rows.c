/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts_rows.c - compares rows with what facts_scan() says.
 */
#include "tests/unit/facts_rows.h"

#include "router/digest.h"

struct facts facts_of(const char *sql)
{
    struct facts f;

    facts_scan(&f, slice_of(sql), 0);
    return f;
}

static void print_tables(const struct facts *f, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < f->n_tables && len < cap; i++) {
        const struct table_name *t = &f->tables[i];

        len += (size_t)snprintf(out + len, cap - len, "%s%.*s%s%.*s", i > 0 ? ", " : "",
                                SLICE_ARGS(t->schema), t->schema.len > 0 ? "." : "",
                                SLICE_ARGS(t->name));
    }
}

static void check_whole(const struct facts_row *row)
{
    struct facts f = facts_of(row->sql);
    char tables[1024];
    char wrong[2048];
    uint64_t digest;

    print_tables(&f, tables, sizeof(tables));
    if (f.verb != row->verb || f.flags != row->flags || f.local != row->local ||
        strcmp(tables, row->tables) != 0) {
        snprintf(wrong, sizeof(wrong),
                 "%s\n  verb %s, not %s; flags too many %#x, too few %#x; local %d, not %d; "
                 "tables \"%s\", not \"%s\"",
                 row->sql, verb_name((enum verb)f.verb), verb_name(row->verb),
                 f.flags & ~row->flags, row->flags & ~f.flags, f.local, (int)row->local, tables,
                 row->tables);
        fail_msg("%s", wrong);
    }
    (void)digest_text(slice_of(row->sql), 0, NULL, 0, &digest);
    assert_true(digest == f.digest);
}

/* check_facts - what holds for any bytes. */
static void check_facts(const struct facts *f, struct slice sql)
{
    const uint32_t never = FACT_MULTI | FACT_UNTERMINATED | FACT_EXECUTABLE_COMMENT | FACT_INTO |
                           FACT_LOCKING_READ | FACT_USER_VARIABLE | FACT_RUNS_UNSEEN;

    assert_true((f->flags & FACT_READ) == 0 || (f->flags & never) == 0);
    assert_true(f->n_tables <= FACTS_MAX_TABLES);
    assert_true(f->body.len == 0 ||
                (f->body.data >= sql.data && f->body.data + f->body.len <= sql.data + sql.len));
    assert_true(f->local == LOCAL_NONE || f->n_tables == 0);
}

static void check_prefixes(const char *sql)
{
    size_t len = strlen(sql);

    for (size_t i = 0; i <= len; i++) {
        char *copy = malloc(i == 0 ? 1 : i);
        struct slice part = {copy, i};
        struct facts f;

        memcpy(copy, sql, i);
        for (uint32_t mode = 0; mode < 4; mode++) {
            facts_scan(&f, part, mode);
            check_facts(&f, part);
        }
        facts_scan_head(&f, part, 0);
        assert_true((f.flags & FACT_READ) == 0 && (f.flags & FACT_TABLES_UNKNOWN) != 0);
        free(copy);
    }
}

void facts_rows_check(const struct facts_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_whole(&rows[i]);
        check_prefixes(rows[i].sql);
    }
}
