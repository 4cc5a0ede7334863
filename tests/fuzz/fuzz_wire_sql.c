/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_wire_sql.c - any bytes as statements of the console, with values for their parameters.
 *
 *   length of the text (2 bytes, little endian), text, then for each parameter: type (2), null (1),
 *   value
 *
 * What must hold: statements lie in the text, one behind the other, and none begins with a space;
 * cut off and split again each is itself; a bound statement has no parameter left but those of its
 * values, and none at all when all values are NULL.
 */
#include "admin/wire_sql.h"
#include "base/err.h"
#include "base/mem.h"

#define PARAMS_MAX 64
#define BOUND_MAX  ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void check_alone(struct slice sql)
{
    struct slice rest = sql;
    struct slice again = sql_next(&rest);

    CHECK(again.data == sql.data && again.len == sql.len && rest.len == 0);
}

static void check_bound(struct slice sql, struct reader *r)
{
    struct sql_param params[PARAMS_MAX], nulls[PARAMS_MAX];
    size_t n = sql_params(sql), len = 0;
    char *text = NULL;

    if (n > PARAMS_MAX) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        params[i] = (struct sql_param){.type = get_u16(r), .is_null = (get_u8(r) & 1) != 0};
        nulls[i] = (struct sql_param){.is_null = true};
        if (sql_param_read(&params[i], r) != 0) {
            return;
        }
    }
    if (sql_bind(&text, &len, sql, params, BOUND_MAX) == 0) {
        CHECK(len <= BOUND_MAX && len + n >= sql.len);
        CHECK(n > 0 || (len == sql.len && (len == 0 || memcmp(text, sql.data, len) == 0)));
        CHECK(len == 0 || n == 0 || sql_params((struct slice){text, len}) == 0);
        mem_free(MEM_ADMIN, text);
    }
    if (sql_bind(&text, &len, sql, nulls, BOUND_MAX) == 0) {
        CHECK(sql_params((struct slice){text, len}) == 0);
        mem_free(MEM_ADMIN, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(data, size);
    struct slice text = get_bytes(&r, get_u16(&r)), rest = text, sql;
    const char *behind = text.data;

    if (r.failed) {
        return 0;
    }
    while ((sql = sql_next(&rest)).len > 0) {
        CHECK(sql.data >= behind && sql.data + sql.len <= text.data + text.len);
        CHECK(!is_blank(sql.data[0]));
        behind = sql.data + sql.len;
        check_alone(sql);
        check_bound(sql, &r);
    }
    CHECK(rest.len == 0);
    return 0;
}
