/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_set.c - any bytes as a SET or USE statement; the first byte is the mode.
 *
 * What must hold: opaque is empty, texts have no byte that needs an escape, what set_parse() calls
 * an expression can be evaluated when all variables are known, within any bound.
 */
#include "router/facts.h"
#include "router/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice get(void *owner, int variable)
{
    (void)owner;
    return variable_kind(variable) == VALUE_NUMBER ? SLICE("28800") : SLICE("ANSI,TRADITIONAL");
}

static void check_assignment(const struct assignment *a)
{
    static char out[1 << 13];
    int len;

    CHECK(a->variable >= VARIABLE_NONE && a->variable < VARIABLE_COUNT);
    CHECK(a->variable != VARIABLE_NONE || a->name.len > 0);
    CHECK(a->text.data != NULL);
    if (a->value == SET_TEXT || a->value == SET_WORD) {
        CHECK(a->text.len == 0 || memchr(a->text.data, '\\', a->text.len) == NULL);
    }
    if (a->value == SET_FUNCTION) {
        len = set_evaluate(a->text, get, NULL, out, sizeof(out));
        for (int cap = 0; cap < MIN(len, 64); cap++) {
            CHECK(set_evaluate(a->text, get, NULL, out, (size_t)cap) == -1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct set_statement set;
    struct slice sql;
    struct slice schema;

    if (size == 0) {
        return 0;
    }
    sql = (struct slice){(const char *)data + 1, size - 1};
    set_parse(&set, sql, data[0] & 3);
    CHECK(set.form <= SET_TRANSACTION_SESSION && set.n <= SET_MAX_ASSIGNMENTS);
    CHECK((set.form == SET_OPAQUE) == (set.n == 0));
    for (size_t i = 0; i < set.n; i++) {
        check_assignment(&set.assignments[i]);
    }
    schema = use_parse(sql);
    CHECK(schema.len == 0 ||
          (schema.data >= sql.data && schema.data + schema.len <= sql.data + sql.len));
    return 0;
}
