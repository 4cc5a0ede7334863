/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_facts.c - any bytes as a statement; the first byte is the mode and settings of digests.
 *
 * What must hold: a read is none of the things that forbid one, names lie inside of the statement,
 * the digest is that of the text, the body alone has the same digest and is a read as well; what is
 * bound to rows is one statement about one table.
 */
#include "router/digest.h"
#include "router/facts.h"
#include "router/named.h"
#include "router/row_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice part, struct slice whole)
{
    CHECK(part.len == 0 ||
          (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void check_facts(const struct facts *f, struct slice sql)
{
    const uint32_t never = FACT_MULTI | FACT_UNTERMINATED | FACT_EXECUTABLE_COMMENT | FACT_INTO |
                           FACT_LOCKING_READ | FACT_USER_VARIABLE | FACT_RUNS_UNSEEN |
                           FACT_GET_LOCK | FACT_SETS_INSERT_ID;

    CHECK((f->flags & FACT_READ) == 0 || (f->flags & never) == 0);
    CHECK(f->n_tables <= FACTS_MAX_TABLES);
    for (size_t i = 0; i < f->n_tables; i++) {
        check_inside(f->tables[i].schema, sql);
        check_inside(f->tables[i].name, sql);
    }
    check_inside(f->body, sql);
    check_inside(f->column_name, f->body);
    CHECK(f->verb <= VERB_OTHER && f->local <= LOCAL_DO);
    CHECK(f->local == LOCAL_NONE || (f->flags & (FACT_MULTI | FACT_UNTERMINATED)) == 0);
}

static void check_name(void *arg, struct slice name)
{
    check_inside(name, *(const struct slice *)arg);
}

static void check_rows(const struct facts *f, struct slice sql, uint32_t mode)
{
    const struct row_key_patterns patterns = {
        2, {{SLICE("%options"), SLICE("option_name")}, {SLICE("%t%"), SLICE("a")}}};
    const uint32_t never = FACT_MULTI | FACT_UNTERMINATED | FACT_EXECUTABLE_COMMENT |
                           FACT_USER_VARIABLE | FACT_RUNS_UNSEEN | FACT_TABLES_UNKNOWN | FACT_DDL;
    struct row_keys keys;
    bool is_bound = row_keys_of(f, sql, mode, &patterns, &keys);

    CHECK(is_bound == (keys.n > 0) && keys.n <= ROW_KEYS_MAX);
    CHECK(!is_bound || (f->n_tables == 1 && (f->flags & never) == 0 && f->verb == f->runs));
    named_schemas(sql, mode, true, check_name, &sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[1 << 16];
    struct facts f;
    struct facts body;
    struct slice sql;
    uint32_t mode;
    uint64_t digest;
    size_t len;

    if (size == 0) {
        return 0;
    }
    /* The session's mode, the settings of digests, and short lists and rows. */
    mode = (data[0] & 3U) | (data[0] & 0x1cU) | (data[0] >> 6 & 1U) << DIGEST_LIST_SHIFT |
           (data[0] >> 5 & 3U) << DIGEST_ROWS_SHIFT;
    sql = (struct slice){(const char *)data + 1, size - 1};
    facts_scan(&f, sql, mode);
    check_facts(&f, sql);
    check_rows(&f, sql, mode);
    len = digest_text(sql, mode, text, sizeof(text), &digest);
    CHECK(digest == f.digest && len <= sizeof(text));
    if (f.body.len > 0 && f.body.data[f.body.len - 1] == '-') {
        return 0; /* what is no comment in front of other bytes is one at the end */
    }
    facts_scan(&body, f.body, mode);
    CHECK((f.flags & (FACT_MULTI | FACT_UNTERMINATED)) != 0 || body.digest == f.digest);
    CHECK((f.flags & FACT_READ) == 0 || (body.flags & FACT_READ) != 0);
    facts_scan_head(&f, sql, mode);
    check_facts(&f, sql);
    CHECK((f.flags & FACT_READ) == 0 && f.local == LOCAL_NONE);
    return 0;
}
