/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_learn.c - what nodes have answered once: SET statements and reads of variables.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "pool/account.h"
#include "protocol/caps.h"
#include "protocol/reply.h"
#include "proxy/learn.h"
#include "tests/unit/test.h"

static const struct set_said nothing_said = {.is_known = true};

struct fixture {
    struct profiles profiles;
    struct learnt learnt;
    struct profile *ansi, *utc; /* references */
    struct account a, b;
    uint64_t now_ms;
};

static void make(struct fixture *f)
{
    *f = (struct fixture){.a = {.id = 1}, .b = {.id = 2}, .now_ms = 5000};
    profiles_init(&f->profiles);
    learnt_init(&f->learnt, &f->profiles);
    f->ansi = profile_with(&f->profiles, f->profiles.empty, VAR_SQL_MODE, SLICE("ANSI"));
    f->utc = profile_with(&f->profiles, f->profiles.empty, VAR_TIME_ZONE, SLICE("UTC"));
}

static void done(struct fixture *f)
{
    learnt_fini(&f->learnt);
    profile_unref(&f->profiles, f->ansi);
    profile_unref(&f->profiles, f->utc);
    profiles_fini(&f->profiles); /* aborts when a reference is left */
    assert_int_equal(mem_blocks(MEM_ANSWER), 0);
}

static struct profile *find(struct fixture *f, const char *text)
{
    const struct learnt_set *set =
        learnt_set_find(&f->learnt, &f->a, f->profiles.empty, slice_of(text), f->now_ms);

    return set == NULL ? NULL : set->to;
}

static void keep(struct fixture *f, const char *text, struct profile *to)
{
    learnt_set_keep(&f->learnt, &f->a, f->profiles.empty, slice_of(text), to, nothing_said,
                    f->now_ms);
}

/* --- SET -------------------------------------------------------------------------------------- */

TEST(learn_set_is_known_for_account_profile_and_text)
{
    struct fixture f;
    struct slice text = SLICE("SET sql_mode='ANSI'");

    make(&f);
    assert_null(find(&f, text.data));
    keep(&f, text.data, f.ansi);
    assert_ptr_equal(find(&f, text.data), f.ansi);
    assert_null(learnt_set_find(&f.learnt, &f.b, f.profiles.empty, text, f.now_ms));
    assert_null(learnt_set_find(&f.learnt, &f.a, f.utc, text, f.now_ms));
    assert_null(find(&f, "SET sql_mode='ANSI' "));
    assert_null(find(&f, "set sql_mode='ANSI'"));
    assert_null(find(&f, ""));
    done(&f);
}

TEST(learn_set_is_asked_again_after_its_time)
{
    struct fixture f;

    make(&f);
    keep(&f, "SET x", f.ansi);
    f.now_ms += LEARN_TTL_MS - 1;
    assert_ptr_equal(find(&f, "SET x"), f.ansi);
    f.now_ms++;
    assert_null(find(&f, "SET x"));
    keep(&f, "SET x", f.ansi);
    assert_ptr_equal(find(&f, "SET x"), f.ansi);
    done(&f);
}

TEST(learn_set_newest_answer_counts)
{
    struct fixture f;

    make(&f);
    keep(&f, "SET x", f.ansi);
    keep(&f, "SET x", f.utc);
    assert_ptr_equal(find(&f, "SET x"), f.utc);
    assert_int_equal(f.learnt.sets.count, 1);
    done(&f);
}

/* What was learnt stays true when everybody else has left the profiles. */
TEST(learn_set_holds_its_profiles)
{
    struct fixture f;
    struct profile *from;
    struct profile *to;

    make(&f);
    from = profile_with(&f.profiles, f.ansi, VAR_WAIT_TIMEOUT, SLICE("1"));
    to = profile_with(&f.profiles, f.ansi, VAR_WAIT_TIMEOUT, SLICE("2"));
    learnt_set_keep(&f.learnt, &f.a, from, SLICE("SET wait_timeout=2"), to, nothing_said, f.now_ms);
    profile_unref(&f.profiles, from);
    profile_unref(&f.profiles, to);
    assert_ptr_equal(
        learnt_set_find(&f.learnt, &f.a, from, SLICE("SET wait_timeout=2"), f.now_ms)->to, to);
    assert_true(slice_eq(to->values[VAR_WAIT_TIMEOUT], SLICE("2")));
    done(&f);
}

TEST(learn_set_has_a_copy_of_what_was_reported)
{
    char changes[] = "\x00\x04\x01x\x01y";
    const struct set_said said = {
        .changes = {changes, sizeof(changes) - 1}, .is_known = true, .is_told = true};
    const struct learnt_set *set;
    struct fixture f;

    make(&f);
    learnt_set_keep(&f.learnt, &f.a, f.profiles.empty, SLICE("SET x='y'"), f.ansi, said, f.now_ms);
    memset(changes, 'z', sizeof(changes));
    set = learnt_set_find(&f.learnt, &f.a, f.profiles.empty, SLICE("SET x='y'"), f.now_ms);
    assert_non_null(set);
    assert_true(slice_eq(set->said.changes, SLICE("\x00\x04\x01x\x01y")));
    assert_true(set->said.is_known && set->said.is_told);
    done(&f);
}

TEST(learn_set_text_that_is_too_long_is_not_kept)
{
    char *text = malloc(100000);
    struct fixture f;

    assert_non_null(text);
    memset(text, 't', 100000);
    make(&f);
    learnt_set_keep(&f.learnt, &f.a, f.profiles.empty, (struct slice){text, 100000}, f.ansi,
                    nothing_said, f.now_ms);
    assert_int_equal(f.learnt.sets.count, 0);
    assert_null(
        learnt_set_find(&f.learnt, &f.a, f.profiles.empty, (struct slice){text, 100000}, f.now_ms));
    free(text);
    done(&f);
}

TEST(learn_set_full_table_starts_anew)
{
    struct fixture f;
    char text[16] = "SET x=00000";

    make(&f);
    for (unsigned i = 0; i < LEARN_MAX + 1; i++) {
        for (unsigned d = 0, rest = i; d < 5; d++, rest /= 10) {
            text[10 - d] = (char)('0' + rest % 10);
        }
        keep(&f, text, f.ansi);
        assert_true(f.learnt.sets.count <= LEARN_MAX);
        assert_ptr_equal(find(&f, text), f.ansi); /* the newest is always there */
    }
    assert_int_equal(f.learnt.sets.count, 1);
    done(&f);
}

TEST(learn_set_without_memory_is_not_kept)
{
    struct fixture f;

    make(&f);
    for (unsigned n = 1; find(&f, "SET x") == NULL; n++) {
        assert_true(n < 10);
        mem_fail_at(n);
        keep(&f, "SET x", f.ansi);
        mem_fail_at(0);
    }
    done(&f);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What a node sends for SELECT @@name: one row (or as many as asked for). */
static size_t result_for(uint64_t caps, uint8_t *bytes, size_t cap, const char *value,
                         unsigned rows, uint16_t status)
{
    struct column column = {.name = SLICE("@@name"), .type = TYPE_VAR_STRING};
    struct slice field = slice_of(value);
    struct writer w = writer_of(bytes, cap);
    uint8_t sequence = result_begin(&w, 1, 1);

    sequence = column_encode(&w, caps, &column, sequence);
    sequence = columns_end_encode(&w, caps, status, sequence);
    for (unsigned i = 0; i < rows; i++) {
        sequence = row_encode(&w, &field, 1, sequence);
    }
    (void)rows_end_encode(&w, caps, 0, status, sequence);
    assert_false(w.failed);
    return w.len;
}

static size_t result(uint8_t *bytes, size_t cap, const char *value, unsigned rows, uint16_t status)
{
    return result_for(0, bytes, cap, value, rows, status);
}

TEST(learn_answer_is_the_bytes_and_where_the_status_is)
{
    uint8_t bytes[512];
    size_t len = result(bytes, sizeof(bytes), "value", 1, 0xabcd);
    const struct learnt_answer *answer;
    struct slice text = SLICE("SELECT @@name");
    struct fixture f;

    make(&f);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, text, (struct slice){(const char *)bytes, len},
                       f.now_ms);
    answer = learnt_answer_find(&f.learnt, 10, 0, f.ansi, text, f.now_ms);
    assert_non_null(answer);
    assert_int_equal(answer->len, len);
    assert_memory_equal(answer->bytes, bytes, len);
    for (unsigned i = 0; i < 2; i++) {
        assert_true((size_t)answer->status_at[i] + 2 <= len);
        assert_memory_equal(answer->bytes + answer->status_at[i], "\xcd\xab", 2);
    }
    assert_int_equal(answer->status_at[1], len - 2);
    assert_int_not_equal(answer->status_at[0], answer->status_at[1]);
    assert_null(learnt_answer_find(&f.learnt, 10, 0, f.utc, text, f.now_ms));
    assert_null(learnt_answer_find(&f.learnt, 20, 0, f.ansi, text, f.now_ms));
    assert_null(learnt_answer_find(&f.learnt, 10, 0, f.ansi, SLICE("SELECT @@name2"), f.now_ms));
    assert_null(learnt_answer_find(&f.learnt, 10, 0, f.ansi, text, f.now_ms + LEARN_TTL_MS));
    done(&f);
}

TEST(learn_answer_of_each_form)
{
    static const uint64_t forms[] = {0, CAP_DEPRECATE_EOF, CAP_EXTENDED_METADATA,
                                     CAP_DEPRECATE_EOF | CAP_EXTENDED_METADATA};
    struct slice text = SLICE("SELECT @@name");
    struct fixture f;

    make(&f);
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        uint8_t bytes[512];
        size_t len = result_for(forms[i], bytes, sizeof(bytes), "value", 1, 0xabcd);
        const struct learnt_answer *answer;

        learnt_answer_keep(&f.learnt, 10, forms[i] | CAP_FOUND_ROWS, f.ansi, text,
                           (struct slice){(const char *)bytes, len}, f.now_ms);
        answer = learnt_answer_find(&f.learnt, 10, forms[i], f.ansi, text, f.now_ms);
        assert_non_null(answer);
        assert_memory_equal(answer->bytes, bytes, len);
        assert_int_equal(answer->n_status, (forms[i] & CAP_DEPRECATE_EOF) != 0 ? 1 : 2);
        for (unsigned n = 0; n < answer->n_status; n++) {
            assert_memory_equal(answer->bytes + answer->status_at[n], "\xcd\xab", 2);
        }
        assert_int_equal(f.learnt.answers.count, i + 1);
    }
    done(&f);
}

/* Memory of exactly the size: nothing is read behind it, and half a reply is not learnt. */
TEST(learn_answer_cut_anywhere_is_not_kept)
{
    uint8_t bytes[512];
    size_t len = result(bytes, sizeof(bytes), "value", 1, STATUS_AUTOCOMMIT);
    struct fixture f;

    make(&f);
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t *part = malloc(cut);

        assert_non_null(part);
        memcpy(part, bytes, cut);
        learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                           (struct slice){(const char *)part, cut}, f.now_ms);
        assert_int_equal(f.learnt.answers.count, 0);
        free(part);
    }
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, len}, f.now_ms);
    assert_int_equal(f.learnt.answers.count, 1);
    done(&f);
}

TEST(learn_answer_that_is_no_single_result_is_not_kept)
{
    uint8_t bytes[2048];
    struct writer w;
    struct fixture f;
    size_t len;

    make(&f);
    w = writer_of(bytes, sizeof(bytes)); /* OK */
    (void)ok_encode(&w, &(struct ok){.status = STATUS_AUTOCOMMIT}, 1);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, w.len}, f.now_ms);
    w = writer_of(bytes, sizeof(bytes)); /* ERR */
    (void)err_encode(&w, 1193, "HY000", SLICE("Unknown system variable"), 1);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, w.len}, f.now_ms);
    len = result(bytes, sizeof(bytes), "v", 1, STATUS_AUTOCOMMIT | STATUS_MORE_RESULTS);
    len += result(bytes + len, sizeof(bytes) - len, "v", 1, STATUS_AUTOCOMMIT);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, len}, f.now_ms);
    assert_int_equal(f.learnt.answers.count, 0);
    done(&f);
}

TEST(learn_answer_that_is_too_long_is_not_kept)
{
    static uint8_t bytes[4096];
    char value[LEARN_ANSWER_MAX];
    struct fixture f;
    size_t len;

    make(&f);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    len = result(bytes, sizeof(bytes), value, 1, STATUS_AUTOCOMMIT);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, len}, f.now_ms);
    assert_int_equal(f.learnt.answers.count, 0);
    done(&f);
}

TEST(learn_answer_newest_counts)
{
    uint8_t bytes[512];
    size_t len = result(bytes, sizeof(bytes), "old", 1, STATUS_AUTOCOMMIT);
    struct fixture f;

    make(&f);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, len}, f.now_ms);
    len = result(bytes, sizeof(bytes), "newer", 1, STATUS_AUTOCOMMIT);
    learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                       (struct slice){(const char *)bytes, len}, f.now_ms + 1);
    assert_int_equal(f.learnt.answers.count, 1);
    assert_int_equal(learnt_answer_find(&f.learnt, 10, 0, f.ansi, SLICE("q"), f.now_ms + 1)->len,
                     len);
    for (unsigned n = 1; n < 4; n++) {
        mem_fail_at(n);
        learnt_answer_keep(&f.learnt, 10, 0, f.ansi, SLICE("q"),
                           (struct slice){(const char *)bytes, len}, f.now_ms);
        mem_fail_at(0);
    }
    done(&f);
}
