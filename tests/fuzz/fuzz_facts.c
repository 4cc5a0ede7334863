/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_facts.c - any bytes as a statement; the first byte is the mode and settings of digests.
 *
 * What must hold: a read is none of the things that forbid one, names lie inside of the statement,
 * the digest is that of the text, the body alone has the same digest and is a read as well.
 */
#include "router/digest.h"
#include "router/facts.h"

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
