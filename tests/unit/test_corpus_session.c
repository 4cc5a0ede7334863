/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_corpus_session.c - fuzz_session runs over its seeds and over what once broke something, and
 * over some of them with memory that runs out.
 */
#include "base/mem.h"
#include "tests/unit/corpus.h"

/* NOLINTBEGIN(bugprone-suspicious-include,readability-identifier-naming) */
#define LLVMFuzzerTestOneInput fuzz_session
#include "tests/fuzz/fuzz_session.c"
#undef LLVMFuzzerTestOneInput
/* NOLINTEND(bugprone-suspicious-include,readability-identifier-naming) */

TEST(corpus_of_session)
{
    corpus_run(fuzz_session, "corpus/session");
}

TEST(regression_of_session)
{
    corpus_run(fuzz_session, "regression/session");
}

/* The n-th mem_try() fails, for every n until the script comes to its end without one. */
static void run_without_memory(const char *name)
{
    uint8_t bytes[512];
    char path[128];
    size_t n;
    uint64_t failures;
    unsigned at = 0;

    (void)snprintf(path, sizeof(path), "tests/fuzz/corpus/session/%s", name);
    n = corpus_read(path, bytes + 2, sizeof(bytes) - 2);
    assert_true(n > 1);
    bytes[0] = bytes[2] | 0x80;
    do {
        at++;
        bytes[1] = (uint8_t)at;
        bytes[2] = (uint8_t)(at >> 8);
        failures = mem_failures();
        assert_int_equal(fuzz_session(bytes, n + 2), 0);
    } while (mem_failures() > failures && at < 1000);
    assert_true(at > 10 && at < 1000);
}

TEST(session_lives_without_memory_for_a_transaction)
{
    run_without_memory("transaction_commit");
}

TEST(session_lives_without_memory_for_prepared_statements)
{
    run_without_memory("prepare_again_elsewhere");
}

TEST(session_lives_without_memory_for_the_cache)
{
    run_without_memory("cache_hit_and_write");
}

TEST(session_lives_without_memory_for_variables)
{
    run_without_memory("set_names_and_mode");
}

TEST(session_lives_without_memory_for_warnings)
{
    run_without_memory("warnings_fetched");
}

TEST(session_lives_without_memory_while_a_client_does_not_read)
{
    run_without_memory("client_does_not_read");
}

TEST(session_lives_without_memory_for_rules)
{
    run_without_memory("rules_act");
}
