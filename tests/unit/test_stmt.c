/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stmt.c - prepared statement packets.
 */
#include "base/err.h"
#include "protocol/stmt.h"
#include "tests/unit/cuts.h"

/* EXECUTE of statement 7 with 9 parameters, types bound. */
static const char bound[] =
    "\x17\x07\x00\x00\x00\x01\x01\x00\x00\x00"
    "\x00\x01"
    "\x01"
    "\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x00\x03\x80"
    "values";
static const char unbound[] = "\x17\x07\x00\x00\x00\x00\x01\x00\x00\x00\x03\x00values";
static const char plain[] = "\x17\xff\xff\xff\xff\x00\x01\x00\x00\x00";

static uint16_t params; /* what decode_execute takes for the statement's number of parameters */

static int decode_execute(const uint8_t *data, size_t len)
{
    struct execute e;
    int rc = execute_decode(&e, params, data, len);

    cuts_assert_inside(e.nulls, data, len);
    cuts_assert_inside(e.types, data, len);
    cuts_assert_inside(e.values, data, len);
    if (rc == 0) {
        assert_int_equal(e.types.len, e.has_types ? 2u * params : 0);
        assert_true(e.types_at < len);
    }
    return rc;
}

TEST(execute_decode_every_cut)
{
    params = 9;
    cuts_check(decode_execute, bound, sizeof(bound) - 1, 31);
    params = 2;
    cuts_check(decode_execute, unbound, sizeof(unbound) - 1, 12);
    params = 0;
    cuts_check(decode_execute, plain, sizeof(plain) - 1, sizeof(plain) - 1);
    params = UINT16_MAX;
    assert_int_equal(cuts_run(decode_execute, bound, sizeof(bound) - 1), ERR_MALFORMED);
}

TEST(execute_decode_gives_the_fields)
{
    struct execute e;

    assert_int_equal(execute_decode(&e, 9, (const uint8_t *)bound, sizeof(bound) - 1), 0);
    assert_int_equal(e.stmt_id, 7);
    assert_int_equal(e.cursor, CURSOR_READ_ONLY);
    assert_true(e.has_types);
    assert_int_equal(e.types_at, 12);
    assert_int_equal(e.types.len, 18);
    assert_slice_equal(e.values, "values");
    assert_int_equal(execute_decode(&e, 2, (const uint8_t *)unbound, sizeof(unbound) - 1), 0);
    assert_false(e.has_types);
    assert_int_equal(e.types_at, 11);
    assert_int_equal(e.nulls.len, 1);
    assert_slice_equal(e.values, "values");
    assert_int_equal(execute_decode(&e, 0, (const uint8_t *)plain, sizeof(plain) - 1), 0);
    assert_true(e.stmt_id == STMT_ID_LAST);
    assert_int_equal(e.types_at, 0);
    assert_int_equal(e.values.len, 0);
}

static void encode_again(const char *in, size_t len, uint16_t n_params, struct slice types,
                         const char *out, size_t out_len)
{
    struct execute e;
    uint8_t data[128];
    struct writer w = writer_of(data, sizeof(data));

    assert_int_equal(execute_decode(&e, n_params, (const uint8_t *)in, len), 0);
    execute_encode(&w, &e, 0x01020304, types);
    assert_false(w.failed);
    assert_int_equal(w.len, out_len);
    assert_memory_equal(data, "\x17\x04\x03\x02\x01", 5);
    assert_memory_equal(data + 5, out + 5, out_len - 5);
}

TEST(execute_encode_changes_id_and_types)
{
    static const char added[] =
        "\x17\x07\x00\x00\x00\x00\x01\x00\x00\x00\x03\x01\x08\x00\xfd\x00values";
    const struct slice none = {NULL, 0};

    encode_again(bound, sizeof(bound) - 1, 9, none, bound, sizeof(bound) - 1);
    encode_again(unbound, sizeof(unbound) - 1, 2, none, unbound, sizeof(unbound) - 1);
    encode_again(plain, sizeof(plain) - 1, 0, none, plain, sizeof(plain) - 1);
    encode_again(unbound, sizeof(unbound) - 1, 2, SLICE("\x08\x00\xfd\x00"), added,
                 sizeof(added) - 1);
    encode_again(added, sizeof(added) - 1, 2, SLICE("\x08\x00\xfd\x00"), added, sizeof(added) - 1);
}

TEST(execute_of_many_rows)
{
    static const char typed[] = "\xfa\x07\x00\x00\x00\x80\x00\x03\x00\xfd\x00\x00one\x01";
    static const char untyped[] = "\xfa\x07\x00\x00\x00\x00\x00\x00one\x01";
    static const char none[] = "\xfa\x07\x00\x00\x00\x00\x00";
    struct execute e;
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof(data));

    params = 2;
    cuts_check(decode_execute, typed, sizeof(typed) - 1, 11);
    cuts_check(decode_execute, untyped, sizeof(untyped) - 1, 7);
    assert_int_equal(execute_decode(&e, 2, (const uint8_t *)untyped, sizeof(untyped) - 1), 0);
    assert_true(e.is_bulk && !e.has_types && e.cursor == 0);
    assert_int_equal(e.stmt_id, 7);
    assert_int_equal(e.values.len, 5);
    execute_encode(&w, &e, 9, (struct slice){NULL, 0});
    assert_int_equal(w.len, sizeof(untyped) - 1);
    assert_memory_equal(data, "\xfa\x09", 2);
    assert_memory_equal(data + 2, untyped + 2, w.len - 2);
    w = writer_of(data, sizeof(data));
    execute_encode(&w, &e, 7, SLICE("\x03\x00\xfd\x00"));
    assert_int_equal(w.len, sizeof(typed) - 1);
    assert_memory_equal(data, typed, w.len);
    assert_int_equal(execute_decode(&e, 2, data, w.len), 0);
    assert_int_equal(e.types.len, 4);
    assert_memory_equal(e.types.data, "\x03\x00\xfd\x00", 4);
    assert_int_equal(execute_decode(&e, 0, (const uint8_t *)none, sizeof(none) - 1), 0);
    assert_true(e.is_bulk && e.values.len == 0);
}

static int decode_prepare_ok(const uint8_t *data, size_t len)
{
    struct prepare_ok p;

    return prepare_ok_decode(&p, data, len);
}

TEST(prepare_ok_decode_every_cut)
{
    static const char reply[] = "\x00\x01\x02\x00\x00\x05\x00\x07\x01\x00\x03\x00";
    struct prepare_ok p;

    cuts_check(decode_prepare_ok, reply, sizeof(reply) - 1, sizeof(reply) - 1);
    assert_int_equal(prepare_ok_decode(&p, (const uint8_t *)reply, sizeof(reply) - 1), 0);
    assert_int_equal(p.stmt_id, 0x201);
    assert_int_equal(p.n_columns, 5);
    assert_int_equal(p.n_params, 0x107);
    assert_int_equal(p.warnings, 3);
    assert_int_equal(prepare_ok_decode(&p, (const uint8_t *)"\xff", 1), ERR_MALFORMED);
}

static int decode_id(const uint8_t *data, size_t len)
{
    uint32_t id;

    return stmt_id_get(&id, data, len);
}

TEST(stmt_id_there_and_back)
{
    uint8_t packet[] = {0x19, 1, 2, 3, 4, 9};
    uint32_t id;

    assert_int_equal(stmt_id_get(&id, packet, sizeof(packet)), 0);
    assert_int_equal(id, 0x04030201);
    stmt_id_put(packet, 0xfffefdfc);
    assert_memory_equal(packet, "\x19\xfc\xfd\xfe\xff\x09", 6);
    cuts_check(decode_id, packet, sizeof(packet), 5);
}
